"""Serves the web client for every path no route claims."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from stream_server.settings import SettingsError


class ClientPage(StaticFiles):
    """The files of one folder; browsers revalidate them, so that an update shows at once."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "index.html").is_file():
            raise SettingsError(f"server.client_dir: {folder} holds no index.html")
        super().__init__(directory=folder, html=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(404)
        await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
