"""Read this first: sound and state go in, frames come out, as one visible loop.

    heard    = engine.hear(windows)                       # the voice, around each frame
    velocity = engine.velocity(last frames, heard)        # what the steps share, computed once
    latent   = noise
    for level in levels:                                  # two steps
        latent = step_down(latent, velocity(latent, level))
    frames   = engine.show(latent)                        # of the portrait prepared at the start

The same loop serves both sizes of the network: what differs between them is an `Engine`.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from realtime_model.config import ModelConfig
from realtime_model.contract import AudioWindow, RgbImage, StreamOptions, VideoChunk
from realtime_model.crew import Crew
from realtime_model.device import device_errors
from realtime_model.engine import Engine, denoise
from realtime_model.errors import ShapeError, StreamError
from realtime_model.face import FaceLandmarker
from realtime_model.geometry import WindowGeometry
from realtime_model.portrait import frame_portrait
from realtime_model.state import StreamState


class Generator:
    """The avatar model: implements `realtime_model.contract.AvatarModel`.

    Two interleaved streams give the same frames as each alone: all a stream owns is its
    `StreamState`.
    """

    def __init__(self, engine: Engine[Any, Any], crew: Crew | None = None) -> None:
        """Take what renders, and the threads it renders on; none: as many as torch is set to."""
        self.engine = engine
        self._crew = crew
        self._landmarker = FaceLandmarker()
        self._streams: dict[str, StreamState[Any]] = {}
        self.timed: Stopwatch = Stopwatch()

    @property
    def config(self) -> ModelConfig:
        return self.engine.config

    @property
    def geometry(self) -> WindowGeometry:
        return self.config.geometry

    @torch.inference_mode()
    def open(self, stream_id: str, portrait: RgbImage, options: StreamOptions) -> RgbImage:
        if stream_id in self._streams:
            raise StreamError(f"stream {stream_id} is open already")
        framed = frame_portrait(portrait, self._landmarker, self.geometry.width_px)
        with device_errors("the portrait cannot be prepared"):
            self._streams[stream_id] = self.engine.begun(self.engine.prepare(framed), options)
        return framed.image

    def close(self, stream_id: str) -> None:
        self._streams.pop(stream_id, None)

    @device_errors("a chunk cannot be rendered")
    @torch.inference_mode()
    def render(self, windows: Mapping[str, AudioWindow]) -> dict[str, VideoChunk]:
        """Render one window each of several streams in one pass; see the module's docstring."""
        engine, ids = self.engine, list(windows)
        states = [self._state(i) for i in ids]
        chunks = [windows[i].chunk_index for i in ids]
        for window in windows.values():
            self._check(window)
        frames, motion = self.geometry.hop_frames, self.config.motion_frames
        with self._rendering(self.geometry.hop_s):
            with self.timed("features"):
                heard = engine.hear(list(windows.values()))
            with self.timed("denoise"):
                latents = denoise(engine, states, heard, chunks)
            with self.timed("decode"):
                pictures = engine.show(states, chunks, latents)
        for i, state, latent, chunk in zip(ids, states, latents, chunks, strict=True):
            self._streams[i] = state.advanced(latent, chunk, motion)
        return {
            i: VideoChunk(pictures[k * frames : (k + 1) * frames], chunk)
            for k, (i, chunk) in enumerate(zip(ids, chunks, strict=True))
        }

    def _rendering(self, shown_s: float) -> AbstractContextManager[None]:
        return nullcontext() if self._crew is None else self._crew.rendering(shown_s)

    def _check(self, window: AudioWindow) -> None:
        expected = (self.geometry.window_samples,)
        if window.samples.shape != expected:
            raise ShapeError(f"a window has {window.samples.shape} samples, not {expected}")

    def _state(self, stream_id: str) -> StreamState[Any]:
        try:
            return self._streams[stream_id]
        except KeyError:
            raise StreamError(f"stream {stream_id} is not open") from None


class Stopwatch:
    """Times the stages of a render when somebody listens; costs nothing otherwise."""

    def __init__(self) -> None:
        # Called with a stage's name; returns the context that surrounds it.
        self.listener: Callable[[str], AbstractContextManager[object]] | None = None

    def __call__(self, stage: str) -> AbstractContextManager[object]:
        return nullcontext() if self.listener is None else self.listener(stage)
