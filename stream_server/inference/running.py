"""One ready model process, and everything that is under way in it."""

import asyncio
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage, StreamOptions
from realtime_model.geometry import WindowGeometry
from stream_server.errors import EngineUnavailableError, WorkerFaultError
from stream_server.inference.messages import (
    CloseStream,
    Opened,
    OpenStream,
    Refused,
    Render,
    SlotJob,
    UseSlots,
)
from stream_server.inference.process import WorkerProcess
from stream_server.inference.shared import LentPicture, SharedSlots
from stream_server.media import I420Image
from stream_server.pipeline.scheduler import RenderJob


@dataclass(frozen=True, slots=True)
class _Opening:
    """A request to open a stream, and the picture that is lent for as long as it takes."""

    picture: LentPicture
    answer: asyncio.Future[I420Image]


class RunningWorker:
    """Lends memory to the process and takes it back, whatever becomes of the process."""

    def __init__(self, process: WorkerProcess, geometry: WindowGeometry, max_batch: int) -> None:
        self._process = process
        self._slots = SharedSlots.create(geometry, max_batch)
        self._batch: list[RenderJob] = []
        self._openings: dict[int, _Opening] = {}
        self._request_ids = itertools.count()
        process.send(UseSlots(self._slots.name, max_batch))

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def is_idle(self) -> bool:
        return not self._batch

    def open_stream(
        self, stream_id: str, portrait: RgbImage, options: StreamOptions
    ) -> asyncio.Future[I420Image]:
        """Ask for a stream; the answer is its resting frame. Nobody has to wait for it."""
        picture = LentPicture(portrait)
        answer: asyncio.Future[I420Image] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_mark_as_seen)
        request_id = next(self._request_ids)
        self._openings[request_id] = _Opening(picture, answer)
        height, width, channels = portrait.shape
        shape = (height, width, channels)
        self._process.send(OpenStream(request_id, stream_id, picture.name, shape, options))
        return answer

    def close_stream(self, stream_id: str) -> None:
        self._process.send(CloseStream(stream_id))

    def take_answer(self, message: Opened | Refused) -> None:
        """Hand an answer to who waits for it, and take the picture back."""
        opening = self._openings.pop(message.request_id)
        opening.picture.close()
        if opening.answer.done():
            return
        if isinstance(message, Opened):
            opening.answer.set_result(message.resting)
        else:
            fault = message.fault
            opening.answer.set_exception(WorkerFaultError(fault.code, fault.message))

    def render(self, batch: list[RenderJob]) -> None:
        """Start rendering; the process was idle."""
        assert self.is_idle
        self._batch = batch
        for slot, job in enumerate(batch):
            self._slots.sound(slot)[:] = job.window.samples
        jobs = tuple(
            SlotJob(job.stream_id, slot, job.window.chunk_index, job.window.is_speech)
            for slot, job in enumerate(batch)
        )
        self._process.send(Render(jobs))

    def take_frames(self) -> list[tuple[RenderJob, NDArray[np.uint8]]]:
        """Return the finished batch, frames copied out of the slots; the process is idle again."""
        batch, self._batch = self._batch, []
        return [(job, self._slots.frames(slot).copy()) for slot, job in enumerate(batch)]

    def give_up_batch(self) -> int:
        """Forget a batch that failed and return its size; the process is idle again."""
        tried, self._batch = len(self._batch), []
        return tried

    def close(self) -> None:
        """Take all memory back, and disappoint who still waits."""
        for opening in self._openings.values():
            opening.picture.close()
            if not opening.answer.done():
                opening.answer.set_exception(EngineUnavailableError("The model restarts."))
        self._openings.clear()
        self._slots.close()


def _mark_as_seen(answer: asyncio.Future[I420Image]) -> None:
    """Keep asyncio from complaining about answers that nobody waited for."""
    if not answer.cancelled():
        answer.exception()
