"""uvicorn's HTTP protocol, with a limit on how long a client may take over its request head."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class TimedHttpProtocol(HttpToolsProtocol):
    """Closes connections whose request head takes longer than `head_timeout_s` to arrive.

    uvicorn 0.54 has a timeout between requests only: a client that connects and sends one byte
    holds a descriptor for ever. Remove this class once uvicorn bounds the head itself.
    """

    head_timeout_s = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._start_timer()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def _start_timer(self) -> None:
        self._stop_timer()
        self._head_timer = self.loop.call_later(self.head_timeout_s, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def timed_http_protocol(head_timeout_s: float) -> type[TimedHttpProtocol]:
    """Return the protocol class with another limit; uvicorn takes classes, not instances."""
    return type("TimedHttpProtocol", (TimedHttpProtocol,), {"head_timeout_s": head_timeout_s})
