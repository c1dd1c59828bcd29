"""Music that nobody wrote, to talk over."""

import numpy as np
import pytest

from realtime_model.training.speech.music import made_up


@pytest.mark.parametrize("length", [1, 15_999, 80_000])
def test_music_is_as_long_as_asked_and_the_same_for_the_same_state(length: int) -> None:
    one, two = (made_up(length, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == (length,)
    np.testing.assert_array_equal(one, two)


def test_music_has_tones_and_changes_with_its_chords() -> None:
    piece = made_up(160_000, np.random.default_rng(1))
    starts = range(0, 160_000, 32_000)
    beginnings = [np.abs(np.fft.rfft(piece[start : start + 16_000])) for start in starts]
    for spectrum in beginnings:
        # A tone stands far above what is usual; noise of this length does not.
        assert spectrum.max() > 30 * np.median(spectrum)
    assert np.corrcoef(np.stack(beginnings)).min() < 0.8
