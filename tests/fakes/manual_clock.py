"""Time that moves when a test says so."""

import asyncio


class ManualClock:
    """Implements `Clock`; `advance` wakes sleepers in the order of their deadlines."""

    def __init__(self) -> None:
        self._now_s = 100.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now_s(self) -> float:
        return self._now_s

    async def sleep_until(self, deadline_s: float) -> None:
        if deadline_s <= self._now_s:
            await asyncio.sleep(0)
            return
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((deadline_s, sleeper))
        await sleeper

    async def advance(self, seconds: float) -> None:
        target_s = self._now_s + seconds
        await _settle()
        while due := [s for s in self._sleepers if s[0] <= target_s]:
            first = min(due, key=lambda s: s[0])
            self._sleepers.remove(first)
            self._now_s = max(self._now_s, first[0])
            if not first[1].done():
                first[1].set_result(None)
            await _settle()
        self._now_s = target_s


async def _settle() -> None:
    """Let every task run until it waits again."""
    for _ in range(20):
        await asyncio.sleep(0)
