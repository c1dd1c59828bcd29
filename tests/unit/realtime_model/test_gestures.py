"""Gestures: alive, modest, and the same however a stream is cut into chunks."""

import numpy as np
import pytest

from realtime_model.gestures import GESTURES, UNITS, gestures

BLINK, MINUTE = GESTURES.index("blink"), 60 * 25


@pytest.mark.parametrize("hop", [1, 4, 7])
def test_chunks_equal_the_whole(hop: int) -> None:
    whole = gestures(3, 0, 140)
    chunks = [gestures(3, start, hop) for start in range(0, 140, hop)]
    assert np.allclose(np.concatenate(chunks), whole, atol=1e-6)


def test_a_seed_decides_them() -> None:
    assert np.array_equal(gestures(1, 50, 20), gestures(1, 50, 20))
    assert not np.array_equal(gestures(1, 50, 20), gestures(2, 50, 20))


@pytest.mark.parametrize("seed", range(4))
def test_people_blink_as_often_as_people_do(seed: int) -> None:
    closed = gestures(seed, 0, MINUTE)[:, BLINK] > 0.8
    blinks = int((closed[1:] & ~closed[:-1]).sum())
    assert 12 <= blinks <= 30
    assert closed.mean() < 0.1


def test_the_head_turns_a_few_degrees_and_smoothly() -> None:
    turns = np.degrees(gestures(5, 0, MINUTE)[:, :3] * UNITS[:3])
    assert (turns.std(0) > 0.5).all()
    assert np.abs(turns).max() < 20
    assert np.abs(np.diff(turns, axis=0)).max() < 2
    assert np.abs(turns.mean(0)).max() < 2


def test_without_liveliness_only_the_blinks_stay() -> None:
    still = gestures(5, 0, MINUTE, liveliness=0.0)
    assert np.array_equal(still[:, BLINK], gestures(5, 0, MINUTE)[:, BLINK])
    assert np.delete(still, BLINK, 1).max() == 0


def test_eyes_stay_near_the_viewer() -> None:
    gaze = gestures(6, 0, MINUTE)[:, 4:] * UNITS[4:]
    assert np.abs(gaze).max() < 0.5  # of an iris
    assert np.median(np.abs(gaze)) < 0.1


def test_hours_into_a_stream_with_a_huge_seed_they_are_as_alive() -> None:
    late = gestures(2**62 + 1, 10 * 60 * MINUTE, 200)
    assert late.shape == (200, len(GESTURES))
    assert np.isfinite(late).all()
    assert late[:, 1].std() > 0
