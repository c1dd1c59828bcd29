"""The one source of time. Everything below the composition root is handed a `Clock`."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds, and the ability to wait for one of them."""

    def now_s(self) -> float:
        """Return monotonic seconds; the origin means nothing."""

    async def sleep_until(self, deadline_s: float) -> None:
        """Return at ``deadline_s`` or as soon after as possible; a past deadline only yields."""


class MonotonicClock:
    """The operating system's monotonic clock."""

    def now_s(self) -> float:
        return time.monotonic()

    async def sleep_until(self, deadline_s: float) -> None:
        await asyncio.sleep(max(0.0, deadline_s - time.monotonic()))
