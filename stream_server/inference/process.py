"""The handle of one model process: start it, talk to it, end it."""

import asyncio
import contextlib
import multiprocessing
import os
from typing import Final

from stream_server.errors import EngineUnavailableError
from stream_server.inference import worker
from stream_server.inference.messages import FromWorker, ToWorker

_END_TIMEOUT_S: Final = 2.0


class WorkerLostError(EngineUnavailableError):
    """The process died, fell silent, or broke the protocol."""


class WorkerProcess:
    """One spawned process. `end` is due on every path once the constructor returned."""

    def __init__(self, model: worker.ModelSource, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._inbox: asyncio.Queue[FromWorker | None] = asyncio.Queue()  # answers, so bounded
        self._process = context.Process(
            target=worker.main, args=(theirs, model, threads), name="emolive-model", daemon=True
        )
        self._process.start()
        theirs.close()  # now the end of the process is the end of the pipe
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._connection.fileno(), self._read)
        # uvloop makes a watched pipe non-blocking; a large message would then be cut in half.
        os.set_blocking(self._connection.fileno(), True)

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def send(self, message: ToWorker) -> None:
        """Send a small message; the pipe holds hundreds, and few are ever under way."""
        # A dead process is noticed by `receive`.
        with contextlib.suppress(OSError):
            self._connection.send(message)

    async def receive(self, within_s: float) -> FromWorker:
        """Return the next message.

        Raises:
            WorkerLostError: the process ended, or said nothing for ``within_s``.
        """
        try:
            async with asyncio.timeout(within_s):
                message = await self._inbox.get()
        except TimeoutError:
            raise WorkerLostError("The model process does not answer.") from None
        if message is None:
            raise WorkerLostError("The model process ended.")
        return message

    def end(self) -> None:
        """Kill the process: it keeps nothing worth saving. Safe to call twice."""
        if self._connection.closed:
            return
        self._loop.remove_reader(self._connection.fileno())
        self._connection.close()
        self._process.kill()
        self._process.join(_END_TIMEOUT_S)  # milliseconds after SIGKILL

    def _read(self) -> None:
        try:
            self._inbox.put_nowait(self._connection.recv())
        except (EOFError, OSError):
            self._loop.remove_reader(self._connection.fileno())
            self._inbox.put_nowait(None)
