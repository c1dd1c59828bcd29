"""The commands below ``emolive data``: one's own films as material for training."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from emolive.errors import FAILED, INTERRUPTED

if TYPE_CHECKING:
    from emolive.ingest.manifest import Manifest

data = typer.Typer(help="Make your own films ready for training.", no_args_is_help=True)


@data.callback()
def _group() -> None:
    """Keep the name of the command although it is the only one."""


@data.command("ingest")
def ingest_folder(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of films with sound.")],
    out: Annotated[Path, typer.Option(help="Where the dataset is made.")] = Path("runs/clips"),
    consent: Annotated[
        str | None,
        typer.Option(help="Who is seen and what they agreed to. [default: DIR/CONSENT.txt]"),
    ] = None,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Side of a clip, pixels.")] = 512,
    heldout: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of the persons kept for judging.")
    ] = 0.1,
    shortest: Annotated[float, typer.Option(min=1, max=20, help="Shortest clip, seconds.")] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Cut films into clips of one face that says what is heard, and tell why others are left out.

    A person is a folder in DIR, or a single film. Run it again to go on: finished films are kept.
    """
    from emolive.ingest.choosing import Rules
    from emolive.ingest.folder import Request, ingest
    from emolive.progress import films_progress

    request = Request(source, out, consent, size - size % 8, heldout, Rules(shortest_s=shortest))
    try:
        with films_progress() as report:
            manifest = ingest(request, report)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped; finished films are kept. Run it again to go on.")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps(_report(manifest), indent=2))
    else:
        _print(manifest)
    if not manifest.kept:
        raise typer.Exit(FAILED)


def _report(manifest: "Manifest") -> dict[str, object]:
    return {
        "schema": 1,
        "report": "ingested films",
        "folder": str(manifest.folder),
        "clips": len(manifest.kept),
        "seconds": _seconds(manifest),
        "persons": manifest.persons,
        "files": {name: asdict(film) for name, film in sorted(manifest.files.items())},
    }


def _seconds(manifest: "Manifest") -> float:
    return round(sum(clip.to_s - clip.from_s for _, clip in manifest.kept), 2)


def _print(manifest: "Manifest") -> None:
    """One line a stretch: kept, and what it lacks; or left out, and why."""
    table = Table("film", "seconds", "", "face", "speech", "sync", "lacks, or why it is left out")
    for name, film in sorted(manifest.files.items()):
        if film.note:
            table.add_row(escape(name), "", "", "", "", "", film.note)
        lines: list[tuple[float, tuple[str, ...]]] = []
        for clip in film.clips:
            sync = f"{clip.lag_frames:+d} ({clip.correlation:.2f})"
            cells = (f"{clip.face_px:.0f}", f"{clip.speech:.0%}", sync, "; ".join(clip.lacks))
            lines.append((clip.from_s, (_span(clip.from_s, clip.to_s), "[green]kept[/]", *cells)))
        for left in film.left_out:
            text = f"{left.reason}: {left.message}"
            lines.append((left.from_s, (_span(left.from_s, left.to_s), "out", "", "", "", text)))
        for _, line in sorted(lines):
            table.add_row(escape(name), *line)
    screen = Console(soft_wrap=True)
    screen.print(table)
    held = sum(manifest.persons[film.person] == "heldout" for film, _ in manifest.kept)
    lines_below = [
        f"{len(manifest.kept)} clips, {_seconds(manifest):.0f} s, {held} of them held out, "
        f"in {manifest.folder}"
    ]
    if manifest.kept and not held:
        lines_below.append("No clip is held out: one of another person would show what is learned.")
    screen.print("\n".join(lines_below), markup=False, highlight=False)


def _span(from_s: float, to_s: float) -> str:
    return f"{from_s:.1f} - {to_s:.1f}"
