"""The rig moves a real portrait, and labels what it draws exactly."""

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.mesh import LIDS, LOWER_INNER_LIP, UPPER_INNER_LIP
from realtime_model.portrait import FramedPortrait
from realtime_model.rig import Pose, arkit_labels, shapes_from
from realtime_model.training.rig import PhotoRig

NOSE, LEFT_CORNER, RIGHT_CORNER = 1, 291, 61


@pytest.fixture(scope="module")
def rig(framed: FramedPortrait) -> PhotoRig:
    return PhotoRig(framed)


def still() -> Pose:
    return Pose(shapes_from({}))


def eye_gap(points: NDArray[np.float64] | NDArray[np.float32], side: str) -> float:
    upper, lower, _, _ = LIDS[side]
    return float(np.mean([points[b, 1] - points[a, 1] for a, b in zip(upper, lower, strict=True)]))


def lip_gap(rig: PhotoRig, jaw: float, **others: float) -> float:
    return rig.lips_of(Pose(shapes_from({"jawOpen": jaw, **others})))[0]


def test_there_are_the_52_shapes_of_arkit() -> None:
    labels = arkit_labels()
    assert len(labels) == len(set(labels)) == 52
    assert {"jawOpen", "eyeBlinkLeft", "mouthPucker", "browInnerUp"} <= set(labels)
    assert shapes_from({"jawOpen": 0.5})[labels.index("jawOpen")] == 0.5
    with pytest.raises(KeyError):
        shapes_from({"tailWag": 1.0})


def test_at_rest_the_portrait_comes_back_with_its_mouth_closed(
    rig: PhotoRig, framed: FramedPortrait
) -> None:
    frame = rig.render(still())
    assert frame.opening < 0.005
    difference = np.abs(frame.image.astype(int) - framed.image.astype(int))
    assert np.median(difference) == 0
    assert difference.mean() < 3  # the astronaut smiles with open lips: those are closed


def test_the_width_of_the_mouth_is_told_against_the_portrait(rig: PhotoRig) -> None:
    def wider(**shapes: float) -> float:
        return rig.lips_of(Pose(shapes_from(shapes), (0.05, 0.2, 0.0)))[1]

    assert abs(wider()) < 0.01  # closing the open smile of the photo widens it a little
    assert wider(mouthPucker=0.8) < -0.02
    assert wider(mouthSmileLeft=0.6, mouthSmileRight=0.6) > 0.01


def test_the_same_pose_gives_the_same_frame(rig: PhotoRig) -> None:
    pose = Pose(shapes_from({"jawOpen": 0.4}), (0.05, 0.1, 0.0), (0.01, 0.0), (0.1, 0.1))
    one, two = rig.render(pose), rig.render(pose)
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.source, two.source)


def test_the_mouth_opens_with_the_jaw_and_closes_for_a_consonant(rig: PhotoRig) -> None:
    gaps = [lip_gap(rig, jaw) for jaw in (0.0, 0.1, 0.3, 0.6, 1.0)]
    assert gaps[0] < 0.005
    assert all(b > a + 0.01 for a, b in itertools.pairwise(gaps))
    assert lip_gap(rig, 0.3, mouthClose=0.3) < 0.5 * lip_gap(rig, 0.3)


def test_lips_press_but_never_cross(rig: PhotoRig) -> None:
    shapes = shapes_from({"mouthPressLeft": 1, "mouthPressRight": 1, "mouthClose": 1})
    moved, _ = rig.landmarks(Pose(shapes))
    for up, low in zip(UPPER_INNER_LIP, LOWER_INNER_LIP, strict=True):
        assert moved[low, 1] - moved[up, 1] > -1e-6


def test_lips_round_and_stretch(rig: PhotoRig) -> None:
    def width(name: str) -> float:
        shapes = shapes_from({name: 1.0} if name else {})
        moved, _ = rig.landmarks(Pose(shapes))
        return float(np.linalg.norm(moved[LEFT_CORNER] - moved[RIGHT_CORNER]))

    assert width("mouthPucker") < 0.9 * width("") < 0.9 * width("mouthSmileLeft")


