"""Triangles to pixels: which triangle each pixel shows, and anything interpolated over it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_SHIFT = 4
"""Fixed-point bits that OpenCV takes below the pixel."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole in front of the face, looking along -z.

    Attributes:
        eye: its position.
        centre: the point (x, y, z) that appears in the middle of the picture.
        span: height of what the picture shows at that point.
        size_px: side of the square picture.
    """

    eye: tuple[float, float, float]
    centre: tuple[float, float, float]
    span: float
    size_px: int

    def project(self, points: Floats) -> Floats:
        """Return (x px, y px, distance) of points (..., 3)."""
        eye = np.array(self.eye, np.float32)
        reach = self.eye[2] - self.centre[2]
        distance = eye[2] - points[..., 2]
        focal = self.size_px * reach / self.span
        aim = np.array(self.centre, np.float32) - eye
        x = (points[..., 0] - eye[0]) / distance - aim[0] / reach
        y = (points[..., 1] - eye[1]) / distance - aim[1] / reach
        half = self.size_px / 2
        return np.stack([half + focal * x, half - focal * y, distance], -1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Fragments:
    """What every covered pixel shows.

    Attributes:
        covered: bool (h, w).
        triangle: (n,) triangle numbers of the covered pixels.
        weights: (n, 3) their barycentric weights.
        depth: float32 (h, w), distance to the camera; infinite where nothing is.
    """

    covered: NDArray[np.bool_]
    triangle: Ints
    weights: Floats
    depth: Floats

    def interpolate(self, corners: Floats) -> Floats:
        """Return values (n, c) at the covered pixels from those at corners, (t, 3, c)."""
        return np.asarray(np.einsum("nk,nkc->nc", self.weights, corners[self.triangle]), np.float32)


def rasterise(corners: Floats, size_px: int) -> Fragments:
    """Draw triangles from far to near, leaving out those that face away.

    Args:
        corners: (t, 3, 3) projected corners: x px, y px, distance.
        size_px: side of the picture.
    """
    a, b, c = (corners[:, k, :2] for k in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    facing = np.flatnonzero(area < -1e-6)  # y points down, so the near side turns clockwise
    order = facing[np.argsort(-corners[facing, :, 2].mean(axis=1))]
    shown = np.full((size_px, size_px), -1, np.int32)
    fixed = np.round(corners[..., :2] * 2**_SHIFT).astype(np.int32)
    for triangle in order.tolist():
        cv2.fillConvexPoly(shown, fixed[triangle], (triangle,), cv2.LINE_8, _SHIFT)
    covered = shown >= 0
    found = shown[covered]
    weights = _barycentric(corners[found, :, :2], np.argwhere(covered)[:, ::-1].astype(np.float32))
    depth = np.full(covered.shape, np.inf, np.float32)
    depth[covered] = np.einsum("nk,nk->n", weights, corners[found, :, 2])
    return Fragments(covered, found, weights, depth)


def _barycentric(triangles: Floats, points: Floats) -> Floats:
    a, b, c = (triangles[:, k] for k in range(3))
    ab, ac, ap = b - a, c - a, points - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    v = (ap[:, 0] * ac[:, 1] - ap[:, 1] * ac[:, 0]) / area
    w = (ab[:, 0] * ap[:, 1] - ab[:, 1] * ap[:, 0]) / area
    weights = np.clip(np.stack([1 - v - w, v, w], 1), 0, 1)  # edges are drawn a pixel too wide
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
