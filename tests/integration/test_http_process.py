"""``python -m stream_server`` as people and service managers meet it: a port, output, signals."""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from aiortc import RTCPeerConnection

from stream_server.app import DrainingServer, assemble_app, build_services
from stream_server.clock import MonotonicClock
from stream_server.inference.engine import InferenceEngine
from stream_server.settings import load_settings
from stream_server.signaling.listening import bound_socket
from tests.fakes.pictures import encoded, picture

READY = "emolive is ready: open "


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    (folder / "one.png").write_bytes(encoded(picture()))
    (folder / "portraits.yaml").write_text("- {id: avtr_one, file: one.png, name: One}")
    own = {
        "EMOLIVE_AVATARS__DIRECTORY": str(folder / "uploads"),
        "EMOLIVE_AVATARS__SHIPPED_DIR": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "stream_server", "--model", "testcard", *arguments],
        env=os.environ | own | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_ready(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
    pytest.fail(f"the server ended: {server.communicate()[1]}")


@contextlib.contextmanager
def ended(server: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield server
    finally:
        server.kill()
        server.communicate()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = start(
        tmp_path_factory.mktemp("uploads"),
        *("--port", "0"),
        EMOLIVE_SERVER__HEADER_TIMEOUT_S="0.5",
        EMOLIVE_SERVER__BODY_TIMEOUT_S="0.5",
    )
    with ended(server):
        yield wait_ready(server)
        server.send_signal(signal.SIGTERM)
        _, written = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "Traceback" not in written


def raw(url: str, sent: bytes) -> tuple[bytes, float]:
    """Send bytes and wait for the server to close; return its answer and how long that took."""
    began_s = time.monotonic()
    parts = httpx.URL(url)
    with socket.create_connection((parts.host, parts.port or 80), timeout=10) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return answer, time.monotonic() - began_s


def test_server_answers_over_tcp(url: str) -> None:
    assert url.startswith("http://127.0.0.1:")
    answer = httpx.get(f"{url}/readyz")
    assert answer.status_code == 200
    assert "server" not in answer.headers


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "])
def test_client_that_never_finishes_its_headers_is_hung_up_on(url: str, sent: bytes) -> None:
    answer, took_s = raw(url, sent)
    assert answer == b""
    assert 0.3 < took_s < 5


def test_client_that_never_finishes_its_body_is_told_and_hung_up_on(url: str) -> None:
    head = (
        b"POST /v1/realtime/calls HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/sdp\r\nContent-Length: 500\r\n\r\nv=0"
    )
    answer, took_s = raw(url, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    assert took_s < 5


def test_port_in_use_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with ended(start(tmp_path, "--port", str(port))) as server:
            _, written = server.communicate(timeout=30)
    assert server.returncode == 1
    (line,) = written.splitlines()
    assert line == (
        f"emolive: 127.0.0.1:{port} is in use by another program; "
        f"stop it, or choose --port {port + 1}."
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--host", "nowhere.invalid"], {}, "is not a host name or address"),
        (["--host", "192.0.2.77"], {}, "is not an address of this machine"),
        (["--config", "none.yaml"], {}, "cannot read none.yaml"),
        ([], {"EMOLIVE_SERVER__PROT": "1"}, "did you mean EMOLIVE_SERVER__PORT?"),
        ([], {"EMOLIVE_SERVER__CLIENT_DIR": "/none"}, "holds no index.html"),
    ],
    ids=["host", "address", "config", "variable", "page"],
)
def test_start_that_cannot_succeed_is_one_sentence(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], words: str
) -> None:
    with ended(start(tmp_path, "--port", "0", *arguments, **environment)) as server:
        _, written = server.communicate(timeout=30)
    assert server.returncode == 1
    (line,) = (line for line in written.splitlines() if line.startswith("emolive: "))
    assert words in line
    assert "Traceback" not in written


@pytest.fixture
async def peer() -> AsyncIterator[RTCPeerConnection]:
    made = RTCPeerConnection()
    made.addTransceiver("audio", direction="sendrecv")
    made.addTransceiver("video", direction="recvonly")
    made.createDataChannel("avatar-events")
    yield made
    await made.close()


async def test_sigterm_drains_and_a_second_one_ends_at_once(
    tmp_path: Path, peer: RTCPeerConnection
) -> None:
    with ended(start(tmp_path, "--port", "0")) as server:
        url = await asyncio.to_thread(wait_ready, server)
        await peer.setLocalDescription(await peer.createOffer())
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            answer = await client.post(
                "/v1/realtime/calls",
                content=peer.localDescription.sdp,
                headers={"Content-Type": "application/sdp"},
            )
            if answer.status_code != 201:
                server.kill()
                pytest.fail(f"{answer.text}\n{server.communicate()[1]}")
            server.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get(answer.headers["location"])).status_code == 200
            refused = await client.post("/v1/realtime/calls", content="v=0", headers={})
            assert refused.status_code == 415
        server.send_signal(signal.SIGTERM)
        _, written = await asyncio.to_thread(server.communicate, None, 25)
    assert server.returncode == 0
    events = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    last = next(event for event in events if event["event"] == "session ended")
    assert last["reason"] == "draining"
    assert last["session"].startswith("sess_")
    assert "127.0.0.1" not in written
    assert "a=candidate" not in written


async def test_drain_is_bounded(tmp_path: Path) -> None:
    environment = {"EMOLIVE_SERVER__DRAIN_TIMEOUT_S": "0"}
    with ended(start(tmp_path, "--port", "0", **environment)) as server:
        await asyncio.to_thread(wait_ready, server)
        server.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.communicate, None, 20)
    assert server.returncode == 0


class BrokenEngine(InferenceEngine):
    """Fails as no engine should: with an error of its own supervisor."""

    async def run(self) -> None:
        await asyncio.sleep(0.1)
        raise RuntimeError("supervisor failed")


async def test_server_that_lost_a_vital_part_ends_instead_of_half_living(tmp_path: Path) -> None:
    settings = load_settings(None, {"server.port": 0, "avatars.directory": tmp_path})
    engine = BrokenEngine(model="testcard", threads=1, clock=MonotonicClock())
    services = dataclasses.replace(build_services(settings), engine=engine)
    config = uvicorn.Config(assemble_app(services), lifespan="on", log_config=None)
    said: list[str] = []
    server = DrainingServer(config, services, "http://here", said.append)
    with bound_socket(settings.server) as listener:
        async with asyncio.timeout(20):
            await server.serve(sockets=[listener])
    assert server.has_crashed
    assert not any(words.startswith(READY) for words in said)
