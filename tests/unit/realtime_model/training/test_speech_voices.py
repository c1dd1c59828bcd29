import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.training.speech.phones import SILENCE, Phone
from realtime_model.training.speech.voices import (
    Recording,
    joined,
    levelled,
    recording,
    resampled,
    silence,
)


def burst(start_s: float, end_s: float, total_s: float) -> NDArray[np.float32]:
    samples = np.zeros(round(total_s * 16_000), np.float32)
    inside = slice(round(start_s * 16_000), round(end_s * 16_000))
    samples[inside] = 0.3 * np.sin(np.arange(samples[inside].size))
    return samples


def assert_gapless(made: Recording) -> None:
    assert made.phones[0].start_s == 0
    assert made.phones[-1].end_s == pytest.approx(made.duration_s)
    for one, following in zip(made.phones, made.phones[1:], strict=False):
        assert one.end_s == pytest.approx(following.start_s)


def test_resampling_keeps_a_tone_and_its_duration() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000).astype(np.float32)
    at_16k = resampled(tone, 24_000)
    assert len(at_16k) == 16_000
    spectrum = np.abs(np.fft.rfft(at_16k))
    assert int(spectrum.argmax()) == 440


def test_a_recording_has_a_phone_at_every_moment() -> None:
    made = recording(burst(0.3, 0.5, 1.0), 16_000, [Phone("a", 0.3, 0.5)])
    assert [phone.ipa for phone in made.phones] == [SILENCE, "a", SILENCE]
    assert_gapless(made)


def test_a_sound_that_was_given_the_pause_after_it_is_cut_to_what_is_heard() -> None:
    made = recording(burst(0.3, 0.5, 1.0), 16_000, [Phone("a", 0.3, 0.4), Phone("t", 0.4, 1.0)])
    assert [phone.ipa for phone in made.phones] == [SILENCE, "a", "t", SILENCE]
    assert made.phones[2].end_s == pytest.approx(0.54, abs=0.011)
    assert_gapless(made)


def test_a_breath_is_no_part_of_the_vowel_before_it() -> None:
    samples = burst(0.3, 0.5, 1.2)
    samples[8_000:16_000] += 0.0042 * np.sin(np.arange(8_000)).astype(np.float32)  # -37 dB
    vowel = recording(samples, 16_000, [Phone("a", 0.3, 0.9)])
    assert vowel.phones[1].end_s == pytest.approx(0.54, abs=0.011)
    # A soft consonant may be as quiet as that.
    spoken = recording(samples, 16_000, [Phone("a", 0.3, 0.5), Phone("f", 0.5, 0.9)])
    assert spoken.phones[2].end_s == pytest.approx(0.9)


def test_phones_outside_the_sound_are_cut_off() -> None:
    phones = [Phone(SILENCE, -0.06, 0.1), Phone("a", 0.1, 0.3), Phone("t", 0.3, 0.4)]
    made = recording(burst(0.1, 0.3, 0.3), 16_000, phones)
    assert [phone.ipa for phone in made.phones] == [SILENCE, "a"]
    assert_gapless(made)


def test_joined_parts_keep_their_timing_behind_each_other() -> None:
    spoken = recording(burst(0.1, 0.3, 0.4), 16_000, [Phone("a", 0.1, 0.3)])
    made = joined([silence(0.5), spoken, silence(0.25)])
    assert made.duration_s == pytest.approx(1.15)
    assert [phone.ipa for phone in made.phones] == [SILENCE, "a", SILENCE]
    assert made.phones[1].start_s == pytest.approx(0.6)
    assert_gapless(made)


def test_one_part_without_timing_leaves_the_whole_without() -> None:
    unknown = Recording(burst(0.0, 0.2, 0.2), [])
    assert joined([silence(0.3), unknown, silence(0.0)]).phones == []


def test_no_pause_is_no_part_without_timing() -> None:
    spoken = recording(burst(0.0, 0.2, 0.2), 16_000, [Phone("a", 0.0, 0.2)])
    assert joined([silence(0.0), spoken, silence(0.0)]).phones == spoken.phones


def test_the_level_of_the_voice_is_the_same_whatever_the_pauses() -> None:
    short, long = levelled(burst(0.0, 0.5, 0.5)), levelled(burst(0.0, 0.5, 3.0))
    np.testing.assert_allclose(short, long[: len(short)], rtol=1e-4)
    assert 20 * np.log10(np.sqrt(np.mean(np.square(short)))) == pytest.approx(-23, abs=0.2)


def test_silence_stays_silent_when_levelled() -> None:
    assert not levelled(np.zeros(16_000, np.float32)).any()
