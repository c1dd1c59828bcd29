"""All the hair of a person: on the head, brows, lashes, beard; and spectacles, drawn like hair."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime_model.training.portraits.anatomy import Anatomy
from realtime_model.training.portraits.head_mesh import HeadMesh
from realtime_model.training.portraits.people import Cut, Person
from realtime_model.training.portraits.strands import (
    Skull,
    Strands,
    cut_below,
    grow,
    sample_surface,
)

Floats = NDArray[np.float32]

_HAIRS = 36_000
"""Tried all over the head; about a third has its root where hair grows."""
_UP = np.array([0, 1, 0], np.float32)
_BACK = np.array([0, 0.25, -1], np.float32)
_FAR_OFF = Skull(np.array([0, 0, -50], np.float32), np.ones(3, np.float32))
"""Nothing to slide along: for hair too short to need it."""


def all_strands(
    mesh: HeadMesh,
    vertices: Floats,
    anatomy: Anatomy,
    person: Person,
    size_px: int,
    chance: np.random.Generator,
) -> Iterator[Strands]:
    """Yield everything that is drawn as lines, in drawing order."""
    fine = max(1, round(size_px / 1200))
    triangles = mesh.parts["body"].triangles
    head = triangles[vertices[triangles][..., 1].min(axis=1) > anatomy.chin[1] - 0.3]
    yield _brows(vertices, head, anatomy, person, fine, chance)
    yield from _lashes(mesh, vertices, anatomy, person, fine)
    if person.beard >= 1:
        yield _beard(vertices, head, anatomy, person, fine, chance)
    if person.glasses:
        yield _glasses(anatomy, person, 6 * fine)
    if person.cut != "bald":
        yield _hair(vertices, head, anatomy, person, fine, chance)
    if person.fringe:
        yield _fringe(vertices, head, anatomy, person, fine, chance)


@dataclass(frozen=True, slots=True)
class Comb:
    """How a haircut starts off from the head, and how it goes on.

    Attributes:
        off, side, back, mess: shares of the direction: off the skin, away from the parting, to the
            back, at random.
        fall, curl: as in `grow`.
        low, spread: strands lie from ``low`` to ``low + spread`` radii above the skull.
    """

    off: float
    side: float
    back: float
    mess: float
    fall: float
    curl: float
    low: float
    spread: float


_COMBS: dict[Cut, Comb] = {
    "short": Comb(1.0, 0.0, 0.6, 0.25, 0.0, 0.15, 0.02, 0.10),
    "combed": Comb(0.7, 0.9, 0.5, 0.12, 0.12, 0.08, 0.03, 0.16),
    "curly": Comb(1.0, 0.0, 0.0, 0.5, 0.02, 0.9, 0.05, 0.25),
    "tied": Comb(0.1, 0.2, 1.0, 0.03, 0.0, 0.02, 0.015, 0.05),
    "wavy": Comb(0.12, 1.0, 0.4, 0.05, 0.75, 0.3, 0.04, 0.16),
    "long": Comb(0.08, 1.0, 0.4, 0.04, 0.9, 0.04, 0.03, 0.11),
}


def _hair(
    vertices: Floats,
    head: NDArray[np.int32],
    anatomy: Anatomy,
    person: Person,
    width_px: int,
    chance: np.random.Generator,
) -> Strands:
    comb, half = _COMBS[person.cut], anatomy.half_width
    roots, normals = sample_surface(vertices, head, _HAIRS, chance)
    frayed = roots + chance.normal(0, 0.03, roots.shape)  # no hairline is a clean curve
    kept = anatomy.is_scalp(frayed.astype(np.float32), hairline=person.hairline)
    roots, normals = roots[kept], normals[kept]
    count = len(roots)
    side = np.tanh((roots[:, 0] / half - person.parting) * 4)
    sideways = np.stack([side, np.full(count, 0.15), np.full(count, -0.1)], 1)
    aim = comb.off * normals + comb.side * sideways + comb.back * _BACK
    aim = aim + comb.mess * chance.normal(0, 1, (count, 3))
    height = chance.uniform(0, 1, count).astype(np.float32)
    lengths = half * person.hair_length * chance.uniform(0.75, 1.1, count)
    points = grow(
        roots,
        aim.astype(np.float32),
        lengths.astype(np.float32),
        steps=16 if person.hair_length > 1.1 else 8,
        fall=comb.fall,
        curl=comb.curl,
        skull=anatomy.skull(),
        margin=comb.low + comb.spread * height,
        chance=chance,
    )
    shown = ~anatomy.covers_face(points)
    points, (x, y, z), height = points[shown], roots[shown].T, height[shown]
    clump = 0.12 * np.sin(9 * x + 4 * z) + 0.10 * np.sin(23 * z + 5 * y)
    # Strands near the head lie in the shade of those above.
    tone = 0.62 + 0.5 * height + clump + chance.normal(0, 0.1, len(height))
    return Strands(points, _tinted(person, tone), width_px)


def _fringe(
    vertices: Floats,
    head: NDArray[np.int32],
    anatomy: Anatomy,
    person: Person,
    width_px: int,
    chance: np.random.Generator,
) -> Strands:
    """Hair that falls from above the hairline to over the brows, combed from the parting."""
    roots, normals = sample_surface(vertices, head, _HAIRS, chance)
    scalp = anatomy.is_scalp(roots, hairline=person.hairline)
    x, y, z = roots.T
    front = anatomy.eyes[0, 2] - 0.75 * anatomy.half_width
    scalp &= (np.abs(x) < 0.9 * anatomy.half_width) & (z > front)
    scalp &= y > anatomy.eye_height + 0.5 * anatomy.brow_rise
    scalp &= chance.random(len(scalp)) < 0.45
    roots, normals, x = roots[scalp], normals[scalp], x[scalp]
    count = len(roots)
    side = np.tanh((x / anatomy.half_width - person.parting) * 3)
    aim = np.stack([0.35 * side, np.full(count, -0.4), np.ones(count)], 1) + 0.25 * normals
    aim = aim + 0.06 * chance.normal(0, 1, (count, 3))
    height = chance.uniform(0, 1, count).astype(np.float32)
    points = grow(
        roots,
        aim.astype(np.float32),
        np.full(count, 1.3 * anatomy.half_width, np.float32),
        steps=24,
        fall=0.6,
        curl=0.03,
        skull=anatomy.skull(),
        margin=0.02 + 0.07 * height,
        chance=chance,
    )
    lock = np.sin(13 * x + 2) + np.sin(29 * x)  # neighbours end together
    ends = anatomy.eye_height + 0.40 + 0.03 * lock + chance.normal(0, 0.035, count)
    points = cut_below(points, ends)
    tone = 0.65 + 0.45 * height + 0.08 * lock + chance.normal(0, 0.1, count)
    return Strands(points, _tinted(person, tone), width_px)


def _tinted(person: Person, tone: NDArray[np.floating]) -> Floats:
    """Return colours of hair (n, 3) for brightnesses (n,)."""
    colour = np.clip(tone[:, None], 0.3, 1.5) * np.array(person.hair)
    return np.asarray(np.clip(colour, 0, 1), np.float32)


def _brows(
    vertices: Floats,
    head: NDArray[np.int32],
    anatomy: Anatomy,
    person: Person,
    width_px: int,
    chance: np.random.Generator,
) -> Strands:
    middle = vertices[head].mean(axis=1)
    is_near = np.abs(middle[:, 1] - anatomy.eye_height - 0.2) < 0.15
    area = head[is_near & (middle[:, 2] > anatomy.eyes[0, 2])]
    roots, normals = sample_surface(vertices, area, 6_000, chance)
    kept = chance.random(len(roots)) < anatomy.brow(roots) * person.brows * 0.6
    roots, normals = roots[kept], normals[kept]
    outwards = np.sign(roots[:, :1]) * np.array([[1.0, 0, 0]])
    along = (np.abs(roots[:, :1]) / anatomy.eyes[0, 0] - 1) / 0.62
    aim = outwards * (0.8 + 0.4 * along) + _UP * (0.55 - 0.75 * along) + 0.3 * normals
    length = 0.065 * (1 - 0.3 * person.youth)
    return _short(roots, aim, length, person, width_px, chance, dark=0.8, veil=0.6 * person.youth)


def _beard(
    vertices: Floats,
    head: NDArray[np.int32],
    anatomy: Anatomy,
    person: Person,
    width_px: int,
    chance: np.random.Generator,
) -> Strands:
    middle = vertices[head].mean(axis=1)
    is_low = middle[:, 1] < anatomy.nose[1] + 0.3
    area = head[is_low & (middle[:, 2] > anatomy.mouth[2] - 0.9)]
    roots, normals = sample_surface(vertices, area, 14_000, chance)
    kept = chance.random(len(roots)) < anatomy.beard(roots)
    aim = normals[kept] * 0.5 - _UP + chance.normal(0, 0.25, (int(kept.sum()), 3))
    return _short(roots[kept], aim, 0.13, person, width_px, chance, dark=0.85)


def _lashes(
    mesh: HeadMesh, vertices: Floats, anatomy: Anatomy, person: Person, width_px: int
) -> Iterator[Strands]:
    """Upper lashes: from the inner edge of the mesh's lash cards, forwards and up."""
    for side, centre in zip("lr", anatomy.eyes, strict=True):
        card = vertices[np.unique(mesh.parts[f"helper-{side}-eyelashes-2"].triangles)]
        gap = np.linalg.norm(card - centre, axis=1)
        edge = card[gap < np.quantile(gap, 0.45)]
        edge = edge[np.argsort(edge[:, 0])]
        spots = np.linspace(edge[0, 0], edge[-1, 0], 46)
        roots = np.stack([np.interp(spots, edge[:, 0], edge[:, k]) for k in range(3)], 1)
        splay = (roots[:, 0] - centre[0]) / anatomy.eye_radius
        tips = roots + 0.045 * (1 - 0.4 * person.youth) * np.stack(
            [0.7 * splay, np.full(46, 0.75), np.full(46, 0.8)], 1
        )
        before_lid = np.array([0, 0, 0.03])
        hairs = np.stack([roots, tips], 1) + before_lid
        rim = _joined(roots) + before_lid
        dark = np.full((len(hairs), 3), 0.06, np.float32)
        dark += 0.35 * person.youth * np.array(person.skin, np.float32)
        yield Strands(rim.astype(np.float32), dark[:-1] + 0.04, 2 * width_px, shine=0)
        yield Strands(hairs.astype(np.float32), dark, width_px, shine=0)


