"""The backbone: kept conditions equal computed ones, and each condition counts."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from realtime_model.blendshapes import posed
from realtime_model.config import ModelConfig
from realtime_model.denoiser import Conditions, ReferenceCache
from realtime_model.embeddings import SPEED_CENTRES
from realtime_model.features import MOUTH_SHAPES, Heard
from realtime_model.gestures import GESTURES
from realtime_model.network import EmoNetwork
from realtime_model.schedule import add_noise, alpha_sigma, clean_from, velocity

ROWS, FRAMES, KEPT = 2, 4, 2


class Scene:
    """Random inputs for a few rows, and the backbone's answer to them."""

    def __init__(self, network: EmoNetwork) -> None:
        config = network.config
        self.backbone, self.reference_net = network.backbone, network.reference
        margin, token = config.audio.margin_frames, config.audio.token_dim
        self.noisy = torch.randn(ROWS, FRAMES, config.denoiser.channels, 8, 8)
        self.level = torch.tensor([1.0, 0.6])
        self.tokens = torch.randn(ROWS, FRAMES, 2 * margin + 2, token)
        self.mouth = torch.rand(ROWS, FRAMES, len(MOUTH_SHAPES))
        self.fields = torch.randn(ROWS, 1 + len(MOUTH_SHAPES), config.denoiser.channels, 8, 8)
        self.past = torch.randn(ROWS, KEPT, config.denoiser.channels, 8, 8)
        self.picture, self.face_map = torch.rand(ROWS, 3, 64, 64), torch.rand(ROWS, 10, 64, 64)
        self.lips = torch.tensor([[0.01, 0.4], [0.11, 0.45]])
        self.gesture = torch.randn(ROWS, FRAMES, len(GESTURES))
        self.speed = torch.rand(ROWS, FRAMES) * 3
        self.known = torch.tensor([True, False])

    def look(self) -> Tensor:
        return self.reference_net.look(self.picture, self.face_map)

    def cache(self) -> ReferenceCache:
        still = torch.zeros_like(self.noisy[:, 0])
        bank = self.reference_net(still, torch.zeros(ROWS), self.look())
        return self.backbone.portrait(bank, self.face_map, self.lips, self.fields)

    def given(self) -> Conditions:
        kept = self.past.shape[1]
        bank = self.reference_net(
            self.past.flatten(0, 1),
            torch.full((ROWS * kept,), 0.05),
            self.look().repeat_interleave(kept, 0),
        )
        return self.backbone.conditions(self.heard(), bank, self.gesture, self.speed, self.known)

    def heard(self) -> Heard:
        return Heard(self.tokens, self.mouth)

    def velocity(self) -> Tensor:
        out: Tensor = self.backbone(self.noisy, self.level, self.cache(), self.given())
        return out


@pytest.fixture
def scene(network: EmoNetwork) -> Scene:
    return Scene(network)


def test_the_velocity_has_the_shape_of_the_latents(scene: Scene) -> None:
    v = scene.velocity()
    assert v.shape == scene.noisy.shape
    assert torch.isfinite(v).all()


def test_a_kept_reference_equals_one_computed_for_every_frame(scene: Scene) -> None:
    kept = scene.cache()
    still = torch.zeros_like(scene.noisy).flatten(0, 1)
    look = scene.look().repeat_interleave(FRAMES, 0)
    bank = scene.reference_net(still, torch.zeros(ROWS * FRAMES), look)
    bias = scene.backbone.locator(scene.face_map.repeat_interleave(FRAMES, 0))
    computed = ReferenceCache(scene.backbone.reference_keys(bank), bias, kept.rest, kept.fields)
    given = scene.given()
    one = scene.backbone(scene.noisy, scene.level, kept, given)
    two = scene.backbone(scene.noisy, scene.level, computed, given)
    assert torch.allclose(one, two, atol=1e-5)


def test_rows_of_a_batch_do_not_see_each_other(scene: Scene) -> None:
    both = scene.velocity()
    for name in (
        "noisy",
        "tokens",
        "past",
        "gesture",
        "picture",
        "face_map",
        "lips",
        "mouth",
        "fields",
    ):
        getattr(scene, name)[1] = torch.randn_like(getattr(scene, name)[1])
    assert torch.allclose(scene.velocity()[0], both[0], atol=1e-5)
    assert not torch.allclose(scene.velocity()[1], both[1], atol=1e-3)


@pytest.mark.parametrize(
    "name",
    ["noisy", "level", "tokens", "past", "gesture", "picture", "face_map", "mouth", "fields"],
)
def test_every_input_counts(name: str, scene: Scene) -> None:
    before = scene.velocity()
    setattr(scene, name, getattr(scene, name).flip(0))
    assert not torch.allclose(scene.velocity(), before, atol=1e-4)


def test_the_order_of_motion_frames_counts(scene: Scene) -> None:
    before = scene.velocity()
    scene.past = scene.past.flip(1)
    assert not torch.allclose(scene.velocity(), before, atol=1e-5)


