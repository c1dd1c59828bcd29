import asyncio

import pytest

from stream_server.channel import LiveChannel
from stream_server.errors import ChannelClosedError


async def test_full_channel_drops_the_oldest_and_counts_it() -> None:
    channel: LiveChannel[int] = LiveChannel("test", capacity=2)
    for item in range(5):
        channel.put(item)
    assert [await channel.get(), await channel.get()] == [3, 4]
    assert channel.dropped == 3


async def test_get_waits_for_the_next_item() -> None:
    channel: LiveChannel[str] = LiveChannel("test", capacity=1)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(channel.get())
        await asyncio.sleep(0)
        assert not waiting.done()
        channel.put("now")
    assert waiting.result() == "now"


async def test_closed_channel_gives_what_it_holds_and_then_ends() -> None:
    channel: LiveChannel[int] = LiveChannel("test", capacity=3)
    channel.put(1)
    channel.put(2)
    channel.close()
    channel.close()
    assert [item async for item in channel] == [1, 2]
    with pytest.raises(ChannelClosedError, match="test"):
        await channel.get()
    with pytest.raises(ChannelClosedError):
        channel.put(3)


async def test_closing_wakes_who_waits() -> None:
    channel: LiveChannel[int] = LiveChannel("test", capacity=1)
    waiting = asyncio.get_running_loop().create_task(channel.get())
    await asyncio.sleep(0)
    channel.close()
    with pytest.raises(ChannelClosedError):
        await waiting


async def test_clear_is_not_counted_as_dropped() -> None:
    channel: LiveChannel[int] = LiveChannel("test", capacity=3)
    channel.put(1)
    channel.put(2)
    assert channel.clear() == 2
    assert (len(channel), channel.dropped) == (0, 0)
