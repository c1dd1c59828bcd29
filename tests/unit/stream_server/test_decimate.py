import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_server.media import VOICE_RATE_HZ
from stream_server.pipeline.decimate import Decimator

VOICE = np.random.default_rng(3).integers(-20_000, 20_000, 24_000).astype(np.int16)


def tone(hz: float) -> np.ndarray:
    t = np.arange(VOICE_RATE_HZ // 5) / VOICE_RATE_HZ
    return (16_384 * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples[200:]))))


@given(st.lists(st.integers(1, 400).map(lambda n: 3 * n), min_size=1, max_size=20))
def test_chunked_equals_whole(lengths: list[int]) -> None:
    decimator, at, parts = Decimator(), 0, []
    for length in lengths:
        parts.append(decimator.push(VOICE[at : at + length]))
        at = min(at + length, len(VOICE))
    whole = Decimator().push(VOICE[:at])
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)


def test_output_is_a_third_as_long_and_float() -> None:
    samples = Decimator().push(VOICE[:960])
    assert samples.shape == (320,)
    assert samples.dtype == np.float32


@pytest.mark.parametrize("hz", [100, 1_000, 4_000, 6_000])
def test_speech_passes_unchanged(hz: float) -> None:
    assert rms(Decimator().push(tone(hz))) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


@pytest.mark.parametrize("hz", [9_500, 12_000, 20_000])
def test_what_would_fold_back_is_removed(hz: float) -> None:
    assert rms(Decimator().push(tone(hz))) < 0.001


def test_later_sound_does_not_change_earlier_output() -> None:
    changed = VOICE.copy()
    changed[4_800:] = 0
    before, after = Decimator().push(VOICE), Decimator().push(changed)
    np.testing.assert_array_equal(before[:1_600], after[:1_600])
