from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.training.speech.augment import (
    AugmentOdds,
    augmented,
    band_limited,
    clipped,
    in_room,
    with_babble,
    with_breaths,
    with_noise,
)

MISHAPS = [field.name for field in fields(AugmentOdds)]
ALWAYS, NEVER = (AugmentOdds(**dict.fromkeys(MISHAPS, odds)) for odds in (1.0, 0.0))


def voiced(f0_hz: float = 120, seconds: float = 1.0) -> NDArray[np.float32]:
    """A buzz with two formants, switched on and off like syllables."""
    t = np.arange(round(seconds * 16_000)) / 16_000
    harmonics = np.arange(1, 40)
    gains = np.exp(-(((harmonics * f0_hz - 700) / 300) ** 2)) + 0.02
    sound = (gains[:, None] * np.sin(2 * np.pi * f0_hz * harmonics[:, None] * t)).sum(axis=0)
    return np.asarray(0.1 * sound * (np.sin(2 * np.pi * 3 * t) > -0.3), np.float32)


def power(samples: NDArray[np.float32]) -> float:
    return float(np.mean(np.square(samples)))


@pytest.mark.parametrize("length", [1, 639, 16_001])
def test_the_journey_keeps_length_and_range(length: int) -> None:
    samples = np.resize(voiced(), length)
    out = augmented(samples, np.random.default_rng(0), others=[voiced(200)], odds=NEVER)
    np.testing.assert_array_equal(out, samples)
    if length > 100:
        rough = augmented(samples, np.random.default_rng(0), others=[voiced(200)], odds=ALWAYS)
        assert rough.shape == samples.shape
        assert rough.dtype == np.float32
        assert np.abs(rough).max() <= 1
        assert not np.allclose(rough, samples, atol=0.01)


def test_the_same_state_gives_the_same_journey() -> None:
    one, two = (augmented(voiced(), np.random.default_rng(5), odds=ALWAYS) for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("tilt", [0.0, 1.0, 2.0])
def test_noise_has_the_level_asked_for(tilt: float) -> None:
    clean = voiced()
    noise = with_noise(clean, 10, tilt, np.random.default_rng(0)) - clean
    assert 10 * np.log10(power(clean) / power(noise)) == pytest.approx(10, abs=0.1)


def test_babble_is_other_people_at_the_level_asked_for() -> None:
    clean, other = voiced(), voiced(210, 0.3)
    babble = with_babble(clean, [other], 12, np.random.default_rng(0)) - clean
    assert 10 * np.log10(power(clean) / power(babble)) == pytest.approx(12, abs=0.1)
    assert int(np.abs(np.fft.rfft(babble)).argmax()) % 210 < 4


def test_a_room_adds_echoes_and_leaves_the_direct_sound_in_its_place() -> None:
    click = np.zeros(16_000, np.float32)
    click[1_000] = 0.5
    wet = in_room(click, 0.5, 0.4, np.random.default_rng(0))
    assert np.abs(wet[:1_000]).max() < 1e-6
    assert wet[1_000] == pytest.approx(0.5, abs=1e-3)
    early, late = power(wet[1_050:3_000]), power(wet[7_000:9_000])
    assert early > 100 * late > 0


def test_a_telephone_line_removes_low_and_high_and_moves_nothing() -> None:
    click = np.zeros(4_000, np.float32)
    click[2_000] = 1.0
    line = band_limited(click, 300, 3_400)
    assert int(np.abs(line).argmax()) == 2_000
    spectrum = np.abs(np.fft.rfft(line))
    assert spectrum[25] < 0.1 * spectrum[250]  # 100 Hz against 1 kHz
    assert spectrum[1_750] < 0.1 * spectrum[250]  # 7 kHz


def test_breath_is_drawn_in_pauses_alone_and_quieter_than_the_voice() -> None:
    said = np.concatenate([voiced(), np.zeros(12_000, np.float32), voiced()])
    breath = with_breaths(said, 20, np.random.default_rng(0)) - said
    drawn = np.flatnonzero(breath)
    assert 16_000 <= drawn[0] < drawn[-1] < 28_000
    assert len(drawn) >= 0.25 * 16_000 - 2
    loudest = np.sqrt(np.square(said[: 25 * 640].reshape(25, 640)).mean(axis=1).max())
    assert 0.01 * loudest < np.sqrt(power(breath[drawn])) < 0.2 * loudest


def test_no_breath_is_drawn_where_nobody_pauses() -> None:
    steady = np.full(32_000, 0.1, np.float32)
    np.testing.assert_array_equal(with_breaths(steady, 20, np.random.default_rng(0)), steady)


def test_clipping_cuts_at_the_share_of_the_peak() -> None:
    clean = voiced()
    assert np.abs(clipped(clean, 0.5)).max() == pytest.approx(0.5 * np.abs(clean).max())
