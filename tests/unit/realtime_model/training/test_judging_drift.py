"""The long film: what fades is noticed, what only talks is not, and no film is held."""

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.generator import Generator
from realtime_model.network import EmoNetwork
from realtime_model.portrait import FramedPortrait
from realtime_model.tiny import TinyEngine
from realtime_model.training.judging.drift import Drift, DriftMeter, film_drift, frames_of
from realtime_model.training.rendering import Clip, Sitter


def watched(portrait: FramedPortrait, film: list[RgbImage]) -> Drift:
    meter = DriftMeter(portrait, len(film), None)
    for number, frame in enumerate(film):
        meter.look(number, frame)
    return Drift("one", "clip", 1.0, meter.tenth(last=False), meter.tenth(last=True))


def test_a_steady_film_does_not_drift(framed: FramedPortrait) -> None:
    drift = watched(framed, [framed.image] * 40)
    assert drift.summary == {"drift_colour": 0.0, "drift_sharpness": 0.0}
    assert drift.first == drift.last


def test_a_film_that_fades_drifts_by_what_it_lost(framed: FramedPortrait) -> None:
    dim = (framed.image * 0.8).astype(np.uint8)
    drift = watched(framed, [framed.image] * 20 + [dim] * 20)
    assert drift.summary["drift_colour"] == pytest.approx(0.2, abs=0.01)
    assert drift.summary["drift_sharpness"] == pytest.approx(1 - 0.8**2, abs=0.03)


def test_the_middle_of_a_film_is_not_judged(framed: FramedPortrait) -> None:
    black = np.zeros_like(framed.image)
    film = [framed.image] * 4 + [black] * 32 + [framed.image] * 4
    assert watched(framed, film).summary["drift_colour"] == 0.0


def test_another_face_at_the_end_is_another_identity(framed: FramedPortrait) -> None:
    class Embedder:
        """Tells faces apart by their brightness."""

        def distances(self, portrait: RgbImage, frames: RgbImage) -> NDArray[np.float64]:
            return np.asarray(np.abs(frames.mean((1, 2, 3)) - portrait.mean()) / 255)

    meter = DriftMeter(framed, 40, Embedder())  # type: ignore[arg-type]  # only distances is used
    other = np.full_like(framed.image, 255)
    for number in range(40):
        meter.look(number, framed.image if number < 30 else other)
    drift = Drift("one", "clip", 1.0, meter.tenth(last=False), meter.tenth(last=True))
    assert drift.first.identity == 0
    assert drift.summary["drift_identity"] == pytest.approx(1 - framed.image.mean() / 255, abs=0.01)


def test_a_long_film_loops_its_voice_and_shows_every_frame(
    network: EmoNetwork, sitters: list[Sitter], clips: list[Clip]
) -> None:
    class Counted(DriftMeter):
        def look(self, number: int, frame: RgbImage) -> None:
            seen.append(number)
            super().look(number, frame)

    seen: list[int] = []
    meter = Counted(sitters[0].portrait, frames_of(0), None)
    picture, audio = sitters[0].portrait.image, clips[0].audio[: 640 * 6]
    done = list(film_drift(Generator(TinyEngine(network)), picture, audio, meter))
    assert seen == list(range(20))
    assert done == [4, 8, 12, 16, 20]
    assert meter.tenth(last=True).sharpness > 0


def test_ten_minutes_are_fifteen_thousand_frames() -> None:
    assert frames_of(10) == 15_000
