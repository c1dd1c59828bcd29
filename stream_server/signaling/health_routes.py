"""For operators and start-up screens: alive, ready, metrics, capabilities, problem kinds."""

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from stream_server.observability.metrics import CONTENT_TYPE
from stream_server.signaling.call_routes import (
    MAX_BLINKS,
    MAX_EXPRESSION,
    MAX_HEAD_SPEED,
    MAX_SEED,
    MAX_STEPS,
    MIN_EXPRESSION,
    MIN_HEAD_SPEED,
)
from stream_server.signaling.problems import KINDS
from stream_server.signaling.schemas import (
    Capabilities,
    Limits,
    Liveness,
    ProblemKind,
    Readiness,
    ReadyCheck,
)
from stream_server.signaling.services import Services


def health_routes(services: Services) -> APIRouter:
    """Build the routes that describe the server."""
    router = APIRouter(tags=["server"])

    @router.get("/livez")
    async def live() -> Liveness:
        """Answer as long as the event loop runs."""
        return Liveness()

    @router.get("/readyz", responses={503: {"model": Readiness}})
    async def ready(response: Response) -> Readiness:
        """Answer 200 once a warm-up window was rendered, and until the server shuts down."""
        readiness = _readiness(services)
        if readiness.status != "ready":
            response.status_code = 503
            response.headers["Retry-After"] = "2"
        response.headers["Cache-Control"] = "no-store"
        return readiness

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Prometheus metrics."""
        return Response(services.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    @router.get("/v1/capabilities")
    async def capabilities() -> Capabilities:
        """Describe the model and the limits."""
        return _capabilities(services)

    @router.get("/v1/problems/{code}")
    async def problem_kind(code: str) -> ProblemKind:
        """Describe a kind of problem: what its ``type`` refers to."""
        if (kind := KINDS.get(code)) is None:
            raise HTTPException(404, "There is no such kind of problem")
        return ProblemKind(code=code, status=kind.status, title=kind.title, advice=kind.advice)

    return router


def _readiness(services: Services) -> Readiness:
    status, sessions = services.engine.status, services.sessions
    model = "A warm-up window was rendered."
    if status.warmup_s is not None:
        model = f"A warm-up window was rendered in {status.warmup_s:.2f} s."
    checks = [
        ReadyCheck(
            name="model",
            ok=status.is_ready,
            message=model if status.is_ready else status.reason or "The model is warming up.",
        ),
        ReadyCheck(
            name="admission",
            ok=not sessions.is_draining,
            message="The server is shutting down."
            if sessions.is_draining
            else "New sessions are accepted.",
        ),
    ]
    return Readiness(
        status="ready" if all(check.ok for check in checks) else "not_ready",
        checks=checks,
        sessions=sessions.active,
        max_sessions=sessions.limit,
    )


def _capabilities(services: Services) -> Capabilities:
    settings, geometry = services.settings, services.engine.geometry
    avatars = services.catalogue.all()
    return Capabilities(
        version=services.version,
        model=settings.inference.model_name,
        width=geometry.width_px,
        height=geometry.height_px,
        fps=geometry.fps,
        hop_ms=geometry.hop_s * 1000,
        lookahead_ms=geometry.lookahead_frames * geometry.frame_s * 1000,
        default_avatar=avatars[0].id if avatars else None,
        options={
            "seed": {"min": 0, "max": MAX_SEED},
            "steps": {"min": 1, "max": MAX_STEPS},
            "motion": {"min": 0, "max": 1},
            "head_speed": {"min": MIN_HEAD_SPEED, "max": MAX_HEAD_SPEED},
            "expression": {"min": MIN_EXPRESSION, "max": MAX_EXPRESSION},
            "blinks": {"min": 0, "max": MAX_BLINKS},
        },
        image_types=["image/png", "image/jpeg", "image/webp"],
        limits=Limits(
            max_sessions=settings.sessions.max_sessions,
            max_session_s=settings.sessions.max_duration_s,
            idle_timeout_s=settings.sessions.idle_timeout_s,
            upload_bytes=settings.avatars.max_upload_bytes,
            upload_pixels=settings.avatars.max_pixels,
            min_side_px=settings.avatars.min_side_px,
            max_side_px=settings.avatars.max_side_px,
        ),
    )
