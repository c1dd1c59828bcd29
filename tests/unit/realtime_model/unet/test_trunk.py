"""The UNet against diffusers' own, which was written by others."""

from collections.abc import Callable

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from realtime_model.config import UnetConfig
from realtime_model.errors import ConfigError
from realtime_model.unet import hallo
from realtime_model.unet.reference import ReferenceNet
from realtime_model.unet.trunk import places, sites
from tests.unit.realtime_model.unet.conftest import ECHO, MINI, SIDE

ATTENDS = {
    True: ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"),
    False: ("DownBlock2D", "UpBlock2D"),
}


def diffusers_unet(config: UnetConfig) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        block_out_channels=config.widths,
        layers_per_block=config.layers,
        attention_head_dim=config.heads,  # diffusers' name for the number of heads
        norm_num_groups=config.groups,
        cross_attention_dim=config.token_dim,
        down_block_types=tuple(ATTENDS[a][0] for a in config.attend),
        up_block_types=tuple(ATTENDS[a][1] for a in reversed(config.attend)),
    )


def stable_diffusions(net: nn.Module) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for name, value in net.state_dict().items():
        keys = hallo.theirs(name)
        out.update(zip(keys, value.chunk(len(keys)), strict=True))
    return out


def config_with(**changes: object) -> UnetConfig:
    assert MINI.unet is not None
    return UnetConfig(**{**MINI.plain()["unet"], **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"widths": (8, 16), "attend": (True, False)},
        {"attend": (False, True, True, True)},
        {"layers": 1, "heads": 1},
    ],
    ids=["mini", "two widths", "attention below", "one layer"],
)
def test_features_of_reference_net_are_those_of_diffusers(
    changes: dict[str, object], shake: Callable[..., None]
) -> None:
    config = config_with(**changes)
    net = ReferenceNet(config).eval().requires_grad_(False)
    shake(net, 0.1)
    theirs = diffusers_unet(config).eval()
    missing, unexpected = theirs.load_state_dict(stable_diffusions(net), strict=False)
    assert not unexpected
    assert {m.split(".")[0] for m in missing} == {"conv_norm_out", "conv_out"}
    kept: dict[str, Tensor] = {}
    for name, module in theirs.named_modules():
        if name.endswith("transformer_blocks.0.norm1"):
            module.register_forward_hook(lambda _m, _x, out, name=name: kept.update({name: out}))
    latent, tokens = torch.randn(3, 4, SIDE, SIDE), torch.randn(3, 4, config.token_dim)
    with torch.no_grad():
        theirs(latent, 0, tokens)
    bank = net(latent, net.face_keys(tokens))
    names = [f"{place.path('attentions')}.transformer_blocks.0.norm1" for place in sites(config)]
    assert len(set(names)) == len(kept) == len(bank)
    for name, features in zip(names, bank, strict=True):
        assert torch.allclose(features, kept[name], atol=1e-5), name


def test_the_portrait_does_not_feel_the_motion_frames(shake: Callable[..., None]) -> None:
    net = ReferenceNet(config_with()).eval().requires_grad_(False)
    shake(net, 0.1)
    latents, tokens = torch.randn(3, 4, SIDE, SIDE), torch.randn(1, 4, 12)
    together, alone = (net(x, net.face_keys(tokens)) for x in (latents, latents[:1]))
    for both, one in zip(together, alone, strict=True):
        assert torch.allclose(both[:1], one, atol=1e-5)
    other = net(latents[:1], net.face_keys(tokens + 1))
    assert not torch.allclose(other[-1], alone[-1], atol=1e-3)  # identity is heard


def test_without_face_tokens_reference_net_is_one_whose_cross_attention_says_nothing(
    shake: Callable[..., None],
) -> None:
    config = config_with(**ECHO)
    net = ReferenceNet(config).eval().requires_grad_(False)
    shake(net, 0.1)
    theirs = diffusers_unet(config).eval().requires_grad_(False)
    missing, unexpected = theirs.load_state_dict(stable_diffusions(net), strict=False)
    assert not unexpected
    inner = {m.split("transformer_blocks.0.")[-1].split(".")[0] for m in missing}
    assert inner == {"attn2", "norm2", "conv_norm_out", "conv_out"}
    kept: dict[str, Tensor] = {}
    for name, module in theirs.named_modules():
        if name.endswith("attn2.to_out.0"):
            module.weight.zero_()
            module.bias.zero_()
        if name.endswith("transformer_blocks.0.norm1"):
            module.register_forward_hook(lambda _m, _x, out, name=name: kept.update({name: out}))
    latent = torch.randn(2, 4, SIDE, SIDE)
    theirs(latent, 0, torch.randn(2, 4, config.token_dim))
    bank = net(latent, net.face_keys(torch.zeros(1, 0, config.token_dim)))
    for place, features in zip(sites(config), bank, strict=True):
        expected = kept[f"{place.path('attentions')}.transformer_blocks.0.norm1"]
        assert torch.allclose(features, expected, atol=1e-5), place


def test_hallo_attends_at_sixteen_places_of_twenty_one() -> None:
    assert len(places(UnetConfig())) == 21
    names = [place.path("attentions") for place in sites(UnetConfig())]
    assert len(names) == 16
    assert names[0] == "down_blocks.0.attentions.0"
    assert names[6] == "mid_block.attentions.0"
    assert names[-1] == "up_blocks.3.attentions.2"


def test_audio_modules_work_at_the_width_their_block_was_handed() -> None:
    inner = {place.path("audio_modules"): place.came for place in sites(UnetConfig())}
    assert inner["down_blocks.1.audio_modules.0"] == 320
    assert inner["down_blocks.1.audio_modules.1"] == 640
    assert inner["up_blocks.1.audio_modules.2"] == 640
    assert inner["up_blocks.3.audio_modules.0"] == 320


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"widths": (16, 24, 32)}, "attend"),
        ({"widths": (16, 24, 32, 30)}, "30 does not divide"),
        ({"first_motion": "black"}, "black"),
        ({"audio_scales": (1.0,)}, "pose, face and lips"),
        ({"voice": "telepathy"}, "telepathy"),
        ({**ECHO, "face_tokens": 4}, "face_tokens must be 0"),
        ({**ECHO, "audio_dim": 6}, "audio_dim"),
        ({"overlap_frames": 2}, "not both"),
    ],
)
def test_an_impossible_layout_is_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        config_with(**changes)
