import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import numpy as np
import pytest

from realtime_model.contract import RgbImage, StreamOptions
from stream_server.clock import MonotonicClock
from stream_server.errors import (
    CapacityError,
    DrainingError,
    PeerError,
    SdpError,
    UnknownSessionError,
)
from stream_server.session.admission import AdmissionLimits, RateLimitedError
from stream_server.session.context import current_session_id
from stream_server.session.manager import SessionManager
from stream_server.session.terms import EndReason, SessionStats

PORTRAIT: RgbImage = np.zeros((8, 8, 3), np.uint8)
OPTIONS = StreamOptions(seed=3)


class ScriptedSession:
    """A session whose offer says what it does: ``ok``, ``bad``, ``hang``, ``crash``."""

    def __init__(self, session_id: str, portrait: RgbImage, options: StreamOptions) -> None:
        self.id, self.options = session_id, options
        self.is_closed = False
        self.seen_id: str | None = None
        self._script = ""
        self._ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()

    async def answer(self, offer_sdp: str) -> str:
        self._script = offer_sdp
        if offer_sdp == "hang":
            await asyncio.Event().wait()
        if offer_sdp == "bad":
            raise SdpError("bad")
        return f"answer to {offer_sdp}"

    async def run(self) -> EndReason:
        self.seen_id = current_session_id()
        if self._script == "crash":
            raise RuntimeError("a stage failed")
        return await self._ended

    def end(self, reason: EndReason) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    def stats(self) -> SessionStats:
        return SessionStats(self.id, True, 0.0, 0, 25.0, None, None)

    async def close(self) -> None:
        self.is_closed = True


class Tally:
    def __init__(self) -> None:
        self.rejected: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()

    def count_rejected(self, reason: str) -> None:
        self.rejected[reason] += 1

    def count_ended(self, reason: str, duration_s: float) -> None:
        self.ended[reason] += 1


class House:
    """A running manager and everything it built."""

    def __init__(self, **limits: int | bool) -> None:
        self.built: list[ScriptedSession] = []
        self.tally = Tally()
        values = {"max_sessions": 2, "max_per_address": 9, "new_per_minute": 99} | limits
        self.manager = SessionManager(
            build=self._build,
            limits=AdmissionLimits(**values),  # type: ignore[arg-type]
            answer_timeout_s=0.05,
            clock=MonotonicClock(),
            metrics=self.tally,
        )

    def _build(
        self, session_id: str, portrait: RgbImage, options: StreamOptions
    ) -> ScriptedSession:
        self.built.append(ScriptedSession(session_id, portrait, options))
        return self.built[-1]

    async def open(self, offer: str = "ok", address: str = "192.0.2.1") -> str:
        session_id, _ = await self.manager.open(offer, PORTRAIT, OPTIONS, address)
        await asyncio.sleep(0)
        return session_id


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async for started in run_house(House()):
        yield started


async def run_house(house: House) -> AsyncIterator[House]:
    task = asyncio.get_running_loop().create_task(house.manager.run())
    await asyncio.sleep(0)
    yield house
    task.cancel()
    await asyncio.wait([task])


async def test_session_is_answered_and_known_until_it_ends(house: House) -> None:
    session_id, answer = await house.manager.open("ok", PORTRAIT, OPTIONS, "192.0.2.1")
    assert answer == "answer to ok"
    assert house.built[0].options == OPTIONS
    assert house.manager.stats(session_id).session_id == session_id
    await house.manager.end(session_id, EndReason.DELETED)
    assert house.manager.active == 0
    assert house.tally.ended == {"deleted": 1}
    with pytest.raises(UnknownSessionError):
        house.manager.stats(session_id)


async def test_session_task_knows_its_id_for_the_log(house: House) -> None:
    session_id = await house.open()
    assert house.built[0].seen_id == session_id
    assert current_session_id() is None


async def test_full_house_refuses_and_recovers(house: House) -> None:
    first, _ = await house.open(), await house.open()
    with pytest.raises(CapacityError, match="2 of 2"):
        await house.open()
    assert house.tally.rejected == {"at_capacity": 1}
    await house.manager.end(first, EndReason.DELETED)
    await house.open()


async def test_offers_being_answered_hold_their_place(house: House) -> None:
    loop = asyncio.get_running_loop()
    slow = [loop.create_task(house.open("hang")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(CapacityError):
        await house.open()
    results = await asyncio.gather(*slow, return_exceptions=True)
    assert all(isinstance(result, PeerError) for result in results)
    assert all(session.is_closed for session in house.built)
    assert house.manager.active == 0
    await house.open()


async def test_bad_offer_gives_its_place_back(house: House) -> None:
    with pytest.raises(SdpError):
        await house.open("bad")
    assert house.built[0].is_closed
    assert house.manager.active == 0


async def test_crash_of_one_session_leaves_the_others_running(house: House) -> None:
    healthy = await house.open()
    await house.open("crash")
    await asyncio.sleep(0.01)
    assert house.manager.active == 1
    assert house.manager.stats(healthy).is_connected
    assert house.tally.ended == {"failed": 1}


async def test_address_limit_counts_only_admitted_sessions() -> None:
    async for house in run_house(House(max_sessions=9, max_per_address=1)):
        await house.open()
        with pytest.raises(RateLimitedError):
            await house.open()
        await house.open(address="192.0.2.2")
        assert house.manager.active == 2


async def test_draining_admits_nobody_and_lets_sessions_go_on(house: House) -> None:
    session_id = await house.open()
    house.manager.drain()
    with pytest.raises(DrainingError):
        await house.open()
    assert house.manager.stats(session_id).is_connected


async def test_end_of_the_manager_ends_all_sessions() -> None:
    async for house in run_house(House()):
        await house.open()
        await house.open()
    assert house.tally.ended == {"draining": 2}
    assert house.manager.active == 0


async def test_offer_before_the_manager_runs_is_refused() -> None:
    with pytest.raises(DrainingError):
        await House().open()
