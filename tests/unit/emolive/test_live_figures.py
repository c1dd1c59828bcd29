import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from emolive.bench_live import count_freezes, figures
from emolive.errors import WorkError
from emolive.lips import match_lips, voice_delays
from emolive.live_call import HEARD_RATE_HZ, CallRecord, RecordingTrack
from stream_server.media import VOICE_RATE_HZ

RATE_HZ = HEARD_RATE_HZ
BLOCK = RATE_HZ // 50


def babble(seconds: float) -> NDArray[np.float32]:
    """Noise that never repeats, in syllables."""
    random = np.random.default_rng(1)
    noise = random.standard_normal(round(seconds * RATE_HZ)).astype(np.float32) * 0.1
    syllables = np.sin(np.arange(len(noise)) / RATE_HZ * 2 * np.pi * 2) ** 2
    return np.asarray(noise * syllables, np.float32)


@pytest.mark.parametrize("delay_s", [0.1, 0.45, 1.3])
def test_delay_of_the_voice_is_found(delay_s: float) -> None:
    said = babble(12)
    heard = list(said[: 10 * RATE_HZ].reshape(-1, BLOCK))
    arrivals = [100 + delay_s + k / 50 for k in range(len(heard))]
    delays = voice_delays(said, 100.0, heard, arrivals, RATE_HZ)
    assert len(delays) > 10
    np.testing.assert_allclose(delays, delay_s, atol=0.005)


def test_delay_is_found_across_the_end_of_the_recording() -> None:
    said = babble(5)
    heard = list(np.tile(said, 3).reshape(-1, BLOCK))
    arrivals = [0.3 + k / 50 for k in range(len(heard))]
    delays = voice_delays(said, 0.0, heard, arrivals, RATE_HZ)
    np.testing.assert_allclose(delays, 0.3, atol=0.005)


def test_pauses_do_not_pass_for_the_voice() -> None:
    said = babble(12)
    said[3 * RATE_HZ : 5 * RATE_HZ] = 0  # a pause between two sentences
    heard = list(said[: 10 * RATE_HZ].reshape(-1, BLOCK))
    arrivals = [0.5 + k / 50 for k in range(len(heard))]
    delays = voice_delays(said, 0.0, heard, arrivals, RATE_HZ)
    assert len(delays) > 10
    np.testing.assert_allclose(delays, 0.5, atol=0.005)


def test_another_voice_has_no_delay() -> None:
    said = babble(8)
    other = np.random.default_rng(2).standard_normal(8 * RATE_HZ).astype(np.float32) * 0.1
    heard = list(other.reshape(-1, BLOCK))
    assert voice_delays(said, 0.0, heard, [k / 50 for k in range(len(heard))], RATE_HZ) == []


def test_silence_has_no_delay() -> None:
    heard = list(np.zeros((400, BLOCK), np.float32))
    assert voice_delays(babble(8), 0.0, heard, [k / 50 for k in range(400)], RATE_HZ) == []


def test_pictures_without_a_face_have_no_lips() -> None:
    images = [(k / 25, np.zeros((64, 64, 3), np.uint8)) for k in range(60)]
    heard = list(babble(3).reshape(-1, BLOCK))
    assert match_lips(images, heard, [k / 50 for k in range(len(heard))]) is None


def test_freezes_are_counted_as_browsers_do() -> None:
    steady = [0.04] * 100
    assert count_freezes(steady) == 0
    assert count_freezes([*steady, 0.15]) == 0
    assert count_freezes([*steady, 0.3, *steady, 1.0]) == 2


def test_figures_of_a_call() -> None:
    record = CallRecord(asked_s=10.0, connected_s=10.2)
    record.frame_s = [10.5 + k / 25 for k in range(101)]
    record.server_stats = {"mic_to_lips_ms": {"p50": 310.0, "p95": 390.0}, "av_skew_ms": 4}
    made = figures(record, np.zeros(VOICE_RATE_HZ, np.int16), seconds=4.0)
    assert made.fps == 25.0
    assert (made.setup_s, made.first_frame_s, made.freezes) == (0.2, 0.5, 0)
    assert made.server_mic_to_lips_ms == {"p50": 310.0, "p95": 390.0}
    assert made.server_av_skew_ms == 4.0
    assert made.mic_to_voice_ms is None


def test_a_call_without_pictures_is_an_error() -> None:
    with pytest.raises(WorkError, match="Only 0 frames"):
        figures(CallRecord(asked_s=0.0), np.zeros(VOICE_RATE_HZ, np.int16), seconds=4.0)


async def test_recording_is_spoken_on_the_beat_and_starts_over() -> None:
    recording = np.arange(1_500, dtype=np.int16)
    track = RecordingTrack(recording)
    frames = [await track.recv() for _ in range(3)]
    spoken = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    np.testing.assert_array_equal(spoken, np.resize(recording, 3 * 960))
    assert track.started_s is not None
    assert asyncio.get_running_loop().time() - track.started_s >= 0.04
