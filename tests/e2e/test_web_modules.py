"""The parts of the client that compute: run in the browser they are written for, without a call."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.e2e.live_server import LiveServer


@pytest.fixture(scope="module")
def run(browser: Browser, server: LiveServer) -> Iterator[Callable[..., Any]]:
    """Return a function that evaluates an expression with one module of the client as ``m``."""
    page = browser.new_page()
    page.goto(server.url)

    def run(module: str, expression: str, argument: object = None) -> Any:
        code = f"async (a) => {{ const m = await import('/{module}.js'); return {expression}; }}"
        return page.evaluate(code, argument)

    yield run
    page.close()


def look(at_ms: int, frames: int, **more: object) -> dict[str, object]:
    return {
        "atMs": at_ms,
        "framesDecoded": frames,
        "freezes": 0,
        "bytes": 0,
        "packetsLost": 0,
        "heldS": 0,
        "heldFrames": 0,
        "roundTripMs": None,
        **more,
    }


def test_figures_come_from_what_changed_between_two_looks(run: Callable[..., Any]) -> None:
    before = look(1_000, 100, bytes=10_000, heldS=1.0, heldFrames=100)
    after = look(3_000, 150, bytes=60_000, heldS=2.5, heldFrames=150, roundTripMs=12, freezes=1)
    figures = run("stats", "m.compare(...a)", [before, after])
    assert figures["fps"] == 25
    assert figures["kbps"] == 200
    assert figures["jitterBufferMs"] == pytest.approx(30)
    assert figures["freezes"] == 1
    assert run("stats", "m.totalDelayMs(400, a)", figures) == pytest.approx(442)


def test_two_looks_at_the_same_moment_give_no_figures(run: Callable[..., Any]) -> None:
    assert run("stats", "m.compare(...a)", [look(5, 1), look(5, 2)]) is None


def test_a_report_is_read_across_its_entries(run: Callable[..., Any]) -> None:
    report = [
        {"type": "codec", "timestamp": 1},
        {
            "type": "inbound-rtp",
            "kind": "audio",
            "timestamp": 7,
            "bytesReceived": 10,
            "packetsLost": 2,
        },
        {
            "type": "inbound-rtp",
            "kind": "video",
            "timestamp": 7,
            "bytesReceived": 90,
            "framesDecoded": 4,
        },
        {"type": "candidate-pair", "nominated": False, "currentRoundTripTime": 9},
        {"type": "candidate-pair", "nominated": True, "currentRoundTripTime": 0.02},
    ]
    seen = run("stats", "m.read(a)", report)
    assert (seen["atMs"], seen["bytes"], seen["packetsLost"]) == (7, 100, 2)
    assert seen["framesDecoded"] == 4
    assert seen["roundTripMs"] == 20


@pytest.mark.parametrize(("amplitude", "level"), [(0, 0), (0.001, 0), (0.0159, 0.5), (1, 1)])
def test_the_meter_is_even_in_decibels(
    run: Callable[..., Any], amplitude: float, level: float
) -> None:
    samples = f"new Float32Array(1024).fill({amplitude})"
    assert run("microphone", f"m.loudness({samples})") == pytest.approx(level, abs=0.01)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (600, "10:00")]
)
def test_a_recording_time_reads_like_a_clock(
    run: Callable[..., Any], seconds: float, text: str
) -> None:
    assert run("recorder", "m.clockText(a)", seconds) == text


def test_a_problem_document_keeps_the_servers_words(run: Callable[..., Any]) -> None:
    response = (
        "new Response(JSON.stringify(a), { status: 422, headers: "
        "{ 'content-type': 'application/problem+json' } })"
    )
    body = {"code": "bad_portrait", "title": "No.", "detail": "No face.", "advice": "Turn around."}
    problem = run(
        "problem",
        f"(({{ code, message, advice, retryable }}) => ({{ code, message, advice, retryable }}))"
        f"(await m.answerProblem({response}))",
        body,
    )
    assert problem == {
        "code": "bad_portrait",
        "message": "No.",
        "advice": "No face. Turn around.",
        "retryable": False,
    }


def test_an_answer_without_a_problem_document_still_gets_words(run: Callable[..., Any]) -> None:
    response = (
        "new Response('<h1>Bad gateway</h1>', { status: 502, headers: { 'retry-after': '7' } })"
    )
    problem = run(
        "problem",
        f"(({{ message, advice, retryable, retryAfterS }}) => "
        f"[message, advice, retryable, retryAfterS])(await m.answerProblem({response}))",
    )
    assert problem == ["The server refused.", "It answered with status 502.", True, 7]


def test_an_unknown_microphone_error_gets_words(run: Callable[..., Any]) -> None:
    problem = run(
        "problem", "(({ code, advice }) => [code, advice])(m.microphoneProblem(new Error('x')))"
    )
    assert problem[0] == "microphone_failed"
    assert problem[1]
