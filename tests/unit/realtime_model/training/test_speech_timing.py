"""The times an engine reports, against the sound as heard by an aligner that knows neither."""

import numpy as np
import pytest

from realtime_model.training.speech.aligner import Aligner
from realtime_model.training.speech.neural import kokoro_alphabet, load_hibari
from realtime_model.training.speech.phones import SILENCE

TEXTS = (
    "Bob bought a very brave puppy.",
    "My mother made marmalade every Monday morning in May.",
    "These cheap jeans seem to squeeze my knees.",
)


def test_phones_are_timed_where_they_are_heard() -> None:
    voice, aligner = load_hibari(threads=1), Aligner()
    late_s: list[float] = []
    for text in TEXTS:
        spoken = voice.speak(text, 1.0)
        heard = aligner.align(spoken.samples, text)
        for phone in spoken.phones:
            same = [h.start_s for h in heard if h.ipa == phone.ipa != SILENCE]
            near = [phone.start_s - start_s for start_s in same]
            late_s += [min(near, key=abs)] if near and min(map(abs, near)) < 0.12 else []
    assert len(late_s) >= 40
    assert abs(np.median(late_s)) < 0.02
    assert np.percentile(np.abs(late_s), 80) < 0.045


def test_a_faster_pace_is_shorter_and_the_same_call_says_the_same() -> None:
    voice = load_hibari(threads=1)
    slow, fast, again = (voice.speak(TEXTS[0], speed) for speed in (0.8, 1.25, 1.25))
    assert fast.duration_s < 0.8 * slow.duration_s
    np.testing.assert_array_equal(fast.samples, again.samples)


def test_british_and_american_english_sound_different() -> None:
    assert "ɹ" in kokoro_alphabet("car", "en-us")
    assert "ɹ" not in kokoro_alphabet("car", "en-gb")


@pytest.mark.parametrize(
    ("text", "known"),
    [("Hello there.", True), ("Call 911.", False), ("Grmblfz!", False), ("", False)],
)
def test_the_aligner_says_which_texts_it_knows(text: str, known: bool) -> None:
    assert Aligner().knows(text) is known
