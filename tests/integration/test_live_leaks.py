"""Callers come and go; nothing of them stays."""

import asyncio
import contextlib
import gc
import os
import threading
from pathlib import Path

import numpy as np

from tests.fakes.caller import Caller
from tests.fakes.live import calling, running_engine

CYCLES = 20
SILENT = np.zeros(0, np.int16)


def shared_memory() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob("psm_*")}


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_twenty_calls_leave_no_task_thread_descriptor_or_memory() -> None:
    async with running_engine() as engine:
        for cycle in range(3):  # libraries warm up: pools, caches, lazy imports
            async with calling(engine, Caller(SILENT), session_id=f"sess_warm_{cycle}"):
                pass
        gc.collect()
        await asyncio.sleep(0.2)
        tasks = {task.get_name() for task in asyncio.all_tasks()}
        threads, files, memory = threading.active_count(), open_files(), shared_memory()
        for cycle in range(CYCLES):
            async with calling(engine, Caller(SILENT), session_id=f"sess_{cycle}"):
                pass
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):  # the last thread ends when the system gets round to it
                while threading.active_count() > threads:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        gc.collect()
        assert {task.get_name() for task in asyncio.all_tasks()} == tasks
        assert threading.active_count() <= threads
        assert open_files() <= files
        assert shared_memory() == memory
        assert engine._streams == {}
