"""A real browser with a microphone that plays a recording, and the real server."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect, sync_playwright

from tests.e2e.chromium import FLAGS
from tests.e2e.live_server import LiveServer

SPEECH = Path(__file__).parents[2] / "realtime_model/assets/speech/hello.wav"
# The page keeps its connections to itself; the tests want to ask them for statistics.
KEEP_PEERS = """
    window.peers = [];
    window.RTCPeerConnection = class extends window.RTCPeerConnection {
      constructor(...options) { super(...options); window.peers.push(this); }
    };
"""
# What a browser prints about every answer that is no success; some tests provoke those.
EXPECTED_NOISE = "Failed to load resource"

# Longest wait for anything the page should do; enough for a machine with other work.
PATIENCE_MS = 30_000

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> str:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        reason = "no Chromium: sudo apt install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One warm server for all tests that leave it as they found it."""
    server = LiveServer(tmp_path_factory.mktemp("server"))
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def speech_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped recording as Chromium's fake microphone wants it: 48 kHz, mono, 16 bit."""
    target = tmp_path_factory.mktemp("speech") / "speech.wav"
    with av.open(SPEECH) as source, av.open(target, "w") as sink:
        stream = sink.add_stream("pcm_s16le", rate=48_000, layout="mono")
        for frame in source.decode(audio=0):
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
    return target


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    # Per module, not per session: while it runs it owns this thread's event loop, and other
    # folders' tests need one of their own.
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str, speech_wav: Path) -> Iterator[Browser]:
    microphone = (
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={speech_wav}",
    )
    browser = playwright.chromium.launch(
        executable_path=chromium, args=[*FLAGS, *microphone], ignore_default_args=["--mute-audio"]
    )
    yield browser
    browser.close()


@pytest.fixture
def open_page(browser: Browser, server: LiveServer) -> Iterator[OpenPage]:
    """Return a function that opens the web client in a fresh context.

    It takes the query of the address, whether the microphone is allowed, another server's URL, and
    anything `Browser.new_context` takes. An error on any page's console fails the test at its end.
    """
    errors: list[str] = []
    contexts = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and EXPECTED_NOISE not in message.text:
            errors.append(message.text)

    def open_page(
        query: str = "", *, microphone: bool = True, url: str = server.url, **options: object
    ) -> Page:
        permissions = ["microphone"] if microphone else []
        context = browser.new_context(permissions=permissions, **options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(KEEP_PEERS)
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{url}/{query}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
