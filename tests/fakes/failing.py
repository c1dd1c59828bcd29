"""Models for a real model process that fail as devices do. Built there, from their import path."""

import resource
from collections.abc import Mapping
from pathlib import Path

import torch

from realtime_model.contract import AudioWindow, RgbImage, StreamOptions, VideoChunk
from realtime_model.device import device_errors
from stream_server.inference.testcard import TestcardModel

_WARM_UP_CHUNKS = 2


class FailingOnce(TestcardModel):
    """A test card that raises what it is told to in the first call after the warm-up.

    A file stands for the process that is replaced: the second process finds it, and goes on.
    """

    def __init__(self, error: BaseException, done: Path) -> None:
        super().__init__()
        self._error, self._done, self._calls = error, done, 0

    def render(self, windows: Mapping[str, AudioWindow]) -> dict[str, VideoChunk]:
        self._calls += 1
        with device_errors("a chunk cannot be rendered"):
            if self._calls > _WARM_UP_CHUNKS and not self._done.exists():
                self._done.touch()
                raise self._error
        return super().render(windows)


class ShortForTwo(TestcardModel):
    """A test card that has memory for one stream at a time: two make a real allocation fail."""

    def render(self, windows: Mapping[str, AudioWindow]) -> dict[str, VideoChunk]:
        with device_errors("a chunk cannot be rendered"):
            if len(windows) > 1:
                size = resource.getpagesize() * 2**40  # more than any address space
                torch.empty(size, dtype=torch.uint8)
        return super().render(windows)


class Refusing(TestcardModel):
    """A test card whose driver fails, once, when a stream is opened."""

    def __init__(self, done: Path) -> None:
        super().__init__()
        self._done, self._opened = done, 0

    def open(self, stream_id: str, portrait: RgbImage, options: StreamOptions) -> RgbImage:
        self._opened += 1
        with device_errors("the portrait cannot be prepared"):
            if self._opened > 1 and not self._done.exists():
                self._done.touch()
                raise torch.AcceleratorError("CUDA error: an illegal memory access", 700)
        return super().open(stream_id, portrait, options)


def out_of_memory(done: Path, threads: int) -> FailingOnce:
    torch.set_num_threads(threads)
    return FailingOnce(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), done)


def driver_error(done: Path, threads: int) -> FailingOnce:
    torch.set_num_threads(threads)
    return FailingOnce(RuntimeError("CUDA error: device-side assert triggered"), done)


def short_for_two(threads: int) -> ShortForTwo:
    torch.set_num_threads(threads)
    return ShortForTwo()


def refusing(done: Path, threads: int) -> Refusing:
    torch.set_num_threads(threads)
    return Refusing(done)
