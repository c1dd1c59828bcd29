"""Puts the packets of a voice back on their time line, without ever falling behind. Pure.

The library's own buffer releases packet ``n`` when packet ``n + 4`` arrives, so every lost packet
makes it later, for good. This one releases a packet as soon as its predecessor is out. For a lost
one it waits until that can no longer be in time, and puts a gap there. The delay of a voice is thus
zero on a clean path, at most the wait on a bad one, and zero again right after.
"""

from dataclasses import dataclass
from typing import Final

from stream_server.media import VOICE_RATE_HZ

_FRAME: Final = VOICE_RATE_HZ // 50
_GRAIN: Final = VOICE_RATE_HZ // 400  # 2.5 ms: what an Opus packet's duration is a multiple of
_JUMP: Final = VOICE_RATE_HZ  # further off than 1 s is another time line, not a late packet
_MARGIN_S: Final = 0.03
_LONGEST_WAIT_S: Final = 0.2
_MOST_AHEAD_S: Final = 2.0
_LATE_BEFORE_RESYNC: Final = 10
_LEAK_S: Final = 10e-6  # per packet: 500 ppm, more than two clocks differ
_DECAY: Final = 0.9995  # per packet: half in 28 s


@dataclass(frozen=True, slots=True)
class Encoded:
    """An Opus packet whose turn has come."""

    payload: bytes
    samples: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Sound that was lost, or never sent."""

    samples: int


class AudioReceiveBuffer:
    """Turns packets in any order, at any time, into an unbroken line that keeps up with the clock.

    Attributes:
        late: packets that came after their place had been filled.
        refused: packets dropped because the sender runs ahead of the clock, or sends nonsense.
    """

    def __init__(self, now_s: float) -> None:
        self.late = self.refused = 0
        self._began_s = now_s
        self._released = 0
        self._is_anchored = False
        self._next = 0  # unwrapped time stamp of the next sample to release
        self._transit_s = now_s  # shortest time seen from time stamp to arrival
        self._jitter_s = 0.02
        self._late_in_a_row = 0
        self._pending: dict[int, Encoded] = {}

    def push(self, timestamp: int, payload: bytes, now_s: float) -> None:
        """Take in a packet; ``timestamp`` is RTP's 32 bits at 48 kHz."""
        samples = opus_samples(payload)
        ahead_s = (self._released + len(self._pending) * _FRAME) / VOICE_RATE_HZ
        if samples == 0 or ahead_s - (now_s - self._began_s) > _MOST_AHEAD_S:
            self.refused += 1
            return
        start = self._next + _signed32(timestamp - self._next) // _GRAIN * _GRAIN
        if not self._is_anchored or abs(start - self._next) > _JUMP:
            self._anchor(start, now_s)
        transit_s = now_s - start / VOICE_RATE_HZ
        self._transit_s = min(self._transit_s + _LEAK_S, transit_s)
        lateness_s = min(transit_s - self._transit_s, _LONGEST_WAIT_S)
        self._jitter_s = max(self._jitter_s * _DECAY, lateness_s)
        if start >= self._next:
            self._late_in_a_row = 0
            self._pending[start] = Encoded(payload, samples)
            return
        self.late += 1
        self._late_in_a_row += 1
        if self._late_in_a_row >= _LATE_BEFORE_RESYNC:  # the sender paused and goes on where it was
            self._anchor(start, now_s)
            self._pending[start] = Encoded(payload, samples)

    def take(self, now_s: float) -> list[Encoded | Gap]:
        """Release everything whose turn has come."""
        released: list[Encoded | Gap] = []
        while True:
            packet = self._pending.pop(self._next, None)
            if packet is not None:
                self._release(packet, released)
            elif now_s >= self.deadline_s:
                self._release(Gap(self._missing()), released)
            else:
                return released

    @property
    def deadline_s(self) -> float:
        """Clock time at which the next sample is given up, unless it arrives before."""
        wait_s = min(self._jitter_s + _MARGIN_S, _LONGEST_WAIT_S)
        return self._transit_s + self._next / VOICE_RATE_HZ + wait_s

    def _missing(self) -> int:
        """How much to fill: up to the next packet at hand, else one frame."""
        gap = min(self._pending, default=self._next + _FRAME) - self._next
        return min(gap, _FRAME)

    def _release(self, piece: Encoded | Gap, released: list[Encoded | Gap]) -> None:
        released.append(piece)
        self._next += piece.samples
        self._released += piece.samples
        for start in [start for start in self._pending if start < self._next]:
            del self._pending[start]  # overlaps what is out: a sender changed its packet length
            self.late += 1

    def _anchor(self, start: int, now_s: float) -> None:
        self._pending.clear()
        self._is_anchored = True
        self._next = start
        self._transit_s = now_s - start / VOICE_RATE_HZ
        self._late_in_a_row = 0


def opus_samples(payload: bytes) -> int:
    """Return the duration of an Opus packet in 48 kHz samples, 0 where it is not one.

    Source: RFC 6716, section 3.1.
    """
    if not payload:
        return 0
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        frame = (480, 960, 1_920, 2_880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    if code < 3:
        return frame * (1, 2, 2)[code]
    samples = frame * (payload[1] & 63) if len(payload) > 1 else 0
    return samples if samples <= 5_760 else 0


def _signed32(difference: int) -> int:
    return ((difference + (1 << 31)) & 0xFFFF_FFFF) - (1 << 31)
