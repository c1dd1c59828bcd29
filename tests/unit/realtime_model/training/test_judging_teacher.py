"""The teacher that students are set beside: guidance in two passes, and what is compared."""

from dataclasses import replace

import pytest
import torch

from realtime_model.contract import AudioWindow, StreamOptions
from realtime_model.network import EmoNetwork
from realtime_model.portrait import FramedPortrait
from realtime_model.tiny import TinyEngine
from realtime_model.training.judging.teacher import GuidedEngine, compare
from tests.fakes.judged import judged


class Unguided(GuidedEngine):
    strength = 1.0


class Strong(GuidedEngine):
    strength = 3.0


@pytest.fixture
def velocities(network: EmoNetwork, framed: FramedPortrait) -> dict[str, torch.Tensor]:
    """What each engine predicts for one chunk of noise that hears something."""
    found = {}
    torch.nn.init.normal_(network.backbone.no_audio)
    for kind in (TinyEngine, Unguided, GuidedEngine, Strong):
        engine = kind(network)
        state = engine.begun(engine.prepare(framed), StreamOptions())
        dice = torch.Generator().manual_seed(0)
        samples = 0.1 * torch.randn(engine.config.geometry.window_samples, generator=dice)
        frames = engine.config.geometry.hop_frames
        noisy = torch.randn((1, frames, *state.last_hop.shape[1:]), generator=dice)
        with torch.inference_mode():
            heard = engine.hear([AudioWindow(samples.numpy(), 0)])
            found[kind.__name__] = engine.velocity([state], heard, [0])(noisy, torch.ones(1))
    return found


def test_guidance_of_one_changes_nothing(velocities: dict[str, torch.Tensor]) -> None:
    assert torch.equal(velocities["Unguided"], velocities["TinyEngine"])


def test_guidance_goes_on_along_the_line_from_silence_to_the_voice(
    velocities: dict[str, torch.Tensor],
) -> None:
    told = velocities["TinyEngine"]
    step = velocities["GuidedEngine"] - told
    assert step.abs().max() > 1e-4
    times = (Strong.strength - 1) / (GuidedEngine.strength - 1)
    assert torch.allclose(velocities["Strong"] - told, times * step, atol=1e-4)


def test_a_student_is_compared_on_the_clips_its_teacher_spoke() -> None:
    one = judged("anna", 0.9)
    better = replace(one, figures=replace(one.figures, identity_median=0.2))
    worse = replace(one, figures=replace(one.figures, lips=0.81, identity_median=0.3))
    figures = compare([worse, judged("bo", 0.1)], [better])
    assert figures == {
        "teacher_lips": 0.9,
        "lips_of_teacher": 0.9,
        "identity_of_teacher": 1.5,
    }


def test_who_measured_no_identity_compares_none() -> None:
    both = [judged("anna", 0.9)]
    assert compare(both, both).keys() == {"teacher_lips", "lips_of_teacher"}
