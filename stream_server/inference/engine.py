"""The async façade over one model process: start, watch, restart, and pass windows and frames."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final, TypeVar

from realtime_model.contract import AudioWindow, RgbImage, StreamOptions
from realtime_model.geometry import WindowGeometry
from stream_server.channel import LiveChannel
from stream_server.clock import Clock
from stream_server.errors import EngineUnavailableError
from stream_server.inference.messages import (
    Built,
    FromWorker,
    Opened,
    Ready,
    Refused,
    Rendered,
    RenderFailed,
    StartFailed,
)
from stream_server.inference.process import WorkerLostError, WorkerProcess
from stream_server.inference.running import RunningWorker
from stream_server.inference.worker import ModelSource
from stream_server.media import I420Image, RenderedChunk
from stream_server.pipeline.scheduler import RenderJob, Scheduler

log = logging.getLogger(__name__)

_ANSWER_TIMEOUT_S: Final = 5.0
_LONGEST_BACKOFF_S: Final = 30.0
_MAX_BATCH: Final = 8
_CHUNKS_WAITING: Final = 8
_FAILURES_BEFORE_RESTART: Final = 3
_SLOWEST_BATCH: Final = 10  # warm-up chunks that a full batch may take before it counts as hung
_NO_MEMORY: Final = "not_enough_memory"
_DRIVER_FAILED: Final = "device_failed"
_UNUSABLE: Final = frozenset({_NO_MEMORY, _DRIVER_FAILED})  # a process that says so is replaced


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What operators and readiness checks may know.

    Attributes:
        is_ready: a warm-up window was rendered by the running process, and it answers.
        warmup_s: time of that window; None before.
        realtime_factor: compute time of the latest batch ÷ hop duration; None before the first.
        restarts: how often the process was lost or given up.
        reason: a sentence on why it is not ready; None while it is.
    """

    is_ready: bool
    warmup_s: float | None
    realtime_factor: float | None
    restarts: int
    reason: str | None


@dataclass(slots=True)
class _Stream:
    portrait: RgbImage
    options: StreamOptions
    chunks: LiveChannel[RenderedChunk]
    epoch: int = 0


