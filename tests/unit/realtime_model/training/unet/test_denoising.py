"""The full size asked as teacher and student ask: conditions, single pictures, saved memory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from realtime_model.errors import TrainingError
from realtime_model.training.denoising import DiffusionRecipe, Past, corrupted
from realtime_model.training.lips import LipReader
from realtime_model.training.loop import Loop, Step
from realtime_model.training.recipe import TrainRecipe
from realtime_model.training.rollout import roll_out
from realtime_model.training.teacher import teacher_step
from realtime_model.training.unet.denoising import UnetDenoising
from realtime_model.training.unet.windows import UnetData
from realtime_model.unet.network import UnetNetwork
from tests.unit.realtime_model.training.unet.conftest import SMALLEST

RECIPE = DiffusionRecipe(batch=4, reader_weight=0.1)


@pytest.fixture
def reader() -> LipReader:
    return LipReader(8, 8).requires_grad_(False)


def gradients(model: UnetDenoising, data: UnetData, reader: LipReader) -> dict[str, torch.Tensor]:
    model.zero_grad()
    teacher_step(model, reader, data, RECIPE, seed=3)(0).loss.backward()  # type: ignore[no-untyped-call]
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_windows_are_latents_and_features(data: UnetData) -> None:
    batch = data.batch(np.random.default_rng(0), 6)
    assert batch.clean.shape == (6, 4, 8, 8, 8)
    assert batch.past.shape == (6, 2, 8, 8, 8)
    assert batch.sound.shape == (6, 4 + 2 * 2, 4, 20)
    assert data.mouth.shape == (1, 1, 8, 8)
    one, two = data.sequence(np.random.default_rng(0), 4, 2)
    assert torch.equal(two.past, one.clean[:, -2:])
    assert torch.equal(two.sound[:, :4], one.sound[:, 4:])


def test_the_mouth_is_in_the_lower_middle_of_the_picture(data: UnetData) -> None:
    mouth = data.mouth[0, 0]
    rows, columns = mouth.sum(1), mouth.sum(0)
    assert rows[4:].sum() > rows[:4].sum()
    assert columns[2:6].sum() > columns.sum() / 2


def test_every_part_of_the_network_gets_a_gradient(
    unet: UnetNetwork, data: UnetData, reader: LipReader
) -> None:
    model = UnetDenoising(unet)
    data.identity.normal_()  # known, for once
    found = gradients(model, data, reader)
    idle = {n for n, p in model.named_parameters() if n not in found or not found[n].any()}
    # ReferenceNet ends at the features of its last site, and is always asked at one timestep;
    # modules over time beside no attention are kept and not run.
    places = [p for p in unet.backbone.places if not p.attends]
    kept = tuple(f"network.backbone.{p.path('motion_modules')}" for p in places)
    assert {n for n in idle if not n.startswith(("network.reference.", *kept))} == set()


def test_saving_memory_changes_no_gradient(
    unet: UnetNetwork, data: UnetData, reader: LipReader
) -> None:
    model = UnetDenoising(unet)
    plain = gradients(model, data, reader)
    for trunk in (unet.reference, unet.backbone):
        trunk.checkpointing = True
    for name, gradient in gradients(model, data, reader).items():
        torch.testing.assert_close(gradient, plain[name], atol=1e-6, rtol=1e-4)


def test_a_portrait_is_the_same_in_every_row(unet: UnetNetwork, data: UnetData) -> None:
    model = UnetDenoising(unet)
    many = model.portrait(data, torch.tensor([0, 0, 0]))
    one = unet.portrait(*data.sitting(torch.tensor([0])))
    assert torch.equal(many.still, one.still.expand(3, -1, -1, -1))
    for kv, own in zip(many.cache.keys, one.cache.keys, strict=True):
        assert kv.key.shape[0] == 3
        assert torch.equal(kv.key[2], own.key[0])


def test_single_pictures_know_neither_voice_nor_time(unet: UnetNetwork, data: UnetData) -> None:
    model, noisy = UnetDenoising(unet, still=True), torch.randn(2, 1, 8, 8, 8)
    portrait, level = model.portrait(data, torch.tensor([0, 0])), torch.tensor([0.5, 0.7])
    batch = data.batch(np.random.default_rng(0), 2)
    past = Past(batch.past, torch.zeros(2), torch.zeros(2, dtype=torch.bool))
    known = torch.ones(2, dtype=torch.bool)
    given = model.given(
        portrait, past, model.tokens(batch.sound), batch.gesture, batch.speed, known
    )
    one = model.velocity(noisy, level, portrait, given)
    with torch.no_grad():
        for name, weight in unet.named_parameters():
            if "_modules." in name:
                weight.normal_()
    assert torch.equal(model.velocity(noisy, level, portrait, given), one)
    stranger = model.velocity(noisy, level, model.stranger(portrait), given)
    assert not torch.allclose(stranger, one, atol=1e-4)


def test_a_voice_among_the_spatial_layers_learns_but_not_from_single_pictures(
    data: UnetData, recipe: TrainRecipe, reader: LipReader, shake: Callable[[torch.nn.Module], None]
) -> None:
    assert SMALLEST.unet is not None
    echo = {"voice": "attention", "face_tokens": 0, "motion_frames": 0, "overlap_frames": 2}
    heard = {"token_dim": 20, "audio_tokens": 20}
    config = replace(SMALLEST, unet=replace(SMALLEST.unet, **echo, **heard))  # type: ignore[arg-type]
    network = UnetNetwork(config)
    shake(network)
    faces = Path(recipe.runs) / "latents" / "train" / "faces.pt"
    own = UnetData(config, data.played, data.takes, faces, torch.device("cpu"))
    found = gradients(UnetDenoising(network), own, reader)
    voice = [n for n in found if ".attn2.to_k" in n]
    assert voice
    assert all(found[n].any() for n in voice)
    assert roll_out(UnetDenoising(network).eval(), own, own.played[0], 1).isfinite().all()
    with pytest.raises(TrainingError, match=r"unet\.voice: attention\): train all"):
        UnetDenoising(network, still=True)


def test_before_a_stream_stands_the_portrait_or_nothing(unet: UnetNetwork, data: UnetData) -> None:
    model, batch = UnetDenoising(unet), data.batch(np.random.default_rng(0), 3)
    portrait = model.portrait(data, batch.who)
    before = model.before(portrait, batch.past)
    assert torch.equal(before[1, 0], portrait.still[1])
    dice = torch.Generator().manual_seed(0)
    past = corrupted(batch.past, before, torch.tensor([True, False, False]), 0.0, dice)
    assert past.absent.tolist() == [True, False, False]
    unet.unet = replace(unet.unet, first_motion="zeros")
    known = torch.zeros(3, dtype=torch.bool)
    given = model.given(
        portrait, past, model.tokens(batch.sound), batch.gesture, batch.speed, known
    )
    zeros = unet.backbone.zero_motion(1, 8, 2)
    blank = unet.backbone.conditions(torch.zeros(1, 4, 2, 8), zeros).motion
    for site, empty in zip(given.motion, blank, strict=True):
        cells = empty.tokens.shape[0]
        assert torch.allclose(site.tokens[:cells], empty.tokens, atol=1e-6)
        assert not torch.allclose(site.tokens[cells : 2 * cells], empty.tokens, atol=1e-3)


def test_a_speed_that_is_not_told_does_not_matter(unet: UnetNetwork, data: UnetData) -> None:
    model, batch = UnetDenoising(unet), data.batch(np.random.default_rng(0), 2)
    tokens, motion = model.tokens(batch.sound), unet.backbone.zero_motion(2, 8, 2)
    known = torch.tensor([True, False])
    slow, fast = (
        unet.backbone.conditions(tokens, motion, torch.full((2, 4), speed), known).speed
        for speed in (0.0, 5.0)
    )
    assert not torch.equal(slow[0].key[0], fast[0].key[0])
    assert torch.equal(slow[0].key[1], fast[0].key[1])


def test_a_clip_is_rolled_out_deterministically(unet: UnetNetwork, data: UnetData) -> None:
    model = UnetDenoising(unet).eval()
    one = roll_out(model, data, data.played[0], 2, seed=1)
    assert one.shape == (len(data.played[0].lips) // 4 * 4, 8, 8, 8)
    assert torch.equal(roll_out(model, data, data.played[0], 2, seed=1), one)
    assert SMALLEST.sampler.path == "linear"


def test_the_teacher_learns(
    unet: UnetNetwork, data: UnetData, reader: LipReader, tmp_path: Path
) -> None:
    model = UnetDenoising(unet)

    def same_batch(number: int) -> Step:
        return teacher_step(model, reader, data, replace(RECIPE, reader_weight=0.0), seed=0)(number)

    first = float(same_batch(0).loss.detach())
    Loop(model, tmp_path, steps=12, lr=0.005, name="teacher").run(same_batch)
    assert float(same_batch(0).loss.detach()) < 0.9 * first
