"""The ear alone: asked about every clip under every mishap, and harmed by what harms a voice."""

import numpy as np
import pytest

from realtime_model.checkpoint import DEFAULT_PRESET, load_network
from realtime_model.training.judging.ear import MISHAPS, judge_ear
from realtime_model.training.judging.targets import TARGETS
from realtime_model.training.rendering import Clip
from realtime_model.training.speech.corpus import finished
from realtime_model.training.speech.neural import load_hibari


@pytest.fixture(scope="module")
def spoken() -> list[Clip]:
    voice = load_hibari(threads=1)
    made = []
    for number, text in enumerate(["My mother made marmalade on Monday.", "Why would Hugo bow?"]):
        clip = finished(voice.speak(text, 1.0), "heart", "hibari", "en-us", text, "heldout")
        mouth = clip.curves.astype(np.float32)
        made.append(Clip(f"hibari-{number}", "heldout", "en-us", clip.audio, mouth))
    return made


def test_the_embedded_ear_hears_clean_speech_best(spoken: list[Clip]) -> None:
    network = load_network(DEFAULT_PRESET)
    figures = dict(judge_ear(network, spoken))
    assert list(figures) == list(MISHAPS)
    assert figures["heard"] > 0.8
    assert figures["heard_quiet"] == pytest.approx(figures["heard"], abs=0.05)
    assert figures["heard_music"] < figures["heard"]
    assert not network.audio.training


def test_every_figure_is_explained_in_the_report() -> None:
    assert set(MISHAPS) <= set(TARGETS)
