"""The folder of converted weights: one folder a kind, whole or not there, verified when loaded.

var/weights/kl-vae/weights.safetensors     the tensors
var/weights/kl-vae/about.yaml              their hash, sizes, origin and licence
var/weights/kl-vae/LICENCE.txt             the licence, for people
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from realtime_model.errors import CheckpointError
from realtime_model.pretrained.converters import Converted, converter
from realtime_model.pretrained.kinds import DEFAULT_FOLDER, KINDS, Kind
from realtime_model.pretrained.networks import Config, builder
from realtime_model.pretrained.reading import read_checkpoint
from realtime_model.pretrained.writing import (
    Report,
    require_space,
    sha256_of,
    size_bytes,
    write_tensors,
)

_TENSORS, _ABOUT, _LICENCE = "weights.safetensors", "about.yaml", "LICENCE.txt"


@dataclass(frozen=True, slots=True)
class About:
    """What is written beside converted weights.

    Attributes:
        source: what was converted: a path, or a hub repository.
        revision: the commit of the repository; empty for a path.
        left_out: how many tensors of the source are not used here.
        config: sizes of the network.
    """

    kind: str
    sha256: str
    bytes: int
    source: str
    revision: str
    licence: str
    tensors: int
    left_out: int
    config: Config


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a download came from, for the record."""

    source: str
    revision: str = ""


class WeightStore:
    """Adds, lists and loads converted weights below one folder."""

    def __init__(self, folder: Path = DEFAULT_FOLDER) -> None:
        self.folder = folder

    def add(self, kind: str, path: Path, origin: Origin, report: Report) -> About:
        """Convert a download and keep it; weights of this kind that were there are replaced.

        Args:
            kind: a name of `kinds.KINDS`.
            path: the file or folder.
            origin: where it came from.
            report: is told the bytes written and their total.

        Raises:
            CheckpointError: the download is not what the kind needs, or cannot be written. What
                was in the folder before is still there.
        """
        reader = converter(kind)
        converted = reader.convert(read_checkpoint(path, reader.files))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            require_space(self.folder, size_bytes(converted.tensors))
            with _built_aside(self.folder / kind) as part:
                return _write(part, KINDS[kind], converted, origin, report)
        except OSError as exc:
            raise CheckpointError(
                f"{self.folder / kind} cannot be written ({exc.strerror or exc}): "
                "free some space, or choose another place with --folder"
            ) from exc

    def there(self) -> dict[str, About]:
        """Return what was added, by kind; hashes are not verified.

        Raises:
            CheckpointError: something else lies in the place of a kind.
        """
        return {kind: self.about(kind) for kind in KINDS if (self.folder / kind).is_dir()}

    def about(self, kind: str) -> About:
        """Return what is written beside the weights of a kind.

        Raises:
            CheckpointError: they are not there, or their description is altered.
        """
        path = self.folder / kind / _ABOUT
        again = f"Run: emolive weights add {kind} {KINDS[kind].repository}"
        try:
            body = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as exc:
            raise CheckpointError(f"there are no weights {kind} in {self.folder}. {again}") from exc
        except (yaml.YAMLError, UnicodeDecodeError) as exc:
            raise CheckpointError(f"{path} is not valid YAML. {again} --overwrite") from exc
        if not isinstance(body, dict) or body.keys() != About.__dataclass_fields__.keys():
            raise CheckpointError(
                f"{path} is altered: it does not describe weights. {again} --overwrite"
            )
        return About(**body)

    def load(self, kind: str) -> tuple[dict[str, Tensor], Config]:
        """Return the tensors of a kind, mapped from disk, and the sizes of their network.

        Raises:
            CheckpointError: they are missing, or not what was written.
        """
        about = self.about(kind)
        path = self.folder / kind / _TENSORS
        again = f"Run: emolive weights add {kind} {about.source} --overwrite"
        try:
            if sha256_of(path) != about.sha256:
                raise CheckpointError(
                    f"{path} is altered: its sha256 is not the one in {_ABOUT}. {again}"
                )
            return load_file(path), about.config
        except (OSError, SafetensorError) as exc:
            raise CheckpointError(f"{path} cannot be read ({exc}). {again}") from exc

    def network(self, kind: str) -> nn.Module:
        """Build the network of a kind that diffusers or transformers has, float32, to evaluate.

        Raises:
            CheckpointError: as `load`; or the library is not installed.
        """
        tensors, config = self.load(kind)
        _, build = builder(kind, config)
        with torch.device("meta"):
            network = build()
        full = {key: value.float() for key, value in tensors.items()}
        network.load_state_dict(full, assign=True)
        return network.eval().requires_grad_(False)


@contextmanager
def _built_aside(place: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of another when the block ends well."""
    part, old = place.with_name(f".{place.name}.part"), place.with_name(f".{place.name}.old")
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        if place.exists():
            place.rename(old)
        part.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        if old.exists() and not place.exists():  # interrupted between the two renames
            old.rename(place)
        shutil.rmtree(part, ignore_errors=True)


def _write(folder: Path, kind: Kind, converted: Converted, origin: Origin, report: Report) -> About:
    digest = write_tensors(folder / _TENSORS, converted.tensors, report)
    about = About(
        kind=kind.name,
        sha256=digest,
        bytes=size_bytes(converted.tensors),
        source=origin.source,
        revision=origin.revision,
        licence=f"{kind.licence} ({kind.licence.page})",
        tensors=len(converted.tensors),
        left_out=len(converted.left_out),
        config=converted.config,
    )
    (folder / _LICENCE).write_text(_licence_text(kind, origin), encoding="utf-8")
    text = yaml.safe_dump(_plain(asdict(about)), sort_keys=False)
    (folder / _ABOUT).write_text(text, encoding="utf-8")
    return about


def _licence_text(kind: Kind, origin: Origin) -> str:
    licence, source = kind.licence, f"{origin.source} {origin.revision}".rstrip()
    unsure = f"Not known: {licence.unsure}.\n" if licence.unsure else ""
    return (
        f"These weights ({kind.name}) were converted from {source}.\n"
        f"They are not part of emolive. As far as their publisher states: {licence.name}.\n"
        f"{unsure}Read the terms at {licence.page} before you use them or pass them on.\n"
    )


def _plain(value: Any) -> Any:
    """Tuples to lists, for YAML."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
