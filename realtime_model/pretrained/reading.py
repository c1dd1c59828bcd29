"""Tensors out of a downloaded file, without running anything the file says.

Two formats are read: safetensors, and the zip that ``torch.save`` writes, through torch's
restricted unpickler, which builds tensors, lists and dictionaries and refuses everything else.
"""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from realtime_model.errors import CheckpointError

_ZIP = b"PK\x03\x04"
# Where trainers put the tensors when the file holds more than them.
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_AGAIN = "Download it again, and compare its size with the one on its page."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a download holds.

    Attributes:
        path: the file or folder, for messages.
        tensors: by name; with several files each name starts with its file's part and a dot.
        config: the ``config.json`` beside the file, if there is one.
    """

    path: Path
    tensors: dict[str, Tensor]
    config: dict[str, Any] | None = None


def read_checkpoint(path: Path, parts: Mapping[str, Sequence[str]]) -> Checkpoint:
    """Read a file, or the files of a folder that a kind of weights consists of.

    Args:
        path: a file (for kinds of one part), or a folder.
        parts: names a file may have, the best first, by part; the only part may be called ``""``.

    Raises:
        CheckpointError: something is missing, cut off, or is no plain dictionary of tensors.
    """
    found = find_parts(path, parts)
    tensors: dict[str, Tensor] = {}
    for part, file in found.items():
        prefix = f"{part}." if part else ""
        tensors |= {prefix + key: value for key, value in read_tensors(file).items()}
    first = next(iter(found.values()))
    source = first if len(found) == 1 else path
    return Checkpoint(source, tensors, _config(first.parent / "config.json"))


def find_parts(path: Path, parts: Mapping[str, Sequence[str]]) -> dict[str, Path]:
    """Return the file of each part; ``unet/model.bin`` is also found without its folder.

    Raises:
        CheckpointError: nothing is there, or a part is missing.
    """
    if path.is_file():
        if len(parts) == 1:
            return dict.fromkeys(parts, path)
        raise CheckpointError(
            f"{path} is one file, but this kind has {len(parts)}: "
            f"name the folder that holds {', '.join(names[0] for names in parts.values())}"
        )
    if not path.is_dir():
        raise CheckpointError(f"{path} does not exist: name a file or a folder")
    found = {}
    for part, names in parts.items():
        places = [path / name for name in names] + [path / Path(name).name for name in names]
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            or_file = ", or name the file itself" if len(parts) == 1 else ""
            raise CheckpointError(
                f"{path} holds none of {', '.join(names)}: put one of them there{or_file}"
            )
        found[part] = there
    return found


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of one file, on the CPU, as far as possible mapped and not copied.

    Raises:
        CheckpointError: the file is cut off, of another format, or holds more than tensors.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_ZIP))
    except OSError as exc:
        raise CheckpointError(f"{path} cannot be read ({exc.strerror})") from exc
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if start == _ZIP:
        return _plain(_read_zip(path), path)
    raise CheckpointError(
        f"{path} is neither a .safetensors file nor a zip written by torch.save; other formats "
        "are not read, because loading them can run foreign code. Look for a .safetensors file."
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as exc:
        raise CheckpointError(
            f"{path} is cut off or no safetensors file ({exc}). {_AGAIN}"
        ) from exc


def _read_zip(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as exc:
        raise CheckpointError(
            f"{path} holds more than tensors, and that was not run: {_reason(exc)}. "
            "Look for a .safetensors file of the same weights."
        ) from exc
    except (RuntimeError, OSError, EOFError, ValueError) as exc:
        raise CheckpointError(f"{path} is cut off or damaged ({_reason(exc)}). {_AGAIN}") from exc


def _plain(found: object, path: Path) -> dict[str, Tensor]:
    """The dictionary of tensors in a file, taken out of the usual wrapper."""
    if isinstance(found, dict):
        wrapped = [name for name in _WRAPPERS if isinstance(found.get(name), dict)]
        if wrapped:
            found = found[wrapped[0]]
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds a {type(found).__name__}, not tensors by name")
    for key, value in found.items():
        sparse = isinstance(value, Tensor) and value.layout is not torch.strided
        if sparse or not isinstance(key, str) or not isinstance(value, Tensor):
            kind = "sparse tensor" if sparse else type(value).__name__
            raise CheckpointError(
                f"{path}: {key!r} is a {kind}; every entry must be a dense tensor with a name"
            )
    return found


def _config(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise CheckpointError(f"{path} is not valid JSON ({exc}). {_AGAIN}") from exc
    if not isinstance(body, dict):
        raise CheckpointError(f"{path} must hold a JSON object")
    return body


def _reason(error: Exception) -> str:
    """The first sentence of an error; torch adds advice on how to be less careful."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    named = [line for line in lines if "GLOBAL" in line]
    return (named or lines)[0].strip().split(". ")[0].rstrip(".")
