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
Filter = Callable[[RgbImage], RgbImage]


def collect_filtered(studio: Studio, packages_folder: Path) -> Iterator[str]:
    """Add the configured number of drawings and paintings; each stays its sitter's identity."""
    del packages_folder  # made from portraits, not from packages
    plan = studio.config.filters
    for split in SPLITS:
        sitters = [
            p for p in studio.portraits(split=split) if p.style in ("photo", "morph", "render")
        ]
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
    """Paint in flat dabs with crisp edges: the Kuwahara filter.

    Every pixel takes the mean of the calmest of the four square windows that have it as a corner.
    """
    picture = image.astype(np.float32)
    mean = cv2.blur(picture, (radius_px, radius_px))
    variance = cv2.blur(picture**2, (radius_px, radius_px)) - mean**2
    unrest = variance.sum(axis=2)
    reach = radius_px // 2
    best, least = mean.copy(), np.full(unrest.shape, np.inf, np.float32)
    for down, right in itertools.product((-reach, reach), repeat=2):
        calm = np.roll(unrest, (down, right), (0, 1))
        chosen = calm < least
        least = np.where(chosen, calm, least)
        best = np.where(chosen[..., None], np.roll(mean, (down, right), (0, 1)), best)
    return _to_picture(_saturate(best, 1.25) + _canvas(image.shape[:2]))


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
