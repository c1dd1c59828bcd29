"""``python -m realtime_model.training.portraits``: training portraits from published packages."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from realtime_model.errors import ModelError
from realtime_model.training.portraits.build import STAGES
from realtime_model.training.portraits.config import load_config
from realtime_model.training.portraits.sheet import write_sheets
from realtime_model.training.portraits.studio import Studio


def run(
    config: Annotated[Path, typer.Option(help="Recipe.")] = Path("configs/portraits.yaml"),
    out: Annotated[Path, typer.Option(help="Folder to fill.")] = Path("runs/portraits"),
    packages: Annotated[Path, typer.Option(help="Downloads.")] = Path("runs/packages"),
) -> None:
    """Collect, render and vary portraits into OUT/train and OUT/heldout; safe to run again."""
    try:
        _build(config, out, packages)
    except ModelError as exc:
        Console(stderr=True).print(f"[red]{exc}[/red]", soft_wrap=True)
        sys.exit(1)


def _build(config: Path, out: Path, packages: Path) -> None:
    studio = Studio(load_config(config), out)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    asked: set[str] = set()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for title, stage in STAGES:
            task = progress.add_task(title, total=None)
            for count, name in enumerate(stage(studio, packages), start=1):
                asked.add(name)
                progress.update(task, description=f"{title}: {count} ({name})")
            progress.update(task, total=1, completed=1)
    studio.keep_only(asked)
    studio.save()
    for sheet in write_sheets(studio):
        print(sheet)  # noqa: T201 - the command's answer
    counts = Counter(f"{p.split} {p.style}" for p in studio.portraits())
    print(", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())))  # noqa: T201


if __name__ == "__main__":
    typer.run(run)
