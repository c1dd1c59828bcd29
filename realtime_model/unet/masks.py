"""Where pose, face and lips are in a portrait: boxes around landmarks, blurred, as Hallo has them.

face box x1.2, lip box x2 -> 64 cells, blurred -> pose = 1 - face, face = face - lip, lip
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from realtime_model.face import FACE_OVAL
from realtime_model.facemap import LIP_OUTLINE
from realtime_model.unet.network import Regions

Bytes = NDArray[np.uint8]

_BLUR_CELLS = 64
_FACE_GROWS, _LIPS_GROW = 1.2, 2.0
_FACE_KERNEL, _LIP_KERNEL = (51, 51), (31, 31)


def find_regions(
    landmarks: NDArray[np.floating], size_px: int, side: int, depths: int = 4
) -> Regions:
    """Return the face's box and the masks of all depths.

    Args:
        landmarks: (478, 3) in pixels of a ``size_px`` square.
        size_px: side of the portrait.
        side: of its latent, in cells; the box is drawn at eight pixels a cell.
        depths: how many widths the UNet has; each halves the side.
    """
    box = _box(landmarks, FACE_OVAL, size_px, _FACE_GROWS)
    lips = _box(landmarks, LIP_OUTLINE, size_px, _LIPS_GROW)
    masks = _apart(_blurred(box, _FACE_KERNEL), _blurred(lips, _LIP_KERNEL))
    picture = torch.from_numpy(_resized(box, 8 * side)).expand(1, 3, -1, -1)
    return Regions(picture.contiguous(), tuple(_level(masks, side >> d) for d in range(depths)))


def _box(
    landmarks: NDArray[np.floating], parts: tuple[int, ...], size_px: int, grows: float
) -> Bytes:
    points = landmarks[list(parts), :2]
    (left, top), (right, bottom) = np.round(points.min(0)), np.round(points.max(0))
    left, right = _grown(float(left), float(right), grows, size_px)
    top, bottom = _grown(float(top), float(bottom), grows, size_px)
    mask = np.zeros((size_px, size_px), np.uint8)
    mask[round(top) : round(bottom), round(left) : round(right)] = 255
    return mask


def _grown(low: float, high: float, grows: float, size: int) -> tuple[float, float]:
    """An interval ``grows`` times as wide; what would pass an edge moves it inwards instead."""
    middle, half = (low + high) // 2, (high - low) * grows // 2
    low, high = middle - half, middle + half
    if low < 0:
        low, high = 0.0, high - low
    if high > size:
        low, high = low - (high - size), float(size)
    return max(0.0, low), high


def _blurred(mask: Bytes, kernel: tuple[int, int]) -> Bytes:
    small = cv2.resize(mask, (_BLUR_CELLS, _BLUR_CELLS))
    soft = cv2.GaussianBlur(small, kernel, 0)
    full = np.zeros_like(soft)
    cv2.normalize(soft, full, 0, 255, cv2.NORM_MINMAX)
    return np.asarray(full, np.uint8)


def _apart(face: Bytes, lips: Bytes) -> tuple[Bytes, ...]:
    """Pose, face and lips, each (64, 64)."""
    # Rounded down, not to nearest: Hallo's masks were.
    pose = ((1.0 - face / 255.0) * 255).astype(np.uint8)
    return pose, np.asarray(cv2.subtract(face, lips), np.uint8), lips


def _level(masks: tuple[Bytes, ...], side: int) -> Tensor:
    """Masks at a depth, (1, 3, side * side) in [0, 1]."""
    return torch.from_numpy(np.stack([_resized(m, side).ravel() for m in masks]))[None]


def _resized(mask: Bytes, side: int) -> NDArray[np.float32]:
    image = Image.fromarray(mask).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32) / np.float32(255)
