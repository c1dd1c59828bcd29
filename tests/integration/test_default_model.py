"""The shipped weights on a photograph they never saw: at rest, and told how to move."""

import numpy as np
import pytest

from realtime_model.contract import RgbImage, StreamOptions
from realtime_model.face import FaceLandmarker
from realtime_model.factory import build_model
from realtime_model.generator import Generator
from realtime_model.portrait import frame_portrait
from realtime_model.training.evaluation import film_chunks, track

SILENCE = np.zeros(16_000 * 2, np.int16)


@pytest.fixture(scope="module")
def model() -> Generator:
    return build_model(threads=1)


@pytest.mark.parametrize("expression", [0.5, 1.0, 1.5])
def test_a_laughing_mouth_closes_in_silence(
    model: Generator, astronaut: RgbImage, expression: float
) -> None:
    options = StreamOptions(blinks=0, expression=expression)
    frames = np.concatenate(list(film_chunks(model, astronaut, SILENCE, 50, options=options)))
    landmarker = FaceLandmarker()
    laughing = frame_portrait(astronaut, landmarker).image
    in_picture = float(track([laughing, laughing], landmarker).opening[-1])
    at_rest = track(frames, landmarker).opening[12:]
    assert in_picture > 0.05
    assert float(np.median(at_rest)) < 0.25 * in_picture


def test_a_faster_head_turns_faster(model: Generator, astronaut: RgbImage) -> None:
    def speed(head_speed: float) -> float:
        options = StreamOptions(seed=3, blinks=0, head_speed=head_speed)
        frames = list(film_chunks(model, astronaut, SILENCE, 100, options=options))
        angles = track(np.concatenate(frames), FaceLandmarker()).angles_deg
        return float(np.linalg.norm(np.diff(angles[::4], axis=0), axis=1).mean())

    assert speed(2.0) > 1.3 * speed(0.5)
