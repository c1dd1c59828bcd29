"""Filming and reading: the film is as live as a stream, the reading knows early from late."""

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.config import ModelConfig
from realtime_model.contract import StreamOptions
from realtime_model.face import FaceLandmarker
from realtime_model.generator import Generator
from realtime_model.network import EmoNetwork
from realtime_model.rig import Pose, shapes_from
from realtime_model.tiny import TinyEngine
from realtime_model.training.correlation import lagged_correlation
from realtime_model.training.evaluation import film, film_chunks, head_turn, track
from realtime_model.training.rendering import Sitter
from realtime_model.training.rig import PhotoRig


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


def test_a_film_is_as_long_as_its_sound(tiny: ModelConfig, sitters: list[Sitter]) -> None:
    model = Generator(TinyEngine(EmoNetwork(tiny)))
    sound = np.zeros(640 * 9 + 1, np.int16)
    frames = film(model, sitters[0].portrait.image, sound)
    assert frames.shape == (10, 256, 256, 3)
    again = film(model, sitters[0].portrait.image, sound)  # its stream was closed
    assert np.array_equal(again, frames)


def test_a_looped_recording_is_that_recording_written_twice(
    network: EmoNetwork, sitters: list[Sitter]
) -> None:
    model, picture = Generator(TinyEngine(network)), sitters[0].portrait.image
    sound = np.random.default_rng(0).integers(-9000, 9000, 640 * 7 + 100).astype(np.int16)
    twice = np.concatenate([sound, sound])
    looped = np.concatenate(list(film_chunks(model, picture, sound, 10, looped=True)))
    assert len(looped) == 10
    assert np.array_equal(looped, film(model, picture, twice)[:10])
    once = np.concatenate(list(film_chunks(model, picture, sound, 10)))
    assert not np.array_equal(looped, once)


def test_a_film_takes_the_options_of_its_stream(network: EmoNetwork, sitters: list[Sitter]) -> None:
    model, picture = Generator(TinyEngine(network)), sitters[0].portrait.image
    sound = np.zeros(640 * 8, np.int16)
    asked = np.concatenate(
        list(film_chunks(model, picture, sound, 8, options=StreamOptions(seed=3)))
    )
    assert np.array_equal(asked, film(model, picture, sound, seed=3))
    assert not np.array_equal(asked, film(model, picture, sound, seed=4))


def test_eyes_lips_and_corners_of_the_mouth_are_read_off_frames(
    sitters: list[Sitter], landmarker: FaceLandmarker
) -> None:
    rig = PhotoRig(sitters[0].portrait)

    def read(shapes: dict[str, float]) -> tuple[float, float, float]:
        image = rig.render(Pose(shapes_from(shapes))).image
        seen = track([image, image], landmarker)
        assert seen.lost == 0
        return float(seen.opening[-1]), float(seen.eyes[-1]), float(seen.width[-1])

    rest, open_wide = read({}), read({"jawOpen": 0.6})
    assert open_wide[0] > rest[0] + 0.05
    assert read({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})[1] < 0.6 * rest[1]
    assert read({"mouthPucker": 0.9})[2] < 0.97 * rest[2]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_turn_of_the_head_is_read_about_its_axis(axis: int, sitters: list[Sitter]) -> None:
    rig = PhotoRig(sitters[0].portrait)
    asked = np.zeros(3)
    asked[axis] = 10.0
    pitch, yaw, roll = (float(angle) for angle in np.radians(asked))
    shapes = shapes_from({"jawOpen": 0.5})  # speech must not count as a nod
    moved, _ = rig.landmarks(Pose(shapes, (pitch, yaw, roll)))
    np.testing.assert_allclose(head_turn(rig.rest, moved), asked, atol=1.0)


def test_a_frame_without_a_face_repeats_the_one_before(
    sitters: list[Sitter], landmarker: FaceLandmarker
) -> None:
    picture = sitters[0].portrait.image
    empty = np.full_like(picture, 127)
    seen = track([picture, picture, empty], landmarker)
    assert seen.lost == 1
    assert seen.opening[2] == seen.opening[1]
    blank = track([empty], landmarker)
    assert blank.lost == len(blank.opening) == 1
