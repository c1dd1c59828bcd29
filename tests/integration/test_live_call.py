"""A caller on real WebRTC speaks, and the portrait says it back. The model is the test card."""

import asyncio
import random
import re
import socket
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from stream_server.errors import SdpError
from stream_server.inference.engine import InferenceEngine
from stream_server.session.session import EndReason, Session, SessionOptions
from tests.fakes.caller import Caller, babble
from tests.fakes.live import CLOCK, PORTRAIT, calling, running_engine
from tests.fakes.metrics import RecordingMetrics

SILENT = np.zeros(0, np.int16)
QUIET_LEVEL = 60.0


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[InferenceEngine]:
    async with running_engine() as engine:
        yield engine


def new_session(engine: InferenceEngine, options: SessionOptions | None = None) -> Session:
    return Session(
        session_id="sess_test",
        portrait=PORTRAIT,
        engine=engine,
        options=options or SessionOptions(),
        clock=CLOCK,
        metrics=RecordingMetrics(),
    )


@pytest.mark.parametrize("codec", ["video/H264", "video/VP8"])
async def test_a_voice_comes_back_with_moving_pictures(engine: InferenceEngine, codec: str) -> None:
    async with calling(engine, Caller(babble(4), codec=codec)) as call:
        await call.caller.sees_frames(50)
        heard = call.caller.heard
        assert heard.sizes == {(256, 256)}
        assert len([level for _, level in heard.levels() if level > 1_000]) > 25
        await call.caller.until(lambda heard: heard.of_type("avatar.stats"))
        stats = heard.of_type("avatar.stats")[-1]
        assert isinstance(stats["mic_to_lips_ms"], dict)
        assert stats["mic_to_lips_ms"]["p95"] > 0
    assert await call.ended is EndReason.CLIENT_LEFT


async def test_lips_and_voice_agree_on_the_receivers_clock(engine: InferenceEngine) -> None:
    async with calling(engine, Caller(babble(5))) as call:
        await asyncio.sleep(6)
        pictures, sounds = call.caller.aligned()
    origin_s = sounds[0].at_s
    line = np.zeros(round((sounds[-1].at_s - origin_s) * 48_000) + 960)
    for sound in sounds:
        start = round((sound.at_s - origin_s) * 48_000)
        line[start : start + 960] = sound.samples

    def level(at_s: float) -> float:
        start = round((at_s - origin_s) * 48_000)
        return float(np.sqrt(np.mean(np.square(line[start : start + 1_920]))))

    chosen = pictures[25:-10]
    openings = np.array([picture.opening for picture in chosen], float)
    shifts_s = np.arange(-0.16, 0.161, 0.01)
    agreement = [
        np.corrcoef(openings, [level(picture.at_s + shift_s) for picture in chosen])[0, 1]
        for shift_s in shifts_s
    ]
    best = int(np.argmax(agreement))
    assert agreement[best] > 0.9
    assert abs(shifts_s[best]) <= 0.021


async def test_events_tell_the_story_of_a_call(engine: InferenceEngine) -> None:
    async with calling(engine, Caller(babble(1.0))) as call:
        await call.caller.until(lambda heard: heard.of_type("input_audio_buffer.speech_stopped"))
        call.caller.send({"type": "ping", "event_id": "p1"})
        await call.caller.until(lambda heard: heard.of_type("pong"))
        await call.caller.until(
            lambda heard: (
                [e["new_state"] for e in heard.of_type("avatar.state_updated")][-1:] == ["idle"]
            )
        )
        call.session.end(EndReason.DELETED)
        await call.caller.until(lambda heard: heard.of_type("session.ended"))
        kinds = [event["type"] for event in call.caller.heard.events]
        assert kinds[0] == "session.created"
        assert kinds.count("avatar.first_frame") == 1
        states = [e["new_state"] for e in call.caller.heard.of_type("avatar.state_updated")]
        assert states[:2] == ["listening", "talking"]
        stats = call.caller.heard.of_type("avatar.stats")[0]
        assert {"fps", "late_frames", "dropped_frames", "mic_to_lips_ms"} <= set(stats)
        assert {"av_skew_ms", "steps", "epoch"} <= set(stats)
        assert call.caller.heard.events[-1]["reason"] == "deleted"
        assert await call.ended is EndReason.DELETED


