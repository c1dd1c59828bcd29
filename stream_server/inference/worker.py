"""The model process: loads the model, proves that it runs, then renders what it is asked to.

Started with ``spawn``. It owns every stream's state; the server knows streams by id. It ends when
the pipe to the server closes, so it never outlives its parent.
"""

import contextlib
import logging
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

import cv2
import numpy as np

from realtime_model.contract import AudioWindow, AvatarModel, RgbImage, StreamOptions
from realtime_model.errors import ModelError
from realtime_model.presets import preset_path
from stream_server.inference.drawn_face import draw_face
from stream_server.inference.messages import (
    Built,
    CloseStream,
    FromWorker,
    Heartbeat,
    Opened,
    OpenStream,
    Ready,
    Refused,
    Render,
    Rendered,
    RenderFailed,
    StartFailed,
    ToWorker,
    UseSlots,
    WorkerFault,
)
from stream_server.inference.shared import SharedSlots, borrowed_picture
from stream_server.media import I420Image

log = logging.getLogger(__name__)

ModelSource = str | Callable[[int], AvatarModel]
"""What is run: ``testcard``, a preset's name or path, or what builds a model, given threads."""
HEARTBEAT_S: Final = 1.0
_WARMUP_STREAM: Final = "warm-up"


def main(connection: Connection, source: ModelSource, threads: int) -> None:
    """Run until the server closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; the server decides
    with contextlib.suppress(EOFError, ConnectionError):  # the server is gone: nobody to tell
        _run(connection, source, threads)


def _run(connection: Connection, source: ModelSource, threads: int) -> None:
    try:
        model = _build(source, threads)
        connection.send(Built(model.geometry))
        slots_message = connection.recv()
        assert isinstance(slots_message, UseSlots)
        slots = SharedSlots.attach(slots_message.name, model.geometry)
        connection.send(Ready(_warm_up(model)))
    except (EOFError, ConnectionError):
        raise
    except ModelError as exc:
        connection.send(StartFailed(_as_fault(exc)))
        return
    except Exception as exc:
        log.exception("model does not start")
        connection.send(StartFailed(_as_fault(exc)))
        return
    try:
        _Worker(model, slots).serve(connection)
    finally:
        slots.close()


class _Worker:
    """Answers messages one at a time, in order."""

    def __init__(self, model: AvatarModel, slots: SharedSlots) -> None:
        self._model = model
        self._slots = slots

    def serve(self, connection: Connection) -> None:
        while True:
            if not connection.poll(HEARTBEAT_S):
                connection.send(Heartbeat())
                continue
            answer = self._answer(connection.recv())
            if answer is not None:
                connection.send(answer)

    def _answer(self, message: ToWorker) -> FromWorker | None:
        match message:
            case OpenStream():
                return self._open(message)
            case Render():
                return self._render(message)
            case CloseStream(stream_id):
                self._model.close(stream_id)
        return None

    def _open(self, message: OpenStream) -> Opened | Refused:
        try:
            portrait = borrowed_picture(message.portrait_name, message.shape)
            self._model.close(message.stream_id)  # opened anew after a change of options
            resting = self._model.open(message.stream_id, portrait, message.options)
        except ModelError as exc:
            return Refused(message.request_id, _as_fault(exc))
        except Exception as exc:
            log.exception("stream not opened")
            return Refused(message.request_id, _as_fault(exc))
        return Opened(message.request_id, _as_i420(resting))

    def _render(self, message: Render) -> Rendered | RenderFailed:
        began_s = time.perf_counter()
        windows = {
            job.stream_id: AudioWindow(
                self._slots.sound(job.slot).copy(), job.chunk_index, job.is_speech
            )
            for job in message.jobs
        }
        try:
            chunks = self._model.render(windows)
        except Exception as exc:
            log.exception("batch not rendered")
            return RenderFailed(_as_fault(exc))
        for job in message.jobs:
            frames = self._slots.frames(job.slot)
            for frame, picture in zip(frames, chunks[job.stream_id].frames, strict=True):
                frame[:] = _as_i420(picture)
        return Rendered(time.perf_counter() - began_s)


def _build(source: ModelSource, threads: int) -> AvatarModel:
    cv2.setNumThreads(1)
    if not isinstance(source, str):
        return source(threads)
    if source == "testcard":
        from stream_server.inference.testcard import TestcardModel

        return TestcardModel()
    from realtime_model.factory import build_model  # torch: seconds that only this process pays

    return build_model(preset_path(source), threads=threads)


def _warm_up(model: AvatarModel) -> float:
    """Render silence twice and return the time of the second: the first allocates and tunes."""
    shape = model.geometry
    model.open(_WARMUP_STREAM, draw_face(), StreamOptions())
    silence = np.zeros(shape.window_samples, np.float32)
    for chunk_index in range(2):
        began_s = time.perf_counter()
        model.render({_WARMUP_STREAM: AudioWindow(silence, chunk_index, is_speech=False)})
    model.close(_WARMUP_STREAM)
    return time.perf_counter() - began_s


def _as_i420(picture: RgbImage) -> I420Image:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)


def _as_fault(exc: Exception) -> WorkerFault:
    if isinstance(exc, ModelError):
        return WorkerFault(exc.code, str(exc))
    return WorkerFault("worker_error", f"The model failed ({type(exc).__name__}).")
