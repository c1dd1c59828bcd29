import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime_model.contract import AudioWindow
from stream_server.pipeline.scheduler import RenderJob, Scheduler

SOUND = np.zeros(8, np.float32)


def job(stream: str, index: int, deadline_s: float, epoch: int = 0) -> RenderJob:
    return RenderJob(stream, AudioWindow(SOUND, index), epoch, deadline_s)


def names(batch: list[RenderJob]) -> list[tuple[str, int]]:
    return [(job.stream_id, job.window.chunk_index) for job in batch]


def test_earliest_deadlines_come_first_and_one_per_stream() -> None:
    scheduler = Scheduler(max_batch=2)
    for item in (job("a", 0, 3), job("a", 1, 4), job("b", 0, 2), job("c", 0, 5)):
        scheduler.add(item)
    assert names(scheduler.next_batch(0)) == [("b", 0), ("a", 0)]
    assert names(scheduler.next_batch(0)) == [("a", 1), ("c", 0)]
    assert scheduler.next_batch(0) == []


def test_late_windows_are_dropped_and_counted() -> None:
    scheduler = Scheduler(max_batch=4)
    scheduler.add(job("a", 0, 1.0))
    scheduler.add(job("a", 1, 2.0))
    assert names(scheduler.next_batch(1.5)) == [("a", 1)]
    assert scheduler.late == 1


def test_a_stream_that_falls_behind_loses_its_oldest() -> None:
    scheduler = Scheduler(max_batch=1, max_waiting=2)
    for index in range(5):
        scheduler.add(job("a", index, 10))
    assert scheduler.superseded == 3
    assert names(scheduler.next_batch(0)) == [("a", 3)]


def test_interruption_withdraws_only_older_epochs_of_that_stream() -> None:
    scheduler = Scheduler(max_batch=4)
    for item in (job("a", 0, 1, epoch=0), job("a", 1, 2, epoch=1), job("b", 0, 3, epoch=0)):
        scheduler.add(item)
    scheduler.drop_older("a", 1)
    assert names(scheduler.next_batch(0)) == [("a", 1), ("b", 0)]


def test_forgotten_stream_leaves_nothing() -> None:
    scheduler = Scheduler(max_batch=4)
    scheduler.add(job("a", 0, 1))
    scheduler.forget("a")
    scheduler.forget("unknown")
    assert len(scheduler) == 0


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 10), st.booleans()), max_size=60),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_nothing_late_is_rendered_and_nothing_is_lost_uncounted(
    steps: list[tuple[str, float, bool]], max_batch: int, max_waiting: int
) -> None:
    scheduler = Scheduler(max_batch=max_batch, max_waiting=max_waiting)
    added = rendered = 0
    last: dict[str, int] = {}
    for index, (stream, deadline_s, renders) in enumerate(steps):
        scheduler.add(job(stream, index, deadline_s))
        added += 1
        if not renders:
            continue
        batch = scheduler.next_batch(5.0)
        rendered += len(batch)
        assert len(batch) <= max_batch
        assert len({item.stream_id for item in batch}) == len(batch)
        assert [item.deadline_s for item in batch] == sorted(item.deadline_s for item in batch)
        for item in batch:
            assert item.deadline_s > 5.0
            assert item.window.chunk_index > last.get(item.stream_id, -1)
            last[item.stream_id] = item.window.chunk_index
    assert len(scheduler) <= 4 * max_waiting
    assert added == rendered + len(scheduler) + scheduler.late + scheduler.superseded
