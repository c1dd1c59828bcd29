import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.training.speech.augment import (
    AugmentOdds,
    as_other_speaker,
    augmented,
    band_limited,
    clipped,
    coded,
    in_room,
    with_babble,
    with_loss,
    with_noise,
)

ALWAYS = AugmentOdds(gain=1, noise=1, babble=1, room=1, line=1, coding=1, loss=1, clipping=1)
NEVER = AugmentOdds(gain=0, noise=0, babble=0, room=0, line=0, coding=0, loss=0, clipping=0)


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


def test_coding_loses_detail_by_degrees_and_keeps_the_speech() -> None:
    clean = voiced()
    errors = [power(coded(clean, keep_db) - clean) / power(clean) for keep_db in (8, 16, 40)]
    assert 0.3 > errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3


def test_lost_packets_repeat_the_one_before_more_quietly() -> None:
    clean = voiced()
    out = with_loss(clean, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(out[:320], clean[:320])
    np.testing.assert_allclose(out[320:640], 0.6 * clean[:320], atol=1e-6)
    np.testing.assert_array_equal(with_loss(clean, 0.0, np.random.default_rng(0)), clean)


def test_clipping_cuts_at_the_share_of_the_peak() -> None:
    clean = voiced()
    assert np.abs(clipped(clean, 0.5)).max() == pytest.approx(0.5 * np.abs(clean).max())


def test_another_throat_changes_the_pitch_and_keeps_the_time() -> None:
    clean = voiced(120)
    higher = as_other_speaker(clean, 1.5, 1.15)
    assert len(higher) == len(clean)
    spectrum = np.abs(np.fft.rfft(higher[2_000:10_000]))
    peaks = [hz for hz in range(100, 1_000) if spectrum[hz // 2] > 0.5 * spectrum.max()]
    assert all(min(hz % 180, 180 - hz % 180) < 8 for hz in peaks)
    loud = np.square(clean).reshape(-1, 800).mean(axis=1)
    changed = np.square(higher).reshape(-1, 800).mean(axis=1)
    assert np.corrcoef(loud, changed)[0, 1] > 0.8
