"""Singing, whispering, shouting: what becomes of pitch, spectrum and time."""

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from realtime_model.errors import ConfigError
from realtime_model.training.correlation import correlation
from realtime_model.training.speech.articulation import ARKIT_LABELS, is_vowel
from realtime_model.training.speech.config import SourceConfig
from realtime_model.training.speech.curves import mouth_curves
from realtime_model.training.speech.melody import composed, stretched, sung_pitch, vowels
from realtime_model.training.speech.neural import load_hibari
from realtime_model.training.speech.phones import SILENCE, Phone, split_sounds
from realtime_model.training.speech.styles import performed
from realtime_model.training.speech.voices import Recording
from realtime_model.training.speech.world import pitch_of

JAW = ARKIT_LABELS.index("jawOpen")
MANY = [
    Phone(SILENCE, 0.0, 0.1),
    Phone("b", 0.1, 0.16),
    Phone("aʊ", 0.16, 0.3),
    Phone("m", 0.3, 0.37),
    Phone("i", 0.37, 0.45),
    Phone(SILENCE, 0.45, 0.8),
    Phone("s", 0.8, 0.9),
    Phone("o", 0.9, 1.0),
]


@pytest.fixture(scope="module")
def spoken() -> Recording:
    return load_hibari(threads=1).speak("My mother made marmalade every Monday.", 1.0)


@pytest.fixture(scope="module")
def sung(spoken: Recording) -> Recording:
    return performed(spoken, "sung", 7)


def durations_s(made: Recording, *, of_vowels: bool) -> list[float]:
    sounds = [part for phone in made.phones for part in split_sounds(phone)]
    return [s.duration_s for s in sounds if s.ipa != SILENCE and is_vowel(s.ipa) == of_vowels]


def bands(made: Recording) -> tuple[float, float]:
    """Power below 500 Hz and above 2 kHz."""
    power = np.abs(np.fft.rfft(made.samples)) ** 2
    line_hz = 8_000 / (len(power) - 1)
    return float(power[: int(500 / line_hz)].sum()), float(power[int(2_000 / line_hz) :].sum())


def test_a_syllable_has_one_note_and_a_diphthong_is_held_on_its_first_half() -> None:
    assert vowels(MANY) == [2, 5, 8]
    notes = composed(MANY, random.Random(1))
    assert [note.nucleus for note in notes] == [2, 5, 8]
    pace = stretched(MANY, {note.nucleus: note.held_s for note in notes})
    for note in notes:
        assert pace.sounds[note.nucleus].duration_s == pytest.approx(note.held_s)
    assert pace.sounds[3].ipa == "ʊ"
    assert pace.sounds[3].duration_s == pytest.approx(0.45 * 0.14)


def test_phrases_end_on_long_notes_of_the_home_chord() -> None:
    for seed in range(20):
        notes = composed(MANY, random.Random(seed))
        assert {notes[1].semitones, notes[2].semitones} <= {0, 3, 4}
        assert min(notes[1].held_s, notes[2].held_s) > 0.5
        assert -5 <= notes[0].semitones <= 12


def test_time_only_stretches_and_never_goes_back() -> None:
    pace = stretched(MANY, {2: 0.9, 5: 0.5})
    assert (np.diff(pace.spoken_s) >= 0).all()
    assert (np.diff(pace.performed_s) >= np.diff(pace.spoken_s) - 1e-9).all()
    assert all(one.end_s == following.start_s for one, following in pairwise(pace.sounds))
    added_s = 0.9 - 0.55 * 0.14 + 0.5 - 0.08
    assert pace.performed_s[-1] == pytest.approx(1.0 + added_s)


def test_held_notes_swing_around_their_pitch() -> None:
    notes = [replace(composed(MANY, random.Random(1))[0], semitones=4, held_s=2.0)]
    pace = stretched(MANY, {2: 2.0})
    times_s = np.arange(0, pace.performed_s[-1], 0.005)
    tones = sung_pitch(notes, pace, times_s, random.Random(3))
    steady = (times_s > 0.8) & (times_s < 2.0)
    assert tones[steady].mean() == pytest.approx(4, abs=0.2)
    swings = np.flatnonzero(np.diff(np.sign(tones[steady] - tones[steady].mean())))
    assert 4.5 < len(swings) / 2 / 1.2 < 7
    assert 0.1 < np.ptp(tones[steady]) / 2 < 0.8


