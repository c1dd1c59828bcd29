"""Training of the denoiser: a teacher by velocity prediction, a few-step student by consistency.

Both see windows of motion frames and new frames cut from played clips. Lips are a small part of a
latent's variance, so the cells of the mouth weigh more, and a frozen reader of latents watches the
mouth itself.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime_model.training.denoising import Denoising, DiffusionRecipe, score
from realtime_model.training.lips import LipReader
from realtime_model.training.loop import Loop
from realtime_model.training.student import student_step
from realtime_model.training.teacher import teacher_step
from realtime_model.training.windows import DiffusionData


def train_reader(data: DiffusionData, steps: int, seed: int) -> LipReader:
    """Teach the reader on true latents; a minute's work, so it is not kept on disk."""
    reader = LipReader(data.config)
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(reader.parameters(), 2e-3)
    for number in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (1 - number / steps)
        batch = data.batch(rng, 24)
        noisy = batch.clean + 0.15 * torch.randn_like(batch.clean)
        mouth = data.mouth[batch.who].repeat_interleave(noisy.shape[1], 0)
        loss = F.smooth_l1_loss(reader(noisy.flatten(0, 1), mouth), batch.lips.flatten(0, 1))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return reader.requires_grad_(False).eval()


def train_teacher(
    model: Denoising,
    reader: LipReader,
    data: DiffusionData,
    heldout: DiffusionData,
    recipe: DiffusionRecipe,
    out: Path,
) -> dict[str, Tensor]:
    """Train to the end of the recipe; returns the averaged weights."""
    loop = Loop(model, out, steps=recipe.steps, lr=recipe.lr, name="teacher", ema=0.998)
    clips = heldout.played[:8]
    loop.run(
        teacher_step(model, reader, data, recipe, recipe.seed + loop.step),
        check=lambda _: (
            score(model, reader, heldout, clips, 2) | score(model, reader, heldout, clips[:4], 8)
        ),
        check_every=500,
    )
    return loop.average


def train_student(
    student: Denoising,
    teacher: Denoising,
    reader: LipReader,
    data: DiffusionData,
    heldout: DiffusionData,
    recipe: DiffusionRecipe,
    out: Path,
) -> dict[str, Tensor]:
    """Distil to the end of the recipe; returns the averaged weights."""
    loop = Loop(
        student, out, steps=recipe.distill_steps, lr=recipe.distill_lr, name="student", ema=0.995
    )
    clips = heldout.played[:8]
    teacher.requires_grad_(False).eval()
    loop.run(
        student_step(student, teacher, reader, data, recipe, recipe.seed + loop.step),
        check=lambda _: (
            score(student, reader, heldout, clips, 2)
            | score(student, reader, heldout, clips[:4], 1)
        ),
        check_every=250,
    )
    return loop.average
