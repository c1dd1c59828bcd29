"""Who may start a session, by client address. Pure: time comes in, a verdict comes out."""

import ipaddress
import math
from collections import deque
from dataclasses import dataclass

from stream_server.errors import ServerError

_PERIOD_S = 60.0
_MOST_ADDRESSES = 10_000


class RateLimitedError(ServerError):
    """One client address starts sessions too fast, or holds too many."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after_s: float) -> None:
        self.retry_after_s = max(1, math.ceil(retry_after_s))
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Limits on sessions; those per address spare loopback unless told otherwise."""

    max_sessions: int
    max_per_address: int
    new_per_minute: int
    limit_loopback: bool = False


class AddressLimiter:
    """Counts the sessions each client network holds and has lately started.

    An IPv6 client owns a whole /64, so the /64 is what is counted. Memory is bounded: beyond
    ten thousand networks the one heard of least recently is forgotten.
    """

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._started: dict[str, deque[float]] = {}
        self._held: dict[str, int] = {}

    def take(self, address: str, now_s: float) -> None:
        """Count one session more.

        Raises:
            RateLimitedError: the address has reached a limit; nothing was counted.
        """
        key = _network(address)
        if key is None and not self._limits.limit_loopback:
            return
        key = key or "loopback"
        held = self._held.get(key, 0)
        if held >= self._limits.max_per_address:
            raise RateLimitedError(f"Your address already holds {held} sessions.", _PERIOD_S / 2)
        started = self._started.pop(key, deque())
        self._started[key] = started  # moved to the end: last heard of
        while started and started[0] <= now_s - _PERIOD_S:
            started.popleft()
        if len(started) >= self._limits.new_per_minute:
            raise RateLimitedError(
                f"Your address started {len(started)} sessions within a minute.",
                started[0] + _PERIOD_S - now_s,
            )
        started.append(now_s)
        self._held[key] = held + 1
        if len(self._started) > _MOST_ADDRESSES:
            self._started.pop(next(iter(self._started)))

    def release(self, address: str) -> None:
        """Count one session less."""
        key = _network(address) or "loopback"
        held = self._held.pop(key, 0)
        if held > 1:
            self._held[key] = held - 1


def _network(address: str) -> str | None:
    """The network an address stands for; None for this machine."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address  # a test client's or a socket's name
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None and not ip.is_loopback:
            return str(ipaddress.ip_network((ip, 64), strict=False))
        ip = ip.ipv4_mapped or ip
    return None if ip.is_loopback else str(ip)
