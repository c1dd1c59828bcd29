"""Decides which windows go through the network next. Pure."""

from collections import deque
from dataclasses import dataclass

from realtime_model.contract import AudioWindow


@dataclass(frozen=True, slots=True)
class RenderJob:
    """A window that waits for the network.

    Attributes:
        epoch: the stream's epoch when the window was made.
        deadline_s: clock time after which nobody wants its frames.
    """

    stream_id: str
    window: AudioWindow
    epoch: int
    deadline_s: float


class Scheduler:
    """Serves the earliest deadlines first: one window per stream and batch, each stream in order.

    Windows past their deadline are never rendered, and a stream that falls behind loses its oldest
    windows first: late work is dropped, it does not pile up.

    Attributes:
        max_batch: most windows of a batch; may be lowered where memory turns out to be short.
        late: windows dropped because their deadline had passed.
        superseded: windows dropped because newer ones of their stream needed the place.
    """

    def __init__(self, *, max_batch: int, max_waiting: int = 3) -> None:
        self.max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting: dict[str, deque[RenderJob]] = {}
        self.late = self.superseded = 0

    def __len__(self) -> int:
        return sum(len(jobs) for jobs in self._waiting.values())

    def add(self, job: RenderJob) -> None:
        jobs = self._waiting.setdefault(job.stream_id, deque())
        if len(jobs) == self._max_waiting:
            jobs.popleft()
            self.superseded += 1
        jobs.append(job)

    def next_batch(self, now_s: float) -> list[RenderJob]:
        """Remove and return the windows to render now; empty when none is wanted any more."""
        for stream_id, jobs in list(self._waiting.items()):
            while jobs and jobs[0].deadline_s <= now_s:
                jobs.popleft()
                self.late += 1
            if not jobs:
                del self._waiting[stream_id]
        heads = sorted((jobs[0] for jobs in self._waiting.values()), key=lambda job: job.deadline_s)
        batch = heads[: self.max_batch]
        for job in batch:
            self._waiting[job.stream_id].popleft()
        return batch

    def drop_older(self, stream_id: str, epoch: int) -> None:
        """Forget a stream's windows from before an interruption."""
        jobs = self._waiting.get(stream_id, deque())
        self._waiting[stream_id] = deque(job for job in jobs if job.epoch >= epoch)

    def forget(self, stream_id: str) -> None:
        self._waiting.pop(stream_id, None)
