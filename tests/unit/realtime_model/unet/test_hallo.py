"""The map between Hallo's names and ours: all of `net.pth`, and nothing else."""

import hashlib
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from realtime_model.config import ModelConfig, UnetConfig
from realtime_model.errors import CheckpointError
from realtime_model.unet import hallo
from realtime_model.unet.network import UnetNetwork
from tests.unit.realtime_model.unet.conftest import MINI, Scene

# Over the sorted lines "key:d0,d1,..." of all tensors that Hallo's own classes build, and load
# from the published net.pth strictly.
GOLDEN = "26de271aecb0ad41c54f3781b218a392df5215fa31bfa5245481f9a4899f19de"


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    """A `net.pth` of full size, shapes alone."""
    shapes = hallo.layout(UnetConfig())
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


@pytest.fixture
def mini_state(shake: Callable[..., None]) -> dict[str, Tensor]:
    net = UnetNetwork(MINI)
    shake(net)
    return hallo.export(net)


def test_names_and_shapes_are_those_of_the_published_file(published: dict[str, Tensor]) -> None:
    lines = sorted(f"{k}:{','.join(map(str, v.shape))}" for k, v in published.items())
    assert len(lines) == 2656
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == GOLDEN


def test_the_published_file_counts_as_its_authors_say(published: dict[str, Tensor]) -> None:
    keys = Counter(key.split(".")[0] for key in published)
    assert keys == {
        "reference_unet": 682,
        "denoising_unet": 1946,
        "face_locator": 16,
        "imageproj": 4,
        "audioproj": 8,
    }
    assert round(sum(v.numel() for v in published.values()) / 1e6) == 2425


def test_a_file_of_full_size_fills_a_network_without_a_gap(published: dict[str, Tensor]) -> None:
    with torch.device("meta"):
        net = UnetNetwork(ModelConfig(name="emo-sd15", unet=UnetConfig()))
    net.load_state_dict(hallo.convert(published), strict=True, assign=True)


def test_what_is_exported_comes_back_as_it_was(mini_state: dict[str, Tensor]) -> None:
    net = UnetNetwork(MINI)
    hallo.load(net, mini_state)
    again = hallo.export(net)
    assert again.keys() == mini_state.keys()
    assert all(torch.equal(again[key], value) for key, value in mini_state.items())


def test_keys_and_values_keep_their_halves(mini_state: dict[str, Tensor]) -> None:
    ours = hallo.convert(mini_state, MINI.unet)
    at = "down_blocks.1.audio_modules.0."
    key, value = ours[f"backbone.{at}attn2.2.to_kv.weight"].chunk(2)
    theirs = f"denoising_unet.{at}transformer_blocks.0.attn2_2."
    assert torch.equal(key, mini_state[theirs + "to_k.weight"])
    assert torch.equal(value, mini_state[theirs + "to_v.weight"])


def test_speed_layers_stay_as_built(mini_state: dict[str, Tensor]) -> None:
    assert MINI.unet is not None
    plain = MINI.plain()
    plain["unet"]["speed"] = True
    net = UnetNetwork(ModelConfig.read(plain))
    before = {k: v.clone() for k, v in net.state_dict().items() if "speed" in k}
    assert len(before) > 16
    hallo.load(net, mini_state)
    assert all(torch.equal(net.state_dict()[k], v) for k, v in before.items())
    assert hallo.export(net).keys() == mini_state.keys()


def test_the_preset_runs_as_its_authors_run_it() -> None:
    config = hallo.CONFIG
    assert (config.geometry.hop_frames, config.geometry.fps) == (16, 25)
    assert (config.geometry.width_px, config.geometry.height_px) == (512, 512)
    assert config.geometry.past_samples == 8 * 16_000
    assert (config.sampler.steps, config.sampler.guidance) == (40, 3.5)
    assert config.audio.margin_frames == config.geometry.lookahead_frames == 2
    assert config.unet is not None
    assert (config.unet.motion_frames, config.unet.first_motion) == (2, "portrait")
    assert not config.unet.unattended_motion
    assert ModelConfig.read(config.plain()) == config


def without(state: dict[str, Tensor]) -> None:
    del state["audioproj.norm.bias"]


def with_another(state: dict[str, Tensor]) -> None:
    state["denoising_unet.extra.weight"] = torch.zeros(1)


def with_another_shape(state: dict[str, Tensor]) -> None:
    state["imageproj.proj.bias"] = torch.zeros(3)


def under_a_wrapper(state: dict[str, Tensor]) -> None:
    for key in list(state):
        state[f"module.{key}"] = state.pop(key)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without, r"lacks 1 tensors, the first is audioproj\.norm\.bias"),
        (with_another, r"adds 1 tensors, the first is denoising_unet\.extra"),
        (
            with_another_shape,
            r"other shapes for 1 tensors, the first is imageproj\.proj\.bias \(3,",
        ),
        (under_a_wrapper, r"lacks 2656 tensors.*adds 2656 tensors"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(
    spoil: Callable[[dict[str, Tensor]], None], said: str, published: dict[str, Tensor]
) -> None:
    state = dict(published)
    spoil(state)
    found = hallo.differences(state)
    assert found
    with pytest.raises(CheckpointError, match=said):
        hallo.convert(state)


def test_what_fits_differs_in_nothing(published: dict[str, Tensor]) -> None:
    found = hallo.differences(published)
    assert not found
    assert (found.missing, found.unexpected, found.misshapen) == ((), (), ())


def test_a_loaded_network_answers_as_the_exported_one(scene: Scene) -> None:
    other = UnetNetwork(scene.net.config).eval().requires_grad_(False)
    hallo.load(other, hallo.export(scene.net))
    before = scene.velocity()
    scene.net = other
    assert torch.equal(scene.velocity(), before)