@pytest.mark.parametrize(("side", "other"), [("Left", "Right"), ("Right", "Left")])
def test_a_wink_closes_one_eye(side: str, other: str, rig: PhotoRig) -> None:
    frame = rig.render(Pose(shapes_from({f"eyeBlink{side}": 1.0})))
    assert eye_gap(frame.landmarks, side) < 0.1 * eye_gap(rig.rest, side)
    assert eye_gap(frame.landmarks, other) == pytest.approx(eye_gap(rig.rest, other), rel=0.05)


def test_a_turn_moves_the_nose_and_its_mirror_the_other_way(rig: PhotoRig) -> None:
    def nose(yaw: float) -> float:
        moved, _ = rig.landmarks(Pose(shapes_from({}), (0.0, yaw, 0.0)))
        return float(moved[NOSE, 0] - moved[[234, 454], 0].mean())

    left, middle, right = nose(-0.2), nose(0.0), nose(0.2)
    assert (left - middle) * (right - middle) < 0
    assert abs(left - middle) == pytest.approx(abs(right - middle), rel=0.4)
    assert abs(left - right) > 0.05 * rig.face_width_px


def test_the_background_stands_still_while_the_head_turns(
    rig: PhotoRig, framed: FramedPortrait
) -> None:
    frame = rig.render(Pose(shapes_from({"jawOpen": 0.5}), (0.05, 0.15, 0.05)))
    y, x = np.mgrid[:256, :256]
    moved = np.hypot(frame.source[..., 0] - x, frame.source[..., 1] - y)
    for rows, columns in ((slice(12), slice(12)), (slice(12), slice(-12, None))):
        assert moved[rows, columns].max() < 1.5
    assert moved[100:160, 100:160].min() > 0.5


def test_the_picture_is_the_portrait_fetched_from_the_source(
    rig: PhotoRig, framed: FramedPortrait
) -> None:
    pose = Pose(shapes_from({"jawOpen": 0.6, "eyeBlinkLeft": 0.5}), (0.0, 0.1, 0.0))
    frame = rig.render(pose)
    x, y = frame.source[..., 0], frame.source[..., 1]
    fetched = cv2.remap(framed.image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    own = frame.painted == 0
    assert np.array_equal(frame.image[own], fetched[own])
    assert np.array_equal(rig.source_of(pose), frame.source)
    assert rig.lips_of(pose)[0] == pytest.approx(frame.opening)


def test_no_pixel_is_fetched_from_far_away(rig: PhotoRig) -> None:
    # Triangles that a pose squeezes to slivers once sent single pixels far out of the picture.
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256]
    for _ in range(12):
        shapes = (rng.uniform(0, 0.8, 52) * (rng.random(52) < 0.3)).astype(np.float32)
        turn = rng.normal(0, 0.12, 3)
        source = rig.source_of(Pose(shapes, (turn[0], turn[1], turn[2])))
        assert np.hypot(source[..., 0] - x, source[..., 1] - y).max() < 90


def test_only_the_open_mouth_is_painted(rig: PhotoRig) -> None:
    closed, wide = rig.render(still()), rig.render(Pose(shapes_from({"jawOpen": 0.8})))
    assert wide.painted.sum() > 100
    assert closed.painted.max() < 0.05  # lips that touch hide the teeth
    rows, columns = np.nonzero(wide.painted > 0.5)
    lips = wide.landmarks[[*UPPER_INNER_LIP, *LOWER_INNER_LIP], :2]
    assert columns.min() > lips[:, 0].min() - 3
    assert rows.max() < lips[:, 1].max() + 3


def test_a_glance_moves_only_the_eyes(rig: PhotoRig) -> None:
    ahead = rig.render(still())
    aside = rig.render(Pose(shapes_from({}), gaze=(0.4, 0.0)))
    rows, columns = np.nonzero((ahead.image != aside.image).any(-1))
    assert len(rows) > 20
    lids = [i for upper, lower, _, _ in LIDS.values() for i in (*upper, *lower)]
    eyes = rig.rest[lids, :2]
    assert rows.min() > eyes[:, 1].min() - 5
    assert rows.max() < eyes[:, 1].max() + 5
    assert columns.min() > eyes[:, 0].min() - 5
