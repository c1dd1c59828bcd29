"""Where a film is cut, and which stretches of it show one face. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LEAST_CHANGE: Final = 8.0
"""Of a small picture from one frame to the next at a cut, in levels of 255."""

# Share of the pixels that change to another colour at once.
_OTHER_COLOURS: Final = 0.35
# At a cut so many times as much changes as from frame to frame in the half second around.
_RATIO, _AROUND_FRAMES = 6.0, 12
_BINS: Final = 8


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames ``first`` up to, and without, ``end`` of a film."""

    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first


def difference(before: Bytes, now: Bytes) -> float:
    """Mean difference of two small pictures, in levels of 255."""
    return float(np.abs(now.astype(np.int16) - before).mean())


def is_other_scene(before: Bytes, now: Bytes) -> bool:
    """Whether two small RGB pictures are of different scenes.

    Their colours differ, and by more than a lamp that flickers: a wall may be on two sides of a
    border between colours.
    """
    apart = np.abs(_colours(now) - _colours(before)).sum() / 2
    return bool(apart > _OTHER_COLOURS) and difference(before, now) > LEAST_CHANGE


def _colours(small: Bytes) -> Floats:
    """Shares of the pixels in each of 512 colours, (512,)."""
    level = (small // (256 // _BINS)).reshape(-1, 3).astype(np.int64)
    number = (level[:, 0] * _BINS + level[:, 1]) * _BINS + level[:, 2]
    return (np.bincount(number, minlength=_BINS**3) / len(number)).astype(np.float32)


def jumps(change: Floats, least: float) -> NDArray[np.bool_]:
    """Which frames begin a new shot, by how much changed since the frame before.

    Args:
        change: of anything, (t,); not-a-number where it is not known.
        least: what is no jump even in a still film.
    """
    found = np.zeros(len(change), bool)
    for frame in np.flatnonzero(np.nan_to_num(change) > least):
        around = change[max(0, frame - _AROUND_FRAMES) : frame + _AROUND_FRAMES + 1]
        found[frame] = change[frame] > _RATIO * float(np.nanmedian(around))
    return found


def find_shots(present: NDArray[np.bool_], starts: NDArray[np.bool_]) -> list[Shot]:
    """Longest stretches with a face and without a cut.

    Args:
        present: whether there is a face, (t,).
        starts: whether a frame begins a new shot, (t,).
    """
    shots, first = [], None
    for frame in range(len(present) + 1):
        ends = frame == len(present) or not present[frame] or starts[frame]
        if first is not None and ends:
            shots.append(Shot(first, frame))
            first = None
        if first is None and frame < len(present) and present[frame]:
            first = frame
    return shots
