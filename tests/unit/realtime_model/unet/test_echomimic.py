"""EchoMimic's four files: all of their tensors, and what its layout does otherwise than Hallo's."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from realtime_model.config import ModelConfig
from realtime_model.errors import CheckpointError, ConfigError, ShapeError
from realtime_model.schedule import add_noise, step_down, trailing_levels, trailing_timesteps
from realtime_model.unet import echomimic
from realtime_model.unet.network import Portrait, UnetNetwork
from tests.unit.realtime_model.unet.conftest import ECHO, SIDE, MakeScene, Scene
from tests.unit.realtime_model.unet.test_trunk import config_with, diffusers_unet, stable_diffusions

# Over the sorted lines "file.key:d0,d1,..." of all tensors that EchoMimic's own classes (commit
# a53e970) build. No published file was opened: only their sizes were compared, see below.
GOLDEN = "fb20b88acf2b6a0e891d348c5013187631a716ee709624f3cd476883963b7c56"
CLOSE = 1e-5


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    """The four files at full size, shapes alone."""
    assert echomimic.ACC.unet is not None
    shapes = echomimic.layout(echomimic.ACC.unet)
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def test_names_and_shapes_are_those_of_the_authors_classes(published: dict[str, Tensor]) -> None:
    lines = sorted(f"{k}:{','.join(map(str, v.shape))}" for k, v in published.items())
    assert len(lines) == 1860
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == GOLDEN


# Gigabytes as the page of the files gives them; all are float32.
@pytest.mark.parametrize(
    ("part", "tensors", "gigabytes"),
    [
        ("denoising_unet", 686, 3.40),
        ("motion_module", 588, 1.82),
        ("reference_unet", 570, 3.26),
        ("face_locator", 16, 0.00435),
    ],
)
def test_each_file_is_as_large_as_the_published_one(
    part: str, tensors: int, gigabytes: float, published: dict[str, Tensor]
) -> None:
    assert set(echomimic.PARTS) == set(Counter(key.split(".")[0] for key in published))
    own = [value for key, value in published.items() if key.startswith(f"{part}.")]
    assert len(own) == tensors
    assert 4e-9 * sum(value.numel() for value in own) == pytest.approx(gigabytes, rel=0.002)


def test_files_of_full_size_fill_a_network_without_a_gap(published: dict[str, Tensor]) -> None:
    with torch.device("meta"):
        net = UnetNetwork(echomimic.ACC)
    net.load_state_dict(echomimic.convert(published), strict=True, assign=True)


def test_what_is_exported_comes_back_as_it_was(echo: Scene) -> None:
    other = UnetNetwork(echo.net.config).eval().requires_grad_(False)
    state = echomimic.export(echo.net)
    echomimic.load(other, state)
    again = echomimic.export(other)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], value) for key, value in state.items())
    before = echo.velocity()
    echo.net = other
    assert torch.equal(echo.velocity(), before)


def without(state: dict[str, Tensor]) -> None:
    del state["motion_module.mid_block.motion_modules.0.temporal_transformer.norm.bias"]


def with_another(state: dict[str, Tensor]) -> None:
    state["denoising_unet.extra.weight"] = torch.zeros(1)


def of_another_voice(state: dict[str, Tensor]) -> None:
    for key, value in state.items():
        if key.startswith("denoising_unet.") and re.search(r"attn2\.to_[kv]", key):
            state[key] = torch.empty(len(value), 768, device="meta")


def with_a_locator_of_hallos(state: dict[str, Tensor]) -> None:
    state["face_locator.conv_in.weight"] = torch.empty(16, 3, 3, 3, device="meta")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without, r"lacks 1 tensors, the first is motion_module\.mid_block"),
        (with_another, r"adds 1 tensors, the first is denoising_unet\.extra"),
        (of_another_voice, r"other shapes for 32 tensors, the first is .*768\) instead of .*384"),
        (with_a_locator_of_hallos, r"the first is face_locator\.conv_in\.weight \(16, 3"),
    ],
)
def test_files_that_do_not_fit_are_refused_by_name(
    spoil: Callable[[dict[str, Tensor]], None], said: str, published: dict[str, Tensor]
) -> None:
    state = dict(published)
    spoil(state)
    with pytest.raises(CheckpointError, match=said):
        echomimic.convert(state)


def test_the_presets_run_as_the_authors_run_them() -> None:
    acc, slow = echomimic.ACC, echomimic.CONFIG
    assert acc.unet is not None
    assert (acc.sampler.steps, acc.sampler.guidance) == (6, 1.0)
    assert (slow.sampler.steps, slow.sampler.guidance) == (30, 2.5)
    assert slow.unet == acc.unet
    assert trailing_timesteps(6) == (999, 832, 666, 499, 332, 166)
    assert acc.geometry.hop_frames + acc.unet.overlap_frames == 12
    for config in (acc, slow):
        assert ModelConfig.read(config.plain()) == config


def test_a_new_network_is_stable_diffusion_that_hears(shake: Callable[..., None]) -> None:
    config = config_with(**ECHO)
    theirs = diffusers_unet(config).eval().requires_grad_(False)
    shake(theirs, 0.1)
    net = Scene(UnetNetwork(ModelConfig(name="echo", unet=config)).requires_grad_(False)).net
    backbone = stable_diffusions(net.backbone)
    known = {key: value for key, value in theirs.state_dict().items() if key in backbone}
    assert known.keys() == theirs.state_dict().keys()
    state = echomimic.export(net) | {f"denoising_unet.{k}": v for k, v in known.items()}
    echomimic.load(net, state)
    scene = Scene(net)
    features = torch.randn(1, scene.frames + 4, config.audio_layers, config.audio_dim)
    given = net.chunk(features, ())
    noisy, level = scene.noisy, torch.ones(1)  # timestep 999
    ours = net.backbone(noisy, level, scene.portrait().nobody, given)
    for frame in range(scene.frames):
        heard = 3.0 * features[:, frame : frame + 5].reshape(1, 10, config.token_dim)
        expected = theirs(noisy[:, frame], 999, heard).sample
        assert torch.allclose(ours[:, frame], expected, atol=CLOSE)


def test_portrait_voice_place_and_neighbours_are_all_felt(echo: Scene) -> None:
    before = echo.velocity()
    for change in ("latent", "features", "box", "noisy"):
        value = getattr(echo, change)
        setattr(echo, change, value + torch.rand_like(value))
        assert not torch.allclose(echo.velocity(), before, atol=1e-4), change
        setattr(echo, change, value)
    echo.noisy[:, 0] += 1  # another frame of the chunk
    assert not torch.allclose(echo.velocity()[:, 1], before[:, 1], atol=1e-4)


def test_shown_frames_are_denoised_again_from_their_own_noise(echo: Scene) -> None:
    net, portrait = echo.net, echo.portrait()
    features = torch.randn(1, 2 + 3 + 4, 2, 12)
    noise = torch.randn(1, 2 + 3, 4, SIDE, SIDE)
    shown = net.denoise(portrait, features, echo.past, noise, steps=2)
    assert shown.shape == (1, 3, 4, SIDE, SIDE)
    velocity_at = net.guided(portrait, net.chunk(features, ()))
    latent = noise[:, 2:]
    for high, low in pairwise(trailing_levels(2)):
        now, then = torch.tensor([high]), torch.tensor([low])
        whole = torch.cat([add_noise(echo.past, noise[:, :2], now), latent], 1)
        latent = step_down(whole, velocity_at(whole, now), now, then)[:, 2:]
    assert torch.allclose(shown, latent, atol=CLOSE)
    first = net.denoise(portrait, features, None, noise, steps=2)
    assert first.shape == (1, 5, 4, SIDE, SIDE)
    assert net.first_motion(portrait) is None


def test_noise_is_cut_off_where_the_authors_cut_it(scene_of: MakeScene) -> None:
    echo = scene_of(**ECHO)
    noise = 3 * torch.randn(1, 3, 4, SIDE, SIDE)
    plain = echo.net.config
    whole = echo.net.denoise(echo.portrait(), echo.features, None, noise)
    object.__setattr__(plain.sampler, "noise_limit", 1.5)
    cut = echo.net.denoise(echo.portrait(), echo.features, None, noise)
    clamped = echo.net.denoise(echo.portrait(), echo.features, None, noise.clamp(-1.5, 1.5))
    assert torch.equal(cut, clamped)
    assert not torch.allclose(cut, whole, atol=1e-3)


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_streams_rendered_together_are_as_each_alone(guidance: float, scene_of: MakeScene) -> None:
    one = scene_of(guidance=guidance, **ECHO)
    two = Scene(one.net)
    portraits, noise = [one.portrait(), two.portrait()], torch.randn(2, 3, 4, SIDE, SIDE)
    alone = [
        one.net.denoise(p, s.features, None, n[None])
        for p, s, n in zip(portraits, (one, two), noise, strict=True)
    ]
    features = torch.cat([one.features, two.features])
    together = one.net.denoise(Portrait.stack(portraits), features, None, noise)
    assert torch.allclose(together, torch.cat(alone), atol=CLOSE)


def test_an_identity_and_a_wrong_number_of_tokens_are_refused(
    echo: Scene, scene_of: MakeScene
) -> None:
    echo.identity = torch.randn(1, 10)
    with pytest.raises(ShapeError, match="takes no identity"):
        echo.portrait()
    with pytest.raises(ConfigError, match=r"audio_tokens is 9, but 2 a frame and 2 .* are 10"):
        scene_of(**ECHO | {"audio_tokens": 9})
