"""The incoming voice on its media time line, cut into positions of one frame. Pure."""

from typing import Final

import numpy as np

from stream_server.media import VOICE_PER_ANALYSIS, AudioPacket, Voice

_CAPACITY_POSITIONS: Final = 75  # 3 s; who plays so far behind has lost the oldest anyway


class SoundLine:
    """Holds the latest three seconds. Sound that never came, or is gone, is silence."""

    def __init__(self, frame_samples: int) -> None:
        self._frame_samples = frame_samples
        self._length = frame_samples * VOICE_PER_ANALYSIS
        self._start = 0  # in voice samples, always at the edge of a position
        self._voice = np.zeros(0, np.int16)
        self._speech: set[int] = set()

    @property
    def end(self) -> int:
        """The first position that is not complete."""
        return (self._start + len(self._voice)) // self._length

    def push(self, packet: AudioPacket, is_speech: bool) -> None:
        end = self._start + len(self._voice)
        first = packet.start * VOICE_PER_ANALYSIS
        missing = np.zeros(max(0, first - end), np.int16)
        self._voice = np.concatenate([self._voice, missing, packet.voice[max(0, end - first) :]])
        if is_speech:
            last = (packet.end - 1) // self._frame_samples
            self._speech.update(range(packet.start // self._frame_samples, last + 1))
        self._forget(self.end - _CAPACITY_POSITIONS)

    def is_speech(self, position: int) -> bool:
        return position in self._speech

    def take(self, position: int | None) -> Voice:
        """Return the sound of a position, silence for None, and forget what lies well before it."""
        if position is None:
            return np.zeros(self._length, np.int16)
        offset = position * self._length - self._start
        voice = self._voice[max(0, offset) : max(0, offset + self._length)].copy()
        self._forget(position - 1)
        return np.pad(voice, (self._length - len(voice), 0))

    def silence(self) -> None:
        """Make everything that has arrived silent; the time line stays."""
        self._voice[:] = 0
        self._speech.clear()

    def _forget(self, position: int) -> None:
        excess = min(position * self._length - self._start, len(self._voice))
        if excess > 0:
            excess -= excess % self._length
            self._voice = self._voice[excess:].copy()
            self._start += excess
            self._speech = {known for known in self._speech if known >= position}
