"""The commands below ``emolive weights``: public weights in, safely, with their licence."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from emolive.errors import INTERRUPTED, InputError
from realtime_model.pretrained.kinds import DEFAULT_FOLDER, KINDS, NEEDS

weights = typer.Typer(help="Public weights for the preset emo-sd15.", no_args_is_help=True)

_HUB_NAME = r"[\w-][\w.-]*/[\w-][\w.-]*"
KindName = StrEnum("KindName", {name: name for name in KINDS})  # type: ignore[misc]
Folder = Annotated[
    Path, typer.Option(help="Where converted weights lie.", file_okay=False, show_default=True)
]


@weights.command("add")
def add(
    kind: Annotated[KindName, typer.Argument(help="What the weights are.", show_choices=True)],
    source: Annotated[
        str,
        typer.Argument(
            metavar="PATH_OR_HUB_ID",
            help="A file, a folder, or owner/name on the Hugging Face hub.",
        ),
    ],
    revision: Annotated[
        str | None, typer.Option(help="Commit, tag or branch on the hub. [default: the newest]")
    ] = None,
    folder: Folder = DEFAULT_FOLDER,
    overwrite: Annotated[bool, typer.Option(help="Replace weights of this kind.")] = False,
) -> None:
    """Check published weights, convert them once, and keep them with their licence."""
    from emolive.hub import fetch
    from emolive.progress import bytes_progress
    from realtime_model.pretrained.converters import converter
    from realtime_model.pretrained.store import Origin, WeightStore

    store = WeightStore(folder)
    if (folder / kind.value).exists() and not overwrite:
        raise InputError(f"There are weights {kind.value} in {folder}. Use --overwrite.")
    reader, path = converter(kind.value), Path(source)
    if path.exists():
        if revision is not None:
            raise InputError(f"{source} is on this disk; --revision is for the hub.")
    elif not re.fullmatch(_HUB_NAME, source):
        raise InputError(
            f"There is no file or folder {source}, and hub names look like owner/name."
        )
    screen = Console(stderr=True, soft_wrap=True)
    try:
        origin = Origin(source)
        if not path.exists():
            fetched = fetch(source, reader.files, revision=revision)
            path, origin = fetched.folder, Origin(source, fetched.revision)
        with bytes_progress(f"converting {kind.value}") as report:
            about = store.add(kind.value, path, origin, report)
    except KeyboardInterrupt:
        screen.print("Stopped; nothing was written.")
        raise typer.Exit(INTERRUPTED) from None
    left_out = f", {about.left_out} unused ones left out" if about.left_out else ""
    lines = [
        f"{kind.value}: {about.tensors} tensors{left_out}, {about.bytes / 1e6:.1f} MB "
        f"in {folder / kind.value}",
        f"licence: {about.licence}",
        *_outlook(frozenset(store.there())),
    ]
    screen.print("\n".join(lines), markup=False, highlight=False)


@weights.command("list")
def list_weights(folder: Folder = DEFAULT_FOLDER) -> None:
    """Show every kind, its licence, and what is missing before a preset can run."""
    from realtime_model.pretrained.converters import CONVERTERS
    from realtime_model.pretrained.store import WeightStore

    there = WeightStore(folder).there()
    table = Table("kind", "for", "state", "licence as published")
    for kind in KINDS.values():
        if kind.name in there:
            state = f"[green]{there[kind.name].bytes / 1e6:.1f} MB[/]"
        else:
            state = "missing" if kind.name in CONVERTERS else "cannot be read yet"
        table.add_row(kind.name, kind.purpose, state, str(kind.licence))
    screen = Console(soft_wrap=True)
    screen.print(table)
    screen.print("\n".join(_outlook(frozenset(there))), markup=False, highlight=False)


def _outlook(there: frozenset[str]) -> list[str]:
    """One line a preset: what it still needs."""
    lines = []
    for preset, needs in NEEDS.items():
        missing = needs.missing(there)
        rest = f"needs {', '.join(missing)}" if missing else "has the weights it needs"
        wanted = [kind for kind in needs.useful if kind not in there]
        also = f"; faster with {', '.join(wanted)}" if wanted else ""
        lines.append(f"{preset}: {rest}{also}")
    return lines
