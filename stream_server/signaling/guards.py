"""What every request passes before a route sees it: host, origin, size, time, safety headers."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_server.errors import ServerError
from stream_server.settings import LOOPBACK_HOSTS
from stream_server.signaling.problems import problem_response

_SAFE_METHODS = frozenset({"GET", "HEAD"})


class BodyTooLargeError(ServerError):
    """A request body is larger than its route reads."""

    code = "body_too_large"

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(f"At most {_size(limit_bytes)} are accepted here.")


class BodyTimeoutError(ServerError):
    """A request body did not arrive in time."""

    code = "body_timeout"

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        super().__init__(f"The request body did not arrive within {limit_s:g} seconds.")


class HostGuard:
    """Answers only to names we know, so that a foreign page cannot reach us under its own name.

    The danger is DNS rebinding: a page's own domain is made to point at this machine, and then
    every request looks same-origin.
    """

    def __init__(self, app: ASGIApp, *, allowed_hosts: tuple[str, ...], on_loopback: bool) -> None:
        self._app = app
        self._allowed = frozenset(name.lower() for name in allowed_hosts)
        if on_loopback:
            self._allowed |= frozenset(LOOPBACK_HOSTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._allowed:
            name = urlsplit(f"//{Headers(scope=scope).get('host', '')}").hostname or ""
            if name not in self._allowed:
                answer = problem_response("forbidden_host", "This host name is not served here.")
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


class OriginGuard:
    """Lets other web origins read nothing and change nothing, unless they are listed.

    Requests without an ``Origin`` come from programs, not from pages: they pass.
    """

    def __init__(self, app: ASGIApp, *, allowed_origins: tuple[str, ...]) -> None:
        self._app = app
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS:
            headers = Headers(scope=scope)
            origin = headers.get("origin", "").lower()
            own = f"{scope['scheme']}://{headers.get('host', '')}".lower()
            if origin and origin != own and origin not in self._allowed:
                answer = problem_response(
                    "forbidden_origin", "The request came from a foreign page."
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


class BodyGuard:
    """Bounds the size of every body, and the time in which it must arrive.

    The errors are raised where a route reads, so that only one place forms the answer.
    """

    def __init__(
        self, app: ASGIApp, *, limit_bytes: Callable[[str], int], timeout_s: float
    ) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit_bytes = self._limit_bytes(scope["path"])
        announced = Headers(scope=scope).get("content-length", "0")
        is_announced_too_large = announced.isdecimal() and int(announced) > limit_bytes
        received_bytes, is_complete = 0, False
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s

        async def bounded_receive() -> Message:
            nonlocal received_bytes, is_complete
            if is_complete:  # only a disconnect can come now, and that may take its time
                return await receive()
            if is_announced_too_large:
                raise BodyTooLargeError(limit_bytes)
            try:
                async with asyncio.timeout_at(deadline_s):
                    message = await receive()
            except TimeoutError as exc:
                raise BodyTimeoutError(self._timeout_s) from exc
            received_bytes += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if received_bytes > limit_bytes:
                raise BodyTooLargeError(limit_bytes)
            return message

        await self._app(scope, bounded_receive, send)


class SafetyHeaders:
    """Tells browsers to load nothing foreign, guess no types, and leak no addresses."""

    def __init__(self, app: ASGIApp, *, embedding_origins: tuple[str, ...]) -> None:
        self._app = app
        ancestors = " ".join(("'self'", *embedding_origins))
        self._headers = {
            "Content-Security-Policy": (
                "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
                "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
                f"frame-ancestors {ancestors}"
            ),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _size(count_bytes: int) -> str:
    if count_bytes >= 1024 * 1024:
        return f"{count_bytes / 1024 / 1024:.0f} MiB"
    return f"{count_bytes / 1024:.0f} KiB"
