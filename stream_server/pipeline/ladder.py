"""What to give up when rendering cannot keep up, and when to take it back. Pure."""

from collections import deque
from enum import StrEnum
from typing import Final

_WATCH_BEATS: Final = 50  # 2 s at 25 fps: shorter hiccups are the playout clock's business
_TOO_LATE: Final = 0.25
_CALM_BEATS: Final = 250
_FIRST_WAIT_BEATS: Final = 125
_LONGEST_WAIT_BEATS: Final = 2_000


class Quality(StrEnum):
    """The rungs, best first."""

    FULL = "full"
    FEWER_STEPS = "fewer_steps"
    HELD = "held"


class QualityLadder:
    """Steps down when a quarter of two seconds came late, and up again after ten calm seconds.

    From the lowest rung it climbs back to try; every trial that fails doubles the next wait.
    """

    def __init__(self, *, can_reduce_steps: bool) -> None:
        self._rungs = [Quality.FULL, Quality.FEWER_STEPS, Quality.HELD]
        if not can_reduce_steps:
            self._rungs.remove(Quality.FEWER_STEPS)
        self._lowest = len(self._rungs) - 1
        self._rung = 0
        self._recent: deque[bool] = deque(maxlen=_WATCH_BEATS)
        self._calm_beats = 0
        self._wait_beats = _FIRST_WAIT_BEATS

    @property
    def quality(self) -> Quality:
        return self._rungs[self._rung]

    def observe(self, is_late: bool) -> bool:
        """Take in one beat and return whether the quality changed.

        Args:
            is_late: a frame was due and had not been rendered; on the lowest rung nothing is.
        """
        self._recent.append(is_late)
        self._calm_beats = 0 if is_late else self._calm_beats + 1
        if self._rung == self._lowest:
            return self._calm_beats >= self._wait_beats and self._move(-1)
        full = len(self._recent) == _WATCH_BEATS
        if full and sum(self._recent) > _TOO_LATE * _WATCH_BEATS:
            if self._rung + 1 == self._lowest:
                self._wait_beats = min(2 * self._wait_beats, _LONGEST_WAIT_BEATS)
            return self._move(+1)
        if self._calm_beats < _CALM_BEATS:
            return False
        self._wait_beats = _FIRST_WAIT_BEATS
        return self._rung > 0 and self._move(-1)

    def _move(self, step: int) -> bool:
        self._rung += step
        self._recent.clear()
        self._calm_beats = 0
        return True
