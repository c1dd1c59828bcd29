"""The inside of a mouth is dark and has teeth, and is lit like the face."""

import numpy as np
import pytest

from realtime_model.contract import RgbImage
from realtime_model.portrait import FramedPortrait
from realtime_model.rig import Pose, shapes_from
from realtime_model.training.rig import PhotoRig


def inside(portrait: FramedPortrait, jaw: float) -> RgbImage:
    """Pixels that are surely painted, (n, 3)."""
    frame = PhotoRig(portrait).render(Pose(shapes_from({"jawOpen": jaw})))
    return frame.image[frame.painted > 0.98]


def test_an_open_mouth_shows_dark_depth_and_bright_teeth(framed: FramedPortrait) -> None:
    pixels = inside(framed, 0.9).mean(1)
    assert len(pixels) > 100
    assert np.percentile(pixels, 10) < 70
    assert np.percentile(pixels, 95) > 140


def test_it_is_warm_not_green_or_blue(framed: FramedPortrait) -> None:
    red, green, blue = inside(framed, 0.9).reshape(-1, 3).mean(0)
    assert red > green
    assert red > blue


def test_a_dark_picture_has_a_dark_mouth(framed: FramedPortrait) -> None:
    night = FramedPortrait((framed.image * 0.35).astype(np.uint8), framed.landmarks, framed.box)
    assert inside(night, 0.9).mean() < 0.75 * inside(framed, 0.9).mean()


def brightest(portrait: FramedPortrait, **shapes: float) -> float:
    frame = PhotoRig(portrait).render(Pose(shapes_from(shapes)))
    assert frame.painted.max() > 0.5
    return float(frame.image.mean(2)[frame.painted > 0.5].max())


def test_a_slit_and_a_pout_are_darker_than_a_laugh(framed: FramedPortrait) -> None:
    laugh = brightest(framed, jawOpen=0.4)
    assert brightest(framed, jawOpen=0.06) < 0.85 * laugh
    pout = brightest(framed, jawOpen=0.15, mouthPucker=0.9, mouthFunnel=0.3)
    assert pout < brightest(framed, jawOpen=0.15, mouthFunnel=0.3)


def test_closed_lips_show_nothing(framed: FramedPortrait) -> None:
    assert len(inside(framed, 0.0)) == 0


@pytest.mark.parametrize("side", [128, 256])
def test_it_scales_with_the_picture(side: int, framed: FramedPortrait) -> None:
    import cv2

    small = np.asarray(cv2.resize(framed.image, (side, side)), np.uint8)
    portrait = FramedPortrait(small, framed.landmarks * (side / 256), framed.box)
    share = len(inside(portrait, 0.9)) / side**2
    assert share == pytest.approx(len(inside(framed, 0.9)) / 256**2, rel=0.35)
