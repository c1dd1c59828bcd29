"""Admits sessions, runs each as a task of its own, and ends them all when the server stops."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import Protocol

from realtime_model.contract import RgbImage, StreamOptions
from stream_server.clock import Clock
from stream_server.errors import (
    CapacityError,
    DrainingError,
    PeerError,
    ServerError,
    UnknownSessionError,
)
from stream_server.session.admission import AddressLimiter, AdmissionLimits
from stream_server.session.context import session_context
from stream_server.session.terms import EndReason, SessionStats

log = logging.getLogger(__name__)

_CLOSING_S = 5.0
_FREEING_S = 2.0


class ManagedSession(Protocol):
    """What the manager needs of a `Session`."""

    async def answer(self, offer_sdp: str) -> str: ...

    async def run(self) -> EndReason: ...

    def end(self, reason: EndReason) -> None: ...

    def stats(self) -> SessionStats: ...

    async def close(self) -> None: ...


SessionFactory = Callable[[str, RgbImage, StreamOptions], ManagedSession]
"""Builds a session from its id, its portrait and what the person chose."""


class ManagerMetrics(Protocol):
    """Where the manager reports."""

    def count_rejected(self, reason: str) -> None: ...

    def count_ended(self, reason: str, duration_s: float) -> None: ...


class SessionManager:
    """Owns every session from admission to its end. Sessions exist only while `run` is running."""

    def __init__(
        self,
        *,
        build: SessionFactory,
        limits: AdmissionLimits,
        answer_timeout_s: float,
        clock: Clock,
        metrics: ManagerMetrics,
    ) -> None:
        self._build = build
        self._limits = limits
        self._answer_timeout_s = answer_timeout_s
        self._clock = clock
        self._metrics = metrics
        self._limiter = AddressLimiter(limits)
        self._sessions: dict[str, ManagedSession] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._places_taken = 0
        self._group: asyncio.TaskGroup | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self.is_draining = False

    @property
    def active(self) -> int:
        """Sessions now, those still negotiating included."""
        return self._places_taken

    @property
    def limit(self) -> int:
        return self._limits.max_sessions

    async def run(self) -> None:
        """Run until cancelled; then end every session, kindly for a few seconds, then by force."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await asyncio.Event().wait()
            finally:
                self.drain()
                self.end_all(EndReason.DRAINING)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_CLOSING_S):
                        await self._empty.wait()

    async def open(
        self, offer_sdp: str, portrait: RgbImage, options: StreamOptions, address: str
    ) -> tuple[str, str]:
        """Answer an offer and start its session.

        Returns:
            The session's id, and the SDP answer.

        Raises:
            DrainingError, CapacityError, RateLimitedError: it is not admitted.
            SdpError, PeerError, WorkerFaultError, EngineUnavailableError: it could not be set up.
        """
        self._admit(address)
        session_id = f"sess_{secrets.token_urlsafe(16)}"
        try:
            with session_context(session_id):
                session = self._build(session_id, portrait, options)
                answer_sdp = await self._answer(session, offer_sdp)
                if self._group is None or self.is_draining:
                    await session.close()
                    raise DrainingError
                self._sessions[session_id] = session
                self._tasks[session_id] = self._group.create_task(
                    self._supervise(session_id, session, address)
                )
        except BaseException:
            if session_id not in self._sessions:
                self._release(address)
            raise
        return session_id, answer_sdp

    def stats(self, session_id: str) -> SessionStats:
        """Look at a session.

        Raises:
            UnknownSessionError: it never existed, or has ended.
        """
        return self._get(session_id).stats()

    async def end(self, session_id: str, reason: EndReason) -> None:
        """End a session and return when its place is free, or after two seconds.

        Raises:
            UnknownSessionError: it never existed, or has ended.
        """
        self._get(session_id).end(reason)
        await asyncio.wait([self._tasks[session_id]], timeout=_FREEING_S)

    def drain(self) -> None:
        """Admit nobody from now on; running sessions go on."""
        self.is_draining = True

    def end_all(self, reason: EndReason) -> None:
        for session in list(self._sessions.values()):
            session.end(reason)

    async def wait_empty(self) -> None:
        """Return as soon as no session is left."""
        await self._empty.wait()

    def _get(self, session_id: str) -> ManagedSession:
        session = self._sessions.get(session_id)
        if session is None:
            raise UnknownSessionError(session_id)
        return session

    def _admit(self, address: str) -> None:
        """Take a place, before anything is awaited: two offers never share the last one."""
        try:
            if self.is_draining or self._group is None:
                raise DrainingError
            if self._places_taken >= self._limits.max_sessions:
                raise CapacityError(self._places_taken, self._limits.max_sessions)
            self._limiter.take(address, self._clock.now_s())
        except ServerError as exc:
            self._metrics.count_rejected(exc.code)
            raise
        self._places_taken += 1
        self._empty.clear()

    def _release(self, address: str) -> None:
        self._limiter.release(address)
        self._places_taken -= 1
        if self._places_taken == 0:
            self._empty.set()

    async def _answer(self, session: ManagedSession, offer_sdp: str) -> str:
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                return await session.answer(offer_sdp)
        except TimeoutError as exc:
            await session.close()
            raise PeerError("The server could not answer the offer in time.") from exc
        except BaseException:
            await session.close()
            raise

    async def _supervise(self, session_id: str, session: ManagedSession, address: str) -> None:
        """Run one session; whatever happens to it stays with it."""
        started_s, reason = self._clock.now_s(), EndReason.FAILED
        log.info("session started")
        try:
            reason = await session.run()
        except asyncio.CancelledError:
            reason = EndReason.DRAINING
            raise
        except Exception:  # the last line of defence: a failed session must not end the others
            log.exception("session failed")
        finally:
            del self._sessions[session_id], self._tasks[session_id]
            self._release(address)
            duration_s = self._clock.now_s() - started_s
            self._metrics.count_ended(reason.value, duration_s)
            log.info(
                "session ended",
                extra={"reason": reason.value, "duration_s": round(duration_s, 3)},
            )
