"""Progress bars: of a film being made, of films being looked at, of a file being written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

Report = Callable[[int, int | None], None]
"""Takes the frames written so far, and how many there will be if that is known."""


class FpsColumn(ProgressColumn):
    """Frames per second over the last seconds."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:.0f} fps")


@contextmanager
def film_progress() -> Iterator[Report]:
    """Show a bar on standard error while the block runs; hand it the figures to show."""
    columns = (
        SpinnerColumn(),
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames"),
        FpsColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("loading", total=None)

        def report(done: int, total: int | None) -> None:
            bar.update(task, description="rendering", completed=done, total=total)

        yield report


@contextmanager
def films_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on standard error while the block runs; hand it a film's name and its frames."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("looking", total=None)

        def report(name: str, done: int, total: int) -> None:
            bar.update(task, description=escape(name), completed=done, total=total)

        yield report


@contextmanager
def bytes_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error while the block runs; hand it bytes done and their total."""
    columns = (
        SpinnerColumn(),
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report
