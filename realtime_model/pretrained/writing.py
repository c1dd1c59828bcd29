"""Writes safetensors one tensor at a time: little memory, a hash and progress on the way.

The library's own writer first gathers all bytes in memory, which for ten gigabytes of weights is
too much, and tells nothing until it is done. It reads what is written here.
Format: https://github.com/huggingface/safetensors#format.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from realtime_model.errors import CheckpointError

Report = Callable[[int, int], None]
"""Takes the bytes done so far, and how many there are in all."""

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
}
_BLOCK = 1 << 24


def size_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Bytes of all values."""
    return sum(value.numel() * value.element_size() for value in tensors.values())


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise `CheckpointError` unless the disk of an existing folder has that much left."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise CheckpointError(
            f"{folder} needs {needed_bytes / 1e9:.2f} GB and its disk has {free / 1e9:.2f} GB "
            "left: free some space, or choose another place with --folder"
        )


def write_tensors(path: Path, tensors: Mapping[str, Tensor], report: Report) -> str:
    """Write floating-point tensors and return the file's sha256 in hexadecimal.

    Raises:
        OSError: the file cannot be written; what is there of it is the caller's to remove.
    """
    header, offset = {}, 0
    for key in sorted(tensors):
        value = tensors[key]
        end = offset + value.numel() * value.element_size()
        header[key] = {
            "dtype": _NAMES[value.dtype],
            "shape": list(value.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = len(text).to_bytes(8, "little") + text
    digest, done = hashlib.sha256(start), 0
    with path.open("xb") as file:
        file.write(start)
        for key in sorted(tensors):
            raw = _bytes(tensors[key])
            for begin in range(0, len(raw), _BLOCK):
                block = raw[begin : begin + _BLOCK]
                digest.update(block)
                file.write(block)
                done += len(block)
                report(done, offset)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _bytes(value: Tensor) -> memoryview:
    flat = value.detach().cpu().contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy().data)
