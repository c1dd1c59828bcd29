"""Recordings whose text alone is known, against the times that the voice itself tells."""

# ruff: noqa: RUF001 - IPA letters look like others and are meant

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress

from realtime_model.errors import ModelError
from realtime_model.training.correlation import correlation
from realtime_model.training.speech import sentences
from realtime_model.training.speech.articulation import ARKIT_LABELS
from realtime_model.training.speech.cepstra import cepstra
from realtime_model.training.speech.corpus import SpeechClip, finished, read_clip, write_clip
from realtime_model.training.speech.neural import Hibari, load_hibari
from realtime_model.training.speech.phone_models import PhoneModels
from realtime_model.training.speech.phone_network import PhoneNetwork
from realtime_model.training.speech.phones import SILENCE, Phone
from realtime_model.training.speech.recordings import (
    align_recordings,
    is_believable,
    sounds_of,
)
from realtime_model.training.speech.states import states_of, timed_states
from realtime_model.training.speech.voices import Recording
from realtime_model.training.speech.world import VoiceParts, pitch_of, put_together, taken_apart

JAW = ARKIT_LABELS.index("jawOpen")
LESSONS = sentences.written("en")[:14]
SAID = "My mother made marmalade every Monday morning in May."
OTHER = "Why would the old plumber ever borrow five wooden boxes?"


@pytest.fixture(scope="module")
def voice() -> Hibari:
    return load_hibari(threads=1)


@pytest.fixture(scope="module")
def stranger(voice: Hibari) -> Recording:
    """Somebody with a lower voice and a longer throat, whose times are known."""
    spoken = voice.speak(SAID, 1.0)
    pitch_hz, times_s = pitch_of(spoken.samples)
    parts = taken_apart(spoken.samples, pitch_hz, times_s)
    lines = np.arange(parts.envelope.shape[1])
    longer = np.stack([np.interp(lines / 0.95, lines, row) for row in parts.envelope])
    other = VoiceParts(0.85 * parts.pitch_hz, longer, parts.breath)
    return Recording(put_together(other, len(spoken.samples)), spoken.phones)


@pytest.fixture(scope="module")
def corpus(voice: Hibari, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("speech")
    for number, text in enumerate(LESSONS):
        spoken = voice.speak(text, 1.0)
        clip = finished(spoken, "heart", "hibari", "en-us", text, "train")
        write_clip(out / f"hibari-en-us-heart-train-{number:04d}.npz", clip)
    return out


def untimed(samples: Recording, text: str) -> SpeechClip:
    return finished(Recording(samples.samples, []), "x", "prompts", "en-us", text, "heldout")


def test_a_stranger_is_aligned_as_well_as_the_curves_need(
    corpus: Path, stranger: Recording
) -> None:
    path = corpus / "prompts-en-us-x-heldout-0000.npz"
    write_clip(path, untimed(stranger, SAID))
    assert align_recordings(corpus, Progress(disable=True)) == []
    found = read_clip(path)
    truth = finished(stranger, "x", "prompts", "en-us", SAID, "heldout")
    jaws = [c.curves[:, JAW].astype(np.float64) for c in (found, truth)]
    assert correlation(*jaws) > 0.85
    assert found.phones[0].start_s == 0
    assert found.phones[-1].end_s == pytest.approx(stranger.duration_s, abs=1e-3)
    np.testing.assert_array_equal(found.audio, truth.audio)


def test_a_text_that_was_not_said_gives_no_curves(corpus: Path, stranger: Recording) -> None:
    path = corpus / "prompts-en-us-y-heldout-0000.npz"
    write_clip(path, replace(untimed(stranger, OTHER), voice="y"))
    before = path.read_bytes()
    assert align_recordings(corpus, Progress(disable=True)) == [path.stem]
    assert path.read_bytes() == before
    path.unlink()


def test_clips_that_have_phones_are_left_alone(corpus: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.glob("*-train-*")}
    align_recordings(corpus, Progress(disable=True))
    assert {path: path.stat().st_mtime_ns for path in corpus.glob("*-train-*")} == before


def test_without_voices_to_learn_from_recordings_stay_without_phones(
    tmp_path: Path, stranger: Recording
) -> None:
    write_clip(tmp_path / "a-heldout-0.npz", untimed(stranger, SAID))
    assert align_recordings(tmp_path, Progress(disable=True)) == ["a-heldout-0"]


def test_a_sound_nobody_made_is_found_by_its_likes(corpus: Path, stranger: Recording) -> None:
    clips = [read_clip(path) for path in sorted(corpus.glob("*-train-*.npz"))]
    models = PhoneModels.learn((cepstra(clip.samples), clip.phones) for clip in clips)
    heard, said = cepstra(stranger.samples), sounds_of(SAID, "en-us")
    strange = ["ɱ" if ipa == "v" else ipa for ipa in said]
    assert "ɱ" in strange
    usual = [p.start_s for p in models.align(heard, said) if p.ipa == "v"]
    found = [p.start_s for p in models.align(heard, strange) if p.ipa == "ɱ"]
    assert found == pytest.approx(usual, abs=0.05)


def test_a_network_hears_a_stranger_and_is_the_same_every_time(
    corpus: Path, stranger: Recording
) -> None:
    clips = [read_clip(path) for path in sorted(corpus.glob("*-train-*.npz"))]
    lessons = [(cepstra(clip.samples), clip.phones) for clip in clips]
    network, again = PhoneNetwork.learn(lessons), PhoneNetwork.learn(lessons)
    heard = cepstra(stranger.samples)
    states = [states_of(ipa)[1] for ipa in "mstdniʃə"]
    cost = network.cost(heard, states)
    assert cost.shape == (len(heard), len(states))
    np.testing.assert_array_equal(again.cost(heard, states), cost)
    middles = [
        (states.index(state), cost[first])
        for state, first, _ in timed_states(stranger.phones)
        if state in states and first < len(heard)
    ]
    assert len(middles) >= 8
    right = [costs.argmin() == place for place, costs in middles]
    assert np.mean(right) > 0.6
    strange = network.cost(heard, [("ɱ", 1)])[:, 0]
    np.testing.assert_array_equal(strange, network.cost(heard, [("v", 1), ("f", 1)]).min(axis=1))


def test_a_recording_too_short_for_its_text_is_not_aligned(corpus: Path) -> None:
    clips = [read_clip(path) for path in sorted(corpus.glob("*-train-*.npz"))]
    models = PhoneModels.learn((cepstra(clip.samples), clip.phones) for clip in clips)
    hiss = np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32)
    assert models.align(cepstra(hiss), sounds_of(SAID, "en-us")) == []
    assert not is_believable([])


