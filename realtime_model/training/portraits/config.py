"""The recipe of the training portraits, read from one YAML file; a typo names its key."""

import dataclasses
import hashlib
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from realtime_model.errors import ConfigError
from realtime_model.training.portraits.children import CUTS, OLDEST, YOUNGEST
from realtime_model.training.portraits.people import DARKEST, Cut, Sex

Style = Literal["photo", "render", "drawing", "painting", "morph"]
Split = Literal["train", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "heldout")


@dataclass(frozen=True, slots=True)
class Pictures:
    """Some pictures inside a package; portraits are called ``prefix-stem``.

    Attributes:
        glob: shell pattern over the members of the archive.
    """

    prefix: str
    glob: str
    style: Style = "photo"


@dataclass(frozen=True, slots=True)
class Package:
    """A published archive, pinned to the byte."""

    name: str
    registry: Literal["npm", "pypi"]
    version: str
    file: str
    sha256: str
    licence: str
    pictures: tuple[Pictures, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pictures of a kind are made for each split."""

    train: int
    heldout: int
    seed: int

    def count(self, split: Split) -> int:
        return self.train if split == "train" else self.heldout


@dataclass(frozen=True, slots=True)
class Child:
    """One rendered child; its hue of hair, eyes, clothes and light are drawn from the seed.

    Attributes:
        name: of the portrait and of the identity.
        age_years: `YOUNGEST` to `OLDEST`.
        skin: from 0, light, to 6, dark.

    Raises:
        ConfigError: a number is out of range.
    """

    name: str
    split: Split
    sex: Sex
    age_years: int
    skin: float
    hair: Cut
    seed: int

    def __post_init__(self) -> None:
        if not YOUNGEST <= self.age_years <= OLDEST:
            raise ConfigError(
                f"{self.name}: age_years is {self.age_years}, not {YOUNGEST} to {OLDEST}"
            )
        if not 0 <= self.skin <= DARKEST:
            raise ConfigError(f"{self.name}: skin is {self.skin}, not 0 to {DARKEST}")
        if self.hair not in CUTS:
            raise ConfigError(f"{self.name}: hair is {self.hair!r}, not one of {sorted(CUTS)}")


@dataclass(frozen=True, slots=True)
class PortraitsConfig:
    """Everything that decides what the folder of training portraits holds.

    Attributes:
        image_px: side of the stored squares.
        crop_factor: side of a square in heights of the face oval.
        max_yaw_deg: faces turned further are left out.
        max_outside: share of a square that may lie beyond its picture.
        min_face_px: narrower faces in the source are left out.
        head_package: name of the package whose head shapes are rendered.
        crowd: more people rendered like the others, of seeds of their own: those stay who they are
            however many are asked for here.
        children: rendered besides; a changed line needs a new name, or the old picture stays.
        identities: portrait name to identity, where one person is in several pictures.
        heldout: identities that training never sees.
        exclude: names of portraits judged unusable by eye.
    """

    image_px: int
    crop_factor: float
    max_yaw_deg: float
    max_outside: float
    min_face_px: int
    packages: tuple[Package, ...]
    head_package: str
    renders: Plan
    morphs: Plan
    filters: Plan
    crowd: Plan
    children: tuple[Child, ...]
    identities: Mapping[str, str]
    heldout: tuple[str, ...]
    exclude: tuple[str, ...]

    def package(self, name: str) -> Package:
        """Return the package of that name.

        Raises:
            ConfigError: there is none.
        """
        for package in self.packages:
            if package.name == name:
                return package
        raise ConfigError(f"no package {name!r} among {[p.name for p in self.packages]}")

    def identity_of(self, name: str) -> str:
        return self.identities.get(name, name)

    def split_of(self, identity: str) -> Split:
        return "heldout" if identity in self.heldout else "train"

    def fingerprint(self) -> str:
        """Return a short hash of all that decides the pixels of the others.

        The exclude list decides none; the crowd and a child those of their own names alone.
        """
        facts = dataclasses.asdict(dataclasses.replace(self, exclude=()))
        del facts["children"], facts["crowd"]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def load_config(path: Path) -> PortraitsConfig:
    """Read a recipe.

    Raises:
        ConfigError: a key is unknown or missing, or a value has the wrong type.
    """
    config = _build(PortraitsConfig, yaml.safe_load(path.read_text("utf-8")), str(path))
    assert isinstance(config, PortraitsConfig)
    return config


def _build(kind: Any, value: Any, where: str) -> Any:
    """Turn plain YAML values into the annotated type, recursively."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        return _build_dataclass(kind, value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_build(arguments[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if origin is Mapping and isinstance(value, dict):
        return dict(value)
    if origin is Literal and value in arguments:
        return value
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind in (int, str) and type(value) is kind:
        return value
    raise ConfigError(f"{where}: {value!r} is not {getattr(kind, '__name__', kind)}")


def _build_dataclass(kind: type[Any], value: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    required = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
    if unknown := value.keys() - hints.keys():
        raise ConfigError(f"{where}: unknown key {sorted(unknown)[0]!r}")
    if missing := required - value.keys():
        raise ConfigError(f"{where}: {sorted(missing)[0]!r} is missing")
    return kind(**{key: _build(hints[key], item, f"{where}: {key}") for key, item in value.items()})