def _glasses(anatomy: Anatomy, person: Person, width_px: int) -> Strands:
    """Two rims, a bridge and the temples, in a dark frame."""
    turn = np.linspace(0, 2 * np.pi, 49)
    plane = anatomy.eyes[0, 2] + anatomy.eye_radius + 0.17
    pieces = []
    for eye in anatomy.eyes:
        squareness = 1 / (np.abs(np.cos(turn)) ** 3 + np.abs(np.sin(turn)) ** 3) ** (1 / 3)
        x = eye[0] * 1.06 + 0.235 * squareness * np.cos(turn)
        y = eye[1] - 0.04 + 0.185 * squareness * np.sin(turn)
        pieces.append(_joined(np.stack([x, y, plane - 0.1 * np.abs(x)], 1)))
        outer = np.sign(eye[0])
        hinge = [eye[0] * 1.06 + outer * 0.235, eye[1] + 0.05, plane - 0.06]
        ear = [outer * anatomy.half_width * 1.02, eye[1] + 0.08, plane - 1.0]
        pieces.append(_joined(np.array([hinge, ear])))
    height = anatomy.eye_height + 0.02
    pieces.append(
        _joined(
            np.array([[-0.07, height, plane], [0, height + 0.03, plane], [0.07, height, plane]])
        )
    )
    points = np.concatenate(pieces).astype(np.float32)
    colour = np.tile(np.array(person.hair, np.float32) * 0.4, (len(points), 1))
    return Strands(points, colour, width_px, shine=0.6)


def _joined(line: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the segments (n - 1, 2, 3) of a line through points (n, 3)."""
    return np.stack([line[:-1], line[1:]], 1)


def _short(
    roots: Floats,
    aim: NDArray[np.floating],
    length: float,
    person: Person,
    width_px: int,
    chance: np.random.Generator,
    *,
    dark: float,
    veil: float = 0.0,
) -> Strands:
    """Grow short hair; ``veil`` is the share of the skin's colour in the hair's."""
    count = len(roots)
    lengths = length * chance.uniform(0.6, 1.2, count)
    points = grow(
        roots,
        aim.astype(np.float32),
        lengths.astype(np.float32),
        steps=3,
        fall=0.15,
        curl=0.15,
        skull=_FAR_OFF,
        margin=np.zeros(count, np.float32),
        chance=chance,
    )
    colour = np.array(person.hair) * dark * chance.uniform(0.7, 1.2, (count, 1))
    colour = colour * (1 - veil) + np.array(person.skin) * veil
    return Strands(points, np.clip(colour, 0, 1).astype(np.float32), width_px, shine=0.15)
