"""Starting weights land where they belong: in names, and in what the modules then do."""

from collections.abc import Callable

import pytest
import torch
from diffusers import MotionAdapter
from torch import Tensor

from realtime_model.config import UnetConfig
from realtime_model.errors import CheckpointError
from realtime_model.unet import hallo, initial
from realtime_model.unet.network import UnetNetwork
from realtime_model.unet.trunk import places
from tests.unit.realtime_model.unet.conftest import MINI, SIDE
from tests.unit.realtime_model.unet.test_trunk import config_with, diffusers_unet


def adapter(config: UnetConfig) -> MotionAdapter:
    return MotionAdapter(
        block_out_channels=config.widths,
        motion_layers_per_block=config.layers,
        motion_num_attention_heads=config.heads,
        motion_norm_num_groups=config.groups,
        motion_max_seq_length=config.max_frames,
        use_motion_mid_block=True,
    )


def published(prefix: str) -> dict[str, Tensor]:
    """Shapes of a module file as AnimateDiff's authors name its tensors."""
    start = "denoising_unet."
    return {
        prefix + key.removeprefix(start): torch.empty(shape, device="meta")
        for key, shape in hallo.layout(UnetConfig()).items()
        if key.startswith(start) and ".motion_modules." in key
    }


def test_both_networks_start_as_stable_diffusion() -> None:
    theirs = diffusers_unet(config_with())
    net = UnetNetwork(MINI).requires_grad_(False)
    left = initial.start(net, initial.from_stable_diffusion(theirs.state_dict(), MINI.unet))
    assert {name.split(".")[0] for name in left} == {"backbone", "locator", "face", "audio"}
    assert all("_modules." in name for name in left if name.startswith("backbone"))
    value = theirs.state_dict()["mid_block.attentions.0.proj_in.weight"]
    for ours in (net.reference, net.backbone):
        assert torch.equal(ours.state_dict()["mid_block.attentions.0.proj_in.weight"], value)
    # Silent modules leave Stable Diffusion's own answer.
    latent, tokens = torch.randn(1, 4, SIDE, SIDE), torch.randn(1, 4, 12)
    backbone = net.backbone
    face = backbone.face_keys(tokens)
    x = backbone.run(
        backbone.conv_in(latent),
        backbone.embed_timestep(torch.tensor([500])),
        lambda x, place: (
            backbone.attention(place)(x, face[backbone.sites.index(place)])[0]
            if place.attends
            else x
        ),
    )
    out = backbone.conv_out(backbone.conv_act(backbone.conv_norm_out(x)))
    with torch.no_grad():
        expected = theirs.eval()(latent, 500, tokens).sample
    assert torch.allclose(out, expected, atol=1e-5)


def test_the_published_unet_has_686_tensors_and_all_are_used() -> None:
    config = UnetConfig()
    with torch.device("meta"):
        state = diffusers_unet(config).state_dict()
    assert len(state) == 686
    ours = initial.from_stable_diffusion(state, config)
    assert len(ours) == 2 * (686 - 32) - 4  # keys and values are one; ReferenceNet ends earlier


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_published_motion_modules_have_588_tensors_and_all_are_used(prefix: str) -> None:
    state = published(prefix)
    assert len(state) == 588
    assert len(initial.from_animatediff(state)) == 588 - 42  # keys and values are one


def test_modules_of_a_motion_adapter_do_the_same_here(shake: Callable[..., None]) -> None:
    config = config_with()
    theirs = adapter(config).eval().requires_grad_(False)
    shake(theirs, 0.1)
    net = UnetNetwork(MINI).eval().requires_grad_(False)
    left = initial.start(net, initial.from_animatediff(theirs.state_dict(), config))
    assert {name.rsplit("_", 1)[0].split(".")[-1] for name in left if "motion_m" in name} == {
        "position"
    }
    found = dict(theirs.named_modules())
    assert len(places(config)) == 21
    for place in places(config):
        # diffusers norms all frames at once, AnimateDiff each by itself: frames of the same
        # values in other cells have the same norm both ways.
        cells = [torch.randn(place.width, 9) for _ in range(2)]
        frames = [row[:, torch.randperm(9)] for row in cells for _ in range(5)]
        x = torch.stack(frames).view(10, place.width, 3, 3)
        expected = found[place.path("motion_modules")](x, num_frames=5)
        ours = net.backbone.time(place)(x, rows=2)
        assert torch.allclose(ours, expected, atol=1e-5), place


def test_first_modules_of_24_places_in_time_are_refused() -> None:
    state = published("")
    for key, value in state.items():
        if key.endswith(".pe"):
            state[key] = value[:, :24]
    with pytest.raises(CheckpointError, match=r"other shapes for 42 tensors.*24, 320"):
        initial.from_animatediff(state)


def test_another_unet_is_refused() -> None:
    narrow = diffusers_unet(config_with()).state_dict()
    with pytest.raises(CheckpointError, match=r"not the UNet of Stable Diffusion.*other shapes"):
        initial.from_stable_diffusion(narrow)
