"""Portraits of invented people, rendered from the head shapes of a package."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from realtime_model.training.portraits.config import SPLITS, Split
from realtime_model.training.portraits.head_mesh import HeadMesh
from realtime_model.training.portraits.packages import fetch_package
from realtime_model.training.portraits.paint import paint
from realtime_model.training.portraits.people import invent
from realtime_model.training.portraits.studio import Origin, Studio

_OVERSAMPLING = 2


def collect_renders(studio: Studio, packages_folder: Path) -> Iterator[str]:
    """Add the configured number of invented people per split; all are different identities."""
    plan, package = studio.config.renders, studio.config.package(studio.config.head_package)
    names = [(s, f"render-{s}-{n:03d}") for s in SPLITS for n in range(plan.count(s))]
    mesh: HeadMesh | None = None
    for number, (split, name) in enumerate(names):
        if name not in studio:
            mesh = mesh or HeadMesh(fetch_package(package, packages_folder))
            _render(studio, mesh, split, name, plan.seed * 10_000 + number)
        yield name


def _render(studio: Studio, mesh: HeadMesh, split: Split, name: str, seed: int) -> None:
    chance = np.random.default_rng(seed)
    person = invent(chance)
    size_px = _OVERSAMPLING * studio.config.image_px
    picture = paint(mesh, person, size_px=size_px, chance=chance)
    faces = studio.landmarker.detect(picture)
    square = studio.frame(picture, faces[0]) if faces else None
    if square is not None:
        package = studio.config.package(studio.config.head_package)
        origin = Origin(package, f"rendered person {seed}", "render", name, split)
        studio.add(name, square, origin, face_px=round(faces[0].width_px / _OVERSAMPLING))
