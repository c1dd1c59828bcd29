"""Hand-off between stages: bounded, and honest about what it does when full."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from stream_server.errors import ChannelClosedError

T = TypeVar("T")


class LiveChannel(Generic[T]):
    """Bounded hand-off that prefers fresh items: when full, the oldest is dropped. One consumer.

    Attributes:
        name: for metrics and errors.
        dropped: items that were discarded because the channel was full.
    """

    def __init__(self, name: str, capacity: int) -> None:
        assert capacity > 0
        self.name = name
        self.dropped = 0
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_closed(self) -> bool:
        return self._closed

    def put(self, item: T) -> None:
        """Add an item, at the cost of the oldest; a producer of live media never waits."""
        if self._closed:
            raise ChannelClosedError(self.name)
        if len(self._items) == self._capacity:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._wake.set()

    async def get(self) -> T:
        """Return the oldest item, waiting for one.

        Raises:
            ChannelClosedError: the channel is closed and empty.
        """
        while not self._items:
            if self._closed:
                raise ChannelClosedError(self.name)
            self._wake.clear()
            await self._wake.wait()
        return self._items.popleft()

    def clear(self) -> int:
        """Discard everything that waits, and return how much it was; not counted as dropped."""
        count = len(self._items)
        self._items.clear()
        return count

    def close(self) -> None:
        """Refuse further items; what waits can still be read. Safe to call twice."""
        self._closed = True
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[T]:
        """Yield items until the channel is closed and empty."""
        while True:
            try:
                item = await self.get()
            except ChannelClosedError:
                return
            yield item
