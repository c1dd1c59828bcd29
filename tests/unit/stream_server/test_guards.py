from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request

from stream_server.app import _install_guards
from stream_server.settings import load_settings
from stream_server.signaling.problems import install_problems

FRIEND = "https://friend.example"


def client(**server: object) -> httpx.AsyncClient:
    """A tiny application behind the real guards."""
    settings = load_settings(None, {f"server.{name}": value for name, value in server.items()})
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    @app.get("/fail")
    async def fail() -> None:
        raise RuntimeError("secret detail")

    install_problems(app)
    _install_guards(app, settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8080", 200), ("localhost", 200), ("[::1]:80", 200), ("evil.example", 421)],
)
async def test_loopback_server_answers_to_loopback_names_only(host: str, status: int) -> None:
    assert (await client().post("/echo", headers={"Host": host})).status_code == status


async def test_public_server_answers_to_any_name_unless_told_otherwise() -> None:
    named = {"Host": "avatar.example"}
    assert (await client(host="0.0.0.0").post("/echo", headers=named)).status_code == 200
    strict = client(host="0.0.0.0", allowed_hosts=("other.example",))
    assert (await strict.post("/echo", headers=named)).status_code == 421


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999"])
async def test_foreign_origin_is_refused(origin: str) -> None:
    answer = await client().post("/echo", headers={"Origin": origin})
    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden_origin"
    assert "access-control-allow-origin" not in answer.headers


async def test_listed_origin_may_call_read_and_embed() -> None:
    friendly = client(allowed_origins=(FRIEND,))
    answer = await friendly.post("/echo", headers={"Origin": FRIEND})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert "Location" in answer.headers["access-control-expose-headers"]
    assert f"frame-ancestors 'self' {FRIEND}" in answer.headers["content-security-policy"]
    asked = {"Origin": FRIEND, "Access-Control-Request-Method": "POST"}
    assert (await friendly.options("/echo", headers=asked)).status_code == 200


async def test_body_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    small = client(max_body_bytes=2048)
    assert (await small.post("/echo", content=b"x" * 2048)).text == "2048"
    refused = await small.post("/echo", content=b"x" * 2049)
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    assert "2 KiB" in refused.json()["detail"]


async def test_body_of_unknown_length_is_counted_as_it_comes() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 1000

    refused = await client(max_body_bytes=2048).post("/echo", content=parts())
    assert refused.status_code == 413


async def test_slow_body_is_a_408() -> None:
    import asyncio

    async def parts() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(5)

    refused = await client(body_timeout_s=0.05).post("/echo", content=parts())
    assert (refused.status_code, refused.json()["code"]) == (408, "body_timeout")


async def test_unexpected_error_tells_nothing() -> None:
    answer = await client().get("/fail")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "server_error"
    assert "secret" not in answer.text
