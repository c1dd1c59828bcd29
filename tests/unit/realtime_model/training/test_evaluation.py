"""The judge: it must know speech from silence, late from early, still from flickering."""

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.config import ModelConfig
from realtime_model.face import FaceLandmarker
from realtime_model.generator import Generator
from realtime_model.network import EmoNetwork
from realtime_model.training.correlation import lagged_correlation
from realtime_model.training.evaluation import (
    background_change,
    count_blinks,
    film,
    rig_opening,
    sharpness_ratio,
    track,
)
from realtime_model.training.rendering import Clip, Sitter
from realtime_model.training.rig import PhotoRig, Pose, shapes_from


def curve(frames: int = 60) -> NDArray[np.float32]:
    time = np.arange(frames)
    return np.asarray(np.abs(np.sin(time / 3.7) * np.sin(time / 11)), np.float32)


@pytest.mark.parametrize("late", [-2, 0, 2])
def test_a_shifted_curve_is_found_at_its_lag(late: int) -> None:
    truth = curve()
    best, lag = lagged_correlation(np.roll(truth, late), truth, 3)
    assert best > 0.98
    assert lag == late


def test_a_curve_without_motion_correlates_with_nothing() -> None:
    assert lagged_correlation(np.zeros(60, np.float32), curve(), 2)[0] <= 0


def test_dips_of_the_eyes_are_blinks() -> None:
    eyes = np.full(100, 0.3, np.float32)
    eyes[10:14] = eyes[50:53] = 0.05
    eyes[80] = 0.25
    assert count_blinks(eyes) == 2


def test_a_film_is_as_long_as_its_sound(tiny: ModelConfig, sitters: list[Sitter]) -> None:
    model = Generator(EmoNetwork(tiny))
    sound = np.zeros(640 * 9 + 1, np.int16)
    frames = film(model, sitters[0].portrait.image, sound)
    assert frames.shape == (10, 256, 256, 3)
    again = film(model, sitters[0].portrait.image, sound)  # its stream was closed
    assert np.array_equal(again, frames)


def test_what_the_rig_shows_is_what_the_tracker_reads(
    sitters: list[Sitter], clips: list[Clip], landmarker: FaceLandmarker
) -> None:
    rig, truth = PhotoRig(sitters[0].portrait), rig_opening(sitters[0], clips[0])
    frames = np.stack([rig.render(Pose(shapes)).image for shapes in clips[0].mouth])
    seen = track(frames, landmarker)
    assert lagged_correlation(seen.opening, truth, 1)[0] > 0.8
    wink = rig.render(Pose(shapes_from({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}))).image
    assert track([wink], landmarker).eyes[0] < 0.6 * seen.eyes[0]


def test_flicker_and_blur_are_noticed(sitters: list[Sitter]) -> None:
    sitter = sitters[0]
    still = np.stack([sitter.portrait.image] * 12)
    assert background_change(still, sitter) == 0
    assert sharpness_ratio(still, sitter) == pytest.approx(1)
    flicker = still.copy()
    flicker[::2] //= 2
    assert background_change(flicker, sitter) > 10
    blurred = (still.astype(int) + np.roll(still, 2, 1) + np.roll(still, 2, 2)) // 3
    assert sharpness_ratio(blurred.astype(np.uint8), sitter) < 0.7
