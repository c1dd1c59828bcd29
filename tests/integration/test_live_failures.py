"""Devices that fail under a real model process: the server goes on, and calls are told."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from realtime_model.contract import AudioWindow, StreamOptions
from stream_server.errors import WorkerFaultError
from stream_server.inference.engine import InferenceEngine
from tests.fakes import failing
from tests.fakes.caller import Caller, babble
from tests.fakes.live import CLOCK, PORTRAIT, calling, running_engine
from tests.fakes.miniature import MINIATURE, add_parts, write_preset


def window(engine: InferenceEngine, index: int) -> AudioWindow:
    return AudioWindow(np.full(engine.geometry.window_samples, 0.1, np.float32), index)


async def until_replaced(engine: InferenceEngine, pid: int | None) -> None:
    for _ in range(3_000):
        if engine.worker_pid not in (None, pid):
            return
        await CLOCK.sleep_until(CLOCK.now_s() + 0.05)
    raise AssertionError("the model process was not replaced")


@pytest.mark.parametrize("fails", [failing.out_of_memory, failing.driver_error])
async def test_a_call_outlives_memory_that_runs_out_and_a_driver_that_fails(
    tmp_path: Path, fails: object
) -> None:
    assert callable(fails)
    caller = Caller(babble(20))
    async with running_engine(partial(fails, tmp_path / "done")) as engine:
        pid = engine.worker_pid
        async with calling(engine, caller) as call:
            await until_replaced(engine, pid)
            await caller.sees_frames(10, within_s=120)
            event = caller.heard.of_type("avatar.quality_changed")[0]
            assert (event["level"], event["reason"]) == ("held", "model_restarting")
            assert engine.status.restarts == 1
            assert not call.ended.done()


async def test_after_short_memory_batches_are_smaller() -> None:
    async with running_engine(failing.short_for_two) as engine:
        pid = engine.worker_pid
        for name in "abc":
            await engine.open_stream(name, PORTRAIT, StreamOptions())
        for name in "abc":  # the first goes alone, the others while it is under way
            engine.submit(name, window(engine, 0), epoch=0, deadline_s=CLOCK.now_s() + 600)
        assert (await engine.chunks("a").get()).chunk_index == 0
        await until_replaced(engine, pid)
        for name in "abc":
            engine.submit(name, window(engine, 1), epoch=0, deadline_s=CLOCK.now_s() + 600)
        for name in "abc":
            assert (await engine.chunks(name).get()).chunk_index == 1
        assert engine.status.restarts == 1


async def test_a_driver_that_fails_while_a_stream_opens_costs_one_process(tmp_path: Path) -> None:
    async with running_engine(partial(failing.refusing, tmp_path / "done")) as engine:
        pid = engine.worker_pid
        with pytest.raises(WorkerFaultError, match="the GPU or its driver failed"):
            await engine.open_stream("a", PORTRAIT, StreamOptions())
        await until_replaced(engine, pid)
        assert (await engine.open_stream("a", PORTRAIT, StreamOptions())).shape == (384, 256)


async def test_a_preset_with_a_unet_is_served_to_two_streams(
    tmp_path: Path, astronaut: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    preset = write_preset(tmp_path / "mini.yaml", MINIATURE, add_parts(tmp_path))
    async with running_engine(str(preset)) as engine:
        assert engine.geometry == MINIATURE.geometry
        for name, steps in (("a", None), ("b", 1)):
            resting = await engine.open_stream(name, astronaut, StreamOptions(steps=steps))
            assert resting.shape == (96, 64)
        for index in range(2):
            for name in "ab":
                until_s = CLOCK.now_s() + 600
                engine.submit(name, window(engine, index), epoch=0, deadline_s=until_s)
        for name in "ab":
            for index in range(2):
                chunk = await engine.chunks(name).get()
                assert (chunk.chunk_index, chunk.frames.shape) == (index, (3, 96, 64))
        assert engine.status.restarts == 0
