"""Sessions and their model process: it dies, it hangs, it serves several at once."""

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import uvloop

from realtime_model.contract import AudioWindow, StreamOptions
from stream_server.errors import EngineUnavailableError, WorkerFaultError
from stream_server.inference.engine import InferenceEngine
from tests.fakes.caller import Caller, babble
from tests.fakes.live import CLOCK, PORTRAIT, calling, running_engine

NO_PICTURE = np.zeros((20, 20, 3), np.uint8)


def shared_memory() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob("psm_*")}


def window(engine: InferenceEngine, index: int, level: float = 0.1) -> AudioWindow:
    return AudioWindow(np.full(engine.geometry.window_samples, level, np.float32), index)


async def test_frames_come_back_for_the_window_that_asked() -> None:
    async with running_engine() as engine, asyncio.timeout(30):
        resting = await engine.open_stream("s", PORTRAIT, StreamOptions())
        assert resting.shape == (384, 256)
        for index in range(3):
            engine.submit("s", window(engine, index), epoch=0, deadline_s=CLOCK.now_s() + 60)
        chunks = [await engine.chunks("s").get() for _ in range(3)]
        assert [chunk.chunk_index for chunk in chunks] == [0, 1, 2]
        assert chunks[0].frames.shape == (4, 384, 256)
        assert engine.status.realtime_factor is not None


async def test_an_interruption_withdraws_windows_and_frames() -> None:
    async with running_engine() as engine, asyncio.timeout(30):
        await engine.open_stream("s", PORTRAIT, StreamOptions())
        for index in range(3):
            engine.submit("s", window(engine, index), epoch=0, deadline_s=CLOCK.now_s() + 60)
        engine.submit("s", window(engine, 7), epoch=1, deadline_s=CLOCK.now_s() + 60)
        chunk = await engine.chunks("s").get()
        assert (chunk.chunk_index, chunk.epoch) == (7, 1)


def test_large_answers_arrive_whole_on_the_servers_own_event_loop() -> None:
    async def open_many() -> None:
        async with running_engine() as engine, asyncio.timeout(30):
            for _ in range(50):
                resting = await engine.open_stream("s", PORTRAIT, StreamOptions())
                assert resting.shape == (384, 256)
                await engine.close_stream("s")
            assert engine.status.restarts == 0

    uvloop.run(open_many())


async def test_a_refused_portrait_is_a_sentence_and_leaves_nothing() -> None:
    async with running_engine() as engine, asyncio.timeout(30):
        before = shared_memory()
        with pytest.raises(WorkerFaultError, match="smaller than 64") as caught:
            await engine.open_stream("s", NO_PICTURE, StreamOptions())
        assert caught.value.code == "bad_portrait"
        with pytest.raises(KeyError):
            engine.chunks("s")
        assert shared_memory() == before
        await engine.open_stream("s", PORTRAIT, StreamOptions())


async def test_options_change_while_a_stream_runs() -> None:
    async with running_engine() as engine, asyncio.timeout(30):
        await engine.open_stream("s", PORTRAIT, StreamOptions())
        before = shared_memory()
        await engine.change_options("s", StreamOptions(steps=1))
        engine.submit("s", window(engine, 5), epoch=0, deadline_s=CLOCK.now_s() + 60)
        assert (await engine.chunks("s").get()).chunk_index == 5
        assert shared_memory() == before


async def test_nothing_is_served_before_the_model_is_ready() -> None:
    engine = InferenceEngine(model="testcard", threads=1, clock=CLOCK)
    assert not engine.is_ready
    assert engine.status.reason
    with pytest.raises(EngineUnavailableError):
        await engine.open_stream("s", PORTRAIT, StreamOptions())


async def test_the_end_leaves_no_process_and_no_memory() -> None:
    before = shared_memory()
    async with running_engine() as engine:
        pid = engine.worker_pid
        assert pid is not None
        await engine.open_stream("s", PORTRAIT, StreamOptions())
        assert shared_memory() > before
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert shared_memory() == before


async def test_a_call_survives_the_death_of_the_model_process() -> None:
    async with running_engine() as engine:
        caller = Caller(babble(20))
        async with calling(engine, caller) as call:
            await caller.sees_frames(25)
            assert engine.worker_pid is not None
            os.kill(engine.worker_pid, signal.SIGKILL)
            await caller.until(lambda heard: heard.of_type("avatar.quality_changed"))
            event = caller.heard.of_type("avatar.quality_changed")[0]
            assert (event["level"], event["reason"]) == ("held", "model_restarting")
            sounds = len(caller.heard.sound)
            await engine.wait_ready()
            await caller.sees_frames(25)
            assert len(caller.heard.sound) > sounds
            assert engine.status.restarts == 1
            assert not call.ended.done()


async def test_a_process_that_hangs_is_replaced() -> None:
    async with running_engine() as engine:
        await engine.open_stream("s", PORTRAIT, StreamOptions())
        pid = engine.worker_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        async with asyncio.timeout(60):
            while engine.worker_pid in (pid, None):  # noqa: ASYNC110 - restarts are not announced
                await asyncio.sleep(0.1)
            engine.submit("s", window(engine, 4), epoch=0, deadline_s=CLOCK.now_s() + 60)
            assert (await engine.chunks("s").get()).chunk_index == 4


async def test_two_calls_at_once_do_not_disturb_each_other() -> None:
    async with running_engine() as engine:
        first, second = Caller(babble(6, seed=1)), Caller(babble(6, seed=2))
        async with (
            calling(engine, first, session_id="sess_a") as one,
            calling(engine, second, session_id="sess_b") as two,
        ):
            await asyncio.gather(first.sees_frames(50), second.sees_frames(50))
            first.send({"type": "avatar.interrupt"})
            await first.until(lambda heard: heard.of_type("output_audio_buffer.cleared"))
            await asyncio.gather(first.sees_frames(25), second.sees_frames(25))
            assert (one.session.stats().epoch, two.session.stats().epoch) == (1, 0)
            assert second.heard.of_type("output_audio_buffer.cleared") == []
