"""Avatars: list, preview, check, upload, delete."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import UploadFile

from stream_server.signaling.guards import BodyTooLargeError
from stream_server.signaling.problems import InvalidRequestError, MediaTypeError
from stream_server.signaling.schemas import (
    AvatarList,
    AvatarView,
    CheckView,
    CreatedAvatar,
    PreflightReport,
)
from stream_server.signaling.services import Services

AVATARS_PATH = "/v1/avatars"
MULTIPART_OVERHEAD_BYTES = 64 * 1024
_MULTIPART = "multipart/form-data"

_UPLOAD_DOCS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            _MULTIPART: {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary"},
                        "name": {"type": "string", "maxLength": 80},
                    },
                }
            }
        },
    }
}


def avatar_routes(services: Services) -> APIRouter:
    """Build the routes below ``/v1/avatars``."""
    router = APIRouter(prefix=AVATARS_PATH, tags=["avatars"])
    catalogue, preflight = services.catalogue, services.preflight
    most_bytes = services.settings.avatars.max_upload_bytes

    @router.get("")
    async def list_avatars() -> AvatarList:
        """List all avatars; the first is the default."""
        return AvatarList(avatars=[AvatarView.of(avatar) for avatar in catalogue.all()])

    @router.post("", status_code=201, openapi_extra=_UPLOAD_DOCS)
    async def upload_avatar(request: Request, response: Response) -> CreatedAvatar:
        """Check a picture, frame it around the face, and keep it as a new avatar."""
        content, name = await _read_upload(request, most_bytes)
        framed = await preflight.frame(content)
        avatar = await catalogue.add(framed.image, name)
        response.headers["Location"] = f"{AVATARS_PATH}/{avatar.id}"
        checks = [CheckView.of(check) for check in framed.checks]
        return CreatedAvatar(**AvatarView.of(avatar).model_dump(), checks=checks)

    @router.post("/preflight", openapi_extra=_UPLOAD_DOCS)
    async def check_picture(request: Request) -> PreflightReport:
        """Check a picture and say why it cannot be used; nothing is kept."""
        content, _ = await _read_upload(request, most_bytes)
        return PreflightReport.of(await preflight.report(content))

    @router.get("/{avatar_id}")
    async def get_avatar(avatar_id: str) -> AvatarView:
        """Return one avatar."""
        return AvatarView.of(catalogue.get(avatar_id))

    @router.get("/{avatar_id}/preview", response_class=FileResponse)
    async def preview_avatar(avatar_id: str) -> FileResponse:
        """Return an avatar's picture."""
        avatar = catalogue.get(avatar_id)
        # An upload never changes under its id; a demo portrait may with the next version.
        lifetime = "max-age=3600" if avatar.is_shipped else "max-age=604800, immutable"
        return FileResponse(avatar.picture, headers={"Cache-Control": f"private, {lifetime}"})

    @router.delete("/{avatar_id}", status_code=204)
    async def delete_avatar(avatar_id: str) -> None:
        """Delete an uploaded avatar; sessions that show it go on."""
        await catalogue.remove(avatar_id)

    return router


async def _read_upload(request: Request, most_bytes: int) -> tuple[bytes, str | None]:
    """Return the picture file and the optional name of a multipart form."""
    if not request.headers.get("content-type", "").lower().startswith(_MULTIPART):
        raise MediaTypeError(f"{_MULTIPART} with a file field named image")
    async with request.form(max_files=1, max_fields=2) as form:
        image, name = form.get("image"), form.get("name")
        if not isinstance(image, UploadFile):
            raise InvalidRequestError("The form needs a file field named image.")
        content = await image.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise BodyTooLargeError(most_bytes)
    if not content:
        raise InvalidRequestError("The file is empty.")
    return content, name if isinstance(name, str) else None
