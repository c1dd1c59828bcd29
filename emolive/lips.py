"""What a caller can see and hear: how late the voice comes back, and whether the lips follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from realtime_model.contract import RgbImage
from realtime_model.face import Face, FaceLandmarker

Floats = NDArray[np.float32]

_SPAN_S: Final = 1.0
_STEP_S: Final = 0.25
_LATEST_S: Final = 3.0
_CLEAR_MATCH: Final = 0.5
# Middle of the inner lips, and the ends of the face oval, as landmark numbers.
_INNER_LIPS: Final = (13, 14)
_FOREHEAD_CHIN: Final = (10, 152)


@dataclass(frozen=True, slots=True)
class LipMatch:
    """How the mouth that was seen goes with the voice that was heard.

    Attributes:
        correlation: of mouth opening with loudness, at the best lag; 0 is none, 1 is perfect.
        lag_s: lips after the voice if positive.
    """

    correlation: float
    lag_s: float


def voice_delays(
    said: Floats,
    said_from_s: float,
    heard: Sequence[Floats],
    heard_s: Sequence[float],
    rate_hz: int,
) -> list[float]:
    """Return, for one span of sound after another, the seconds from being said to being heard.

    Args:
        said: the recording, spoken over and over.
        said_from_s: when its first sample was first spoken.
        heard: blocks that came back.
        heard_s: their arrivals.
        rate_hz: of ``said`` and ``heard``.
    """
    line = np.concatenate(heard)
    starts = np.cumsum([0, *(len(block) for block in heard)])[:-1]
    span, step = round(_SPAN_S * rate_hz), round(_STEP_S * rate_hz)
    delays = []
    for begin in range(0, len(line) - span, step):
        block = int(np.searchsorted(starts, begin, side="right")) - 1
        arrival_s = heard_s[block] + (begin - int(starts[block])) / rate_hz
        delay_s = _delay_of(line[begin : begin + span], said, arrival_s - said_from_s, rate_hz)
        if delay_s is not None:
            delays.append(delay_s)
    return delays


def _delay_of(piece: Floats, said: Floats, age_s: float, rate_hz: int) -> float | None:
    """Search the last three seconds of what was said for a piece of what was heard."""
    last = round(age_s * rate_hz)
    first = last - round(_LATEST_S * rate_hz)
    if first < 0 or np.abs(piece).max() < 0.01:  # silence is found everywhere
        return None
    place = np.arange(first, last + len(piece)) % len(said)
    candidates = said[place]
    match = signal.correlate(candidates, piece, mode="valid", method="fft")
    power = np.concatenate([[0.0], np.cumsum(candidates.astype(np.float64) ** 2)])
    energy = np.sqrt(power[len(piece) :] - power[: -len(piece)])
    # Rounding would make a pause, divided by its own energy, match anything.
    norm = np.linalg.norm(piece)
    score = match / (np.maximum(energy, 0.1 * norm) * norm)
    best = int(np.argmax(score))
    return None if score[best] < _CLEAR_MATCH else (last - (first + best)) / rate_hz


def match_lips(
    images: Sequence[tuple[float, RgbImage]],
    heard: Sequence[Floats],
    heard_s: Sequence[float],
    *,
    fps: int = 25,
) -> LipMatch | None:
    """Compare mouth opening with loudness over time; None where no face or no voice was found."""
    opening = mouth_opening([image for _, image in images])
    if opening is None or len(heard) < fps:
        return None
    loudness = np.array([float(np.sqrt(np.mean(block**2))) for block in heard])
    seen_s = np.array([at for at, _ in images])
    begin_s, end_s = max(seen_s[0], heard_s[0]), min(seen_s[-1], heard_s[-1])
    ticks = np.arange(begin_s, end_s, 1 / fps)
    if len(ticks) < 2 * fps:
        return None
    mouth = np.interp(ticks, seen_s, opening)
    voice = _smooth(np.interp(ticks, np.asarray(heard_s), loudness))
    lags = range(-fps // 2, fps // 2 + 1)
    scores = [_correlation_at(mouth, voice, lag) for lag in lags]
    best = int(np.argmax(scores))
    return LipMatch(correlation=round(scores[best], 3), lag_s=lags[best] / fps)


def mouth_opening(images: Sequence[RgbImage]) -> Floats | None:
    """Return the inner lips' distance in face heights, per picture; None if a face is missing."""
    landmarker, face = FaceLandmarker(), None
    openings = []
    for image in images:
        face = landmarker.track(image, face)
        if face is None:
            return None
        openings.append(_opening(face))
    return np.asarray(openings, np.float32)


def _opening(face: Face) -> float:
    upper, lower = face.landmarks[list(_INNER_LIPS), :2]
    top, chin = face.landmarks[list(_FOREHEAD_CHIN), :2]
    return float(np.linalg.norm(lower - upper) / np.linalg.norm(chin - top))


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.convolve(values, np.ones(3) / 3, mode="same")


def _correlation_at(mouth: NDArray[np.float64], voice: NDArray[np.float64], lag: int) -> float:
    """Correlate the mouth with the voice ``lag`` ticks earlier; 0 where either stands still."""
    overlap = len(mouth) - abs(lag)
    one = mouth[max(0, lag) :][:overlap]
    other = voice[max(0, -lag) :][:overlap]
    if one.std() < 1e-6 or other.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
