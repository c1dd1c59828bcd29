"""Property tests count examples, not milliseconds; no test leaves a task behind."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

settings.register_profile("emolive", deadline=None, max_examples=60)
settings.load_profile("emolive")


@pytest.fixture(autouse=True)
async def _no_task_is_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    after = asyncio.all_tasks() - before - {asyncio.current_task()}
    left = {task.get_name() for task in after if not task.done()}
    assert not left, f"tasks left behind: {left}"
