"""The constants of all trainings, read from ``configs/train.yaml``; a typo names its key."""

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from realtime_model.config import ModelConfig
from realtime_model.errors import ConfigError
from realtime_model.training.codec import CodecRecipe
from realtime_model.training.denoising import DiffusionRecipe
from realtime_model.training.hearing import HearingRecipe
from realtime_model.training.sync import SyncRecipe
from realtime_model.training.unet.material import PicturesRecipe

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RenderRecipe:
    """How many frames the codec sees.

    Attributes:
        poses: frames of each training portrait.
        heldout_poses: frames of each held-out portrait.
    """

    poses: int = 64
    heldout_poses: int = 32
    seed: int = 1


@dataclass(frozen=True, slots=True)
class LatentsRecipe:
    """How much acting the denoiser sees.

    Attributes:
        takes: portraits that act each training clip.
        idle: clips of silence beside the spoken ones.
        heldout_clips: spoken clips acted by held-out portraits.
        clips: folder of filmed clips, of ``emolive data ingest``, in place of acting; only with a
            unet. Takes are then portraits of each clip, and nothing idles.
    """

    takes: int = 1
    idle: int = 40
    heldout_clips: int = 24
    clips: str = ""
    seed: int = 5


@dataclass(frozen=True, slots=True)
class ReaderRecipe:
    """How long the reader of lips is taught."""

    steps: int = 800
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TrainRecipe:
    """Everything from portraits and voices to weights.

    Attributes:
        runs: folder of all that training makes.
        sources: folder of portraits and corpus, if not the same.
        preset: the YAML that names the finished weights, which lie beside it.
        model: sizes of the network; with a section ``unet`` it is `emo-sd15`.
        pictures: what that is taught on.
    """

    runs: str = "runs"
    sources: str = ""
    preset: str = "runs/weights/emo-tiny.yaml"
    model: ModelConfig = field(default_factory=ModelConfig)
    render: RenderRecipe = field(default_factory=RenderRecipe)
    listener: HearingRecipe = field(default_factory=HearingRecipe)
    codec: CodecRecipe = field(default_factory=CodecRecipe)
    latents: LatentsRecipe = field(default_factory=LatentsRecipe)
    reader: ReaderRecipe = field(default_factory=ReaderRecipe)
    denoiser: DiffusionRecipe = field(default_factory=DiffusionRecipe)
    sync: SyncRecipe = field(default_factory=SyncRecipe)
    pictures: PicturesRecipe = field(default_factory=PicturesRecipe)


def load_recipe(path: Path) -> TrainRecipe:
    """Read a recipe; what it leaves out takes its default.

    Raises:
        ConfigError: the file is missing, a key is unknown, or a value is impossible.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"{path} is not valid YAML: {exc}") from exc
    return _made(TrainRecipe, values, "")


def _made(kind: type[_T], values: object, where: str) -> _T:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where or 'the recipe'} must be keys and values")
    kinds = typing.get_type_hints(kind)
    ready: dict[str, Any] = {}
    for key, value in values.items():
        if key not in kinds:
            raise ConfigError(f"unknown key {where}{key}; known: {', '.join(sorted(kinds))}")
        expected = kinds[key]
        if expected is ModelConfig:
            ready[key] = ModelConfig.read(value, f"{where}{key}.")
        elif dataclasses.is_dataclass(expected):
            ready[key] = _made(typing.cast(type, expected), value, f"{where}{key}.")
        elif typing.get_origin(expected) is tuple:
            entries = value if isinstance(value, list) else [value]
            one = typing.get_args(expected)[0]
            ready[key] = tuple(_made(one, e, f"{where}{key}.{i}.") for i, e in enumerate(entries))
        else:
            ready[key] = _checked(value, expected, f"{where}{key}")
    return kind(**ready)


def _checked(value: object, expected: type, name: str) -> object:
    if expected is str and isinstance(value, str) and value:
        return value
    if expected is bool and isinstance(value, bool):
        return value
    fitting = (int, float) if expected is float else expected
    if expected in (str, bool) or isinstance(value, bool) or not isinstance(value, fitting):
        raise ConfigError(f"{name}: {value!r} is not of type {expected.__name__}")
    assert isinstance(value, int | float)
    if value < 0:
        raise ConfigError(f"{name}: {value} is negative")
    return value
