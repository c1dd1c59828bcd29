"""Who says what: the whole corpus, drawn from the seed before anything is spoken."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from realtime_model.errors import ConfigError
from realtime_model.training.speech import sentences
from realtime_model.training.speech.config import CorpusConfig, SourceConfig, Split

_SHORT_SHARE = 0.15

PromptTexts = Callable[[str], list[str]]
"""From a language to everything the recorded speakers of that language say."""


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """One recording to make; ``pauses_s[i]`` comes before ``texts[i]``, the last one at the end."""

    name: str
    engine: str
    voice: str
    language: str
    split: Split
    texts: tuple[str, ...]
    pauses_s: tuple[float, ...]
    speed: float


def plan_corpus(config: CorpusConfig, prompt_texts: PromptTexts) -> list[ClipPlan]:
    """Decide every clip: who says what, how fast, with which pauses."""
    trained = {source.language for source in config.sources if source.split == "train"}
    plans: list[ClipPlan] = []
    for source in config.sources:
        # The number of clips is no part of the seed: a larger corpus begins with the smaller one.
        voices = "+".join(source.voices)
        rng = random.Random(f"{config.seed} {source.engine} {source.language} {voices}")
        texts = _texts(config, source, trained, prompt_texts)
        if not texts:
            raise ConfigError(f"sources: no {source.split} sentences in {source.language}")
        plans += _planned(config, source, texts, rng)
    twice = [name for name, count in Counter(plan.name for plan in plans).items() if count > 1]
    if twice:
        raise ConfigError(f"sources: a voice is listed twice on one side ({twice[0]})")
    return plans


def _texts(
    config: CorpusConfig, source: SourceConfig, trained: set[str], prompt_texts: PromptTexts
) -> list[str]:
    """Return what a source may say; a language nobody trains on needs no held-out sentences."""
    if source.engine == "prompts":
        return prompt_texts(source.language)
    lists = [sentences.written(source.language.split("-")[0])]
    if source.language.startswith("en"):
        lists += [sentences.made(config.made_sentences, config.seed)]
    texts = [text for one in lists for text in one]
    if source.language not in trained:
        return texts
    held_out = source.split == "heldout"
    return [text for text in texts if sentences.is_held_out(text) == held_out]


def _planned(
    config: CorpusConfig, source: SourceConfig, texts: list[str], rng: random.Random
) -> Iterator[ClipPlan]:
    deck = _dealt(texts, rng)
    english = source.language.startswith("en") and source.engine != "prompts"
    short = _dealt(sentences.written("short"), rng) if english else deck
    for number in range(source.clips):
        voice = source.voices[number % len(source.voices)]
        count = rng.choice((1, 1, 2, 2, 3))
        chosen = [next(short if rng.random() < _SHORT_SHARE else deck) for _ in range(count)]
        pauses = [
            rng.uniform(*config.pause_s) if rng.random() < config.pause_share else 0.0
            for _ in range(count + 1)
        ]
        yield ClipPlan(
            name=f"{source.engine}-{source.language}-{voice}-{source.split}-{number:04d}",
            engine=source.engine,
            voice=voice,
            language=source.language,
            split=source.split,
            texts=tuple(chosen),
            pauses_s=tuple(round(pause, 3) for pause in pauses),
            speed=round(rng.uniform(*config.speed), 3),
        )


def _dealt(texts: Sequence[str], rng: random.Random) -> Iterator[str]:
    """Yield texts for ever, every one once before any comes again."""
    while True:
        yield from rng.sample(texts, len(texts))
