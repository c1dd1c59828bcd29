"""The backbone against Hallo written out plainly: every trap of its runtime, one by one."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from realtime_model.schedule import timestep_at
from realtime_model.unet import hallo
from tests.unit.realtime_model.unet.conftest import MakeScene, Scene
from tests.unit.realtime_model.unet.plain import Given, PlainHallo

CLOSE = 1e-5  # float32; velocities are about 1


def plain(scene: Scene) -> PlainHallo:
    config = scene.net.unet
    return PlainHallo(hallo.export(scene.net), config.heads, config.groups)


def plainly(scene: Scene, given: Given | None = None) -> Tensor:
    reference = plain(scene)
    noisy = scene.noisy.transpose(1, 2)
    timestep = int(timestep_at(scene.level)[0])
    out = reference.denoise(noisy, timestep, given or scene.plain_given(reference))
    return out.transpose(1, 2)


def apart(one: Tensor, two: Tensor) -> float:
    return float((one - two).abs().max())


def test_the_whole_network_equals_hallo_written_out(scene: Scene) -> None:
    v = scene.velocity()
    assert v.shape == scene.noisy.shape
    assert 0.1 < float(v.std()) < 10
    assert apart(v, plainly(scene)) <= CLOSE


def test_each_region_follows_the_voice_as_much_as_asked(scene_of: MakeScene) -> None:
    scene, whole = scene_of(audio_scales=(0.5, 0.0, 2.0)), scene_of()
    assert apart(scene.velocity(), plainly(scene)) <= CLOSE
    assert apart(scene.velocity(), whole.velocity()) > 1e-3


def test_motion_frames_count_in_training_and_in_serving(scene: Scene) -> None:
    # Hallo's own serving path would ignore them.
    before = scene.velocity()
    scene.net.train()
    assert torch.equal(scene.velocity(), before)
    scene.net.eval()
    scene.past = torch.randn_like(scene.past)
    assert apart(scene.velocity(), before) > 1e-3


def test_motion_modules_beside_no_attention_are_kept_and_not_run(scene_of: MakeScene) -> None:
    scene = scene_of()
    before = scene.velocity()
    for i, name in ((3, "down_blocks"), (0, "up_blocks")):
        block = getattr(scene.net.backbone, name)[i]
        assert len(block.motion_modules) == 2 + (name == "up_blocks")
        for weight in block.motion_modules.parameters():
            weight.add_(1)
    assert torch.equal(scene.velocity(), before)
    assert apart(scene_of(unattended_motion=True).velocity(), before) > 1e-3


def test_each_site_attends_to_its_own_features(scene: Scene) -> None:
    reference = plain(scene)
    given = scene.plain_given(reference)
    assert given.bank is not None
    first, second = "down_blocks.0.attentions.0", "down_blocks.0.attentions.1"
    swapped = {**given.bank, first: given.bank[second], second: given.bank[first]}
    assert apart(scene.velocity(), plainly(scene, replace(given, bank=swapped))) > 1e-3


def test_the_portrait_is_the_first_of_the_bank_and_motion_the_rest(scene: Scene) -> None:
    given = scene.plain_given(plain(scene))
    assert given.bank is not None
    rolled = {name: site.roll(1, 1) for name, site in given.bank.items()}
    assert apart(scene.velocity(), plainly(scene, replace(given, bank=rolled))) > 1e-3


def test_without_a_portrait_four_frames_of_zeros_go_in_front(scene: Scene) -> None:
    given = replace(scene.plain_given(plain(scene)), bank=None)
    net, portrait = scene.net, scene.portrait()
    nothing = net.backbone.zero_motion(1, scene.latent.shape[-1])
    assert {site.shape[1] for site in nothing} == {4}
    chunk = net.chunk(scene.features, nothing)
    v = net.backbone(scene.noisy, scene.level, replace(portrait.cache, keys=()), chunk)
    assert apart(v, plainly(scene, given)) <= CLOSE
    two = net.chunk(scene.features, net.backbone.zero_motion(1, scene.latent.shape[-1], 2))
    w = net.backbone(scene.noisy, scene.level, replace(portrait.cache, keys=()), two)
    assert apart(v, w) > 1e-3


def test_before_the_first_chunk_the_portrait_stands_still(scene: Scene) -> None:
    first = scene.net.first_motion(scene.portrait())
    assert first is not None
    assert torch.equal(first, scene.latent[:, None].expand(-1, 2, -1, -1, -1))


def test_the_papers_first_chunk_has_zero_maps(scene_of: MakeScene) -> None:
    scene = scene_of(first_motion="zeros")
    net, portrait = scene.net, scene.portrait()
    assert net.first_motion(portrait) is None
    motion = net.motion(portrait, None)
    assert {(site.shape[1], float(site.abs().max())) for site in motion} == {(2, 0.0)}


def test_guidance_takes_portrait_identity_place_and_voice_away_but_not_motion(
    scene_of: MakeScene,
) -> None:
    scene = scene_of(guidance=3.5)
    net = scene.net
    with_all = scene.plain_given(plain(scene))
    without = replace(
        with_all,
        face_tokens=net.face_tokens(torch.zeros_like(scene.identity)),  # type: ignore[arg-type]
        audio_tokens=torch.zeros_like(with_all.audio_tokens),
        face_bias=torch.zeros_like(with_all.face_bias),
        sees_portrait=False,
    )
    conditional, free = plainly(scene, with_all), plainly(scene, without)
    expected = free + 3.5 * (conditional - free)
    assert apart(scene.velocity(), expected) <= 5 * CLOSE
    for name, value in (
        ("face_tokens", with_all.face_tokens),
        ("audio_tokens", with_all.audio_tokens),
        ("face_bias", with_all.face_bias),
        ("sees_portrait", True),
        ("bank", None),
    ):
        other = plainly(scene, replace(without, **{name: value}))  # type: ignore[arg-type]
        assert apart(other, free) > 1e-4, name


def test_guidance_of_one_is_the_conditional_pass_alone(scene_of: MakeScene) -> None:
    near, one = scene_of(guidance=1.0 + 1e-6), scene_of(guidance=1.0)
    assert apart(near.velocity(), one.velocity()) <= CLOSE


def test_nobody_in_particular_is_an_embedding_of_zeros(scene: Scene) -> None:
    known = scene.velocity()
    scene.identity = None
    nobody = scene.velocity()
    scene.identity = torch.zeros(1, scene.net.unet.face_dim)
    assert torch.equal(scene.velocity(), nobody)
    assert apart(known, nobody) > 1e-4


@pytest.mark.parametrize("name", ["latent", "box", "identity", "features", "past", "noisy"])
def test_every_input_counts(name: str, scene: Scene) -> None:
    before = scene.velocity()
    setattr(scene, name, getattr(scene, name).flip(-1))
    assert apart(scene.velocity(), before) > 1e-4


def test_every_mask_counts(scene: Scene) -> None:
    before = scene.velocity()
    for depth, masks in enumerate(scene.masks):
        for region in range(3):
            masks[0, region] = 1 - masks[0, region]
            assert apart(scene.velocity(), before) > 1e-6, (depth, region)
            masks[0, region] = 1 - masks[0, region]


def test_the_level_counts_by_its_timestep(scene: Scene) -> None:
    scene.level = torch.tensor([1.0])
    assert int(timestep_at(scene.level)[0]) == 999
    assert apart(scene.velocity(), plainly(scene)) <= CLOSE


def test_speed_layers_start_silent_and_then_count(scene_of: MakeScene) -> None:
    scene = scene_of(speed=True)
    layers = [scene.net.backbone.time(p).speed_attention for p in scene.net.backbone.sites]
    for layer in layers:
        assert layer is not None
        for weight in layer.to_out.parameters():
            weight.zero_()
    still, quick = torch.zeros(1, scene.frames), torch.full((1, scene.frames), 5.0)
    scene.speed_deg = still
    silent = scene.velocity()
    assert apart(silent, plainly(scene)) <= CLOSE  # as without speed layers
    scene.speed_deg = quick
    assert torch.equal(scene.velocity(), silent)
    for layer in layers:
        assert layer is not None
        layer.to_out.weight.add_(torch.randn_like(layer.to_out.weight))
    moved = scene.velocity()
    assert apart(moved, silent) > 1e-3
    scene.speed_deg = still
    assert apart(scene.velocity(), moved) > 1e-4
    scene.speed_deg = None
    assert apart(scene.velocity(), moved) > 1e-4
