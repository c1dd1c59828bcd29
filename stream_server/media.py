"""The values that travel through a session.

Media time is zero at the session's first sample and counted in samples at 16 kHz, so it is exact.
Clock time (``now_s``) is never stored in a packet.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ANALYSIS_RATE_HZ = 16_000
"""What the model hears; media time counts these samples."""

VOICE_RATE_HZ = 48_000
"""What people hear: the rate of Opus."""

VOICE_PER_ANALYSIS = VOICE_RATE_HZ // ANALYSIS_RATE_HZ

Analysis = NDArray[np.float32]
"""Mono sound at 16 kHz, float32 in [-1, 1], (samples,)."""

Voice = NDArray[np.int16]
"""Mono sound at 48 kHz, int16, (samples,)."""

I420Image = NDArray[np.uint8]
"""One picture, planar YUV 4:2:0: uint8, (height_px * 3 / 2, width_px)."""


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """A stretch of the incoming voice, at both rates; ``len(voice) == 3 * len(analysis)``.

    Attributes:
        start: media time of its first sample, counted at 16 kHz.
    """

    start: int
    analysis: Analysis
    voice: Voice

    @property
    def end(self) -> int:
        return self.start + len(self.analysis)


@dataclass(frozen=True, slots=True)
class RenderedChunk:
    """The frames of one hop, as they leave the model process.

    Attributes:
        frames: uint8 I420, (hop_frames, height_px * 3 / 2, width_px).
        chunk_index: 0 for the first hop of the stream.
        epoch: the epoch of the window that asked for it.
        render_s: compute time of the batch it was rendered in.
    """

    frames: NDArray[np.uint8]
    chunk_index: int
    epoch: int
    render_s: float
