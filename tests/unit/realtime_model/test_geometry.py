"""Windows tile the sound exactly."""

import numpy as np
import pytest

from realtime_model.errors import ConfigError
from realtime_model.geometry import WindowGeometry


def test_one_window_is_past_hop_and_lookahead() -> None:
    geometry = WindowGeometry()
    assert geometry.samples_per_frame == 640
    assert geometry.window_samples == (16 + 4 + 2) * 640
    assert (geometry.hop_s, geometry.frame_s) == (0.16, 0.04)


def test_hops_of_successive_windows_tile_the_stream() -> None:
    geometry = WindowGeometry()
    stream = np.arange(-geometry.past_samples, 10 * geometry.hop_samples)
    hops = []
    for chunk in range(5):
        start = chunk * geometry.hop_samples
        window = stream[start : start + geometry.window_samples]
        hops.append(window[geometry.past_samples :][: geometry.hop_samples])
    assert np.array_equal(np.concatenate(hops), np.arange(5 * geometry.hop_samples))


@pytest.mark.parametrize(
    "sizes", [{"fps": 30}, {"hop_frames": 0}, {"lookahead_frames": -1}, {"past_frames": -1}]
)
def test_impossible_sizes_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        WindowGeometry(**sizes)
