"""The judge of pictures must know still from flickering, smooth from jumping, sharp from soft."""

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.portrait import FramedPortrait
from realtime_model.training.judging.picture import (
    background_change,
    face_box,
    flicker,
    mean_colour,
    seam_score,
    sharpness_ratio,
)


@pytest.fixture
def still(framed: FramedPortrait) -> NDArray[np.uint8]:
    return np.stack([framed.image] * 13)


def brightened(still: NDArray[np.uint8], levels: list[int]) -> NDArray[np.uint8]:
    rise = np.array(levels)[:, None, None, None]
    return np.asarray(np.clip(still // 2 + rise, 0, 255), np.uint8)


def test_a_still_film_has_no_change_no_flicker_and_no_seam(
    still: NDArray[np.uint8], framed: FramedPortrait
) -> None:
    assert background_change(still, framed) == 0
    assert flicker(still, framed) == 0
    assert seam_score(still, framed, 4) == 1.0
    assert sharpness_ratio(still, framed) == pytest.approx(1)


def test_light_that_rises_steadily_changes_but_does_not_flicker(
    still: NDArray[np.uint8], framed: FramedPortrait
) -> None:
    rising = brightened(still, [3 * n for n in range(13)])
    assert background_change(rising, framed) == pytest.approx(3)
    assert flicker(rising, framed) == 0
    nervous = brightened(still, [3 * (n % 2) for n in range(13)])
    assert background_change(nervous, framed) == pytest.approx(3)
    assert flicker(nervous, framed) == pytest.approx(6)


def test_a_jump_from_chunk_to_chunk_is_a_seam(
    still: NDArray[np.uint8], framed: FramedPortrait
) -> None:
    steady = brightened(still, [2 * n for n in range(13)])
    assert seam_score(steady, framed, 4) == pytest.approx(1.0, abs=0.01)
    jumping = brightened(still, [n + 5 * (n // 4) for n in range(13)])
    assert seam_score(jumping, framed, 4) == pytest.approx(6.0, abs=0.05)
    assert seam_score(jumping, framed, 3) < 2  # the jumps are elsewhere
    assert seam_score(jumping[:3], framed, 4) == 1.0  # no edge in three frames


def test_a_blurred_face_is_less_sharp(still: NDArray[np.uint8], framed: FramedPortrait) -> None:
    blurred = (still.astype(int) + np.roll(still, 2, 1) + np.roll(still, 2, 2)) // 3
    assert sharpness_ratio(blurred.astype(np.uint8), framed) < 0.7


def test_the_face_box_holds_the_face_and_leaves_the_corners(framed: FramedPortrait) -> None:
    box = face_box(framed)
    assert 0 < box.left < box.right < 256
    assert 0 < box.top < box.bottom <= 256
    painted = framed.image.copy()
    painted[:8] = 255
    assert np.array_equal(mean_colour(painted, box), mean_colour(framed.image, box))
    box.cut(painted)[:] = (10, 20, 30)
    assert mean_colour(painted, box).tolist() == [10, 20, 30]
