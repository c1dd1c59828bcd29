"""What the picture does besides speaking: hold still, stay sharp, show no seams. Pure functions."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.portrait import FramedPortrait

Film = NDArray[np.uint8]

_LEVEL = 1e-3  # of 255: what cannot be seen, added so that a still film has no seam


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of a frame, in pixels; right and bottom are outside."""

    left: int
    top: int
    right: int
    bottom: int

    def cut(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The rectangle of one frame (h, w, 3) or of many (t, h, w, 3)."""
        return frames[..., self.top : self.bottom, self.left : self.right, :]


def face_box(portrait: FramedPortrait) -> Box:
    """The rectangle around all landmarks of a portrait."""
    size = portrait.image.shape[0]
    left, top = portrait.landmarks[:, :2].min(0).astype(int).clip(0, size - 2)
    right, bottom = portrait.landmarks[:, :2].max(0).astype(int).clip(2, size)
    return Box(int(left), int(top), int(right), int(bottom))


def background_change(frames: Film, portrait: FramedPortrait) -> float:
    """Mean absolute difference of neighbouring frames in the upper corners, levels of 255."""
    return float(np.abs(np.diff(_corners(frames, portrait), axis=0)).mean())


def flicker(frames: Film, portrait: FramedPortrait) -> float:
    """Mean absolute second difference in the upper corners, levels of 255.

    A slow drift of the light leaves it at 0; what goes to and fro counts fourfold.
    """
    return float(np.abs(np.diff(_corners(frames, portrait), n=2, axis=0)).mean())


def _corners(frames: Film, portrait: FramedPortrait) -> NDArray[np.int16]:
    """Both upper corners, away from the head, (t, h, w, 3)."""
    size = frames.shape[1]
    left = min(float(portrait.landmarks[:, 0].min()), size * 0.5)
    strip = max(4, int(min(left * 0.35, size * 0.12)))
    top = frames[:, : size // 6]
    return np.concatenate([top[:, :, :strip], top[:, :, -strip:]], 2).astype(np.int16)


def seam_score(frames: Film, portrait: FramedPortrait, hop_frames: int) -> float:
    """How much more the face changes from chunk to chunk than inside a chunk; 1 is no seam."""
    face = face_box(portrait).cut(frames)
    change = np.array([cv2.absdiff(b, a).mean() for a, b in pairwise(face)], np.float64)
    at_edge = np.arange(1, len(frames)) % hop_frames == 0
    if not at_edge.any() or at_edge.all():
        return 1.0
    return float((change[at_edge].mean() + _LEVEL) / (change[~at_edge].mean() + _LEVEL))


def sharpness(image: RgbImage, box: Box) -> float:
    """Laplacian variance of the grey picture inside a rectangle."""
    grey = cv2.cvtColor(np.ascontiguousarray(box.cut(image)), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def sharpness_ratio(frames: Film, portrait: FramedPortrait) -> float:
    """Sharpness of the face, median of every tenth frame over the portrait's."""
    box = face_box(portrait)
    own = max(sharpness(portrait.image, box), 1e-6)
    return float(np.median([sharpness(frame, box) for frame in frames[::10]])) / own


def mean_colour(image: RgbImage, box: Box) -> NDArray[np.float64]:
    """Mean red, green and blue inside a rectangle, (3,), levels of 255."""
    return np.asarray(box.cut(image).reshape(-1, 3).mean(0), np.float64)
