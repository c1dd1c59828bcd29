"""How one stage of training finds what another has left."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from realtime_model.errors import TrainingError
from realtime_model.training.rendering import Clip, load_clips

_T = TypeVar("_T")


def missing(folder: Path, stage: str) -> TrainingError:
    """The error of a folder that a stage should have filled."""
    return TrainingError(f"{folder} is missing or empty: run first emolive train {stage}")


def average_of(folder: Path, steps: int, stage: str) -> dict[str, Tensor]:
    """The averaged weights of a finished training.

    Raises:
        TrainingError: it has not begun, or not ended.
    """
    path = folder / "last.pt"
    if not path.is_file():
        raise missing(folder, stage)
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if saved["step"] < steps:
        raise TrainingError(
            f"{path} is at step {saved['step']} of {steps}: finish it with emolive train {stage}"
        )
    average: dict[str, Tensor] = saved["average"]
    return average


def corpus_clips(folder: Path, split: str) -> list[Clip]:
    """The utterances of one split.

    Raises:
        TrainingError: there are none.
    """
    clips = load_clips(folder, split)
    if not clips:
        raise TrainingError(f"{folder} holds no clips to {split}: run first emolive train corpus")
    return clips


def spread(clips: list[_T], count: int) -> list[_T]:
    """``count`` of the clips, evenly over all; 0 is all of them."""
    stride = max(1, len(clips) // count) if count else 1
    return clips[::stride][: count or None]


def follow(title: str, done: Iterator[int], total: int) -> None:
    """Show how far an iterator is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        for count in done:
            bar.update(task, completed=count)
