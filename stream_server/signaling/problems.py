"""Every error a client can see, in one table, as RFC 9457 ``application/problem+json``."""

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from stream_server.avatars.preflight import RejectedPortraitError
from stream_server.errors import ServerError
from stream_server.signaling.schemas import CheckView, Problem

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """What all problems with one code have in common."""

    status: int
    title: str
    advice: str
    retry_after_s: int | None = None


_SERVER_ERROR = Kind(500, "The server failed", "Try again; if it stays, look at the server's log.")

KINDS = {
    "bad_sdp": Kind(
        400,
        "The offer cannot be used",
        "Send the unchanged SDP offer of a peer connection with one audio track.",
    ),
    "avatar_is_shipped": Kind(403, "Not allowed", "Only uploaded avatars can be deleted."),
    "forbidden_origin": Kind(
        403,
        "This web origin may not use the server",
        "Open the server's own page, or add the origin to server.allowed_origins.",
    ),
    "not_found": Kind(404, "Nothing is here", "GET /openapi.json lists what exists."),
    "unknown_session": Kind(404, "Unknown session", "Start a new one: POST /v1/realtime/calls."),
    "unknown_avatar": Kind(404, "Unknown avatar", "GET /v1/avatars lists the avatars there are."),
    "method_not_allowed": Kind(
        405, "Not possible here", "The Allow header lists the methods that are."
    ),
    "body_timeout": Kind(408, "The request took too long", "Send it again on a better connection."),
    "too_many_avatars": Kind(409, "No place left", "Delete an uploaded avatar first."),
    "body_too_large": Kind(413, "The request is too large", "Send less."),
    "unsupported_media_type": Kind(
        415, "Wrong content type", "Set the Content-Type header to what the detail asks for."
    ),
    "unsupported_picture": Kind(415, "Not a picture we read", "Send a PNG, JPEG or WebP file."),
    "forbidden_host": Kind(
        421,
        "This host name is not served",
        "Use the address the server printed, or add the name to server.allowed_hosts.",
    ),
    "invalid_request": Kind(
        422, "The request is not valid", "Correct what is listed under errors."
    ),
    "bad_picture": Kind(422, "The picture cannot be used", "Use another picture."),
    "bad_portrait": Kind(422, "This portrait cannot become an avatar", "Use another picture."),
    "rate_limited": Kind(429, "Too many sessions", "Wait as long as Retry-After says."),
    "busy": Kind(503, "The server is busy", "Try again in a moment.", 2),
    "peer_failed": Kind(503, "The connection could not be set up", "Try again.", 2),
    "at_capacity": Kind(503, "The server is full", "Try again in a moment.", 10),
    "draining": Kind(503, "The server is shutting down", "Connect again in a moment.", 30),
    "engine_unavailable": Kind(
        503, "The model is not ready", "Wait until GET /readyz answers 200.", 3
    ),
    "storage_failed": Kind(507, "The avatar could not be kept", "Free disk space on the server."),
}

_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


class MediaTypeError(ServerError):
    """A body came with another content type than the route reads."""

    code = "unsupported_media_type"

    def __init__(self, wanted: str) -> None:
        super().__init__(f"The body must be {wanted}.")


class InvalidRequestError(ServerError):
    """A part of the request is missing or malformed."""

    code = "invalid_request"


def problem_response(
    code: str,
    detail: str,
    *,
    advice: str | None = None,
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> JSONResponse:
    """Build a problem document; an unknown code is a server error."""
    kind = KINDS.get(code, _SERVER_ERROR)
    problem = Problem(
        type=f"/v1/problems/{code}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        code=code,
        advice=advice or kind.advice,
        **extra,
    )
    response = JSONResponse(
        problem.model_dump(mode="json", exclude_none=True), kind.status, media_type=MEDIA_TYPE
    )
    if kind.retry_after_s is not None:
        response.headers["Retry-After"] = str(kind.retry_after_s)
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers or {})
    return response


def problem_of(error: ServerError) -> JSONResponse:
    """Translate one of our own errors."""
    if error.code not in KINDS:
        log.error("unexpected error", exc_info=error, extra={"code": error.code})
        return problem_response(error.code, "The server could not do this.")
    headers = {}
    if (retry := getattr(error, "retry_after_s", None)) is not None:
        headers["Retry-After"] = str(retry)
    if error.code in ("body_too_large", "body_timeout"):
        headers["Connection"] = "close"  # the rest of the body is not read
    checks = None
    if isinstance(error, RejectedPortraitError):
        checks = [CheckView.of(check) for check in error.checks]
    return problem_response(
        error.code,
        getattr(error, "message", str(error)),
        advice=getattr(error, "advice", None),
        headers=headers,
        checks=checks,
    )


def install_problems(app: FastAPI) -> None:
    """Answer every error with a problem document, those of the framework included."""

    async def ours(_: Request, error: Exception) -> JSONResponse:
        return problem_of(cast(ServerError, error))

    async def http(_: Request, error: Exception) -> JSONResponse:
        error = cast(HTTPException, error)
        code = _BY_STATUS.get(error.status_code, "invalid_request")
        if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            code = "server_error"
        return problem_response(code, f"{error.detail}.", headers=dict(error.headers or {}))

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        error = cast(RequestValidationError, error)
        found = [
            {"where": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
            for item in error.errors()
        ]
        detail = "; ".join(f"{item['where']}: {item['message']}" for item in found)
        return problem_response("invalid_request", detail, errors=found)

    async def unexpected(_: Request, __: Exception) -> JSONResponse:
        return problem_response("server_error", "Something unexpected happened.")

    app.add_exception_handler(ServerError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)
