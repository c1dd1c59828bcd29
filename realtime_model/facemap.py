"""The face map: which pixel of the portrait is which part of the face, drawn from its landmarks.

A network that is told where the lips and lids are need not learn to find them, so a codec trained
on a few dozen faces fits a new one. EMO's face locator gets the same kind of hint, as a plain box.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.face import FACE_OVAL
from realtime_model.rig import distance

Floats = NDArray[np.float32]

LIP_LINE = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LIP_OUTLINE = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146,
)  # fmt: skip
UPPER_LIDS = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133),
    (263, 466, 388, 387, 386, 385, 384, 398, 362),
)
LOWER_LIDS = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133),
    (263, 249, 390, 373, 374, 380, 381, 382, 362),
)
CHANNELS = (
    "face", "across", "along", "depth",
    "lips", "lip_line", "eyes", "upper_lids", "frame_x", "frame_y",
)  # fmt: skip


def lips_at_rest(landmarks: NDArray[np.floating]) -> Floats:
    """Gap between the inner lips and width of the mouth, (2,), both over the width of the face.

    A mouth that is open in the portrait has this far to close. Distances of landmarks (478, 3).
    """
    points = landmarks.astype(np.float64)
    gap, mouth, face = (distance(points, *pair) for pair in ((13, 14), (61, 291), (234, 454)))
    return np.array([gap / face, mouth / face], np.float32)


@cache
def _topology() -> tuple[NDArray[np.int64], Floats]:
    """Triangles (898, 3) and canonical positions (468, 3), scaled to about [-1, 1]."""
    with np.load(Path(__file__).parent / "assets" / "face" / "topology.npz") as file:
        xyz = file["xyz"].astype(np.float32)
        return file["triangles"].astype(np.int64), (xyz - xyz.mean(0)) / np.abs(xyz).max()


MAP_SIDE = 128


def draw_face_map(landmarks: NDArray[np.floating], size_px: int) -> Floats:
    """Return the map, float32 (10, 128, 128), channels as in `CHANNELS`.

    Args:
        landmarks: (478, 3) in pixels of a ``size_px`` square; drawn at that size, then averaged.
        size_px: side of the portrait.
    """
    fine = _draw(landmarks, size_px).transpose(1, 2, 0)
    small = cv2.resize(fine, (MAP_SIDE, MAP_SIDE), interpolation=cv2.INTER_AREA)
    return np.array(small.transpose(2, 0, 1), np.float32, order="C")


def _draw(landmarks: NDArray[np.floating], size_px: int) -> Floats:
    points = landmarks[:468, :2].astype(np.float32)
    surface = _canonical_surface(landmarks, size_px)
    lips = _filled(points[list(LIP_OUTLINE)], size_px)
    eyes = np.maximum(
        *(
            _filled(points[[*up, *low[::-1]]], size_px)
            for up, low in zip(UPPER_LIDS, LOWER_LIDS, strict=True)
        )
    )
    lids = np.maximum(*(_near(points[list(lid)], size_px) for lid in UPPER_LIDS))
    line = _near(points[list(LIP_LINE)], size_px)
    frame = _face_frame(points, size_px)
    return np.concatenate([surface, lips[None], line[None], eyes[None], lids[None], frame])


def _canonical_surface(landmarks: NDArray[np.floating], size_px: int) -> Floats:
    """Face mask and canonical position of the surface seen at each pixel, (4, h, w); 0 outside."""
    triangles, canonical = _topology()
    points = landmarks[:468].astype(np.float64)
    triangles = triangles[np.argsort(-points[triangles, 2].mean(1))]
    number = np.zeros((size_px, size_px), np.int32)
    for i, corner in enumerate(np.round(points[triangles, :2] * 16).astype(np.int32)):
        cv2.fillConvexPoly(number, corner, i + 1, cv2.LINE_8, 4)
    y, x = np.nonzero(number)
    corner = points[triangles[number[y, x] - 1], :2]
    edge1, edge2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    inside = np.stack([x, y], -1) - corner[:, 0]
    area = edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]
    area = np.where(np.abs(area) < 1e-6, 1.0, area)
    b = np.clip((inside[:, 0] * edge2[:, 1] - inside[:, 1] * edge2[:, 0]) / area, 0, 1)
    c = np.clip((edge1[:, 0] * inside[:, 1] - edge1[:, 1] * inside[:, 0]) / area, 0, 1)
    at = canonical[triangles[number[y, x] - 1]]
    value = at[:, 0] * (1 - b - c)[:, None] + at[:, 1] * b[:, None] + at[:, 2] * c[:, None]
    out = np.zeros((4, size_px, size_px), np.float32)
    out[0] = number > 0
    out[1:, y, x] = value.T
    return out


def _filled(outline: Floats, size_px: int) -> Floats:
    mask = np.zeros((size_px, size_px), np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return np.asarray(mask.astype(np.float32) / 255, np.float32)


def _near(line: Floats, size_px: int) -> Floats:
    """1 on a line, falling to 0 within about 1.5 % of the picture."""
    mask = np.full((size_px, size_px), 255, np.uint8)
    cv2.polylines(mask, [np.round(line * 16).astype(np.int32)], False, 0, 1, cv2.LINE_8, 4)
    away = cv2.distanceTransform(mask, cv2.DIST_L2, 3) / (0.012 * size_px)
    return np.asarray(np.exp(-0.5 * away**2), np.float32)


def _face_frame(points: Floats, size_px: int) -> Floats:
    """Coordinates upright with the face, in face heights from its centre, (2, h, w), at most 2."""
    top, chin = points[10], points[152]
    centre = points[list(FACE_OVAL)].mean(0)
    down = (chin - top) / max(float(np.linalg.norm(chin - top)), 1e-3)
    height = max(float(np.linalg.norm(chin - top)), 1e-3)
    y, x = np.mgrid[:size_px, :size_px].astype(np.float32)
    dx, dy = x - centre[0], y - centre[1]
    frame = np.stack([dx * down[1] - dy * down[0], dx * down[0] + dy * down[1]]) / height
    return np.clip(frame, -2, 2).astype(np.float32)
