"""A generous square around a face, whatever the picture's edges."""

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage

FOREHEAD, CHIN = 10, 152
"""Landmarks at the two ends of the face oval."""

_HEAD_RISE = 0.08
"""The square's centre lies this much of its side above the face's: hair is taller than a chin."""


def face_height(landmarks: NDArray[np.float32]) -> float:
    """Return the height of the face oval in px; landmarks are (478, 3)."""
    top, bottom = landmarks[[FOREHEAD, CHIN], :2]
    return float(np.linalg.norm(bottom - top))


def square_around(landmarks: NDArray[np.float32], *, factor: float) -> tuple[float, float, float]:
    """Return (left, top, side) in px of the square that holds head, hair and shoulders.

    Args:
        landmarks: (478, 3) in px.
        factor: side of the square in heights of the face oval.
    """
    side = factor * face_height(landmarks)
    centre_x, centre_y = landmarks[[FOREHEAD, CHIN], :2].mean(axis=0)
    return float(centre_x - side / 2), float(centre_y - (0.5 + _HEAD_RISE) * side), side


def crop_square(image: RgbImage, square: tuple[float, float, float], *, size_px: int) -> RgbImage:
    """Cut a square out; what lies beyond the picture continues its edge, ever more blurred."""
    left, top, side = square
    scale = size_px / side
    if scale < 1:  # shrink with an area filter first: warping alone would alias
        shrunk = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image = np.asarray(shrunk, np.uint8)
        left, top, scale = left * scale, top * scale, 1.0
    to_square = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    cut = cv2.warpAffine(
        image, to_square, (size_px, size_px), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    ones = np.ones(image.shape[:2], np.uint8)
    outside = 1 - cv2.warpAffine(ones, to_square, (size_px, size_px), flags=cv2.INTER_NEAREST)
    return _soften(np.asarray(cut, np.uint8), np.asarray(outside, np.uint8))


def _soften(cut: RgbImage, outside: NDArray[np.uint8]) -> RgbImage:
    """Blur the invented border so that its streaks read as background, not as detail."""
    if not outside.any():
        return cut
    size_px = cut.shape[0]
    depth = cv2.distanceTransform(outside, cv2.DIST_L2, 5) / (0.06 * size_px)
    share = np.clip(depth, 0, 1)[..., None]
    blurred = cv2.GaussianBlur(cut, (0, 0), 0.04 * size_px)
    mixed = cut * (1 - share) + blurred * share
    return np.asarray(np.clip(mixed + 0.5, 0, 255), np.uint8)
