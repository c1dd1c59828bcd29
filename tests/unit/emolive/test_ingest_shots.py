"""Cuts and stretches, curves of a mouth and a sound: decided without a film."""

import numpy as np
import pytest
from numpy.typing import NDArray

from emolive.ingest.judging import check_sync, span_of, speech_share
from emolive.ingest.shots import Shot, difference, find_shots, is_other_scene, jumps

FRAME = 640


def test_a_stretch_ends_at_cuts_and_where_the_face_is_gone() -> None:
    present = np.array([0, 1, 1, 1, 0, 0, 1, 1, 1, 1], bool)
    starts = np.zeros(10, bool)
    starts[8] = True
    assert find_shots(present, starts) == [Shot(1, 4), Shot(6, 8), Shot(8, 10)]
    assert find_shots(np.zeros(3, bool), np.zeros(3, bool)) == []
    assert find_shots(np.zeros(0, bool), np.zeros(0, bool)) == []


def test_another_scene_is_told_by_its_colours_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 120, (36, 64, 3)).astype(np.uint8)
    grainy = np.clip(one + rng.normal(0, 3, one.shape), 0, 255).astype(np.uint8)
    assert not is_other_scene(one, grainy)
    assert not is_other_scene(one, np.roll(one, 9, 1))  # the camera moved
    assert is_other_scene(one, 255 - one)
    wall, brighter = np.full_like(one, 31), np.full_like(one, 33)  # of another colour, hardly
    assert not is_other_scene(wall, brighter)
    assert difference(wall, brighter) == 2


def test_a_head_that_is_suddenly_elsewhere_is_a_cut_and_a_quick_nod_is_none() -> None:
    moved = np.full(60, 0.01, np.float32)
    moved[30] = 0.4
    assert np.flatnonzero(jumps(moved, 0.1)).tolist() == [30]
    nod = 0.12 * np.exp(-(((np.arange(60) - 30) / 8.0) ** 2)).astype(np.float32)
    assert not jumps(nod + np.float32(0.01), 0.1).any()
    gone = moved.copy()
    gone[28:33] = np.nan
    assert not jumps(gone, 0.1).any()


def syllables(frames: int, seed: int = 0) -> NDArray[np.float32]:
    """Loudness of somebody who speaks, a value a frame."""
    rng = np.random.default_rng(seed)
    whole = np.convolve(rng.random(frames + 8) > 0.6, np.hanning(5), "same")[4:-4]
    return whole.astype(np.float32)


def voice(loudness: NDArray[np.float32]) -> NDArray[np.int16]:
    noise = np.random.default_rng(1).normal(0, 3_000, len(loudness) * FRAME)
    return np.asarray(noise * np.repeat(loudness, FRAME), np.int16)


@pytest.mark.parametrize("late", [-9, -2, 0, 5, 12])
def test_how_late_a_mouth_is_is_found(late: int) -> None:
    loudness = syllables(150)
    mouth = np.roll(loudness, late) + np.random.default_rng(2).normal(0, 0.2, 150)
    found = check_sync(mouth, voice(loudness))
    assert found.lag_frames == late
    assert found.correlation > 0.6
    assert found.confidence > 0.4


def test_a_mouth_that_says_something_else_is_not_believed() -> None:
    found = [check_sync(syllables(150, s), voice(syllables(150, s + 50))) for s in range(5)]
    assert max(f.correlation for f in found) < 0.45
    assert np.median([f.correlation for f in found]) < 0.3
    still = check_sync(np.zeros(150), voice(syllables(150)))
    assert (still.correlation, still.confidence) == (0.0, 0.0)


def test_sound_is_moved_by_whole_frames() -> None:
    samples = np.repeat(np.arange(10, dtype=np.int16), FRAME)
    assert span_of(samples, 4, 6)[::FRAME].tolist() == [4, 5]
    assert span_of(samples, 4, 6, 3)[::FRAME].tolist() == [1, 2]  # later: what was said before
    assert span_of(samples, 4, 6, -3)[::FRAME].tolist() == [7, 8]
    assert span_of(samples, 8, 14)[::FRAME].tolist() == [8, 9]


def test_silence_and_a_steady_noise_are_no_speech() -> None:
    rng = np.random.default_rng(0)
    assert speech_share(np.zeros(32_000, np.int16)) == 0
    assert speech_share(rng.normal(0, 20, 32_000).astype(np.int16)) == 0
    assert speech_share(np.zeros(0, np.int16)) == 0
