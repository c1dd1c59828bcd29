"""A real engine, real sessions and real callers on this machine, for as long as a test lasts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from realtime_model.contract import RgbImage
from stream_server.clock import MonotonicClock
from stream_server.inference.engine import InferenceEngine
from stream_server.inference.worker import ModelSource
from stream_server.rtc.ice_guard import install_transport_guards
from stream_server.session.session import EndReason, Session, SessionOptions
from tests.fakes.caller import Caller
from tests.fakes.metrics import RecordingMetrics

PORTRAIT: RgbImage = np.full((256, 256, 3), 180, np.uint8)
CLOCK = MonotonicClock()

install_transport_guards()


@asynccontextmanager
async def running_engine(model: ModelSource = "testcard") -> AsyncIterator[InferenceEngine]:
    """Yield an engine that is ready, with a model, the test card at first, in its own process."""
    engine = InferenceEngine(model=model, threads=1, clock=CLOCK, restart_backoff_s=0.1)
    task = asyncio.get_running_loop().create_task(engine.run(), name="engine")
    try:
        async with asyncio.timeout(240):
            await engine.wait_ready()
        yield engine
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class Call:
    """A session, its caller, and the task that runs the session."""

    session: Session
    caller: Caller
    metrics: RecordingMetrics
    ended: asyncio.Task[EndReason]


@asynccontextmanager
async def calling(
    engine: InferenceEngine,
    caller: Caller,
    *,
    session_id: str = "sess_test",
    options: SessionOptions | None = None,
) -> AsyncIterator[Call]:
    """Yield a call whose first picture has arrived; hang up and wait for the end afterwards."""
    metrics = RecordingMetrics()
    session = Session(
        session_id=session_id,
        portrait=PORTRAIT,
        engine=engine,
        options=options or SessionOptions(),
        clock=CLOCK,
        metrics=metrics,
    )
    answer = await session.answer(await caller.offer())
    ended = asyncio.get_running_loop().create_task(session.run(), name=session_id)
    try:
        await caller.accept(answer)
        await caller.until(lambda heard: heard.pictures)
        yield Call(session, caller, metrics, ended)
    finally:
        await caller.close()
        async with asyncio.timeout(30):
            await ended
