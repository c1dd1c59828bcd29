"""The triangles a portrait is cut along: face, eyeballs, and rings that carry hair and neck."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from realtime_model.face import FACE_OVAL

FACE_POINTS = 468
UPPER_INNER_LIP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_INNER_LIP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
# Per eye: upper lid, lower lid (same corners), the crease above, the iris centre.
LIDS = {
    "Right": (
        (33, 246, 161, 160, 159, 158, 157, 173, 133),
        (33, 7, 163, 144, 145, 153, 154, 155, 133),
        (247, 30, 29, 27, 28, 56, 190),
        468,
    ),
    "Left": (
        (263, 466, 388, 387, 386, 385, 384, 398, 362),
        (263, 249, 390, 373, 374, 380, 381, 382, 362),
        (467, 260, 259, 257, 258, 286, 414),
        473,
    ),
}
_TOPOLOGY = Path(__file__).parent / "assets" / "face" / "topology.npz"
_RINGS = ((1.12, 0.97), (1.32, 0.85), (1.58, 0.55), (1.9, 0.22))
_CHIN_HOLD = 0.55  # below the chin the rings follow this much less: shoulders do not nod
_MARGIN = 0.25  # the frame that never moves lies this far outside the picture, in its sides


@dataclass(frozen=True, slots=True)
class PortraitMesh:
    """Points of a portrait at rest and the triangles between them.

    Attributes:
        base: face landmarks, then ring points, then the frame that never moves, (n, 2) pixels.
        border: how many points the frame has.
        ring: base positions of the rings, (r, 2).
        ring_weight: how much of its landmark's motion each ring point follows, (r,).
        ring_parent: that landmark, (r,).
        skin: triangles of face and surroundings, without mouth and eyes, (t, 3).
        eyeball: triangles between the lids, (e, 3).
    """

    base: NDArray[np.float64]
    border: int
    ring: NDArray[np.float64]
    ring_weight: NDArray[np.float64]
    ring_parent: NDArray[np.int64]
    skin: NDArray[np.int64]
    eyeball: NDArray[np.int64]

    @classmethod
    def around(cls, rest: NDArray[np.float64], size_px: int) -> "PortraitMesh":
        """Cut up a square portrait by its landmarks (478, 3)."""
        with np.load(_TOPOLOGY) as file:
            triangles = file["triangles"].astype(np.int64)
        lips = {*UPPER_INNER_LIP, *LOWER_INNER_LIP}
        eyes = {i for upper, lower, _, _ in LIDS.values() for i in (*upper, *lower)}
        in_eye = _within(triangles, eyes)
        face = triangles[~_within(triangles, lips) & ~in_eye]
        oval = rest[list(FACE_OVAL)]
        ring, weight, parent = _rings(oval, size_px)
        frame = _frame(size_px)
        base = np.concatenate([rest[:FACE_POINTS, :2], ring, frame])
        skin = np.concatenate([face, _surroundings(base, oval)])
        return cls(base, len(frame), ring, weight, parent, skin, triangles[in_eye])


def _within(triangles: NDArray[np.int64], group: Collection[int]) -> NDArray[np.bool_]:
    """Which triangles have all corners in a group."""
    return np.asarray(np.isin(triangles, list(group)).all(1))


def _rings(
    oval: NDArray[np.float64], size_px: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Points, weights and parents of the rings around the face oval, far outside ones left out."""
    centre = oval[:, :2].mean(0)
    below = np.clip((oval[:, 1] - centre[1]) / np.ptp(oval[:, 1]) * 2, 0, 1)
    points = [centre + (oval[:, :2] - centre) * reach for reach, _ in _RINGS]
    weights = [w * (1 - _CHIN_HOLD * below * min(1.0, (r - 1) * 3)) for r, w in _RINGS]
    ring, weight = np.concatenate(points), np.concatenate(weights)
    parent = np.tile(np.array(FACE_OVAL), len(_RINGS))
    reach = size_px * _MARGIN * 0.9
    near = ((ring > -reach) & (ring < size_px + reach)).all(1)
    return ring[near], weight[near], parent[near]


def _frame(size_px: int) -> NDArray[np.float64]:
    """Forty points around the picture."""
    low, high = -size_px * _MARGIN, size_px * (1 + _MARGIN)
    steps = np.linspace(low, high, 11)
    sides = [
        np.stack([steps, np.full(11, low)], 1),
        np.stack([steps, np.full(11, high)], 1),
        np.stack([np.full(9, low), steps[1:-1]], 1),
        np.stack([np.full(9, high), steps[1:-1]], 1),
    ]
    return np.concatenate(sides)


def _surroundings(base: NDArray[np.float64], oval: NDArray[np.float64]) -> NDArray[np.int64]:
    """Triangles between face oval, rings and frame."""
    outer = np.concatenate([np.array(FACE_OVAL), np.arange(FACE_POINTS, len(base))])
    around = outer[Delaunay(base[outer]).simplices]
    contour = oval[:, :2].astype(np.float32)
    middle = base[around].mean(1)
    outside = [cv2.pointPolygonTest(contour, (float(x), float(y)), False) < 0 for x, y in middle]
    return np.asarray(around[outside])
