"""Drawings and paintings made from photos, so that the model does not only know photos."""

import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.training.portraits.config import SPLITS, Style
from realtime_model.training.portraits.studio import Origin, Studio

Floats = NDArray[np.float32]
_FILTERED = ("photo", "morph")
Filter = Callable[[RgbImage], RgbImage]


def collect_filtered(studio: Studio, packages_folder: Path) -> Iterator[str]:
    """Add the configured number of drawings and paintings; each stays its sitter's identity."""
    del packages_folder  # made from portraits, not from packages
    plan = studio.config.filters
    for split in SPLITS:
        sitters = [p for p in studio.portraits(split=split) if p.style in _FILTERED]
        random.Random(f"{plan.seed} {split}").shuffle(sitters)
        named = ((f"{kind}-{p.name}", p) for p, kind in zip(sitters, itertools.cycle(FILTERS)))
        usable = ((name, p) for name, p in named if name not in studio.config.exclude)
        for name, sitter in itertools.islice(usable, plan.count(split)):
            if name not in studio:
                style, draw = FILTERS[name.split("-")[0]]
                package = studio.config.package(sitter.package)
                source = f"filter over {sitter.name}"
                origin = Origin(package, source, style, sitter.identity, split, sitter.parents)
                studio.add(name, draw(studio.read(sitter)), origin, face_px=sitter.face_px)
            yield name


def oil(image: RgbImage, *, radius_px: int = 5) -> RgbImage:
    """Paint in flat dabs with crisp edges, and brush strokes that follow the forms."""
    painted = _saturate(_dabs(image, radius_px), 1.2)
    return _to_picture(painted + 6 * _strokes(image)[..., None])


def watercolour(image: RgbImage) -> RgbImage:
    """Wash the colours out between the edges."""
    washed = cv2.edgePreservingFilter(image, flags=1, sigma_s=25, sigma_r=0.3)
    paper = 0.9 * _saturate(np.asarray(washed, np.float32), 1.3) + 24
    return _to_picture(paper * (1 - 0.35 * _outlines(image)[..., None]) + _canvas(image.shape[:2]))


def poster(image: RgbImage, *, levels: int = 9) -> RgbImage:
    """Draw like a comic: few flat tones and dark outlines."""
    smooth = image
    for _ in range(4):
        smooth = cv2.bilateralFilter(smooth, 9, 30, 9).astype(np.uint8)
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB)
    step = 256 / levels
    lab[..., 0] = np.clip((np.floor(lab[..., 0] / step) + 0.5) * step, 0, 255).astype(np.uint8)
    flat = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).astype(np.float32)
    return _to_picture(_saturate(flat, 1.3) * (1 - 0.8 * _outlines(smooth)[..., None]))


def pencil(image: RgbImage) -> RgbImage:
    """Draw with coloured pencils on white paper."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    shade = grey / np.maximum(cv2.GaussianBlur(grey, (0, 0), 12), 1)
    strokes = np.clip(shade, 0.25, 1.0)[..., None] * 255
    tint = _saturate(image.astype(np.float32), 1.2)
    return _to_picture(0.55 * strokes + 0.45 * (0.6 * tint + 0.4 * 255) * (strokes / 255))


FILTERS: dict[str, tuple[Style, Filter]] = {
    "oil": ("painting", oil),
    "pencil": ("drawing", pencil),
    "watercolour": ("painting", watercolour),
    "poster": ("drawing", poster),
}


def _dabs(image: RgbImage, radius_px: int) -> Floats:
    """Give every pixel the mean of the calmest of four windows that have it as a corner.

    Source: Kuwahara et al., "Processing of RI-angiocardiographic images", 1976.
    """
    reach = radius_px // 2
    bordered = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    picture = np.asarray(bordered, np.float32)
    mean = cv2.blur(picture, (radius_px, radius_px))
    unrest = (cv2.blur(picture**2, (radius_px, radius_px)) - mean**2).sum(axis=2)
    height, width = image.shape[:2]
    best, least = np.zeros(image.shape, np.float32), np.full((height, width), np.inf, np.float32)
    for down, right in itertools.product((0, 2 * reach), repeat=2):
        window = np.s_[down : down + height, right : right + width]
        calmer = unrest[window] < least
        least = np.where(calmer, unrest[window], least)
        best = np.where(calmer[..., None], mean[window], best)
    return best


def _strokes(image: RgbImage, *, length_px: int = 19) -> Floats:
    """Return unit noise smeared along the picture's edges, as a brush would go, (h, w).

    Source: line integral convolution, Cabral and Leedom, 1993, along the structure tensor.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 3)
    right, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    xx, yy, xy = (
        cv2.GaussianBlur(product, (0, 0), 6) for product in (right**2, down**2, right * down)
    )
    along = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
    noise = np.asarray(np.random.default_rng(0).normal(0, 1, grey.shape), np.float32)
    total = np.zeros_like(noise)
    for step in range(-(length_px // 2), length_px // 2 + 1):
        x = np.asarray(columns + step * np.cos(along), np.float32)
        y = np.asarray(rows + step * np.sin(along), np.float32)
        total += cv2.remap(noise, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(total / np.sqrt(length_px), np.float32)


def _outlines(image: RgbImage) -> Floats:
    """Return dark lines where brightness falls off: a soft-thresholded difference of Gaussians."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fall = cv2.GaussianBlur(grey, (0, 0), 1.2) - cv2.GaussianBlur(grey, (0, 0), 2.4)
    return np.clip(-fall / 6 - 0.25, 0, 1).astype(np.float32)


def _canvas(shape: tuple[int, ...]) -> Floats:
    """Return the weave of a canvas, a few grey levels high, (h, w, 1)."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    weave = np.sin(rows * 1.9) * np.sin(columns * 1.9)
    return np.asarray(3 * weave[..., None], np.float32)


def _saturate(picture: Floats, gain: float) -> Floats:
    grey = picture.mean(axis=2, keepdims=True)
    return np.asarray(grey + gain * (picture - grey), np.float32)


def _to_picture(values: NDArray[np.floating]) -> RgbImage:
    return np.asarray(np.clip(values + 0.5, 0, 255), np.uint8)
