"""The real application with a real model process (the test card), asked over ASGI."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
from aiortc import RTCPeerConnection
from fastapi import FastAPI
from PIL import Image

from realtime_model.portrait import FramedPortrait
from stream_server.app import create_app
from stream_server.settings import load_settings
from tests.fakes.pictures import encoded, picture, png_claiming

pytestmark = pytest.mark.asyncio(loop_scope="module")

SDP = {"Content-Type": "application/sdp"}
CALLS = "/v1/realtime/calls"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(folder: Path) -> AsyncIterator[FastAPI]:
    settings = load_settings(
        None,
        {
            "inference.model": "testcard",
            "inference.threads": 1,
            "sessions.max_sessions": 2,
            "sessions.connect_timeout_s": 5,
            "avatars.directory": folder / "uploads",
        },
    )
    built, started, stop = create_app(settings), asyncio.Event(), asyncio.Event()

    async def live() -> None:  # one task enters and leaves: task groups insist on it
        async with built.router.lifespan_context(built):
            started.set()
            await stop.wait()

    task = asyncio.get_running_loop().create_task(live())
    await started.wait()
    async with asyncio.timeout(60):
        await built.state.services.engine.wait_ready()
    yield built
    stop.set()
    await task


@pytest_asyncio.fixture(loop_scope="module")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as made:
        yield made


@pytest.fixture(scope="module")
def face(app: FastAPI) -> bytes:
    """A demo portrait as a file to upload."""
    shipped = app.state.services.catalogue.get(None)
    return bytes(shipped.picture.read_bytes())


async def make_offer() -> tuple[RTCPeerConnection, str]:
    peer = RTCPeerConnection()
    peer.addTransceiver("audio", direction="sendrecv")
    peer.addTransceiver("video", direction="recvonly")
    peer.createDataChannel("avatar-events")
    await peer.setLocalDescription(await peer.createOffer())
    return peer, peer.localDescription.sdp


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"/v1/problems/{code}"
    for key in ("title", "detail", "advice"):
        assert problem[key]
    assert "Traceback" not in response.text
    return problem


async def test_server_describes_itself(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "alive"}
    ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert {check["name"] for check in ready.json()["checks"]} == {"model", "admission"}
    capabilities = (await client.get("/v1/capabilities")).json()
    assert (capabilities["width"], capabilities["fps"]) == (256, 25)
    assert capabilities["limits"]["max_sessions"] == 2
    assert capabilities["options"]["motion"] == {"min": 0, "max": 1}
    assert capabilities["options"]["head_speed"] == {"min": 0.5, "max": 2}
    assert capabilities["options"]["expression"] == {"min": 0.5, "max": 1.5}
    assert capabilities["options"]["blinks"] == {"min": 0, "max": 40}
    metrics = await client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "emolive_sessions_active 0.0" in metrics.text


async def test_page_and_its_headers(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    again = await client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/../stream_server/app.py", "/%2e%2e/pyproject.toml", "/.git"])
async def test_page_folder_cannot_be_left(client: httpx.AsyncClient, path: str) -> None:
    assert_problem(await client.get(path), 404, "not_found")


async def test_openapi_lists_every_route(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert {CALLS, f"{CALLS}/{{session_id}}", "/v1/avatars", "/readyz", "/metrics"} <= set(paths)
    assert "application/sdp" in paths[CALLS]["post"]["requestBody"]["content"]


async def test_call_lives_from_offer_to_delete(app: FastAPI, client: httpx.AsyncClient) -> None:
    peer, offer = await make_offer()
    options = {"seed": 7, "motion": 0, "head_speed": 2, "expression": 1.5, "blinks": 0}
    answer = await client.post(CALLS, content=offer, headers=SDP, params=options)
    assert answer.status_code == 201, answer.text
    assert answer.headers["content-type"] == "application/sdp"
    assert "m=video" in answer.text
    location = answer.headers["location"]
    stats = (await client.get(location)).json()
    assert stats["id"] == location.rsplit("/", 1)[1]
    assert stats["state"] in ("connecting", "live")
    assert "emolive_sessions_active 1.0" in (await client.get("/metrics")).text
    patched = await client.patch(location, content="a=candidate")
    assert_problem(patched, 405, "method_not_allowed")
    assert patched.headers["allow"] == "GET, DELETE"
    assert (await client.delete(location)).status_code == 204
    await wait_empty(app)
    assert_problem(await client.get(location), 404, "unknown_session")
    assert_problem(await client.delete(location), 404, "unknown_session")
    await peer.close()


async def wait_empty(app: FastAPI) -> None:
    async with asyncio.timeout(10):
        await app.state.services.sessions.wait_empty()


async def test_full_server_says_when_to_come_back(app: FastAPI, client: httpx.AsyncClient) -> None:
    peers, locations = [], []
    for _ in range(2):
        peer, offer = await make_offer()
        answer = await client.post(CALLS, content=offer, headers=SDP)
        peers.append(peer)
        locations.append(answer.headers["location"])
    peer, offer = await make_offer()
    refused = await client.post(CALLS, content=offer, headers=SDP)
    assert_problem(refused, 503, "at_capacity")
    assert int(refused.headers["retry-after"]) > 0
    for location in locations:
        assert (await client.get(location)).status_code == 200  # no harm to the others
        await client.delete(location)
    await wait_empty(app)
    for each in (*peers, peer):
        await each.close()


@pytest.mark.parametrize(
    "sdp",
    [
        b"",
        b"hello",
        b"\xff\xfe\x00",
        b"v=0\r\nm=audio",
        b"v=0\r\no=- 0 0 IN IP4 0\r\ns=-\r\nt=0 0\r\nm=audio 9 X 0\r\na=candidate:\r\n",
        b"v=0\r\n" + b"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 20,
    ],
    ids=["empty", "text", "binary", "cut", "nonsense", "many"],
)
async def test_bad_offer_is_a_400_and_takes_no_place(client: httpx.AsyncClient, sdp: bytes) -> None:
    assert_problem(await client.post(CALLS, content=sdp, headers=SDP), 400, "bad_sdp")
    assert (await client.get("/readyz")).json()["sessions"] == 0


@pytest.mark.parametrize("cut", [100, 400, 900, 1500])
async def test_real_offer_cut_off_anywhere_never_crashes(
    client: httpx.AsyncClient, cut: int
) -> None:
    peer, offer = await make_offer()
    await peer.close()
    assert_problem(await client.post(CALLS, content=offer[:cut], headers=SDP), 400, "bad_sdp")


async def test_other_ways_to_get_a_call_wrong(client: httpx.AsyncClient) -> None:
    wrong_type = await client.post(CALLS, json={"sdp": "v=0"})
    assert_problem(wrong_type, 415, "unsupported_media_type")
    too_large = await client.post(CALLS, content=b"v" * 65_537, headers=SDP)
    assert_problem(too_large, 413, "body_too_large")
    unknown = await client.post(CALLS, content="v=0", headers=SDP, params={"avatar": "../etc"})
    assert_problem(unknown, 404, "unknown_avatar")
    for name, value in (
        ("steps", "0"),
        ("seed", "-1"),
        ("motion", "2"),
        ("head_speed", "3"),
        ("expression", "0.4"),
        ("blinks", "41"),
        ("steps", "x"),
    ):
        bad = await client.post(CALLS, content="v=0", headers=SDP, params={name: value})
        assert name in assert_problem(bad, 422, "invalid_request")["errors"][0]["where"]


async def test_stream_larger_than_announced_is_cut_off(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"v" * 30_000

    refused = await client.post(CALLS, content=endless(), headers=SDP)
    assert_problem(refused, 413, "body_too_large")
    assert refused.headers["connection"] == "close"


async def test_framework_errors_are_problems_too(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/nothing"), 404, "not_found")
    assert_problem(await client.post("/nothing"), 404, "not_found")
    wrong = await client.put("/v1/avatars")
    assert_problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"]


async def test_problem_type_can_be_looked_up(client: httpx.AsyncClient) -> None:
    refused = await client.get(f"{CALLS}/sess_none")
    kind = (await client.get(refused.json()["type"])).json()
    assert (kind["code"], kind["status"]) == ("unknown_session", 404)
    assert_problem(await client.get("/v1/problems/none"), 404, "not_found")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "OPTIONS"])
async def test_foreign_pages_change_nothing(client: httpx.AsyncClient, method: str) -> None:
    foreign = {"Origin": "https://evil.example"}
    assert_problem(await client.request(method, CALLS, headers=foreign), 403, "forbidden_origin")


async def test_own_page_is_not_foreign(client: httpx.AsyncClient) -> None:
    own = SDP | {"Origin": "http://127.0.0.1:8080"}
    assert_problem(await client.post(CALLS, content="v=0", headers=own), 400, "bad_sdp")


async def test_rebound_host_name_is_refused(client: httpx.AsyncClient) -> None:
    assert_problem(
        await client.get("/v1/avatars", headers={"Host": "evil.example:8080"}),
        421,
        "forbidden_host",
    )


async def upload(client: httpx.AsyncClient, content: bytes, path: str = "") -> httpx.Response:
    files = {"image": ("../../me.png", content, "image/png")}
    return await client.post(f"/v1/avatars{path}", files=files, data={"name": "Me"})


async def test_upload_is_checked_framed_listed_used_and_deleted(
    client: httpx.AsyncClient, face: bytes, folder: Path
) -> None:
    made = await upload(client, face)
    assert made.status_code == 201, made.text
    avatar = made.json()
    assert avatar["name"] == "Me"
    assert all(check["ok"] for check in avatar["checks"])
    assert made.headers["location"] == f"/v1/avatars/{avatar['id']}"
    listed = (await client.get("/v1/avatars")).json()["avatars"]
    assert listed[0]["is_shipped"]
    assert avatar["id"] in {entry["id"] for entry in listed}
    preview = await client.get(avatar["preview"])
    assert preview.headers["content-type"] == "image/png"
    assert "immutable" in preview.headers["cache-control"]
    kept = {path.name for path in (folder / "uploads").iterdir()}
    assert kept == {f"{avatar['id']}.png", f"{avatar['id']}.json"}
    assert (await client.delete(f"/v1/avatars/{avatar['id']}")).status_code == 204
    assert_problem(await client.get(preview.url.path), 404, "unknown_avatar")
    assert not list((folder / "uploads").iterdir())


async def test_framed_upload_is_framed_alike_again(
    app: FastAPI, client: httpx.AsyncClient, face: bytes
) -> None:
    """The model frames what it is given: a stored portrait must not shrink at each pass."""
    from realtime_model.portrait import frame_portrait

    avatar = (await upload(client, face)).json()
    services = app.state.services
    stored = await services.catalogue.portrait(avatar["id"])
    again: FramedPortrait = frame_portrait(stored, services.preflight._landmarker)
    np.testing.assert_allclose(again.box, (0, 0, 512, 512), atol=12)
    await client.delete(f"/v1/avatars/{avatar['id']}")


async def test_preflight_gives_crop_and_keeps_nothing(
    client: httpx.AsyncClient, face: bytes, folder: Path
) -> None:
    report = (await upload(client, face, "/preflight")).json()
    assert report["ok"], report
    assert report["crop"]["left"] < report["crop"]["right"]
    without = (await upload(client, encoded(picture(300, 300)), "/preflight")).json()
    failed = next(check for check in without["checks"] if not check["ok"])
    assert (failed["name"], without["crop"]) == ("no_face", None)
    assert failed["advice"]
    broken = (await upload(client, b"GIF89a", "/preflight")).json()
    assert [check["name"] for check in broken["checks"]] == ["not_a_picture"]
    assert not list((folder / "uploads").glob("*"))


async def test_two_people_in_one_picture_are_refused(
    client: httpx.AsyncClient, face: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(face)
    one = Image.open(path).convert("RGB").resize((400, 400))
    both = Image.new("RGB", (800, 400))
    both.paste(one, (0, 0))
    both.paste(one, (400, 0))
    problem = assert_problem(await upload(client, encoded(both)), 422, "bad_portrait")
    failed = [check["name"] for check in problem["checks"] if not check["ok"]]
    assert failed[0] == "several_faces"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (encoded(picture(300, 300)), 422, "bad_portrait"),
        (encoded(picture(20, 20)), 422, "bad_picture"),
        (png_claiming(50_000, 50_000), 422, "bad_picture"),
        (encoded(picture())[:200], 422, "bad_picture"),
        (b"<html>", 415, "unsupported_picture"),
        (b"", 422, "invalid_request"),
        (b"\xff\xd8" + b"\0" * (10 * 1024 * 1024), 413, "body_too_large"),
    ],
    ids=["no-face", "tiny", "bomb", "corrupt", "html", "empty", "11-mb"],
)
async def test_bad_pictures_get_their_status_and_leave_nothing(
    client: httpx.AsyncClient, folder: Path, content: bytes, status: int, code: str
) -> None:
    assert_problem(await upload(client, content), status, code)
    assert not list((folder / "uploads").glob("*"))


async def test_malformed_forms_are_refused(client: httpx.AsyncClient) -> None:
    assert_problem(await client.post("/v1/avatars", json={}), 415, "unsupported_media_type")
    text = await client.post("/v1/avatars", files={"image": (None, "not a file")})
    assert_problem(text, 422, "invalid_request")
    other = await client.post("/v1/avatars", files={"photo": ("a.png", b"x")})
    assert_problem(other, 422, "invalid_request")
    broken = await client.post(
        "/v1/avatars",
        content=b"--x\r\nnonsense",
        headers={"Content-Type": "multipart/form-data; boundary=y"},
    )
    assert_problem(broken, 422, "invalid_request")
    many = [("image", (f"{n}.png", b"x")) for n in range(3)]
    assert_problem(await client.post("/v1/avatars", files=many), 422, "invalid_request")


async def test_demo_portrait_stays(client: httpx.AsyncClient) -> None:
    first = (await client.get("/v1/avatars")).json()["avatars"][0]
    assert first["licence"]
    path = f"/v1/avatars/{first['id']}"
    assert_problem(await client.delete(path), 403, "avatar_is_shipped")
    assert (await client.get(path)).json() == first


@pytest.mark.parametrize("avatar_id", ["..%2f..%2fetc", "avtr_none", "%00"])
async def test_unknown_avatars_are_unknown(client: httpx.AsyncClient, avatar_id: str) -> None:
    for request in ("GET", "DELETE"):
        response = await client.request(request, f"/v1/avatars/{avatar_id}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


async def test_draining_server_is_not_ready_and_admits_nobody(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    services = app.state.services
    services.sessions.drain()
    try:
        not_ready = await client.get("/readyz")
        assert not_ready.status_code == 503
        assert not_ready.json()["status"] == "not_ready"
        refused = await client.post(CALLS, content="v=0", headers=SDP)
        assert_problem(refused, 503, "draining")
        assert (await client.get("/livez")).status_code == 200
    finally:
        services.sessions.is_draining = False


async def test_eleventh_offer_within_a_minute_from_one_address_waits(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app, client=("203.0.113.5", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as remote:
        for _ in range(10):
            answer = await remote.post(CALLS, content="v=0", headers=SDP)
            assert_problem(answer, 400, "bad_sdp")
        refused = await remote.post(CALLS, content="v=0", headers=SDP)
    assert_problem(refused, 429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "203.0.113.5" not in refused.text


async def test_server_whose_model_is_not_up_says_so(folder: Path) -> None:
    settings = load_settings(
        None, {"inference.model": "testcard", "avatars.directory": folder / "other"}
    )
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as early:
        not_ready = await early.get("/readyz")
        assert not_ready.status_code == 503
        assert not_ready.json()["checks"][0]["message"]
        assert not_ready.headers["retry-after"]
        refused = await early.post(CALLS, content="v=0", headers=SDP)
        assert_problem(refused, 503, "engine_unavailable")
        assert refused.headers["retry-after"]
        assert_problem(await early.get("/v1/capabilities"), 503, "engine_unavailable")
        assert (await early.get("/livez")).status_code == 200
        assert (await early.get("/v1/avatars")).status_code == 200
