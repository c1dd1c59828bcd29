"""From a picture to the square the model sees, or to a reason why not."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.errors import PortraitError
from realtime_model.face import FaceLandmarker
from realtime_model.portrait import (
    FRAME_PX,
    FramedPortrait,
    check_portrait,
    frame_face,
    frame_portrait,
)


def resized(image: RgbImage, side: int) -> RgbImage:
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def turned(image: RgbImage, angle: float) -> RgbImage:
    matrix = cv2.getRotationMatrix2D((230, 130), angle, 1)
    return np.asarray(cv2.warpAffine(image, matrix, (512, 512)), np.uint8)


def two_people(image: RgbImage) -> RgbImage:
    return np.concatenate([image, image], 1)


def test_the_face_is_centred_with_room_around_it(framed: FramedPortrait) -> None:
    assert framed.image.shape == (FRAME_PX, FRAME_PX, 3)
    assert framed.image.dtype == np.uint8
    low, high = framed.landmarks[:, :2].min(0), framed.landmarks[:, :2].max(0)
    assert np.abs((low + high) / 2 - FRAME_PX / 2).max() < 20
    assert 0.4 < (high[1] - low[1]) / FRAME_PX < 0.65


def test_landmarks_of_the_square_lie_on_its_face(
    framed: FramedPortrait, landmarker: FaceLandmarker
) -> None:
    (seen,) = landmarker.detect(framed.image)
    assert np.abs(seen.landmarks - framed.landmarks)[:, :2].mean() < 2


def test_a_large_photograph_gives_the_same_square(
    astronaut: RgbImage, framed: FramedPortrait, landmarker: FaceLandmarker
) -> None:
    large = np.asarray(cv2.resize(astronaut, (2048, 2048), interpolation=cv2.INTER_CUBIC), np.uint8)
    again = frame_portrait(large, landmarker)
    assert np.abs(again.landmarks - framed.landmarks)[:, :2].mean() < 2
    difference = again.image.astype(int) - framed.image.astype(int)
    assert np.abs(difference).mean() < 6


def test_a_square_that_reaches_outside_is_filled_softly(
    astronaut: RgbImage, landmarker: FaceLandmarker
) -> None:
    close = np.ascontiguousarray(astronaut[10:240, 150:310])
    (face,) = landmarker.detect(close)
    framed = frame_face(close, face)
    left, top, right, bottom = framed.box
    assert left < 0 or top < 0
    assert right - left == pytest.approx(bottom - top)
    edge: NDArray[np.int64] = np.diff(framed.image[:, 0].astype(int), axis=0)
    assert np.abs(edge).max() < 40  # no hard border inside the fill


@pytest.mark.parametrize("reason", ["no_face", "several_faces", "too_small", "not_frontal"])
def test_a_picture_that_will_not_do_says_why(
    reason: str, astronaut: RgbImage, landmarker: FaceLandmarker
) -> None:
    picture = {
        "no_face": np.full_like(astronaut, 127),
        "several_faces": two_people(astronaut),
        "too_small": resized(astronaut, 180),
        "not_frontal": turned(astronaut, 45),
    }[reason]
    with pytest.raises(PortraitError) as caught:
        frame_portrait(picture, landmarker)
    assert caught.value.reason == reason
    assert caught.value.advice


def test_a_face_at_the_edge_is_cut_off(astronaut: RgbImage, landmarker: FaceLandmarker) -> None:
    cut = np.ascontiguousarray(astronaut[:, 200:])
    with pytest.raises(PortraitError) as caught:
        frame_portrait(cut, landmarker)
    assert caught.value.reason == "cut_off"


def test_a_small_face_in_the_background_is_no_rival(
    astronaut: RgbImage, landmarker: FaceLandmarker
) -> None:
    picture = astronaut.copy()
    picture[20:148, 360:488] = resized(astronaut, 128)
    assert frame_portrait(picture, landmarker).landmarks.shape == (478, 3)


def test_every_question_is_answered_until_the_first_that_cannot(
    astronaut: RgbImage, landmarker: FaceLandmarker
) -> None:
    checks = check_portrait(astronaut, landmarker)
    assert [c.name for c in checks] == [
        "no_face", "several_faces", "too_small", "not_frontal", "cut_off",
    ]  # fmt: skip
    assert all(c.ok and not c.advice for c in checks)
    (nobody,) = check_portrait(np.zeros_like(astronaut), landmarker)
    assert not nobody.ok
    assert nobody.advice