def test_a_sound_that_lasts_for_ever_is_not_believed() -> None:
    normal = [Phone("a", 0.1 * n, 0.1 * n + 0.1) for n in range(9)]
    assert is_believable(normal)
    assert not is_believable([*normal, Phone("o", 0.9, 1.7)])
    assert is_believable([*normal, Phone(SILENCE, 0.9, 1.7)])


def test_level_and_microphone_change_nothing_that_is_heard(stranger: Recording) -> None:
    heard, quiet = cepstra(stranger.samples), cepstra(stranger.samples * np.float32(0.05))
    assert heard.shape == (len(stranger.samples) // 160 + 1, 39)
    np.testing.assert_allclose(quiet, heard, atol=1e-3)


def test_a_language_nobody_speaks_is_named() -> None:
    with pytest.raises(ModelError, match="language 'xx-none'"):
        sounds_of("hm", "xx-none")


@pytest.mark.parametrize(
    ("text", "language", "sounds"),
    [
        ("нажмите", "ru", ["n", "ʌ", "ʒ", "m", "i", "t", "ɪ"]),
        ("мы были", "ru", ["m", "ɨ"]),
        ("включения", "ru", ["f", "k", "l", "ʊ", "t", "ʃ"]),
        # Open at both ends of a word and before the stress, weak elsewhere.
        ("хорошо", "ru", ["x", "ə", "r", "ʌ", "ʃ", "o"]),
        ("абонент", "ru", ["ʌ", "b", "ʌ", "n", "e"]),
        ("абоненты", "ru", ["ʌ", "b", "ʌ", "n", "e", "n", "t", "ɨ"]),
        ("корова", "ru", ["k", "ʌ", "r", "o", "v", "ʌ"]),
        ("газеты", "ru", ["ɡ", "ʌ", "z", "e", "t", "ɨ", SILENCE]),
        ("il default", "it", ["i", "l", SILENCE, "d"]),
        ("じゃあ", "ja", ["d", "ʑ", "a"]),
    ],
)
def test_texts_of_many_languages_become_single_sounds(
    text: str, language: str, sounds: list[str]
) -> None:
    found = sounds_of(text, language)
    assert (found[0], found[-1]) == (SILENCE, SILENCE)
    assert found[1 : len(sounds) + 1] == sounds
