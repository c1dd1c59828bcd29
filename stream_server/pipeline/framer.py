"""Cuts the incoming voice into the overlapping windows a model looks at. Pure."""

import numpy as np

from realtime_model.contract import AudioWindow
from realtime_model.geometry import WindowGeometry
from stream_server.media import AudioPacket


class Framer:
    """Emits window ``k`` exactly once, as soon as its last sample is in.

    Sound that never came is silence, sound that came twice is used once, so the media time line of
    the windows is unbroken whatever the packets do.
    """

    def __init__(self, geometry: WindowGeometry) -> None:
        self._geometry = geometry
        self._chunk_index = 0
        # Both cover media time from `_start`: the past of the next window, then what has arrived.
        self._start = -geometry.past_samples
        self._samples = np.zeros(geometry.past_samples, np.float32)
        self._is_speech = np.zeros(geometry.past_samples, np.bool_)

    @property
    def next_chunk_index(self) -> int:
        """Index of the first window that is still to come."""
        return self._chunk_index

    def push(self, packet: AudioPacket, is_speech: bool) -> list[AudioWindow]:
        """Take in one packet and return the windows it completes."""
        end = self._start + len(self._samples)
        missing = max(0, packet.start - end)
        fresh = packet.analysis[max(0, end - packet.start) :]
        self._samples = np.concatenate([self._samples, np.zeros(missing, np.float32), fresh])
        self._is_speech = np.concatenate(
            [self._is_speech, np.zeros(missing, np.bool_), np.full(len(fresh), is_speech)]
        )
        windows = []
        while len(self._samples) >= self._geometry.window_samples:
            windows.append(self._cut())
        return windows

    def silence_pending(self) -> None:
        """Silence what no window has shown as its hop yet: an interrupted sentence ends."""
        self._samples[self._geometry.past_samples :] = 0
        self._is_speech[self._geometry.past_samples :] = False

    def _cut(self) -> AudioWindow:
        shape = self._geometry
        hop = slice(shape.past_samples, shape.past_samples + shape.hop_samples)
        window = AudioWindow(
            samples=self._samples[: shape.window_samples].copy(),  # `silence_pending` writes
            chunk_index=self._chunk_index,
            is_speech=bool(self._is_speech[hop].any()),
        )
        self._samples = self._samples[shape.hop_samples :]
        self._is_speech = self._is_speech[shape.hop_samples :]
        self._start += shape.hop_samples
        self._chunk_index += 1
        return window
