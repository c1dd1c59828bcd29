"""Windows, lips, teacher and student: a step of each runs, and teaches."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from realtime_model.config import ModelConfig
from realtime_model.errors import TrainingError
from realtime_model.features import PAST_FRAMES
from realtime_model.network import EmoNetwork
from realtime_model.training.denoising import (
    DiffusionRecipe,
    Past,
    TinyDenoising,
    correlated_noise,
    corrupted,
)
from realtime_model.training.diffusion import train_reader, train_student, train_teacher
from realtime_model.training.hearing import HeardClip, hear
from realtime_model.training.latents import Played, load_played, play_all
from realtime_model.training.lips import LipReader
from realtime_model.training.loop import Loop, Step
from realtime_model.training.rendering import Clip, Sitter
from realtime_model.training.rollout import roll_out, score
from realtime_model.training.student import Guide, student_step
from realtime_model.training.teacher import teacher_step
from realtime_model.training.windows import DiffusionData, mel_span

RECIPE = DiffusionRecipe(steps=2, distill_steps=2, batch=4, lr=0.003, distill_lr=0.003)
ROWS = 4


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, sitters: list[Sitter], clips: list[Clip]
) -> Path:
    out = tmp_path_factory.mktemp("played")
    for _ in play_all(sitters, clips, out, each=1, seed=0):
        pass
    return out


@pytest.fixture(scope="module")
def played(folder: Path) -> list[Played]:
    return load_played(folder)


@pytest.fixture(scope="module")
def heard(clips: list[Clip], tiny: ModelConfig) -> list[HeardClip]:
    return hear(clips, tiny.audio, variants=0, seed=0)


@pytest.fixture
def fresh(tiny: ModelConfig) -> EmoNetwork:
    torch.manual_seed(4)
    return EmoNetwork(tiny)


@pytest.fixture
def data(
    fresh: EmoNetwork, played: list[Played], heard: list[HeardClip], folder: Path
) -> DiffusionData:
    made = DiffusionData(fresh, played, heard, folder / "faces.pt")
    fresh.latent_scale.copy_(made.scale())
    return made


@pytest.fixture
def reader(data: DiffusionData) -> LipReader:
    return train_reader(data, 1, 0)


def test_portraits_looked_at_before_mouths_had_fields_are_named(
    fresh: EmoNetwork, played: list[Played], heard: list[HeardClip], folder: Path, tmp_path: Path
) -> None:
    old = torch.load(folder / "faces.pt", weights_only=True)
    del old["fields"]
    torch.save(old, tmp_path / "faces.pt")
    with pytest.raises(TrainingError, match=r"faces\.pt .* emolive train latents again"):
        DiffusionData(fresh, played, heard, tmp_path / "faces.pt")


def test_a_window_continues_its_motion_frames(data: DiffusionData) -> None:
    batch = data.batch(np.random.default_rng(0), 16)
    assert batch.past.shape == (16, 2, 4, 8, 8)
    assert batch.clean.shape == (16, 4, 4, 8, 8)
    frames = PAST_FRAMES + 2 * data.config.audio.margin_frames + 4
    assert batch.sound.shape == (16, 4 * frames, 16)
    seam = (batch.clean[:, 0] - batch.past[:, -1]).pow(2).mean()
    apart = (batch.clean[:, 0] - batch.clean.flip(0)[:, 0]).pow(2).mean()
    assert seam < 0.5 * apart
    assert batch.lips.shape == (16, 4, 2)
    assert float(batch.lips[..., 0].max()) > 1  # hundredths of a face


def test_windows_of_a_sequence_follow_each_other(data: DiffusionData) -> None:
    one, two, three = data.sequence(np.random.default_rng(0), 8, 3)
    for before, after in ((one, two), (two, three)):
        assert torch.equal(after.past, before.clean[:, -2:])
        assert torch.equal(after.who, before.who)
        assert not after.first.any()
    assert torch.equal(two.sound[:, :-16], one.sound[:, 16:])  # the same sound, four frames on


def test_the_first_window_of_a_clip_is_marked(data: DiffusionData) -> None:
    batch = data.batch(np.random.default_rng(1), 300)
    assert 0 < batch.first.float().mean() < 0.3
    first = batch.past[batch.first]
    assert torch.equal(first[:, 0], first[:, 1])


def test_diffused_latents_have_about_unit_variance(data: DiffusionData) -> None:
    clean = data.batch(np.random.default_rng(2), 200).clean
    assert (clean.pow(2).mean((0, 1, 3, 4)).sqrt() - 1).abs().max() < 0.3


def test_the_sound_of_a_window_is_that_of_its_frames() -> None:
    mel = np.repeat(np.arange(40, dtype=np.float16), 4)[:, None]  # the number of its frame
    span = mel_span(mel, first_frame=20, margin=2, frames=4)[:, 0]
    assert span[0] == 20 - 2 - PAST_FRAMES
    assert span[4 * (PAST_FRAMES + 2)] == 20
    assert span[-1] == 20 + 4 + 2 - 1
    early = mel_span(mel, first_frame=0, margin=2, frames=4)[:, 0]
    assert early[0] == pytest.approx(-1.628, abs=0.01)  # silence before the clip
    assert early[4 * (PAST_FRAMES + 2) + 4] == 1


def test_noise_is_that_of_the_generator(data: DiffusionData) -> None:
    noise = correlated_noise(torch.Size((200, 4, 4, 8, 8)), torch.Generator().manual_seed(0))
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    assert float((noise[:, 0] * noise[:, 3]).mean()) == pytest.approx(0.9, abs=0.02)


def test_motion_frames_are_noisy_and_absent_at_the_start() -> None:
    past, first = torch.ones(400, 2, 4, 8, 8), torch.zeros(400, dtype=torch.bool)
    first[:100] = True
    made = corrupted(past, torch.zeros_like(past), first, 0.2, torch.Generator().manual_seed(0))
    out = made.latents
    assert float(made.level.max()) <= 0.25
    assert made.absent[:100].all()
    strength = out.mean((1, 2, 3, 4))
    assert strength[:100].abs().max() < 0.3
    assert 0.7 < (strength[100:] > 0.5).float().mean() < 0.9
    assert out.std() > 0.05


def test_the_reader_learns_to_read_lips(data: DiffusionData) -> None:
    torch.manual_seed(0)
    reader = train_reader(data, 60, 0)
    assert not any(p.requires_grad for p in reader.parameters())
    batch = data.batch(np.random.default_rng(9), 60)
    read = reader(batch.clean[:, 0], data.mouth[batch.who])
    for part, least in ((0, 0.8), (1, 0.5)):
        seen = torch.stack([read[:, part], batch.lips[:, 0, part]])
        assert float(torch.corrcoef(seen)[0, 1]) > least


def test_the_teacher_learns(
    fresh: EmoNetwork, data: DiffusionData, reader: LipReader, tmp_path: Path
) -> None:
    model = TinyDenoising(fresh)
    blind = replace(RECIPE, reader_weight=0.0)  # this reader cannot read yet

    def same_batch(number: int) -> Step:
        return teacher_step(model, reader, data, blind, seed=0)(number)

    first = float(same_batch(0).loss.detach())
    Loop(model, tmp_path, steps=20, lr=0.005, name="teacher").run(same_batch)
    assert float(same_batch(0).loss.detach()) < 0.8 * first


def test_every_part_of_the_teacher_gets_a_gradient(
    fresh: EmoNetwork, data: DiffusionData, reader: LipReader
) -> None:
    model = TinyDenoising(fresh)
    with torch.no_grad():
        for attention in model.backbone.speed_attention:
            attention.to_out.weight.normal_()  # type: ignore[union-attr, operator]
        model.backbone.locator.net[-1].weight.normal_()  # type: ignore[operator]
        model.backbone.rest.net[-1].weight.normal_()  # type: ignore[operator]
    recipe = DiffusionRecipe(batch=12, drop_audio=0.5)
    teacher_step(model, reader, data, recipe, seed=1)(0).loss.backward()  # type: ignore[no-untyped-call]
    taught = {n: p for n, p in model.named_parameters() if p.requires_grad}
    idle = [n for n, p in taught.items() if p.grad is None or not p.grad.any()]
    # ReferenceNet hands over its features before the last site's own attention is used.
    assert [n for n in idle if not n.startswith("reference.trunk")] == []


def test_the_ear_stays_as_it_was_taught(fresh: EmoNetwork) -> None:
    model = TinyDenoising(fresh)
    heard = {n for n, p in model.named_parameters() if n.startswith("audio.") and p.requires_grad}
    assert heard == {"audio.said.weight", "audio.said.bias"}
    assert all(p.requires_grad for p in model.backbone.parameters())


def test_the_student_learns_where_the_teacher_lands(
    fresh: EmoNetwork, data: DiffusionData, reader: LipReader, tmp_path: Path
) -> None:
    blind = replace(RECIPE, reader_weight=0.0)  # this reader cannot read yet
    student = TinyDenoising(fresh)
    teacher = copy.deepcopy(student).requires_grad_(False)

    def same_batch(number: int) -> Step:
        return student_step(student, teacher, reader, data, blind, seed=0)(number)

    first = float(same_batch(0).loss.detach())
    Loop(student, tmp_path, steps=10, lr=0.005, name="student").run(same_batch)
    assert float(same_batch(0).loss.detach()) < 0.98 * first
    assert all(p.grad is None for p in teacher.parameters())


def test_guidance_of_one_is_the_teacher_alone(fresh: EmoNetwork, data: DiffusionData) -> None:
    teacher = TinyDenoising(fresh).eval().requires_grad_(False)
    batch = data.batch(np.random.default_rng(0), ROWS)
    known = torch.tensor([True, False] * (ROWS // 2))
    past = Past(batch.past, torch.full((ROWS,), 0.05), torch.zeros(ROWS, dtype=torch.bool))
    guide = Guide(teacher, data, batch, past, known)
    noisy = torch.randn(batch.clean.shape)
    plain, guided = guide.land(noisy, 1.0, 1.0), guide.land(noisy, 1.0, 3.0)
    assert plain.shape == noisy.shape
    assert not torch.allclose(plain, guided, atol=1e-5)
    assert torch.equal(guide.land(noisy, 1.0, 1.0), plain)


def test_a_whole_clip_is_rolled_out_deterministically(
    fresh: EmoNetwork, data: DiffusionData
) -> None:
    model = TinyDenoising(fresh).eval()
    clip = data.played[0]
    one = roll_out(model, data, clip, 2, seed=1)
    assert one.shape == (len(clip.lips) // 4 * 4, 4, 8, 8)
    assert torch.equal(roll_out(model, data, clip, 2, seed=1), one)
    assert not torch.equal(roll_out(model, data, clip, 2, seed=2), one)


def test_the_score_knows_truth_from_another_clip(
    fresh: EmoNetwork, data: DiffusionData, reader: LipReader
) -> None:
    model = TinyDenoising(fresh)
    figures = score(model, reader, data, data.played, 1)
    assert set(figures) == {"lips1", "shuffled1", "spread1", "width1"}
    assert all(math.isfinite(v) for v in figures.values())
    assert model.training


def test_teacher_and_student_train_resume_and_return_their_average(
    fresh: EmoNetwork,
    data: DiffusionData,
    heard: list[HeardClip],
    reader: LipReader,
    folder: Path,
    tmp_path: Path,
) -> None:
    model = TinyDenoising(fresh)
    heldout = DiffusionData(fresh, data.played[:1], heard, folder / "faces.pt")
    taught = train_teacher(model, reader, data, heldout, RECIPE, tmp_path / "teacher")
    model.load_state_dict(taught)
    student, resumed, out = copy.deepcopy(model), copy.deepcopy(model), tmp_path / "student"
    average = train_student(student, model, reader, data, heldout, RECIPE, out)
    again = train_student(resumed, model, reader, data, heldout, RECIPE, out)
    assert average.keys() == student.state_dict().keys()
    assert all(torch.equal(again[k], v) for k, v in average.items())
