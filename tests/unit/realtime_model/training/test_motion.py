"""Performances: the same seed the same, alive in silence, still when asked."""

import numpy as np
import pytest

from realtime_model.rig import arkit_labels
from realtime_model.training.motion import Performance, loudness_of, perform

JAW = arkit_labels().index("jawOpen")
FRAMES = 750


def silent(seed: int, *, liveliness: float = 1.0) -> Performance:
    mouth = np.zeros((FRAMES, 52), np.float32)
    return perform(mouth, np.zeros(FRAMES, np.float32), seed, liveliness=liveliness)


def test_a_seed_decides_the_performance() -> None:
    one, two, other = silent(1), silent(1), silent(2)
    for name in ("shapes", "rotation_rad", "shift", "gaze"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))


def test_silence_keeps_the_mouth_closed_and_the_head_alive() -> None:
    acted = silent(4)
    assert acted.shapes[:, JAW].max() == 0
    assert acted.rotation_rad.std() > 0
    assert acted.gaze.std() > 0


def test_without_liveliness_the_head_is_still() -> None:
    acted = silent(4, liveliness=0.0)
    assert acted.rotation_rad.max() == acted.shift.max() == 0
    assert acted.speed_deg.max() == 0


def test_speed_is_the_angle_between_frames() -> None:
    turn = np.zeros((4, 3), np.float32)
    turn[:, 1] = np.radians([0, 1, 3, 3])
    zero = np.zeros((4, 2), np.float32)
    acted = Performance(np.zeros((4, 52), np.float32), turn, zero, zero)
    assert acted.speed_deg.tolist() == pytest.approx([0, 1, 2, 0], abs=1e-4)
    assert len(acted) == 4
    assert acted.pose(2).rotation_rad[1] == pytest.approx(np.radians(3))


def test_speech_passes_through_and_moves_the_head_more() -> None:
    rng = np.random.default_rng(0)
    mouth = np.zeros((FRAMES, 52), np.float32)
    mouth[:, JAW] = 0.5
    loud = np.repeat(rng.random(FRAMES // 10), 10).astype(np.float32)
    acted = perform(mouth, loud, 5)
    assert np.allclose(acted.shapes[:, JAW], 0.5)
    assert acted.rotation_rad.std() > silent(5).rotation_rad.std()
    assert acted.shapes.min() >= 0


def test_loudness_runs_from_silence_to_full_scale() -> None:
    sound = np.zeros(3 * 640, np.int16)
    sound[640:1280] = 3276  # -20 dB
    sound[1280:] = 32767
    assert loudness_of(sound, 3).tolist() == pytest.approx([0, 0.75, 1], abs=0.01)
    assert loudness_of(sound, 5).tolist()[3:] == [0, 0]
