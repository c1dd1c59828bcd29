"""The composition root: the only place that builds the server's concrete parts and runs them."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import metadata
from types import FrameType

import typer
import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from realtime_model.contract import RgbImage, StreamOptions
from realtime_model.face import FaceLandmarker
from stream_server.avatars.catalogue import AvatarCatalogue
from stream_server.avatars.decoding import DecodeLimits, PictureDecoder
from stream_server.avatars.preflight import Preflight
from stream_server.clock import MonotonicClock
from stream_server.errors import ServerError
from stream_server.inference.engine import InferenceEngine
from stream_server.observability.logging import set_up_logging
from stream_server.observability.metrics import ServerMetrics
from stream_server.rtc.ice_guard import install_transport_guards
from stream_server.session.admission import AdmissionLimits
from stream_server.session.manager import SessionManager
from stream_server.session.session import Session
from stream_server.session.terms import SessionOptions
from stream_server.settings import AvatarsSection, Settings
from stream_server.signaling.avatar_routes import (
    AVATARS_PATH,
    MULTIPART_OVERHEAD_BYTES,
    avatar_routes,
)
from stream_server.signaling.call_routes import CALLS_PATH, MAX_SDP_BYTES, call_routes
from stream_server.signaling.client_page import ClientPage
from stream_server.signaling.guards import BodyGuard, HostGuard, OriginGuard, SafetyHeaders
from stream_server.signaling.health_routes import health_routes
from stream_server.signaling.http_protocol import timed_http_protocol
from stream_server.signaling.listening import bound_socket, page_url
from stream_server.signaling.problems import install_problems
from stream_server.signaling.services import Services

_IN_FLIGHT_S = 5
"""Requests still running when the server stops may take this long."""


class CrashError(ServerError):
    """A part that everything depends on has failed; its traceback is in the log."""

    code = "crashed"

    def __init__(self) -> None:
        super().__init__("The server stopped after an internal error; the log has the details.")


def create_app(settings: Settings) -> FastAPI:
    """Build the server. Its parts start with the application's lifespan and end with it.

    Raises:
        SettingsError, CheckpointError: a folder or a file it needs is missing or altered.
    """
    install_transport_guards()
    return assemble_app(build_services(settings))


def assemble_app(services: Services) -> FastAPI:
    """Put the routes and their guards around the parts of a server."""
    settings = services.settings
    app = FastAPI(
        title="emolive",
        version=services.version,
        summary="One portrait and one live voice in; a talking person out.",
        lifespan=_lifespan(services),
        docs_url=None,  # FastAPI's documentation pages load scripts from a foreign host
        redoc_url=None,
    )
    app.state.services = services
    for router in (call_routes(services), avatar_routes(services), health_routes(services)):
        app.include_router(router)
    if settings.server.client_dir is not None:
        app.router.default = ClientPage(settings.server.client_dir)
    install_problems(app)
    _install_guards(app, settings)
    return app


def serve(settings: Settings, *, announce: Callable[[str], object] = typer.echo) -> None:
    """Run the server until a signal ends it.

    SIGTERM drains: nobody new is admitted, and the process ends as soon as the last session has,
    at the latest after ``server.drain_timeout_s``. SIGINT, or a second signal, ends it now.

    Args:
        settings: what `load_settings` returned.
        announce: told, in plain sentences, where to open the page and when it is ready.

    Raises:
        StartError: the address cannot be used.
        SettingsError, CheckpointError: something the server needs is missing.
        CrashError: it failed while running.
    """
    set_up_logging(settings.logging.level, settings.logging.format)
    with bound_socket(settings.server) as listener:
        port = listener.getsockname()[1]
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            http=timed_http_protocol(settings.server.header_timeout_s),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=_IN_FLIGHT_S,
        )
        server = DrainingServer(
            config, app.state.services, page_url(settings.server, port), announce
        )
        server.run(sockets=[listener])
    if server.has_crashed:
        raise CrashError


class DrainingServer(uvicorn.Server):
    """uvicorn with a drain: the work rides on the tick that uvicorn makes every 100 ms anyway."""

    def __init__(
        self,
        config: uvicorn.Config,
        services: Services,
        url: str,
        announce: Callable[[str], object],
    ) -> None:
        super().__init__(config)
        self._services = services
        self._url = url
        self._announce = announce
        self._said: str | None = None
        self._drain_until_s: float | None = None
        self.has_crashed = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not recorded as captured, unlike in uvicorn: a requested end is exit code 0.
        if sig == signal.SIGTERM and self._drain_until_s is None:
            self._services.sessions.drain()
            allowed_s = self._services.settings.server.drain_timeout_s
            self._drain_until_s = time.monotonic() + allowed_s
        elif self.should_exit:
            self.force_exit = True
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        self._say_state()
        if self._drain_until_s is not None and (
            self._services.sessions.active == 0 or time.monotonic() >= self._drain_until_s
        ):
            self.should_exit = True
        if (
            self._services.ended.is_set()
        ):  # unasked: uvicorn itself would serve on without its parts
            self.has_crashed = self.should_exit = True
        return await super().on_tick(counter)

    def _say_state(self) -> None:
        status = self._services.engine.status
        if status.is_ready:
            words = f"emolive is ready: open {self._url}"
        else:
            words = f"emolive: {status.reason or 'the model is warming up'}"
        if words != self._said:
            self._said = words
            self._announce(words)


def build_services(settings: Settings) -> Services:
    """Build the parts of a server; nothing runs yet."""
    version, clock = _version(), MonotonicClock()
    metrics = ServerMetrics(version=version, model=settings.inference.model_name)
    engine = InferenceEngine(
        model=settings.inference.model,
        threads=settings.inference.threads,
        restart_backoff_s=settings.inference.restart_backoff_s,
        start_timeout_s=settings.inference.start_timeout_s,
        clock=clock,
    )
    limits = settings.sessions

    def build_session(session_id: str, portrait: RgbImage, stream: StreamOptions) -> Session:
        options = SessionOptions(
            stream=stream,
            ice_include_loopback=settings.ice_includes_loopback,
            connect_timeout_s=limits.connect_timeout_s,
            pause_after_s=limits.pause_after_s,
            lost_after_s=limits.lost_after_s,
            max_duration_s=limits.max_duration_s,
            idle_timeout_s=limits.idle_timeout_s,
        )
        return Session(
            session_id=session_id,
            portrait=portrait,
            engine=engine,
            options=options,
            clock=clock,
            metrics=metrics,
        )

    sessions = SessionManager(
        build=build_session,
        limits=AdmissionLimits(
            max_sessions=limits.max_sessions,
            max_per_address=limits.max_per_address,
            new_per_minute=limits.new_per_minute,
            limit_loopback=limits.limit_loopback,
        ),
        answer_timeout_s=limits.connect_timeout_s,
        clock=clock,
        metrics=metrics,
    )
    metrics.watch_sessions(lambda: sessions.active, sessions.limit)
    metrics.watch_engine(lambda: engine.status.restarts, lambda: engine.status.realtime_factor)
    return Services(
        version=version,
        settings=settings,
        engine=engine,
        sessions=sessions,
        catalogue=AvatarCatalogue(
            directory=settings.avatars.directory,
            shipped_dir=settings.avatars.shipped_dir,
            max_stored=settings.avatars.max_stored,
        ),
        preflight=Preflight(PictureDecoder(_decode_limits(settings.avatars)), FaceLandmarker()),
        metrics=metrics,
    )


def _decode_limits(avatars: AvatarsSection) -> DecodeLimits:
    return DecodeLimits(
        min_side_px=avatars.min_side_px,
        max_side_px=avatars.max_side_px,
        max_pixels=avatars.max_pixels,
        memory_bytes=avatars.decode_memory_bytes,
        timeout_s=avatars.decode_timeout_s,
    )


def _lifespan(services: Services) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            # Two groups, so that sessions have ended before the model process does.
            async with asyncio.TaskGroup() as models:
                engine = models.create_task(services.engine.run(), name="engine")
                async with asyncio.TaskGroup() as users:
                    sessions = users.create_task(services.sessions.run(), name="sessions")
                    yield
                    sessions.cancel()
                engine.cancel()
        finally:
            services.ended.set()

    return lifespan


def _install_guards(app: FastAPI, settings: Settings) -> None:
    """Wrap the routes; the guard added last is met first."""
    server = settings.server
    upload_bytes = settings.avatars.max_upload_bytes + MULTIPART_OVERHEAD_BYTES

    def limit_bytes(path: str) -> int:
        if path.startswith(AVATARS_PATH):
            return upload_bytes
        return MAX_SDP_BYTES if path.startswith(CALLS_PATH) else server.max_body_bytes

    app.add_middleware(BodyGuard, limit_bytes=limit_bytes, timeout_s=server.body_timeout_s)
    if server.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(server.allowed_origins),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After"],
        )
    app.add_middleware(OriginGuard, allowed_origins=server.allowed_origins)
    app.add_middleware(
        HostGuard, allowed_hosts=server.allowed_hosts, on_loopback=settings.listens_on_loopback
    )
    app.add_middleware(SafetyHeaders, embedding_origins=server.allowed_origins)


def _version() -> str:
    try:
        return metadata.version("emolive")
    except metadata.PackageNotFoundError:  # run from a source tree that was never installed
        return "0+source"
