"""``python -m realtime_model.training.speech``: make the speech corpus."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from realtime_model.errors import ModelError
from realtime_model.training.speech.config import load_config
from realtime_model.training.speech.corpus import make_corpus, redo_curves
from realtime_model.training.speech.recordings import align_recordings


def main(
    config: Annotated[Path, typer.Option(help="Recipe of the corpus.")] = Path(
        "configs/corpus.yaml"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the clips.")] = Path("runs/corpus/speech"),
    curves_only: Annotated[
        bool, typer.Option("--curves-only", help="Draw the curves of finished clips again.")
    ] = False,
) -> None:
    """Make the speech half of the training corpus; run it again to go on after a stop."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*columns, TimeRemainingColumn()) as progress:
            if curves_only:
                redo_curves(out, progress)
            else:
                make_corpus(load_config(config), out, progress)
                for name in align_recordings(out, progress):
                    progress.console.print(f"{name}: sound and text do not fit, it has no curves")
    except ModelError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
