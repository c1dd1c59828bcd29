"""When an encoder changes its bit rate, and when it answers a request for a keyframe. Pure."""

from dataclasses import dataclass
from typing import Final

_LEAST_CHANGE: Final = 0.25
_RATE_PAUSE_S: Final = 2.0
_KEYFRAME_PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class BitRates:
    """Bits per second of the outgoing video."""

    start: int = 800_000
    lowest: int = 250_000
    highest: int = 2_500_000


class RateControl:
    """Follows the receiver's estimate with hysteresis: every change costs a keyframe."""

    def __init__(self, rates: BitRates) -> None:
        self._rates = rates
        self._wanted = self._current = rates.start
        self._changed_s = 0.0

    def request(self, bits_per_s: int) -> None:
        self._wanted = max(self._rates.lowest, min(bits_per_s, self._rates.highest))

    def settle(self, at_s: float) -> int:
        """Return the rate to encode with at media time ``at_s``."""
        is_far = abs(self._wanted - self._current) >= _LEAST_CHANGE * self._current
        if is_far and at_s - self._changed_s >= _RATE_PAUSE_S:
            self._current, self._changed_s = self._wanted, at_s
        return self._current


class KeyframeGate:
    """Answers requests for a keyframe, but not more than two in a second."""

    def __init__(self) -> None:
        self._is_requested = False
        self._sent_s = -_KEYFRAME_PAUSE_S

    def request(self) -> None:
        self._is_requested = True

    def take(self, at_s: float) -> bool:
        """Return whether the frame at media time ``at_s`` is to be a keyframe."""
        if not self._is_requested or at_s - self._sent_s < _KEYFRAME_PAUSE_S:
            return False
        self._is_requested = False
        self._sent_s = at_s
        return True
