"""Invented languages: what their sentences are made of."""

# ruff: noqa: RUF001 - IPA letters look like others and are meant

import random
from dataclasses import replace
from pathlib import Path

from realtime_model.training.speech import tongues
from realtime_model.training.speech.articulation import is_vowel
from realtime_model.training.speech.config import SourceConfig, load_config
from realtime_model.training.speech.neural import kokoro_alphabet, tokens_of
from realtime_model.training.speech.phones import SILENCE, phones_of_tokens
from realtime_model.training.speech.plan import plan_corpus
from realtime_model.training.speech.sentences import is_held_out

RECIPE = Path(__file__).parents[4] / "configs" / "corpus.yaml"


def sounds(sentence: str) -> list[str]:
    """The sounds of an invented sentence, without silences."""
    tokens = list(sentence)
    phones = phones_of_tokens(tokens, [0.1] * len(tokens))
    return [phone.ipa for phone in phones if phone.ipa != SILENCE]


def test_the_voices_know_every_letter_of_every_sentence() -> None:
    for sentence in tongues.sentences(300, seed=1):
        written = kokoro_alphabet(sentence, tongues.INVENTED)
        assert written == sentence
        assert "".join(tokens_of(sentence, tongues.INVENTED)[1:-1]) == sentence


def test_sentences_repeat_with_the_seed_and_differ_from_each_other() -> None:
    made = tongues.sentences(200, seed=3)
    assert made == tongues.sentences(200, seed=3)
    assert made[:50] == tongues.sentences(50, seed=3)
    assert made != tongues.sentences(200, seed=4)
    assert len(set(made)) == 200


def test_every_sentence_has_words_with_vowels_and_a_tune() -> None:
    for sentence in tongues.sentences(200, seed=5):
        assert sentence[-1] in ".?!"
        words = sentence.split()
        assert 3 <= len(words) <= 11
        assert all(any(is_vowel(sound) for sound in sounds(word)) for word in words)


def test_together_they_put_lips_through_everything() -> None:
    said = {sound for sentence in tongues.sentences(400, seed=7) for sound in sounds(sentence)}
    assert set("pbmfvszʃʒθðtdnlrkɡʁxjwɲʎβhaeiouɑɛɪɔʊəyøœɐ") <= said


def test_a_language_says_only_what_it_has() -> None:
    rng = random.Random(2)
    for _ in range(50):
        tongue = replace(tongues.invent(rng), shapes=("CV",), marks=(0.0, 0.0, 0.0), fades=0.0)
        for word in (tongues.word(tongue, rng) for _ in range(20)):
            assert set(word) <= set(tongue.vowels + tongue.consonants + "ˈ")


def test_the_stress_lies_where_the_language_puts_it() -> None:
    rng = random.Random(4)
    tongue = replace(tongues.invent(rng), shapes=("CV",), stress=-1, vowels="ae", consonants="tk")
    words = [tongues.word(replace(tongue, marks=(0, 0, 0)), rng) for _ in range(50)]
    long = [word for word in words if len(word) > 3]
    assert long
    assert all(word.index("ˈ") == len(word) - 2 for word in long)


def test_clips_of_invented_languages_are_planned_like_others() -> None:
    source = SourceConfig("kokoro", tongues.INVENTED, ("af_sky", "am_adam"), "train", 40)
    config = replace(load_config(RECIPE), sources=(source,), invented_sentences=60)
    said = {text for plan in plan_corpus(config, lambda *_: []) for text in plan.texts}
    made = tongues.sentences(60, config.seed)
    assert said <= {text for text in made if not is_held_out(text)}
    assert len(said) > 20
