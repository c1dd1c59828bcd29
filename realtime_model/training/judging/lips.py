"""What the mouth does with the sound: rest in silence, close on p, b and m, round on u and o.

All functions are pure and take curves that were read off frames. A curve may skip frames:
``numbers`` then says which ones it holds, 25 of them are a second.
"""

# ruff: noqa: RUF001 - IPA letters look like others and are meant

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from realtime_model.training.motion import FPS
from realtime_model.training.speech.phones import Phone, split_sounds

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

_FRAME_SAMPLES = 640
_HUSH = 100  # root mean square of a silent frame, of 32,768
_SETTLED = 7  # frames of silence before the mouth has to be at rest: 0.3 s with the first
_EARLY = 3  # frames by which lips part ahead of the sound
_FEWEST_SILENT = 10
_CLOSED = 0.2  # of the speaking range

CLOSING = frozenset("pbm")
NARROW = frozenset("pbmfv")
VOWELS = frozenset("aɑæɐʌəɛeɜiɪoɔɒuʊyøœɨʉɯ")
ROUNDED = frozenset("uʊow")
SPREAD = frozenset("iɪe")


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the cases went well."""

    held: int
    total: int

    @property
    def value(self) -> float | None:
        """In [0, 1]; None where there was no case."""
        return self.held / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class MouthScale:
    """What closed and open mean for one portrait in the eyes of the landmarker.

    Attributes:
        zero: what it reads where the mouth is closed, in widths of the face.
        reach: how far above that the mouth opens in speech, the 95th percentile.
    """

    zero: float
    reach: float

    @classmethod
    def of(cls, opening: Floats, zero: float) -> "MouthScale":
        return cls(zero, max(float(np.percentile(opening - zero, 95)), 1e-6))

    def share(self, opening: Floats) -> Floats:
        """Opening in speaking ranges: 0 is closed, 1 is wide open."""
        return np.asarray((opening - self.zero) / self.reach, np.float32)


def silent_frames(audio: NDArray[np.int16], frames: int) -> NDArray[np.bool_]:
    """Frames where the mouth has to rest: silent for 0.3 s, and not about to speak."""
    padded = np.zeros(frames * _FRAME_SAMPLES, np.float32)
    padded[: min(len(audio), len(padded))] = audio[: len(padded)]
    power = (padded.reshape(frames, _FRAME_SAMPLES) ** 2).mean(1)
    hush = np.asarray(np.sqrt(power) < _HUSH)
    out = hush.copy()
    for back in range(1, _SETTLED + 1):
        out[back:] &= hush[:-back]
        out[:back] = False
    for ahead in range(1, _EARLY + 1):
        out[:-ahead] &= hush[ahead:]
    return out


def silent_opening(opening: Floats, silent: NDArray[np.bool_], scale: MouthScale) -> float | None:
    """Median opening in silence in speaking ranges, at least 0; None where it is never silent."""
    if silent.sum() <= _FEWEST_SILENT:
        return None
    return max(0.0, float(np.median(scale.share(opening[silent]))))


def closures(
    opening: Floats, numbers: Numbers, phones: Sequence[Phone], scale: MouthScale
) -> Share:
    """How many p, b and m close the lips, one frame early or late at most."""
    level = scale.share(opening)
    lowest = [
        level[inside].min()
        for phone in phones
        if phone.ipa[:1] in CLOSING and (inside := _during(phone, numbers, slack=1)).any()
    ]
    return Share(sum(bool(low < _CLOSED) for low in lowest), len(lowest))


def vowels_above(opening: Floats, numbers: Numbers, phones: Sequence[Phone]) -> Share:
    """How many vowels open the mouth further than a p, b, m, f or v beside them."""
    held = total = 0
    for left, right in pairwise(phones):
        for vowel, narrow in ((left, right), (right, left)):
            if vowel.ipa[:1] not in VOWELS or narrow.ipa[:1] not in NARROW:
                continue
            wide = opening[_during(vowel, numbers)]
            tight = opening[_during(narrow, numbers)]
            if len(wide) and len(tight):
                total += 1
                held += bool(wide.max() > tight.min())
    return Share(held, total)


def rounding(width: Floats, numbers: Numbers, phones: Sequence[Phone]) -> float | None:
    """How much narrower the mouth is on u, o and w than on i and e, in deviations of its width.

    None where a clip has no sound of one of the two kinds, or the width never changes.
    """
    sounds = [sound for phone in phones for sound in split_sounds(phone)]
    rounded = _any(sounds, ROUNDED, numbers)
    spread = _any(sounds, SPREAD, numbers)
    deviation = float(width.std())
    if not rounded.any() or not spread.any() or deviation < 1e-6:
        return None
    return float(width[spread].mean() - width[rounded].mean()) / deviation


def _any(sounds: Iterable[Phone], kind: frozenset[str], numbers: Numbers) -> NDArray[np.bool_]:
    out = np.zeros(len(numbers), np.bool_)
    for sound in sounds:
        if sound.ipa[:1] in kind:
            out |= _during(sound, numbers)
    return out


def _during(phone: Phone, numbers: Numbers, slack: int = 0) -> NDArray[np.bool_]:
    """Which frames show a phone; a frame belongs to the phone that sounds at its middle."""
    middle = (numbers + 0.5) / FPS
    early, late = phone.start_s - slack / FPS, phone.end_s + slack / FPS
    return np.asarray((middle >= early) & (middle < late))
