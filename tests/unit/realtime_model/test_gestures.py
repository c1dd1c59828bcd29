"""Gestures: alive, modest, and the same however a stream is cut into chunks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.gestures import GESTURES, UNITS, blinks, gestures, speeds_deg

MINUTE = 60 * 25


def shut(closed: NDArray[np.float32]) -> int:
    """How often the eyes close."""
    down = closed > 0.8
    return int((down[1:] & ~down[:-1]).sum())


@pytest.mark.parametrize("hop", [1, 4, 7])
def test_chunks_equal_the_whole(hop: int) -> None:
    whole = gestures(3, 0, 140)
    chunks = [gestures(3, start, hop) for start in range(0, 140, hop)]
    assert np.allclose(np.concatenate(chunks), whole, atol=1e-6)
    lids = [blinks(3, start, hop, per_minute=30) for start in range(0, 140, hop)]
    assert np.array_equal(np.concatenate(lids)[:140], blinks(3, 0, 140, per_minute=30))


def test_a_seed_decides_them() -> None:
    assert np.array_equal(gestures(1, 50, 20), gestures(1, 50, 20))
    assert not np.array_equal(gestures(1, 50, 20), gestures(2, 50, 20))


@pytest.mark.parametrize("seed", range(4))
def test_people_blink_as_often_as_people_do(seed: int) -> None:
    assert 12 <= shut(blinks(seed, 0, MINUTE, per_minute=18.0)) <= 30
    assert (blinks(seed, 0, MINUTE, per_minute=18.0) > 0.8).mean() < 0.1


def test_blinks_come_as_often_as_asked() -> None:
    counts = [shut(blinks(2, 0, 4 * MINUTE, per_minute=rate)) / 4 for rate in (0, 6, 18, 40)]
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[1:] == pytest.approx([6, 18, 40], rel=0.35)


def test_the_head_turns_a_few_degrees_and_smoothly() -> None:
    turns = np.degrees(gestures(5, 0, MINUTE)[:, :3] * UNITS[:3])
    assert (turns.std(0) > 0.5).all()
    assert np.abs(turns).max() < 20
    assert np.abs(np.diff(turns, axis=0)).max() < 2
    assert np.abs(turns.mean(0)).max() < 2


def test_without_liveliness_all_is_still() -> None:
    assert gestures(5, 0, MINUTE, liveliness=0.0).max() == 0


@pytest.mark.parametrize("pace", [0.5, 2.0])
def test_a_head_turns_as_far_and_as_fast_as_asked(pace: float) -> None:
    usual, other = (gestures(5, 0, 4 * MINUTE, head_speed=p) for p in (1.0, pace))
    assert other[:, :3].std() == pytest.approx(usual[:, :3].std(), rel=0.1)
    assert speeds_deg(other).mean() == pytest.approx(pace * speeds_deg(usual).mean(), rel=0.12)
    assert np.allclose(gestures(5, 30, 4, head_speed=pace), other[30:34], atol=1e-6)


def test_the_speed_of_a_head_is_its_turn_from_frame_to_frame() -> None:
    drawn = np.zeros((3, len(GESTURES)), np.float32)
    drawn[1, 1] = 0.2  # one degree of yaw
    drawn[2] = (0.6, 0.2 + 0.8, 0, 1, 1)  # 3 and 4 more; glances are no turns
    assert speeds_deg(drawn) == pytest.approx([1, 5], rel=1e-5)


def test_eyes_stay_near_the_viewer() -> None:
    gaze = gestures(6, 0, MINUTE)[:, 3:] * UNITS[3:]
    assert np.abs(gaze).max() < 0.5  # of an iris
    assert np.median(np.abs(gaze)) < 0.1


def test_hours_into_a_stream_with_a_huge_seed_they_are_as_alive() -> None:
    late = gestures(2**62 + 1, 10 * 60 * MINUTE, 200)
    assert late.shape == (200, len(GESTURES))
    assert np.isfinite(late).all()
    assert late[:, 1].std() > 0