async def test_an_interruption_is_heard_at_once_and_the_voice_returns(
    engine: InferenceEngine,
) -> None:
    tone = (9_000 * np.sin(np.arange(48_000 * 6) * 2 * np.pi * 300 / 48_000)).astype(np.int16)
    async with calling(engine, Caller(tone)) as call:
        await call.caller.until(lambda heard: [1 for _, level in heard.levels() if level > 3_000])
        await asyncio.sleep(1.5)
        call.caller.send({"type": "avatar.interrupt", "event_id": "i1"})
        await call.caller.until(lambda heard: heard.of_type("output_audio_buffer.cleared"))
        cleared = call.caller.heard.of_type("output_audio_buffer.cleared")[0]
        assert (cleared["epoch"], cleared["reply_to"]) == (1, "i1")
        since_s = time.monotonic()
        await call.caller.until(
            lambda heard: [1 for _, level in heard.levels(since_s) if level < QUIET_LEVEL]
        )
        levels = [level for _, level in call.caller.heard.levels(since_s)]
        still_loud = next(n for n, level in enumerate(levels) if level < QUIET_LEVEL)
        assert still_loud <= 50  # what lay in the caller's own buffer; the tone has 200 more
        await call.caller.until(
            lambda heard: [1 for _, level in heard.levels(since_s)[still_loud:] if level > 3_000]
        )
        assert call.session.stats().epoch == 1


async def test_lost_packets_leave_no_delay_behind(engine: InferenceEngine) -> None:
    sentence = np.concatenate([babble(1.5), np.zeros(48_000, np.int16)])
    caller = Caller(np.tile(sentence, 16))
    async with calling(engine, caller) as call:
        await asyncio.sleep(2.5)
        before = call.session.stats().mic_to_lips_p50_s
        send = caller.ice.sendto
        generator = random.Random(4)

        async def lossy(data: bytes, component: int) -> None:
            if generator.random() > 0.3:
                await send(data, component)

        caller.ice.sendto = lossy  # type: ignore[method-assign]
        await asyncio.sleep(2)
        caller.ice.sendto = send  # type: ignore[method-assign]
        delays_s = call.metrics.mic_to_lips_s
        delays_s.clear()
        assert before is not None
        await caller.until(  # the stock receive buffer never gets there
            lambda _: len(delays_s) >= 25 and np.median(delays_s[-25:]) <= before + 0.08, 30
        )
        await caller.sees_frames(25)


async def test_malformed_datagrams_do_not_touch_a_call(engine: InferenceEngine) -> None:
    caller = Caller(babble(6))
    session_answers: list[str] = []
    accept = caller.accept

    async def note(answer_sdp: str) -> None:
        session_answers.append(answer_sdp)
        await accept(answer_sdp)

    caller.accept = note  # type: ignore[method-assign]
    async with calling(engine, caller) as call:
        doors = re.findall(r"candidate:\S+ 1 udp \d+ ([\d.]+) (\d+) typ host", session_answers[0])
        assert doors
        generator = random.Random(6)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(300):
                for host, port in doors:
                    size = generator.choice([0, 1, 2, 12, 60])
                    stranger.sendto(generator.randbytes(size), (host, int(port)))
                await asyncio.sleep(0.002)
        await caller.sees_frames(25)
        assert not call.ended.done()
        assert call.session._peer is not None
        assert call.session._peer._ice.dropped >= 300


async def test_a_machine_without_network_is_served_on_loopback(
    engine: InferenceEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: [])
    async with calling(engine, Caller(babble(1))) as call:
        await call.caller.until(lambda heard: heard.of_type("avatar.first_frame"))