def test_a_song_holds_vowels_and_keeps_consonants(spoken: Recording, sung: Recording) -> None:
    before, after = (np.array(durations_s(r, of_vowels=False)) for r in (spoken, sung))
    np.testing.assert_allclose(after, before, atol=1e-6)
    assert np.median(durations_s(sung, of_vowels=True)) > 1.5 * np.median(
        durations_s(spoken, of_vowels=True)
    )
    assert sung.phones[-1].end_s == pytest.approx(sung.duration_s, abs=1e-4)
    assert np.abs(sung.samples).max() <= 0.951


def test_a_song_stays_on_its_notes(sung: Recording) -> None:
    found_hz, times_s = pitch_of(sung.samples)
    held = [p for p in sung.phones if is_vowel(p.ipa) and p.duration_s > 0.3]
    assert len(held) >= 4
    for phone in held:
        inside = (times_s > phone.start_s + 0.12) & (times_s < phone.end_s - 0.06)
        tones = 12 * np.log2(found_hz[inside & (found_hz > 0)])
        assert np.percentile(np.abs(tones - np.median(tones)), 90) < 0.8


def test_the_mouth_of_a_song_moves_with_its_loudness_as_in_speech(
    spoken: Recording, sung: Recording
) -> None:
    fits = []
    for made in (spoken, sung):
        jaw = mouth_curves(made.phones, made.samples)[:, JAW]
        blocks = made.samples[: len(made.samples) // 640 * 640].reshape(-1, 640)
        fits.append(correlation(jaw, np.sqrt((blocks**2).mean(axis=1))))
    assert fits[1] > 0.5
    assert fits[1] > fits[0] - 0.15


def test_the_seed_decides_the_melody(spoken: Recording, sung: Recording) -> None:
    again, other = performed(spoken, "sung", 7), performed(spoken, "sung", 8)
    np.testing.assert_array_equal(again.samples, sung.samples)
    assert again.phones == sung.phones
    assert other.phones != sung.phones


def test_a_whisper_has_no_voice_and_keeps_its_time(spoken: Recording) -> None:
    whispered = performed(spoken, "whispered", 0)
    assert len(whispered.samples) == pytest.approx(len(spoken.samples), abs=1)
    low, high = bands(whispered)
    spoken_low, spoken_high = bands(spoken)
    assert low / high < 0.2 * spoken_low / spoken_high
    voiced = [np.mean(pitch_of(made.samples)[0] > 0) for made in (spoken, whispered)]
    assert voiced[1] < 0.35 * voiced[0]


def test_a_shout_is_higher_brighter_and_longer(spoken: Recording) -> None:
    shouted = performed(spoken, "shouted", 3)
    pitches = [pitch_of(made.samples)[0] for made in (spoken, shouted)]
    low_hz, high_hz = (float(np.median(p[p > 0])) for p in pitches)
    assert 1.2 < high_hz / low_hz < 1.75
    assert shouted.duration_s > 1.05 * spoken.duration_s
    low, high = bands(shouted)
    spoken_low, spoken_high = bands(spoken)
    assert high / low > 2 * spoken_high / spoken_low


def test_speech_is_left_as_it_is(spoken: Recording) -> None:
    assert performed(spoken, "spoken", 1) is spoken


def test_silence_cannot_be_sung() -> None:
    pause = Recording(np.zeros(8_000, np.float32), [Phone(SILENCE, 0.0, 0.5)])
    assert performed(pause, "sung", 0) is pause


@pytest.mark.parametrize(
    ("engine", "style", "sentence"),
    [("hibari", "yodelled", "yodelled"), ("prompts", "sung", "recorded prompts cannot be sung")],
)
def test_a_style_that_cannot_be_had_is_refused(engine: str, style: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        SourceConfig(engine, "en-us", ("a",), "train", 1, style)


def test_laughter_begins_high_falls_and_keeps_its_times(spoken: Recording) -> None:
    laughed = performed(spoken, "laughed", 3)
    assert laughed.phones == [part for phone in spoken.phones for part in split_sounds(phone)]
    before, after = (pitch_of(made.samples)[0] for made in (spoken, laughed))
    count = min(len(before), len(after)) // 2
    rise = [
        np.median(after[part][after[part] > 0]) / np.median(before[part][before[part] > 0])
        for part in (slice(0, count), slice(count, 2 * count))
    ]
    assert rise[0] > rise[1] > 1