class InferenceEngine:
    """Keeps one model process alive and its streams open.

    When the process is lost, it is started again and the streams are opened anew with their
    portraits; who listens to `chunks` notices a pause and nothing else.
    """

    def __init__(
        self,
        *,
        model: ModelSource,
        threads: int,
        clock: Clock,
        restart_backoff_s: float = 0.5,
        start_timeout_s: float = 600,
    ) -> None:
        self._model: ModelSource = model
        self._start_timeout_s = start_timeout_s
        self._threads = threads
        self._clock = clock
        self._first_backoff_s = restart_backoff_s
        self._scheduler = Scheduler(max_batch=_MAX_BATCH)
        self._streams: dict[str, _Stream] = {}
        self._running: RunningWorker | None = None
        self._ready = asyncio.Event()
        self._geometry: WindowGeometry | None = None
        self._warmup_s: float | None = None
        self._realtime_factor: float | None = None
        self._restarts = 0
        self._failures = 0  # batches in a row
        self._reason: str | None = "The model is loading."

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    @property
    def status(self) -> EngineStatus:
        return EngineStatus(
            is_ready=self.is_ready,
            warmup_s=self._warmup_s,
            realtime_factor=self._realtime_factor,
            restarts=self._restarts,
            reason=None if self.is_ready else self._reason,
        )

    @property
    def geometry(self) -> WindowGeometry:
        """The model's windows.

        Raises:
            EngineUnavailableError: no process has loaded the model yet.
        """
        if self._geometry is None:
            raise EngineUnavailableError(self._reason)
        return self._geometry

    @property
    def worker_pid(self) -> int | None:
        """Process id of the ready worker."""
        return self._running.pid if self._running else None

    @property
    def dropped_windows(self) -> int:
        """Windows never rendered because they were late or superseded."""
        return self._scheduler.late + self._scheduler.superseded

    async def wait_ready(self) -> None:
        """Return once a warm-up window was rendered."""
        await self._ready.wait()

    async def run(self) -> None:
        """Keep a process running until cancelled; nothing of it is left then."""
        backoff_s = self._first_backoff_s
        while True:
            process = WorkerProcess(self._model, self._threads)
            try:
                await self._serve(process)
            except WorkerLostError as exc:
                log.warning("model process lost", extra={"reason": str(exc)})
                self._reason = str(exc)
            finally:
                process.end()
            if self._warmup_s is not None:  # it ran: what ended it may not end the next one
                backoff_s = self._first_backoff_s
            self._restarts += 1
            await self._clock.sleep_until(self._clock.now_s() + backoff_s)
            backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)

    async def open_stream(
        self, stream_id: str, portrait: RgbImage, options: StreamOptions
    ) -> I420Image:
        """Open a stream and return its resting frame.

        Raises:
            EngineUnavailableError: there is no ready process, or it was lost meanwhile.
            WorkerFaultError: the model refused the portrait, or failed.
        """
        stream = _Stream(portrait, options, LiveChannel(f"chunks/{stream_id}", _CHUNKS_WAITING))
        self._streams[stream_id] = stream
        try:
            return await self._request_open(stream_id, stream)
        except BaseException:
            await self.close_stream(stream_id)
            raise

    async def change_options(self, stream_id: str, options: StreamOptions) -> None:
        """Open a stream anew with other options; its portrait, epoch and channel stay.

        Raises:
            EngineUnavailableError: as for `open_stream`.
            WorkerFaultError: as for `open_stream`.
        """
        stream = self._streams[stream_id]
        stream.options = options
        await self._request_open(stream_id, stream)

    def submit(self, stream_id: str, window: AudioWindow, *, epoch: int, deadline_s: float) -> None:
        """Ask for the frames of a window; they come, or do not, through `chunks`. Never blocks.

        Args:
            stream_id: an open stream.
            window: the next of the stream; any may be left out.
            epoch: travels with the frames; a higher one than before withdraws all older windows.
            deadline_s: clock time after which the frames are of no use.
        """
        stream = self._streams[stream_id]
        if epoch > stream.epoch:
            stream.epoch = epoch
            self._scheduler.drop_older(stream_id, epoch)
        self._scheduler.add(RenderJob(stream_id, window, epoch, deadline_s))
        self._render_next()

    def chunks(self, stream_id: str) -> LiveChannel[RenderedChunk]:
        """Return the channel a stream's frames arrive through; it closes with the stream."""
        return self._streams[stream_id].chunks

    async def close_stream(self, stream_id: str) -> None:
        """Forget a stream; unknown ids are ignored."""
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return
        stream.chunks.close()
        self._scheduler.forget(stream_id)
        if self._running:
            self._running.close_stream(stream_id)

    async def _serve(self, process: WorkerProcess) -> None:
        """Bring a process up and follow what it says, until it is lost."""
        geometry = _expect(await process.receive(self._start_timeout_s), Built).geometry
        running = RunningWorker(process, geometry, _MAX_BATCH)
        try:
            self._warmup_s = _expect(await process.receive(self._start_timeout_s), Ready).warmup_s
            self._geometry, self._running = geometry, running
            self._failures = 0
            for stream_id, stream in self._streams.items():
                running.open_stream(stream_id, stream.portrait, stream.options)
            self._ready.set()
            log.info("model ready", extra={"warmup_s": self._warmup_s, "restarts": self._restarts})
            patience_s = max(_ANSWER_TIMEOUT_S, _SLOWEST_BATCH * self._warmup_s)
            while True:
                self._take_in(running, await process.receive(patience_s))
        finally:
            self._ready.clear()
            self._running = None
            running.close()

    def _take_in(self, running: RunningWorker, message: FromWorker) -> None:
        match message:
            case Rendered(render_s):
                self._failures = 0
                self._deliver(running, render_s)
                self._render_next()
            case RenderFailed(fault):
                log.error("batch failed", extra={"code": fault.code, "reason": fault.message})
                tried = running.give_up_batch()
                self._failures += 1
                if fault.code == _NO_MEMORY:  # what two streams need, one may get
                    self._scheduler.max_batch = max(1, tried // 2)
                if fault.code in _UNUSABLE or self._failures >= _FAILURES_BEFORE_RESTART:
                    raise WorkerLostError(fault.message)
                self._render_next()
            case Opened() | Refused():
                running.take_answer(message)
                if isinstance(message, Refused) and message.fault.code == _DRIVER_FAILED:
                    raise WorkerLostError(message.fault.message)

    async def _request_open(self, stream_id: str, stream: _Stream) -> I420Image:
        if self._running is None:
            raise EngineUnavailableError(self._reason)
        return await self._running.open_stream(stream_id, stream.portrait, stream.options)

    def _render_next(self) -> None:
        """Send the next batch, if the process is idle and anything is worth rendering."""
        if self._running is None or not self._running.is_idle:
            return
        if batch := self._scheduler.next_batch(self._clock.now_s()):
            self._running.render(batch)

    def _deliver(self, running: RunningWorker, render_s: float) -> None:
        self._realtime_factor = render_s / self.geometry.hop_s
        for job, frames in running.take_frames():
            stream = self._streams.get(job.stream_id)
            if stream is not None and job.epoch >= stream.epoch:
                chunk = RenderedChunk(frames, job.window.chunk_index, job.epoch, render_s)
                stream.chunks.put(chunk)


ExpectedT = TypeVar("ExpectedT", Built, Ready)


def _expect(message: FromWorker, kind: type[ExpectedT]) -> ExpectedT:
    """Return the message, if it is what a starting process says next."""
    if isinstance(message, StartFailed):
        raise WorkerLostError(message.fault.message)
    if not isinstance(message, kind):
        raise WorkerLostError("The model process does not follow the protocol.")
    return message
