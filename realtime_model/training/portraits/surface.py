"""What the camera sees of a posed head: a surface point, its folds and its light, per pixel."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.training.portraits.head_mesh import HeadMesh, vertex_normals
from realtime_model.training.portraits.raster import Camera, Fragments, rasterise

Floats = NDArray[np.float32]

_SURFACES = ("body", "helper-l-eye", "helper-r-eye")


@dataclass(frozen=True, slots=True)
class Pose:
    """How the head is turned on its neck, in radians; the shoulders stay.

    Attributes:
        neck: the point that stays where it is, (3,).
        yaw: to the person's left.
        pitch: downwards.
    """

    neck: Floats
    yaw: float
    pitch: float

    def turn(self, points: Floats) -> Floats:
        """Return points (..., 3) after the turn; below the chin they follow by height."""
        offset = points - self.neck
        follow = np.clip((offset[..., 1] + 0.4) / 0.7, 0, 1)
        cos, sin = np.cos(self.yaw * follow), np.sin(self.yaw * follow)
        x = offset[..., 0] * cos + offset[..., 2] * sin
        z = offset[..., 2] * cos - offset[..., 0] * sin
        cos, sin = np.cos(self.pitch * follow), np.sin(self.pitch * follow)
        y, z = offset[..., 1] * cos - z * sin, offset[..., 1] * sin + z * cos
        return (np.stack([x, y, z], -1) + self.neck).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Surface:
    """The visible pixels of head and shoulders, all (n, ...).

    Attributes:
        rest: where the point is before the head is turned; what grows where is known there.
        part: 0 body, 1 left eye, 2 right eye.
        uv: texture coordinates.
        crease: 0 in the open, 1 deep in a fold.
        lit: share of the main light that arrives, 0 in shadow.
    """

    rest: Floats
    normal: Floats
    part: NDArray[np.int32]
    uv: Floats
    crease: Floats
    lit: Floats


def look(
    mesh: HeadMesh, vertices: Floats, pose: Pose, camera: Camera, light: Floats
) -> tuple[Fragments, Surface]:
    """Return what each pixel shows of the head in a pose, under a light from a direction."""
    triangles = np.concatenate([mesh.parts[p].triangles for p in _SURFACES])
    uv = np.concatenate([mesh.parts[p].uv for p in _SURFACES])
    counts = [len(mesh.parts[p].triangles) for p in _SURFACES]
    part = np.repeat(np.arange(len(_SURFACES), dtype=np.int32), counts)
    posed = pose.turn(vertices)
    fragments = rasterise(camera.project(posed)[triangles], camera.size_px)
    normals = vertex_normals(posed, triangles)
    normal = fragments.interpolate(normals[triangles])
    surface = Surface(
        rest=fragments.interpolate(vertices[triangles]),
        normal=normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6),
        part=part[fragments.triangle],
        uv=fragments.interpolate(uv),
        crease=_creases(fragments, camera),
        lit=_lit(posed, triangles, fragments.interpolate(posed[triangles]), light),
    )
    return fragments, surface


def _creases(fragments: Fragments, camera: Camera) -> Floats:
    """Find folds: what lies deeper than its surroundings sees less of the sky."""
    far = float(fragments.depth[fragments.covered].max())
    depth = np.where(fragments.covered, fragments.depth, far)
    total = np.zeros_like(depth)
    for share in (0.008, 0.02, 0.05):
        reach = share * camera.size_px
        sunk = np.clip(depth - cv2.GaussianBlur(depth, (0, 0), reach), 0, None)
        total += np.clip(sunk / (2.2 * share), 0, 1)
    return np.asarray(np.clip(0.45 * total, 0, 1)[fragments.covered], np.float32)


def _lit(vertices: Floats, triangles: NDArray[np.int32], position: Floats, light: Floats) -> Floats:
    """Return the share of the main light at each position, with soft edges, from a shadow map."""
    size_px, span = 512, 5.0
    right = np.cross(np.array([0, 1, 0], np.float32), light)
    right = right / np.linalg.norm(right)
    axes = np.stack([right, np.cross(light, right), light])
    scale = size_px / span
    centre = vertices[triangles].reshape(-1, 3).max(axis=0) * [0, 1, 0] - [0, 1.6, 0]

    def seen(points: Floats) -> Floats:
        along = (points - centre) @ axes.T
        x, y = size_px / 2 + scale * along[..., 0], size_px / 2 - scale * along[..., 1]
        return np.stack([x, y, -along[..., 2]], -1).astype(np.float32)

    depth = rasterise(seen(vertices)[triangles], size_px).depth
    spot = seen(position)
    column, row = (np.clip(spot[:, k].astype(int), 8, size_px - 9) for k in (0, 1))
    hits = [
        depth[row + dy, column + dx] > spot[:, 2] - 0.05
        for dy in (-6, -2, 2, 6)
        for dx in (-6, -2, 2, 6)
    ]
    return np.asarray(np.mean(hits, axis=0), np.float32)
