"""A model that costs nothing, sounds made to measure, and a portrait that passes the checks."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import emolive.generate
from realtime_model.contract import AudioWindow, RgbImage, StreamOptions, VideoChunk
from realtime_model.geometry import WindowGeometry

MakeSound = Callable[..., Path]


class TinyModel:
    """Implements the contract: a grey picture as bright as its frame is loud."""

    def __init__(self) -> None:
        self.geometry = WindowGeometry(width_px=16, height_px=16)
        self.open_streams: set[str] = set()
        self.rendered: list[AudioWindow] = []
        self.fail_at: int | None = None

    def open(self, stream_id: str, portrait: RgbImage, options: StreamOptions) -> RgbImage:
        self.open_streams.add(stream_id)
        return portrait

    def render(self, windows: Mapping[str, AudioWindow]) -> dict[str, VideoChunk]:
        return {stream_id: self._chunk(window) for stream_id, window in windows.items()}

    def close(self, stream_id: str) -> None:
        self.open_streams.discard(stream_id)

    def _chunk(self, window: AudioWindow) -> VideoChunk:
        if window.chunk_index == self.fail_at:
            raise KeyboardInterrupt
        if len(self.rendered) < 20:
            self.rendered.append(window)
        shape = self.geometry
        hop = window.samples[shape.past_samples :][: shape.hop_samples]
        level = np.abs(hop.reshape(shape.hop_frames, -1)).max(axis=1)
        frames = np.empty((shape.hop_frames, shape.height_px, shape.width_px, 3), np.uint8)
        frames[:] = (level * 200).astype(np.uint8)[:, None, None, None]
        return VideoChunk(frames=frames, chunk_index=window.chunk_index)


@pytest.fixture
def model() -> TinyModel:
    return TinyModel()


@pytest.fixture
def portrait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of a portrait; whether pictures pass is tested where that is decided."""
    image = np.full((256, 256, 3), 127, np.uint8)
    monkeypatch.setattr(emolive.generate, "load_portrait", lambda path: image)
    return tmp_path / "portrait.png"


@pytest.fixture
def make_sound(tmp_path: Path) -> MakeSound:
    """Return a function that writes a tone of so many samples into a new file."""

    def make(
        name: str = "sound.wav",
        *,
        samples: int = 16_000,
        rate_hz: int = 16_000,
        layout: str = "mono",
        codec: str = "pcm_s16le",
        level: float = 0.5,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate_hz, layout=layout)
            assert isinstance(stream, av.AudioStream)
            channels = stream.layout.nb_channels
            for start in range(0, samples, rate_hz):
                count = min(rate_hz, samples - start)
                tone = level * np.sin(2 * np.pi * 220 / rate_hz * np.arange(start, start + count))
                interleaved = np.repeat((tone * 32_767).astype(np.int16), channels)[None]
                frame = av.AudioFrame.from_ndarray(interleaved, "s16", layout)
                frame.sample_rate, frame.pts = rate_hz, start
                frame.time_base = Fraction(1, rate_hz)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make
