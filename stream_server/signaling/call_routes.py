"""WebRTC signalling: an SDP offer in, an SDP answer out."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.exceptions import HTTPException

from realtime_model.contract import StreamOptions
from stream_server.errors import DrainingError, EngineUnavailableError, SdpError
from stream_server.session.terms import EndReason
from stream_server.signaling.problems import MediaTypeError
from stream_server.signaling.schemas import SessionView
from stream_server.signaling.services import Services

CALLS_PATH = "/v1/realtime/calls"
SDP_TYPE = "application/sdp"
MAX_SDP_BYTES = 64 * 1024
MAX_STEPS = 50
MAX_SEED = 2**31 - 1
MIN_HEAD_SPEED, MAX_HEAD_SPEED = 0.5, 2.0
MIN_EXPRESSION, MAX_EXPRESSION = 0.5, 1.5
MAX_BLINKS = 40

Seed = Annotated[int, Query(ge=0, le=MAX_SEED, description="Same seed and sound: same frames.")]
Steps = Annotated[
    int | None, Query(ge=1, le=MAX_STEPS, description="Denoising steps; none: the model's default.")
]
Motion = Annotated[float, Query(ge=0, le=1, description="Head motion: 0 still, 1 as trained.")]
HeadSpeed = Annotated[
    float,
    Query(
        ge=MIN_HEAD_SPEED,
        le=MAX_HEAD_SPEED,
        description="How fast the head turns: 1 as trained.",
    ),
]
Expression = Annotated[
    float,
    Query(
        ge=MIN_EXPRESSION,
        le=MAX_EXPRESSION,
        description="How far the face moves with the voice: 1 as trained.",
    ),
]
# Whole numbers: a rate next to zero would put a blink further away than a frame number can count.
Blinks = Annotated[int, Query(ge=0, le=MAX_BLINKS, description="Blinks per minute; 0: none.")]
AvatarId = Annotated[str | None, Query(max_length=64, description="None: the default avatar.")]

_SDP_BODY = {SDP_TYPE: {"schema": {"type": "string", "maxLength": MAX_SDP_BYTES}}}
_CREATE_DOCS: dict[str, Any] = {
    "requestBody": {"required": True, "content": _SDP_BODY},
    "responses": {
        "201": {
            "description": "The SDP answer.",
            "headers": {"Location": {"schema": {"type": "string"}}},
            "content": _SDP_BODY,
        }
    },
}


def call_routes(services: Services) -> APIRouter:
    """Build the routes below ``/v1/realtime/calls``."""
    router = APIRouter(prefix=CALLS_PATH, tags=["calls"])

    @router.post("", status_code=201, response_class=Response, openapi_extra=_CREATE_DOCS)
    async def start_call(
        request: Request,
        avatar: AvatarId = None,
        seed: Seed = 0,
        steps: Steps = None,
        motion: Motion = 1.0,
        head_speed: HeadSpeed = 1.0,
        expression: Expression = 1.0,
        blinks: Blinks = 18,
    ) -> Response:
        """Start a session: microphone up; avatar, re-timed voice and events down."""
        offer = await _read_offer(request)
        if services.sessions.is_draining:
            raise DrainingError
        status = services.engine.status
        if not status.is_ready:
            raise EngineUnavailableError(status.reason or "The model is warming up.")
        session_id, answer = await services.sessions.open(
            offer,
            await services.catalogue.portrait(avatar),
            StreamOptions(
                seed=seed,
                steps=steps,
                motion=motion,
                head_speed=head_speed,
                expression=expression,
                blinks=blinks,
            ),
            request.client.host if request.client else "unknown",
        )
        location = f"{CALLS_PATH}/{session_id}"
        return Response(answer, 201, {"Location": location}, media_type=SDP_TYPE)

    @router.get("/{session_id}")
    async def inspect_call(session_id: str) -> SessionView:
        """Look at a running session."""
        return SessionView.of(services.sessions.stats(session_id))

    @router.delete("/{session_id}", status_code=204)
    async def end_call(session_id: str) -> None:
        """End a session; its place is free when this answers."""
        await services.sessions.end(session_id, EndReason.DELETED)

    @router.patch("/{session_id}", include_in_schema=False)
    async def change_call(session_id: str) -> None:
        raise HTTPException(
            405,
            "A call cannot be renegotiated or sent further candidates; put all candidates into the "
            "offer, and start a new call to reconnect",
            {"Allow": "GET, DELETE"},
        )

    return router


async def _read_offer(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != SDP_TYPE:
        raise MediaTypeError(SDP_TYPE)
    body = await request.body()
    if not body:
        raise SdpError("The request has no body; it must be an SDP offer.")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise SdpError("The offer is not text.") from exc
