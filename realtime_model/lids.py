"""Eyes that close: the skin around them, moved by the landmarks of the portrait.

A blink moves two of the latent's 64 cells by less than the noise they are decoded with, so it
cannot be said in the latent. It is shown instead by what the decoder starts from: the same portrait
with its lids lower, a few positions of which are prepared when a stream is opened.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.facemap import LOWER_LIDS, UPPER_LIDS

Floats = NDArray[np.float32]

LEVELS = (0.0, 0.35, 0.65, 1.0)
"""Positions of the lids that are kept of a portrait, from open to closed."""

_CREASES = ((247, 30, 29, 27, 28, 56, 190), (467, 260, 259, 257, 258, 286, 414))
_SHUT = 0.9  # the upper lid comes down most of the way,
_RISE = 0.08  # the lower one rises a little,
_PULL = 0.35  # and the crease follows.


def with_lids(image: RgbImage, landmarks: NDArray[np.floating], closed: float) -> RgbImage:
    """Return a portrait with its eyes closed to a share in [0, 1]; 0 gives the picture itself."""
    if closed == 0:
        return image
    size = image.shape[0]
    moved = closing_displacement(landmarks, size, closed) * (size / 2)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    out = cv2.remap(
        image, x + moved[0], y + moved[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(out, np.uint8)


def level_of(blink: NDArray[np.floating]) -> NDArray[np.int64]:
    """Number of the nearest of `LEVELS` for each value in [0, 1]."""
    away = np.abs(np.asarray(blink)[..., None] - np.array(LEVELS))
    return np.asarray(away.argmin(-1), np.int64)


def closing_displacement(
    landmarks: NDArray[np.floating], size_px: int, closed: float = 1.0
) -> Floats:
    """Return where each pixel of a portrait with closing eyes comes from, minus where it is.

    Between crease and upper lid the skin is stretched down over the eye, above the crease the pull
    fades away; each column along the lid is moved by itself, across the line of the eye's corners.

    Args:
        landmarks: (478, 3) in pixels of a ``size_px`` square.
        size_px: side of the portrait.
        closed: share of the way, 0 to 1.

    Returns:
        float32 (2, size_px, size_px), x and y in [-1, 1] units.
    """
    out = np.zeros((2, size_px, size_px), np.float32)
    y, x = np.mgrid[:size_px, :size_px].astype(np.float64)
    points = landmarks[:, :2].astype(np.float64)
    for upper, lower, crease in zip(UPPER_LIDS, LOWER_LIDS, _CREASES, strict=True):
        corner, far = points[upper[0]], points[upper[-1]]
        width = float(np.linalg.norm(far - corner))
        along = (far - corner) / width
        down = np.array([-along[1], along[0]]) * np.sign(along[0])
        across = (x - corner[0]) * along[0] + (y - corner[1]) * along[1]
        height = (x - corner[0]) * down[0] + (y - corner[1]) * down[1]

        def line(
            marks: tuple[int, ...],
            corner: NDArray[np.float64] = corner,
            along: NDArray[np.float64] = along,
            down: NDArray[np.float64] = down,
            across: NDArray[np.float64] = across,
        ) -> NDArray[np.float64]:
            local = points[list(marks)] - corner
            order = np.argsort(local @ along)
            at = np.interp(across, (local @ along)[order], (local @ down)[order])
            return np.asarray(at)

        lid, bottom, fold = line(upper), line(lower), line(crease)
        gap = np.where((across > 0) & (across < width), np.clip(bottom - lid, 0, None), 0.0)
        shift = (
            _pulled_from(height, lid, bottom, np.minimum(fold, lid - 1.0), gap * closed) - height
        )
        out += (shift * down[:, None, None] * (2 / size_px)).astype(np.float32)
    return out


def _pulled_from(
    height: NDArray[np.float64],
    lid: NDArray[np.float64],
    bottom: NDArray[np.float64],
    fold: NDArray[np.float64],
    gap: NDArray[np.float64],
) -> NDArray[np.float64]:
    """For heights after the eyes closed, the heights before; piecewise linear along each column."""
    reach = 2.5 * (lid - fold)
    before = np.stack([fold - reach, fold, lid, bottom, bottom + reach])
    after = before + np.stack([0 * gap, _PULL * gap, _SHUT * gap, -_RISE * gap, 0 * gap])
    after[3] = np.maximum(after[3], after[2] + 1e-3)  # lids touch, they do not cross
    out = height.copy()
    for low, high, start, end in zip(after[:-1], after[1:], before[:-1], before[1:], strict=True):
        inside = (height >= low) & (height < high)
        share = (height - low) / np.maximum(high - low, 1e-6)
        out = np.where(inside, start + share * (end - start), out)
    return np.asarray(out)
