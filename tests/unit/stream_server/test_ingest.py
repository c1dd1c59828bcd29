"""Real Opus packets through the whole way in, on a manual clock."""

import asyncio
from collections.abc import AsyncIterator

import av
import numpy as np
import pytest

from stream_server.media import AudioPacket
from stream_server.rtc.encoders import VOICE_TIME_BASE, VoiceEncoder
from stream_server.rtc.ingest import VoiceIngest
from tests.fakes.manual_clock import ManualClock

SECONDS = 1.0
TONE = (8_000 * np.sin(2 * np.pi * 300 * np.arange(48_000) / 48_000)).astype(np.int16)


def opus(sound: np.ndarray) -> list[bytes]:
    encoder, packets = VoiceEncoder(), []
    for index in range(len(sound) // 960):
        piece = sound[index * 960 : (index + 1) * 960].reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, index * 960, VOICE_TIME_BASE
        packets += encoder.encode(frame)
    return packets


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def ingest(clock: ManualClock) -> AsyncIterator[VoiceIngest]:
    ingest = VoiceIngest(clock)
    task = asyncio.get_running_loop().create_task(ingest.run())
    await clock.advance(0.001)
    yield ingest
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def drain(ingest: VoiceIngest) -> list[AudioPacket]:
    packets = list(ingest.packets._items)
    ingest.packets.clear()
    return packets


def assert_unbroken(packets: list[AudioPacket]) -> None:
    at = packets[0].start
    for packet in packets:
        assert packet.start == at
        assert len(packet.voice) == 3 * len(packet.analysis)
        at = packet.end


async def test_a_voice_comes_through_at_both_rates(ingest: VoiceIngest, clock: ManualClock) -> None:
    for index, payload in enumerate(opus(TONE)):
        await clock.advance(0.02)
        ingest.feed(7_000 + index * 960, payload)
    packets = drain(ingest)
    assert_unbroken(packets)
    voice = np.concatenate([packet.voice for packet in packets])[4_800:]
    analysis = np.concatenate([packet.analysis for packet in packets])[1_600:]
    assert np.sqrt(np.mean(voice.astype(float) ** 2)) == pytest.approx(5_657, rel=0.05)
    spectrum = np.abs(np.fft.rfft(analysis))
    assert spectrum.argmax() * 16_000 / len(analysis) == pytest.approx(300, abs=5)


async def test_lost_packets_leave_no_hole_in_media_time(
    ingest: VoiceIngest, clock: ManualClock
) -> None:
    for index, payload in enumerate(opus(TONE)):
        await clock.advance(0.02)
        if index not in (10, 11, 30):
            ingest.feed(index * 960, payload)
    packets = drain(ingest)
    assert_unbroken(packets)
    assert packets[-1].end / 16_000 == pytest.approx(SECONDS, abs=0.05)


async def test_silence_flows_in_step_with_the_clock_when_nothing_arrives(
    ingest: VoiceIngest, clock: ManualClock
) -> None:
    await clock.advance(1.5)
    packets = drain(ingest)
    assert_unbroken(packets)
    assert packets[-1].end / 16_000 == pytest.approx(1.5, abs=0.08)
    assert not any(packet.voice.any() for packet in packets)


async def test_broken_payloads_are_silence_not_errors(
    ingest: VoiceIngest, clock: ManualClock
) -> None:
    rng = np.random.default_rng(11)
    for index in range(50):
        await clock.advance(0.02)
        ingest.feed(index * 960, rng.bytes(int(rng.integers(0, 80))))
    assert_unbroken(drain(ingest))


async def test_packets_before_the_start_are_ignored(clock: ManualClock) -> None:
    ingest = VoiceIngest(clock)
    ingest.feed(0, opus(TONE)[0])
    assert len(ingest.packets) == 0
