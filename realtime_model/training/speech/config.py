"""The recipe of the speech corpus, read from YAML; a typo names its key."""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from realtime_model.errors import ConfigError

Split = Literal["train", "heldout"]
ENGINES = ("hibari", "flite", "kokoro", "prompts", "festvox")
RECORDED = ("prompts", "festvox")
"""Engines that are people: they say what they said, at their own pace."""
STYLES = ("spoken", "sung", "whispered", "shouted", "laughed")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Some voices of one engine, speaking one language, on one side of the split.

    Attributes:
        clips: recordings to make, dealt to the voices in turn.
        style: one of `STYLES`; recorded people just speak.
        mixed: every clip has a voice of its own, between two of ``voices``; Kokoro's alone.
    """

    engine: str
    language: str
    voices: tuple[str, ...]
    split: Split
    clips: int
    style: str = "spoken"
    mixed: bool = False

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ConfigError(f"engine: {self.engine!r} is not one of {', '.join(ENGINES)}")
        if self.split not in ("train", "heldout"):
            raise ConfigError(f"split: {self.split!r} is neither train nor heldout")
        if self.clips < 1 or not self.voices:
            raise ConfigError(f"{self.engine}: clips and voices must not be empty")
        if self.style not in STYLES:
            raise ConfigError(f"style: {self.style!r} is not one of {', '.join(STYLES)}")
        if self.mixed and (self.engine != "kokoro" or len(self.voices) < 2):
            raise ConfigError(
                f"mixed: needs two voices of kokoro, not {self.engine}'s {self.voices}"
            )
        if self.engine in RECORDED and self.style != "spoken":
            raise ConfigError(f"style: recorded {self.engine} cannot be {self.style}")


@dataclass(frozen=True, slots=True)
class CorpusConfig:
    """The whole speech corpus.

    Attributes:
        packages: folder for downloaded voice packages.
        threads: CPU threads of the neural voices.
        made_sentences: English sentences made from patterns, besides the written ones.
        invented_sentences: sentences of languages that nobody speaks, see `tongues`.
        speed: slowest and fastest pace.
        pause_share: share of places between, before and after sentences that hold a pause.
        pause_s: shortest and longest pause.
        sources: made in this order.
    """

    seed: int
    packages: str
    threads: int
    made_sentences: int
    invented_sentences: int
    speed: tuple[float, float]
    pause_share: float
    pause_s: tuple[float, float]
    sources: tuple[SourceConfig, ...]

    def __post_init__(self) -> None:
        for name, (low, high) in {"speed": self.speed, "pause_s": self.pause_s}.items():
            if not 0 < low <= high:
                raise ConfigError(f"{name}: {low}, {high} is no rising range above 0")
        if not 0 <= self.pause_share <= 1:
            raise ConfigError(f"pause_share: {self.pause_share} is not between 0 and 1")


def style_of(name: str) -> str:
    """Return the style of a clip of the corpus; its name tells."""
    return next((word for word in name.split("-") if word in STYLES), "spoken")


def load_config(path: Path) -> CorpusConfig:
    """Read ``configs/corpus.yaml``.

    Raises:
        ConfigError: the file is missing, a key is unknown or missing, or a value is impossible.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))["speech"]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: no section 'speech' in valid YAML ({error})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: section 'speech' is empty")
    sources = tuple(_made(SourceConfig, source) for source in values.pop("sources", ()))
    return _made(CorpusConfig, values | {"sources": sources})


def _made(kind: type[_T], values: dict[str, Any]) -> _T:
    known = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
    for key in values.keys() - known.keys():
        raise ConfigError(f"{key}: unknown key; known are {', '.join(sorted(known))}")
    for key in {key for key, default in known.items() if default is MISSING} - values.keys():
        raise ConfigError(f"{key}: missing")
    frozen = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    return kind(**frozen)
