"""Two portraits and three clips, small enough to play in a test."""

import numpy as np
import pytest

from realtime_model.contract import RgbImage
from realtime_model.face import FaceLandmarker
from realtime_model.portrait import FramedPortrait, frame_portrait
from realtime_model.rig import arkit_labels
from realtime_model.training.rendering import Clip, Sitter

JAW = arkit_labels().index("jawOpen")
FRAME = 640


def spoken(name: str, split: str, frames: int, seed: int) -> Clip:
    """Syllables of noise; the jaw opens as far as the sound is loud."""
    rng = np.random.default_rng(seed)
    beat = np.clip(np.sin(np.arange(frames) / 2.5 + rng.uniform(0, 6)), 0, 1)
    mouth = np.zeros((frames, len(arkit_labels())), np.float32)
    mouth[:, JAW] = 0.6 * beat
    sound = rng.normal(0, 6000, frames * FRAME) * np.repeat(beat, FRAME)
    return Clip(name, split, "en-us", sound.clip(-32768, 32767).astype(np.int16), mouth)


@pytest.fixture(scope="session")
def sitters(
    framed: FramedPortrait, astronaut: RgbImage, landmarker: FaceLandmarker
) -> list[Sitter]:
    mirrored = frame_portrait(np.ascontiguousarray(astronaut[:, ::-1]), landmarker)
    return [Sitter("one", "train", framed), Sitter("two", "train", mirrored)]


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    return [spoken(f"clip-{n}", "train", 28, n) for n in range(3)]
