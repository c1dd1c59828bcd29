"""Who says what: the whole corpus, drawn from the seed before anything is spoken."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from realtime_model.errors import ConfigError
from realtime_model.training.speech import sentences, tongues
from realtime_model.training.speech.config import RECORDED, CorpusConfig, SourceConfig, Split

_SHORT_SHARE = 0.15

RecordedTexts = Callable[[str, str], list[str]]
"""From an engine of `RECORDED` and a language to everything its speakers say."""


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """One recording to make; ``pauses_s[i]`` comes before ``texts[i]``, the last one at the end.

    ``seed`` decides what ``style`` leaves open, such as the melody.
    """

    name: str
    engine: str
    voice: str
    language: str
    split: Split
    texts: tuple[str, ...]
    pauses_s: tuple[float, ...]
    speed: float
    style: str = "spoken"
    seed: int = 0


def plan_corpus(config: CorpusConfig, recorded_texts: RecordedTexts) -> list[ClipPlan]:
    """Decide every clip: who says what, how fast, with which pauses."""
    trained = {source.language for source in config.sources if source.split == "train"}
    plans: list[ClipPlan] = []
    for source in config.sources:
        # The number of clips is no part of the seed: a larger corpus begins with the smaller one.
        voices = "+".join(source.voices)
        style = "" if source.style == "spoken" else f" {source.style}"
        style += " mixed" * source.mixed
        rng = random.Random(f"{config.seed} {source.engine} {source.language} {voices}{style}")
        texts = _texts(config, source, trained, recorded_texts)
        if not texts:
            raise ConfigError(f"sources: no {source.split} sentences in {source.language}")
        plans += _planned(config, source, texts, rng)
    twice = [name for name, count in Counter(plan.name for plan in plans).items() if count > 1]
    if twice:
        raise ConfigError(f"sources: a voice is listed twice on one side ({twice[0]})")
    return plans


def _texts(
    config: CorpusConfig, source: SourceConfig, trained: set[str], recorded_texts: RecordedTexts
) -> list[str]:
    """Return what a source may say; a language nobody trains on needs no held-out sentences."""
    if source.engine in RECORDED:
        return recorded_texts(source.engine, source.language)
    if source.style == "laughed":
        return sentences.written("laughs")
    if source.language == tongues.INVENTED:
        lists = [tongues.sentences(config.invented_sentences, config.seed)]
    else:
        lists = [sentences.written(source.language.split("-")[0])]
    if source.language.startswith("en"):
        lists += [sentences.made(config.made_sentences, config.seed)]
    texts = [text for one in lists for text in one]
    if source.language not in trained:
        return texts
    if source.split == "train":
        return [text for text in texts if not sentences.is_held_out(text)]
    apart = sentences.only_held_out(source.language.split("-")[0])
    return [text for text in texts if sentences.is_held_out(text)] + apart


def _planned(
    config: CorpusConfig, source: SourceConfig, texts: list[str], rng: random.Random
) -> Iterator[ClipPlan]:
    deck = _dealt(texts, rng)
    english = source.language.startswith("en") and source.engine not in RECORDED
    short = _dealt(sentences.written("short"), rng) if english else deck
    styled = source.style != "spoken"
    kind = f"{source.style}-{source.split}" if styled else source.split
    for number in range(source.clips):
        voice = source.voices[number % len(source.voices)]
        if source.mixed:
            voice = _between(source.voices, rng)
        # A sentence takes long to sing, and a single word is no song.
        count = 1 if styled else rng.choice((1, 1, 2, 2, 3))
        share = 0.0 if styled else _SHORT_SHARE
        chosen = [next(short if rng.random() < share else deck) for _ in range(count)]
        pauses = [
            rng.uniform(*config.pause_s) if rng.random() < config.pause_share else 0.0
            for _ in range(count + 1)
        ]
        called = "mixed" if source.mixed else voice
        yield ClipPlan(
            name=f"{source.engine}-{source.language}-{called}-{kind}-{number:04d}",
            engine=source.engine,
            voice=voice,
            language=source.language,
            split=source.split,
            texts=tuple(chosen),
            pauses_s=tuple(round(pause, 3) for pause in pauses),
            speed=round(rng.uniform(*config.speed), 3),
            style=source.style,
            seed=rng.getrandbits(32) if styled else 0,
        )


def _between(voices: Sequence[str], rng: random.Random) -> str:
    """Name a voice between two others, for instance ``af_sky*0.4+am_adam*0.6``."""
    one, other = rng.sample(voices, 2)
    share = rng.randint(2, 8)
    return f"{one}*0.{share}+{other}*0.{10 - share}"


def mixture(voice: str) -> dict[str, float]:
    """The speakers of a voice and their shares: one of its own, or two where it is mixed."""
    parts = [part.partition("*") for part in voice.split("+")]
    return {name: float(share or 1) for name, _, share in parts}


def _dealt(texts: Sequence[str], rng: random.Random) -> Iterator[str]:
    """Yield texts for ever, every one once before any comes again."""
    while True:
        yield from rng.sample(texts, len(texts))
