"""What a call does to a voice: real Opus, real losses, automatic gain."""

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.training.correlation import correlation
from realtime_model.training.speech.call import gain_controlled, over_opus
from realtime_model.training.speech.neural import load_hibari
from realtime_model.training.speech.voices import Samples


@pytest.fixture(scope="module")
def voice() -> Samples:
    return load_hibari(threads=1).speak("My mother made marmalade every Monday.", 1.0).samples


def called(samples: Samples, kbps: float, lost: float = 0.0) -> Samples:
    return over_opus(samples, kbps, lost, np.random.default_rng(0))


def error_of(samples: Samples, clean: Samples) -> float:
    return float(np.square(samples - clean).mean() / np.square(clean).mean())


def levels(samples: Samples) -> NDArray[np.float64]:
    blocks = samples[: len(samples) // 320 * 320].reshape(-1, 320).astype(np.float64)
    return np.asarray(np.sqrt(np.square(blocks).mean(axis=1)))


def test_a_call_keeps_every_sound_in_its_place(voice: Samples) -> None:
    heard = called(voice, 32)
    assert heard.dtype == np.float32
    fits = [
        correlation(heard[50 + shift : len(voice) - 50 + shift], voice[50:-50])
        for shift in range(-50, 51)
    ]
    assert abs(int(np.argmax(fits)) - 50) <= 1  # 62 microseconds
    assert max(fits) > 0.9


@pytest.mark.parametrize("length", [1, 319, 320, 16_001])
def test_a_call_keeps_the_length(voice: Samples, length: int) -> None:
    assert called(np.resize(voice, length), 8, 0.3).shape == (length,)


def test_a_low_rate_and_losses_harm_the_sound(voice: Samples) -> None:
    good, poor = called(voice, 32), called(voice, 6)
    assert error_of(good, voice) < error_of(poor, voice)
    assert error_of(called(voice, 32, 0.2), voice) > 1.5 * error_of(good, voice)


def test_lost_packets_are_concealed_and_the_voice_comes_back() -> None:
    seconds = np.arange(32_000) / 16_000
    tone = (0.2 * np.sin(2 * np.pi * 200 * seconds)).astype(np.float32)
    whole, broken = (levels(called(tone, 24, lost))[5:-5] for lost in (0.0, 0.1))
    hurt = np.abs(broken - whole) > 0.1 * whole
    assert 0 < hurt.mean() < 0.5
    # Silence in place of a packet would be one: concealment goes on with the tone for a while.
    assert np.mean(broken < 0.05 * whole) < 0.1


def test_gain_brings_quiet_and_loud_voices_to_one_level(voice: Samples) -> None:
    quiet, loud = (gain_controlled(voice * np.float32(gain), -22) for gain in (0.1, 1.0))
    before = np.quantile(levels(voice), 0.9)
    one, other = (np.quantile(levels(x), 0.9) for x in (quiet, loud))
    assert one == pytest.approx(other, rel=0.1)
    assert 0.03 < other < 0.3
    assert one > 3 * 0.1 * before  # the quiet one was raised


def test_gain_leaves_silence_and_single_samples_alone() -> None:
    np.testing.assert_array_equal(gain_controlled(np.zeros(1_000, np.float32), -20), 0)
    assert gain_controlled(np.ones(1, np.float32), -20).shape == (1,)
