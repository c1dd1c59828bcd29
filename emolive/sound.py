"""Sound files of any format, read once from front to back in constant memory."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.error import FFmpegError

from emolive.errors import InputError
from emolive.packets import decoded
from stream_server.media import VOICE_RATE_HZ, Voice

_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
_BLOCK_SAMPLES = VOICE_RATE_HZ // 50  # 20 ms, as a WebRTC peer would send


class SoundFile:
    """An open file's first audio stream, without gaps. Damaged packets are skipped and counted.

    Raises:
        InputError: the file is missing, unreadable, or holds no sound.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged_packets = 0
        if not path.is_file():
            raise InputError(f"There is no sound file at {path}.")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty.")
        try:
            self._container = av.open(str(path), metadata_errors="replace")
        except (FFmpegError, OSError) as exc:
            raise InputError(
                f"{path} is not a sound file that can be read, or it is damaged."
            ) from exc
        if not self._container.streams.audio:
            self._container.close()
            raise InputError(f"{path} holds no sound: it has no audio stream.")
        self._stream = self._container.streams.audio[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()

    @property
    def duration_s(self) -> float | None:
        """What the file says of its length, good for a progress bar; None if it does not say."""
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None:
            return self._container.duration / av.time_base
        return None

    @property
    def rate_hz(self) -> int:
        return self._stream.rate

    @property
    def layout(self) -> str:
        """Name of its channels, as an AAC encoder knows them."""
        layout = self._stream.layout
        if layout.name in _LAYOUTS.values():
            return layout.name
        # A plain WAV says how many channels, not which.
        return _LAYOUTS.get(layout.nb_channels, "5.1")

    def frames(self) -> Iterator[av.AudioFrame]:
        """Yield the decoded sound, its time stamps counted anew from zero, in samples.

        Raises:
            InputError: nothing at all could be decoded.
        """
        time_line = SteadyResampler(rate_hz=self.rate_hz, layout=self.layout)
        any_frame = False
        for frame in decoded(self._container, self._stream, self._count_damage):
            any_frame = True
            yield from time_line.push(frame)
        if not any_frame:
            raise InputError(f"{self.path} holds no sound: nothing in it could be decoded.")
        yield from time_line.finish()

    def _count_damage(self) -> None:
        self.damaged_packets += 1


class SteadyResampler:
    """Brings frames to one rate, layout and sample format, even if these change on the way.

    Args:
        rate_hz: samples per second of the result.
        layout: channels of the result, as FFmpeg names them.
        sample_format: as FFmpeg names it.
    """

    def __init__(self, *, rate_hz: int, layout: str, sample_format: str = "fltp") -> None:
        self._rate_hz, self._layout, self._format = rate_hz, layout, sample_format
        self._resampler: av.AudioResampler | None = None
        self._input: tuple[int, str, str] | None = None
        self._tick_s = Fraction(1, rate_hz)
        self._samples = 0

    def push(self, frame: av.AudioFrame) -> Iterator[av.AudioFrame]:
        shape = (frame.sample_rate, frame.layout.name, frame.format.name)
        if shape != self._input:
            yield from self.finish()
            self._input = shape
            self._resampler = av.AudioResampler(self._format, self._layout, self._rate_hz)
        assert self._resampler is not None
        frame.pts = None  # time stamps of damaged files jump; the sound itself is the clock
        yield from self._counted(self._resampler.resample(frame))

    def finish(self) -> Iterator[av.AudioFrame]:
        """Yield what the filters still hold."""
        if self._resampler is not None:
            yield from self._counted(self._resampler.resample(None))
            self._resampler = None

    def _counted(self, frames: list[av.AudioFrame]) -> Iterator[av.AudioFrame]:
        for frame in frames:
            frame.pts, frame.time_base = self._samples, self._tick_s
            self._samples += frame.samples
            yield frame


class VoiceBlocks:
    """From decoded sound to what a WebRTC peer would hand over: 48 kHz mono, blocks of 20 ms."""

    def __init__(self) -> None:
        self._resampler = SteadyResampler(rate_hz=VOICE_RATE_HZ, layout="mono", sample_format="s16")
        self._rest = np.zeros(0, np.int16)

    def push(self, frame: av.AudioFrame) -> Iterator[Voice]:
        yield from self._cut(self._resampler.push(frame))

    def finish(self) -> Iterator[Voice]:
        """Yield what is left, filled up with silence to a whole block."""
        yield from self._cut(self._resampler.finish())
        if len(self._rest):
            yield np.pad(self._rest, (0, _BLOCK_SAMPLES - len(self._rest)))
            self._rest = self._rest[:0]

    def _cut(self, frames: Iterator[av.AudioFrame]) -> Iterator[Voice]:
        for frame in frames:
            self._rest = np.concatenate([self._rest, frame.to_ndarray()[0].astype(np.int16)])
            whole = len(self._rest) // _BLOCK_SAMPLES * _BLOCK_SAMPLES
            yield from self._rest[:whole].reshape(-1, _BLOCK_SAMPLES)
            self._rest = self._rest[whole:]


def silence() -> Voice:
    """Return one block of silence."""
    return np.zeros(_BLOCK_SAMPLES, np.int16)
