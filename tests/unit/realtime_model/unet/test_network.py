"""A stream through the miniature: kept equals made anew, together alone, chunked whole."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from realtime_model.config import ModelConfig
from realtime_model.errors import ConfigError, ShapeError
from realtime_model.schedule import step_down, trailing_levels
from realtime_model.state import frame_noise
from realtime_model.unet.backbone import UnetReference
from realtime_model.unet.network import Portrait, Regions, UnetNetwork
from tests.unit.realtime_model.unet.conftest import SIDE, MakeScene, Scene

CLOSE = 1e-5


def noise(first: int, frames: int, seed: int = 3) -> Tensor:
    return frame_noise(seed, first, frames, (4, SIDE, SIDE), share=0.9)[None]


def test_what_is_kept_of_a_portrait_equals_what_is_made_for_every_frame(scene: Scene) -> None:
    net, portrait, frames = scene.net, scene.portrait(), scene.frames
    given = net.chunk(scene.features, net.motion(portrait, scene.past))
    tokens = net.face_tokens(scene.identity).repeat(frames, 1, 1)
    latents = scene.latent.repeat(frames, 1, 1, 1)
    bank = net.reference(latents, net.reference.face_keys(tokens))
    anew = UnetReference(
        net.backbone.reference_keys(bank),
        net.locator(scene.box.repeat(frames, 1, 1, 1)),
        net.backbone.face_keys(tokens),
        tuple(mask.repeat(frames, 1, 1) for mask in scene.masks),
    )
    # A row for every frame, where the kept portrait has one for all.
    assert {len(kv.key) for kv in anew.keys} == {frames}
    assert {len(kv.key) for kv in portrait.cache.keys} == {1}
    kept, made = (
        net.backbone(scene.noisy, scene.level, reference, given)
        for reference in (portrait.cache, anew)
    )
    assert torch.allclose(kept, made, atol=CLOSE)


def test_a_kept_portrait_is_not_copied_for_every_frame(scene: Scene) -> None:
    key = scene.portrait().cache.keys[0].expand(scene.frames).key
    assert key.shape[0] == scene.frames
    assert key.stride(0) == 0


def test_conditions_serve_all_steps(scene: Scene) -> None:
    net, portrait = scene.net, scene.portrait()
    given = net.chunk(scene.features, net.motion(portrait, scene.past))
    before = [site.keys.key.clone() for site in given.motion]
    kept = net.denoise(portrait, scene.features, scene.past, noise(0, 3), steps=3)
    latent = noise(0, 3)
    for high, low in pairwise(trailing_levels(3)):
        anew = net.chunk(scene.features, net.motion(scene.portrait(), scene.past))
        now = torch.tensor([high])
        v = net.guided(scene.portrait(), anew)(latent, now)
        latent = step_down(latent, v, now, torch.tensor([low]))
    assert torch.allclose(kept, latent, atol=CLOSE)
    assert all(torch.equal(a, b.keys.key) for a, b in zip(before, given.motion, strict=True))


def test_a_voice_of_zero_tokens_is_the_voice_taken_away(scene: Scene) -> None:
    net, portrait = scene.net, scene.portrait()
    motion = net.motion(portrait, scene.past)
    zeros = torch.zeros_like(net.audio(scene.features))
    computed = net.backbone.conditions(zeros, motion)
    for ours, theirs in zip(
        net.chunk(scene.features, motion).unheard().audio, computed.audio, strict=True
    ):
        for one, two in zip(ours, theirs, strict=True):
            assert torch.equal(one.key, two.key)
            assert torch.equal(one.value, two.value)


def stream(scene: Scene, portrait: Portrait, features: Tensor, chunks: int) -> list[Tensor]:
    """Render chunks one after another, each with the last frames of the one before."""
    net, margin = scene.net, 2
    past, shown = net.first_motion(portrait), []
    assert past is not None
    for k in range(chunks):
        first = k * scene.frames
        heard = features[:, first : first + scene.frames + 2 * margin]
        latents = net.denoise(portrait, heard, past, noise(first, scene.frames))
        past = torch.cat([past, latents], 1)[:, -past.shape[1] :]
        shown.append(latents)
    return shown


def test_a_chunk_depends_on_its_own_sound_and_the_last_frames_alone(scene: Scene) -> None:
    portrait, margin = scene.portrait(), 2
    features = torch.randn(1, 3 * scene.frames + 2 * margin, *scene.features.shape[2:])
    shown = stream(scene, portrait, features, 3)
    first = 2 * scene.frames
    kept = scene.net.unet.motion_frames
    alone = scene.net.denoise(
        portrait, features[:, first:], shown[1][:, -kept:], noise(first, scene.frames)
    )
    assert torch.allclose(alone, shown[2], atol=CLOSE)
    features[:, -1] += 1  # the last chunk's lookahead
    later = stream(scene, portrait, features, 3)
    assert torch.equal(later[1], shown[1])
    assert not torch.allclose(later[2], shown[2], atol=1e-4)


def test_audio_tokens_in_chunks_are_those_of_the_whole(scene: Scene) -> None:
    net, margin = scene.net, 2
    features = torch.randn(1, 9 + 2 * margin, *scene.features.shape[2:])
    whole = net.audio(features)
    assert whole.shape == (1, 9, net.unet.audio_tokens, net.unet.token_dim)
    chunks = [net.audio(features[:, k : k + 3 + 2 * margin]) for k in (0, 3, 6)]
    assert torch.allclose(torch.cat(chunks, 1), whole, atol=CLOSE)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_streams_rendered_together_are_as_each_alone(guidance: float, scene_of: MakeScene) -> None:
    one = scene_of(guidance=guidance)
    two = Scene(one.net)
    portraits = [one.portrait(), two.portrait()]
    drawn = [noise(0, 3, seed=1), noise(0, 3, seed=2)]
    alone = [
        one.net.denoise(p, s.features, s.past, n)
        for p, s, n in zip(portraits, (one, two), drawn, strict=True)
    ]
    together = one.net.denoise(
        Portrait.stack(portraits),
        torch.cat([one.features, two.features]),
        torch.cat([one.past, two.past]),
        torch.cat(drawn),
    )
    assert torch.allclose(together, torch.cat(alone), atol=CLOSE)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


def test_first_frames_of_stacked_portraits_are_each_its_own(scene: Scene) -> None:
    other = Scene(scene.net)
    both = Portrait.stack([scene.portrait(), other.portrait()])
    first = scene.net.first_motion(both)
    assert first is not None
    assert torch.equal(first[1, 0], other.latent[0])
    assert {site.shape[0] for site in scene.net.motion(both, None)} == {2}


def test_masks_of_another_size_are_refused(scene: Scene) -> None:
    masks = (*scene.masks[:3], torch.zeros(1, 3, 4))
    with pytest.raises(ShapeError, match="masks of a latent 8 cells wide"):
        scene.net.portrait(scene.latent, Regions(scene.box, masks))


def test_a_configuration_without_a_unet_is_refused() -> None:
    with pytest.raises(ConfigError, match="emo-tiny has no section unet"):
        UnetNetwork(ModelConfig())


def test_a_configuration_of_this_size_reads_back(mini: ModelConfig) -> None:
    assert ModelConfig.read(mini.plain()) == mini
    with pytest.raises(ConfigError, match=r"unknown key unet\.depth"):
        ModelConfig.read({"unet": {"depth": 4}})


def test_bfloat16_gives_about_the_same_and_samples_in_float32(scene_of: MakeScene) -> None:
    scene = scene_of(speed=True, guidance=2.0)
    scene.speed_deg = torch.ones(1, scene.frames)
    exact = scene.velocity()
    scene.net = scene.net.bfloat16()
    rough = scene.velocity()
    assert rough.dtype == torch.float32
    apart = (rough - exact).pow(2).mean().sqrt() / exact.std()
    assert 1e-5 < float(apart) < 0.05
    latents = scene.net.denoise(scene.portrait(), scene.features, scene.past, noise(0, 3))
    assert latents.dtype == torch.float32
    assert bool(torch.isfinite(latents).all())
