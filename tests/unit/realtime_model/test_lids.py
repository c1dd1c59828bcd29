import numpy as np

from realtime_model.face import FaceLandmarker
from realtime_model.lids import LEVELS, level_of, with_lids
from realtime_model.portrait import FramedPortrait
from realtime_model.training.evaluation import eye_opening


def openness(portrait: FramedPortrait, closed: float) -> float:
    image = with_lids(portrait.image, portrait.landmarks, closed)
    face = FaceLandmarker().track(image, None)
    assert face is not None
    return eye_opening(face)


def test_open_lids_leave_the_portrait_as_it_is(framed: FramedPortrait) -> None:
    np.testing.assert_array_equal(with_lids(framed.image, framed.landmarks, 0.0), framed.image)


def test_the_eyes_close_step_by_step(framed: FramedPortrait) -> None:
    seen = [openness(framed, level) for level in LEVELS]
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < 0.6 * seen[0]


def test_nothing_but_the_eyes_moves(framed: FramedPortrait) -> None:
    closed = with_lids(framed.image, framed.landmarks, 1.0)
    below = int(framed.landmarks[4, 1])  # the tip of the nose
    np.testing.assert_array_equal(closed[below:], framed.image[below:])
    np.testing.assert_array_equal(closed[:8], framed.image[:8])


def test_each_blink_takes_the_nearest_position() -> None:
    assert level_of(np.array([0.0, 0.3, 0.6, 0.9])).tolist() == [0, 1, 2, 3]
