"""What the photo does not show: the inside of a mouth, lit and coloured to the portrait."""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage

Floats = NDArray[np.float32]

_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
_FINER = 4  # the gap is drawn this much larger, then averaged
_TEETH = 10  # visible upper teeth, and one fewer below


class MouthPainter:
    """Paints cavity, teeth and tongue into the gap between the lips."""

    def __init__(self, image: RgbImage, rest: NDArray[np.float64]) -> None:
        self._size = image.shape[0]
        self._rest = rest
        mask = np.zeros(image.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.round(rest[list(_LIPS), :2]).astype(np.int32)], 255)
        self._lip = np.array(cv2.mean(image, mask)[:3], np.float32)
        cheek = np.round(rest[[50, 280, 4, 151], :2]).astype(int).clip(0, self._size - 1)
        skin = image[cheek[:, 1], cheek[:, 0]].astype(np.float32).mean(0)
        # The light on this face, from the brightness of its skin; teeth answer it less than skin.
        self._light = float(np.clip(0.35 + 0.65 * skin.mean() / 165, 0.45, 1.12))
        self._tint = 0.75 + 0.25 * skin / max(float(skin.mean()), 1.0)

    def paint(
        self,
        image: RgbImage,
        gap: NDArray[np.float64],
        moved: NDArray[np.float64],
        rigid: NDArray[np.float64],
    ) -> tuple[RgbImage, Floats]:
        """Return the frame with the mouth behind the lips, and the mask of what was painted.

        Args:
            image: the warped portrait, uint8 (h, w, 3).
            gap: outline between the inner lips, (22, 2) pixels.
            moved: landmarks (478, 3) with the expression.
            rigid: the same without.
        """
        soft = self._covered(gap)
        if not soft.any():
            return image, soft
        inside = self._cavity(gap, moved, rigid) * self._daylight(gap, rigid)
        blend = soft[..., None]
        mixed = (image * (1 - blend) + inside * blend).clip(0, 255)
        return mixed.astype(np.uint8), soft

    def _covered(self, gap: NDArray[np.float64]) -> Floats:
        """How much of each pixel the gap covers, softened; lips that touch leave none."""
        fine = np.zeros((self._size * _FINER, self._size * _FINER), np.uint8)
        corners = np.round((gap + 0.5) * _FINER * 16 - 8).astype(np.int32)
        cv2.fillPoly(fine, [corners], 255, cv2.LINE_8, 4)
        # What is filled includes the outline; it is taken away again.
        cv2.polylines(fine, [corners], True, 0, 1, cv2.LINE_8, 4)
        mask = cv2.resize(fine, (self._size, self._size), interpolation=cv2.INTER_AREA)
        blurred = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 0.6 * self._size / 256)
        return np.asarray(blurred, np.float32)

    @staticmethod
    def _daylight(gap: NDArray[np.float64], rigid: NDArray[np.float64]) -> float:
        """How much light falls between the lips: a slit or a pout is dark, whatever lies behind."""
        width = float(np.linalg.norm(rigid[308, :2] - rigid[78, :2]))
        x, y = gap.T
        area = 0.5 * abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))
        spread = float(np.linalg.norm(gap[0] - gap[len(gap) // 2])) / max(width, 1e-6)
        high = np.clip(0.25 + area / max(width, 1e-6) ** 2 / 0.07, 0.25, 1.0)
        wide = np.clip((spread - 0.6) / 0.35, 0.3, 1.0)
        return float(high * wide)

    def _cavity(
        self, gap: NDArray[np.float64], moved: NDArray[np.float64], rigid: NDArray[np.float64]
    ) -> Floats:
        size = self._size
        left, right = rigid[78, :2], rigid[308, :2]
        width = float(np.linalg.norm(right - left))
        along = (right - left) / max(width, 1e-6)
        down = np.array([-along[1], along[0]])
        dark = np.array([46, 14, 16], np.float32) * self._light
        picture = np.empty((size, size, 3), np.float32)
        picture[:] = dark
        middle = rigid[13, :2]
        jaw = moved[14, :2]
        throat = gap.mean(0)
        tongue = np.array([168, 82, 84], np.float32) * 0.6 + self._lip * 0.3
        tongue = np.asarray(tongue * self._light, np.float32)
        self._ellipse(picture, jaw + down * width * 0.03, along, width * 0.30, width * 0.15, tongue)
        white = np.array([232, 224, 212], np.float32) * self._light * self._tint
        lower = jaw + down * width * 0.015
        self._teeth(
            picture, lower, along, -down, width * 0.58, width * 0.07, white * 0.72, _TEETH - 1
        )
        upper = middle - down * width * 0.06
        self._teeth(picture, upper, along, down, width * 0.72, width * 0.175, white, _TEETH)
        soft = cv2.GaussianBlur(picture, (0, 0), 0.55 * size / 256)
        return np.asarray(soft * self._shade(throat, along, width)[..., None], np.float32)

    def _shade(
        self, throat: NDArray[np.float64], along: NDArray[np.float64], width: float
    ) -> Floats:
        """Light falls off towards the corners of the mouth."""
        y, x = np.mgrid[: self._size, : self._size]
        away = ((x - throat[0]) * along[0] + (y - throat[1]) * along[1]) / (width * 0.5)
        return np.asarray(np.clip(1.05 - 0.55 * away**2, 0.3, 1.0), np.float32)

    @staticmethod
    def _ellipse(
        picture: Floats,
        centre: NDArray[np.float64],
        along: NDArray[np.float64],
        a: float,
        b: float,
        colour: Floats,
    ) -> None:
        angle = float(np.degrees(np.arctan2(along[1], along[0])))
        at = tuple(int(v) for v in np.round(centre * 16))
        axes = (round(a * 16), round(b * 16))
        cv2.ellipse(picture, at, axes, angle, 0, 360, colour.tolist(), -1, cv2.LINE_AA, 4)

    @staticmethod
    def _teeth(
        picture: Floats,
        root: NDArray[np.float64],
        along: NDArray[np.float64],
        out: NDArray[np.float64],
        width: float,
        length: float,
        white: Floats,
        count: int,
    ) -> None:
        """A row of teeth: an arch cut by faint gaps; the inner ones are wider and longer."""
        edges = np.linspace(-1, 1, count + 1)
        edges = np.sign(edges) * np.abs(edges) ** 1.15
        for a, b in pairwise(edges):
            centre = (a + b) / 2
            reach = length * (1 - 0.35 * centre**2)
            dim = 1 - 0.35 * abs(centre) ** 1.5
            gap = 0.012
            box = [
                root + along * (a + gap) * width / 2 - out * length,
                root + along * (b - gap) * width / 2 - out * length,
                root + along * (b - gap) * width / 2 + out * reach * 0.92,
                root + along * centre * width / 2 + out * reach,
                root + along * (a + gap) * width / 2 + out * reach * 0.92,
            ]
            corners = np.round(np.array(box) * 16).astype(np.int32)
            cv2.fillPoly(picture, [corners], (white * dim).tolist(), cv2.LINE_AA, 4)
