"""How many threads render a chunk: all of them, or one while another program holds a core.

Threads wait for each other some hundred times a chunk. Where one of them is kept from its core, the
others wait for the scheduler every time: beside one busy program on two cores two threads took ten
times as long as one. So whoever is late on many threads goes on alone, and tries again later.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_LATE = 0.8  # of the time that a chunk is shown: from there on it comes too late
_FIRST_TRY, _LAST_TRY = 25, 400  # chunks until another number of threads is tried


class Crew:
    """The threads of one model. Another number of them gives the same frames to a level of 255.

    Args:
        most: threads that may be used.
        clock: seconds that pass.
        use: told how many threads to use.
    """

    def __init__(
        self,
        most: int,
        *,
        clock: Callable[[], float] = time.perf_counter,
        use: Callable[[int], None] = torch.set_num_threads,
    ) -> None:
        self._clock, self._use = clock, use
        self.most = self.threads = most
        use(most)
        self._pause = _FIRST_TRY
        self._left = 0  # chunks until another number may be tried
        self._before = 0.0  # of its time, what the chunk took after which one thread went on alone

    @contextmanager
    def rendering(self, shown_s: float) -> Iterator[None]:
        """Surrounds the rendering of frames that are shown for so long, in seconds."""
        if self.most == 1:
            yield
            return
        begun = self._clock()
        yield
        self._took((self._clock() - begun) / shown_s)

    def _took(self, share: float) -> None:
        self._left = max(0, self._left - 1)
        late = share > _LATE
        if self.threads == self.most:
            if not late:
                self._pause = _FIRST_TRY
            elif self._left == 0:
                self._before = share
                self._go_on(1, self._pause)
        elif late and share >= self._before:  # alone it is no better
            self._go_on(self.most, self._pause)
        elif self._left == 0:  # perhaps the core is free again
            self._go_on(self.most, 0)

    def _go_on(self, threads: int, chunks: int) -> None:
        """Use another number of threads, for so many chunks at least; the next time for longer."""
        self.threads, self._left = threads, chunks
        if chunks:
            self._pause = min(2 * self._pause, _LAST_TRY)
        self._use(threads)
