"""Does somebody speak in a clip, and does the mouth that is seen say it?"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emolive.ingest.reading import FRAME_SAMPLES, RATE_HZ
from realtime_model.training.correlation import correlation
from realtime_model.training.motion import loudness_of
from stream_server.pipeline.vad import VoiceActivity

REACH_FRAMES: Final = 15
"""How far sound and picture are shifted against each other, either way."""

_STEP: Final = RATE_HZ // 50
_SMOOTH: Final = np.ones(3) / 3


@dataclass(frozen=True, slots=True)
class SyncCheck:
    """How a mouth goes with a sound.

    Attributes:
        lag_frames: of the mouth behind the sound, where both go together best.
        correlation: of the mouth's opening with loudness there.
        confidence: how far that stands out: above the median of all lags.
    """

    lag_frames: int
    correlation: float
    confidence: float


def speech_share(samples: NDArray[np.int16]) -> float:
    """Share of a sound in which somebody speaks, 0 to 1, by the server's own detector."""
    activity = VoiceActivity(hangover_s=0.1)
    line = samples.astype(np.float32) / np.float32(32_768)
    blocks = [line[at : at + _STEP] for at in range(0, len(line) - _STEP + 1, _STEP)]
    return sum(activity.push(block) for block in blocks) / max(1, len(blocks))


def check_sync(opening: NDArray[np.floating], samples: NDArray[np.int16]) -> SyncCheck:
    """Compare a mouth with a sound over lags of `REACH_FRAMES`.

    Args:
        opening: of the mouth in any unit, one a frame, (t,).
        samples: sound of the same time, 640 a frame.
    """
    mouth = np.convolve(opening, _SMOOTH, "same")
    voice = np.convolve(loudness_of(samples, len(mouth)), _SMOOTH, "same")
    lags = range(-REACH_FRAMES, REACH_FRAMES + 1)
    found = np.array([correlation(mouth[max(0, g) :], voice[max(0, -g) :]) for g in lags])
    found = np.nan_to_num(found)
    best = int(found.argmax())
    return SyncCheck(lags[best], float(found[best]), float(found[best] - np.median(found)))


def span_of(
    samples: NDArray[np.int16], first: int, end: int, lag_frames: int = 0
) -> NDArray[np.int16]:
    """The sound of frames ``first`` to ``end``, moved later by ``lag_frames``; may be shorter."""
    begin = max(0, (first - lag_frames) * FRAME_SAMPLES)
    return samples[begin : max(0, (end - lag_frames) * FRAME_SAMPLES)]