async def test_a_peer_that_falls_silent_is_paused_and_then_given_up(
    engine: InferenceEngine,
) -> None:
    options = SessionOptions(pause_after_s=1.0, lost_after_s=3.0)
    caller = Caller(babble(8))
    async with calling(engine, caller, options=options) as call:
        await caller.until(lambda heard: heard.of_type("avatar.first_frame"))

        async def nothing(data: bytes, component: int) -> None:
            return

        caller.ice.sendto = nothing  # type: ignore[method-assign]
        await caller.until(
            lambda heard: [
                event
                for event in heard.of_type("avatar.quality_changed")
                if event["reason"] == "peer_silent"
            ],
        )
        async with asyncio.timeout(30):
            assert await call.ended is EndReason.PEER_LOST


async def test_an_offer_that_never_connects_is_given_up(engine: InferenceEngine) -> None:
    caller = Caller(SILENT)
    session = new_session(engine, SessionOptions(connect_timeout_s=0.3))
    await session.answer(await caller.offer())
    assert await session.run() is EndReason.CONNECT_TIMEOUT
    await caller.close()


async def test_the_end_of_a_session_does_not_wait_for_a_connection(
    engine: InferenceEngine,
) -> None:
    caller = Caller(SILENT)
    session = new_session(engine, SessionOptions(connect_timeout_s=3_600))
    await session.answer(await caller.offer())
    running = asyncio.get_running_loop().create_task(session.run())
    await asyncio.sleep(0.1)
    session.end(EndReason.DELETED)
    async with asyncio.timeout(30):
        assert await running is EndReason.DELETED
    await caller.close()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (SessionOptions(max_duration_s=0.5), EndReason.MAX_DURATION),
        (SessionOptions(idle_timeout_s=0.5), EndReason.IDLE),
    ],
)
async def test_limits_end_a_session(
    engine: InferenceEngine, options: SessionOptions, reason: EndReason
) -> None:
    async with calling(engine, Caller(SILENT), options=options) as call:
        async with asyncio.timeout(30):
            assert await call.ended is reason


async def test_tracks_nobody_asked_for_are_refused(engine: InferenceEngine) -> None:
    caller = Caller(SILENT)
    for kind in ("audio", "video", "video"):
        caller.connection.addTransceiver(kind, direction="sendrecv")
    session = new_session(engine)
    answer = await session.answer(await caller.offer())
    await session.close()
    await caller.close()
    directions = re.findall(r"a=(sendrecv|sendonly|recvonly|inactive)\r", answer)
    assert directions == ["sendrecv", "sendonly", "inactive", "inactive", "inactive"]


async def test_a_call_without_opus_is_refused(engine: InferenceEngine) -> None:
    caller = Caller(SILENT)
    offer = (await caller.offer()).replace("opus/48000/2", "nothing/48000/2")
    session = new_session(engine)
    with pytest.raises(SdpError):
        await session.answer(offer)
    await caller.close()


async def test_damaged_offers_are_refused_and_leave_nothing(engine: InferenceEngine) -> None:
    caller = Caller(SILENT)
    offer = await caller.offer()
    await caller.close()
    generator = random.Random(8)
    refused = 0
    for _ in range(80):
        session = new_session(engine)
        try:
            await session.answer(damaged(offer, generator))
        except SdpError:
            refused += 1
        finally:
            await session.close()
    assert refused > 10
    assert engine.is_ready
    assert engine._streams == {}


def damaged(offer: str, generator: random.Random) -> str:
    """Return an offer with a few lines lost, doubled, swapped or scrambled."""
    lines = offer.split("\r\n")
    for _ in range(generator.randint(1, 6)):
        at = generator.randrange(len(lines))
        match generator.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[generator.randrange(len(lines))])
            case 2:
                lines[at] = lines[at][: generator.randrange(1 + len(lines[at]))]
            case 3:
                lines[at] = lines[at].replace("=", ":", 1)
            case 4:
                lines[at] += " " + str(generator.randrange(1 << 40))
    return "\r\n".join(lines)
