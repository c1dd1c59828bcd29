"""The judge of lips must know speech from mumbling: each rule holds for a good mouth only."""

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.training.judging.lips import (
    MouthScale,
    closures,
    rounding,
    silent_frames,
    silent_opening,
    vowels_above,
)
from realtime_model.training.speech.phones import Phone

# "mapi": each sound lasts 4 frames; the last one is "u".
PHONES = [
    Phone(ipa, start / 25, (start + 4) / 25)
    for ipa, start in (("m", 0), ("a", 4), ("p", 8), ("i", 12), ("s", 16), ("u", 20))
]
NUMBERS = np.arange(24)
SCALE = MouthScale(zero=0.03, reach=0.1)


def spoken(levels: list[float]) -> NDArray[np.float32]:
    """Openings of the six sounds, in speaking ranges above zero."""
    return np.repeat(np.array(levels, np.float32), 4) * 0.1 + np.float32(0.03)


GOOD = spoken([0.0, 1.0, 0.0, 0.6, 0.4, 0.5])


def noise(frames: int, loud: range) -> NDArray[np.int16]:
    sound = np.zeros(frames * 640, np.int16)
    rng = np.random.default_rng(0)
    span = slice(loud.start * 640, loud.stop * 640)
    sound[span] = rng.integers(-9000, 9000, len(loud) * 640)
    return sound


def test_silence_begins_late_and_ends_before_the_sound() -> None:
    silent = silent_frames(noise(60, range(10, 20)), 60)
    assert np.flatnonzero(silent).tolist() == list(range(27, 60))
    again = silent_frames(noise(60, range(40, 60)), 60)
    assert np.flatnonzero(again).tolist() == list(range(7, 37))


def test_a_portrait_that_reads_open_while_closed_is_at_rest() -> None:
    silent = np.arange(60) >= 30
    opening = np.where(silent, 0.03, 0.13).astype(np.float32)
    assert silent_opening(opening, silent, MouthScale.of(opening, 0.03)) == 0
    ajar = silent_opening(opening, silent, MouthScale.of(opening, 0.01))
    assert ajar == pytest.approx(0.02 / 0.12, rel=0.01)
    tighter = silent_opening(opening, silent, MouthScale.of(opening, 0.05))
    assert tighter == 0


def test_a_clip_without_silence_says_nothing_about_it() -> None:
    opening = np.full(60, 0.1, np.float32)
    assert silent_opening(opening, np.arange(60) < 10, SCALE) is None


def test_closures_are_counted_on_p_and_m_only() -> None:
    share = closures(GOOD, NUMBERS, PHONES, SCALE)
    assert (share.held, share.total, share.value) == (2, 2, 1.0)
    ajar = spoken([0.0, 1.0, 0.3, 0.6, 0.0, 0.5])  # shut on s, not on p
    assert closures(ajar, NUMBERS, PHONES, SCALE).value == 0.5
    assert closures(GOOD, NUMBERS, PHONES[4:], SCALE).value is None


@pytest.mark.parametrize(("late", "held"), [(0, 2), (1, 2), (2, 0)])
def test_lips_may_close_one_frame_late_and_no_more(late: int, held: int) -> None:
    opening = spoken([1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    for start in (0, 8):
        opening[start + 3 + late] = 0.03
    assert closures(opening, NUMBERS, PHONES, SCALE).held == held


def test_every_second_frame_is_enough_to_see_a_closure() -> None:
    half = NUMBERS[::2]
    assert closures(GOOD[half], half, PHONES, SCALE).value == 1.0
    # Taken for neighbouring frames, they would come twice too early.
    assert closures(GOOD[half], np.arange(len(half)), PHONES, SCALE).value != 1.0


def test_vowels_open_above_the_lips_beside_them() -> None:
    assert vowels_above(GOOD, NUMBERS, PHONES).value == 1.0
    assert vowels_above(GOOD, NUMBERS, PHONES).total == 3  # m-a, a-p, p-i
    still = np.full_like(GOOD, 0.05)
    assert vowels_above(still, NUMBERS, PHONES).value == 0.0
    swapped = spoken([0.5, 1.0, 0.5, 0.3, 0.4, 0.5])
    assert vowels_above(swapped, NUMBERS, PHONES).held == 2


def test_a_rounded_mouth_is_narrower_on_u_than_on_i() -> None:
    width = spoken([0.5, 0.5, 0.5, 0.8, 0.5, 0.2])
    found = rounding(width, NUMBERS, PHONES)
    assert found is not None
    assert found > 2
    assert rounding(-width, NUMBERS, PHONES) == pytest.approx(-found, rel=1e-4)
    assert rounding(np.full_like(width, 0.3), NUMBERS, PHONES) is None
    assert rounding(width, NUMBERS, PHONES[:4]) is None


def test_the_end_of_a_diphthong_counts_as_its_own_sound() -> None:
    sounds = [Phone("aʊ", 0.0, 12 / 25), Phone("i", 12 / 25, 24 / 25)]
    width = np.full(24, 0.4, np.float32)
    width[7:12] = 0.2
    found = rounding(width, NUMBERS, sounds)
    assert found is not None
    assert found > 1