def test_motion_frames_reach_every_new_frame_and_no_other_row(scene: Scene) -> None:
    before = scene.velocity()
    scene.past[0, -1] += 1
    moved = (scene.velocity() - before).abs().amax((2, 3, 4))
    assert (moved[0] > 1e-5).all()
    assert (moved[1] < 1e-5).all()


def test_motion_frames_of_zeros_are_the_portrait_and_not_nothing(scene: Scene) -> None:
    scene.past = torch.zeros_like(scene.past)
    still = scene.velocity()
    assert torch.isfinite(still).all()
    scene.past = scene.past[:, :1]
    assert not torch.allclose(scene.velocity(), still, atol=1e-5)


def test_audio_of_one_frame_reaches_its_row_only(scene: Scene) -> None:
    before = scene.velocity()
    scene.tokens[0, 2] += 1
    moved = (scene.velocity() - before).abs().amax((2, 3, 4))
    assert moved[0].argmax() == 2
    assert (moved[1] < 1e-5).all()


def test_a_network_that_adds_nothing_says_what_was_heard(scene: Scene) -> None:
    last = scene.backbone.leave[-1]
    assert isinstance(last, nn.Conv2d)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    said = posed(scene.fields, scene.mouth)
    noise = torch.randn_like(said)
    # Of pure noise, and of the very latent on its way there.
    assert torch.allclose(clean_from(noise, scene.velocity(), torch.ones(ROWS))[0], said[0])
    scene.level = torch.full((ROWS,), 0.6)
    scene.noisy = add_noise(said, noise, scene.level)
    v = scene.velocity()
    unsaid = velocity(said, noise, scene.level) - v
    alpha, _ = alpha_sigma(scene.level)
    assert torch.allclose(unsaid, alpha[:, None, None, None, None] * noise, atol=1e-4)


def test_nothing_heard_is_a_closed_mouth(scene: Scene) -> None:
    gone = torch.tensor([False, True])
    heard = scene.backbone.nothing_heard(scene.heard(), gone)
    assert torch.equal(heard.tokens[0], scene.tokens[0])
    assert torch.equal(heard.tokens[1], scene.backbone.no_audio.expand_as(scene.tokens[1]))
    assert torch.equal(heard.mouth[0], scene.mouth[0])
    assert not heard.mouth[1].any()


def test_a_gesture_is_made_in_its_own_frame_and_silent_before_training(
    scene: Scene, tiny: ModelConfig
) -> None:
    before = scene.velocity()
    scene.gesture[0, 1] += 1
    moved = (scene.velocity() - before).abs().amax((2, 3, 4))
    assert moved[0].argmax() == 1
    assert (moved[1] < 1e-5).all()
    fresh = Scene(EmoNetwork(tiny).eval().requires_grad_(False))
    before = fresh.velocity()
    fresh.gesture += 1
    assert torch.equal(fresh.velocity(), before)


def test_absent_audio_is_the_learned_token_whatever_was_said(scene: Scene) -> None:
    scene.tokens = scene.backbone.no_audio.expand_as(scene.tokens)
    silent = scene.velocity()
    scene.tokens = torch.randn(scene.tokens.shape)
    assert not torch.allclose(scene.velocity(), silent, atol=1e-4)


def test_speed_is_silent_before_its_training(tiny: ModelConfig) -> None:
    scene = Scene(EmoNetwork(tiny).eval().requires_grad_(False))
    before = scene.velocity()
    scene.speed, scene.known = scene.speed + 2, ~scene.known
    assert torch.equal(scene.velocity(), before)


def test_speed_counts_where_it_is_known(scene: Scene) -> None:
    before = scene.velocity()
    scene.speed = scene.speed + 2
    moved = (scene.velocity() - before).abs().amax((1, 2, 3, 4))
    assert moved[0] > 1e-5
    assert moved[1] < 1e-6


def test_each_speed_has_a_bucket_of_its_own(scene: Scene) -> None:
    encoder = scene.backbone.speed
    speeds = torch.tensor(SPEED_CENTRES)[:, None].expand(-1, FRAMES)
    features = encoder(speeds, torch.ones(len(speeds), dtype=torch.bool))[:, 0]
    apart = torch.cdist(features, features) + torch.eye(len(speeds))
    assert apart.min() > 1e-4


def test_the_face_locator_is_silent_before_training(
    tiny: ModelConfig, shake: Callable[[nn.Module], None]
) -> None:
    locator = EmoNetwork(tiny).backbone.locator
    face_map = torch.rand(1, 10, 64, 64)
    assert locator(face_map).abs().max() == 0
    shake(locator)
    assert locator(face_map).abs().max() > 0


def test_conditions_are_the_same_at_every_step(scene: Scene) -> None:
    given, cache = scene.given(), scene.cache()
    kept = replace(given, audio_bias=given.audio_bias.clone())
    for level in (1.0, 0.6, 0.2):
        scene.backbone(scene.noisy, torch.full((ROWS,), level), cache, given)
    assert torch.equal(given.audio_bias, kept.audio_bias)
