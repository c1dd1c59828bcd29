"""The real landmarker on a real photograph, moved, scaled, turned, doubled and damaged."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime_model import face
from realtime_model.contract import RgbImage
from realtime_model.errors import CheckpointError
from realtime_model.face import FaceLandmarker

NOSE, LEFT_EYE, RIGHT_EYE, CHIN = 1, 263, 33, 152


def test_a_photograph_of_one_person_holds_one_face(
    astronaut: RgbImage, landmarker: FaceLandmarker
) -> None:
    (found,) = landmarker.detect(astronaut)
    assert found.landmarks.shape == (478, 3)
    assert found.landmarks.dtype == np.float32
    assert found.score > 0.9
    left, top, right, bottom = found.box
    assert 150 < left < right < 320
    assert 30 < top < bottom < 230
    eyes = found.landmarks[[LEFT_EYE, RIGHT_EYE], 1].max()
    assert eyes < found.landmarks[NOSE, 1] < found.landmarks[CHIN, 1]


def test_landmarks_move_with_the_face(astronaut: RgbImage, landmarker: FaceLandmarker) -> None:
    (here,) = landmarker.detect(astronaut)
    canvas = np.full((700, 800, 3), 90, np.uint8)
    canvas[120:632, 200:712] = astronaut
    (there,) = landmarker.detect(canvas)
    moved = there.landmarks[:, :2] - here.landmarks[:, :2]
    assert np.abs(np.median(moved, 0) - [200, 120]).max() < 3


def test_a_small_face_in_a_large_picture_is_found(
    astronaut: RgbImage, landmarker: FaceLandmarker
) -> None:
    canvas = np.full((1200, 1600, 3), 90, np.uint8)
    canvas[500:1140, 900:1540] = cv2.resize(astronaut, (640, 640), interpolation=cv2.INTER_AREA)
    (found,) = landmarker.detect(canvas)
    assert 1170 < found.landmarks[NOSE, 0] < 1200
    assert found.width_px < 0.08 * canvas.shape[1]


def test_two_people_are_two_faces_the_larger_first(
    astronaut: RgbImage, landmarker: FaceLandmarker
) -> None:
    canvas = np.full((512, 1000, 3), 90, np.uint8)
    canvas[:, :512] = astronaut
    canvas[100:484, 600:984] = cv2.resize(astronaut, (384, 384), interpolation=cv2.INTER_AREA)
    large, small = landmarker.detect(canvas)
    assert large.width_px > small.width_px * 1.15
    assert large.box[0] < small.box[0]


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_empty_picture_holds_no_face(value: int, landmarker: FaceLandmarker) -> None:
    assert landmarker.detect(np.full((300, 400, 3), value, np.uint8)) == []


def test_noise_holds_no_face(landmarker: FaceLandmarker) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    assert landmarker.detect(noise) == []


@pytest.mark.parametrize("angle", [-25, 25])
def test_roll_follows_a_turned_picture(
    angle: float, astronaut: RgbImage, landmarker: FaceLandmarker
) -> None:
    (upright,) = landmarker.detect(astronaut)
    turn = cv2.getRotationMatrix2D((230, 130), -angle, 1)  # OpenCV counts against the clock
    turned = np.asarray(cv2.warpAffine(astronaut, turn, (512, 512)), np.uint8)
    (found,) = landmarker.detect(turned)
    assert found.roll_deg - upright.roll_deg == pytest.approx(angle, abs=5)


def test_yaw_changes_sign_in_a_mirror(astronaut: RgbImage, landmarker: FaceLandmarker) -> None:
    (here,) = landmarker.detect(astronaut)
    (mirrored,) = landmarker.detect(np.ascontiguousarray(astronaut[:, ::-1]))
    assert mirrored.yaw_deg == pytest.approx(-here.yaw_deg, abs=4)


def test_tracking_finds_the_same_face_and_recovers_when_it_is_lost(
    astronaut: RgbImage, landmarker: FaceLandmarker
) -> None:
    first = landmarker.track(astronaut, None)
    assert first is not None
    again = landmarker.track(astronaut, first)
    assert again is not None
    assert np.abs(again.landmarks - first.landmarks)[:, :2].max() < 4
    assert landmarker.track(np.zeros_like(astronaut), first) is None


def test_a_missing_or_altered_network_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "face"
    shutil.copytree(face._FOLDER, copy)
    monkeypatch.setattr(face, "_FOLDER", copy)
    with (copy / "face_detector.tflite").open("ab") as file:
        file.write(b"x")
    with pytest.raises(CheckpointError, match="altered"):
        FaceLandmarker()
    (copy / "face_detector.tflite").unlink()
    with pytest.raises(CheckpointError, match="missing"):
        FaceLandmarker()
