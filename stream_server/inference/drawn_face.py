"""A face for the warm-up: drawn, so that it belongs to nobody and needs no file."""

from typing import Final

import cv2
import numpy as np

from realtime_model.contract import RgbImage

_SIDE_PX: Final = 512
_Colour = tuple[int, int, int]
_SKIN: Final[_Colour] = (225, 180, 155)
_SHADE: Final[_Colour] = (190, 140, 115)
_HAIR: Final[_Colour] = (65, 42, 32)
_LIPS: Final[_Colour] = (180, 90, 90)
_WHITE: Final[_Colour] = (250, 250, 250)
_COAT: Final[_Colour] = (70, 90, 130)

# Back to front: centre x, centre y, half width, half height, in shares of the side; colour.
_ELLIPSES: Final[tuple[tuple[float, float, float, float, _Colour], ...]] = (
    (0.50, 0.90, 0.36, 0.22, _COAT),
    (0.50, 0.42, 0.25, 0.31, _HAIR),
    (0.50, 0.70, 0.07, 0.12, _SHADE),
    (0.50, 0.47, 0.20, 0.26, _SKIN),
    *((x, 0.430, 0.045, 0.022, _WHITE) for x in (0.42, 0.58)),
    *((x, 0.430, 0.020, 0.020, _HAIR) for x in (0.42, 0.58)),
    *((x, 0.375, 0.050, 0.008, _HAIR) for x in (0.42, 0.58)),
    (0.50, 0.545, 0.030, 0.012, _SHADE),
    (0.50, 0.620, 0.060, 0.018, _LIPS),
    (0.50, 0.620, 0.058, 0.002, _HAIR),
)


def draw_face() -> RgbImage:
    """Return a plain frontal face that every face detector finds, (512, 512, 3)."""
    picture = np.full((_SIDE_PX, _SIDE_PX, 3), (200, 205, 210), np.uint8)
    for x, y, half_width, half_height, colour in _ELLIPSES:
        centre = (round(x * _SIDE_PX), round(y * _SIDE_PX))
        axes = (round(half_width * _SIDE_PX), round(half_height * _SIDE_PX))
        cv2.ellipse(picture, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.2), np.uint8)
