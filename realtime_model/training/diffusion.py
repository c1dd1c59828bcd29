"""Training of the denoiser: a teacher by velocity prediction, a few-step student by consistency.

Both see windows of motion frames and new frames cut from played clips. Lips are a small part of a
latent's variance, so the cells of the mouth weigh more, and a frozen reader of latents watches the
mouth itself.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime_model.training.denoising import Denoising, DiffusionRecipe
from realtime_model.training.lips import LipReader
from realtime_model.training.loop import Loop, Step
from realtime_model.training.processes import Processes
from realtime_model.training.rollout import score
from realtime_model.training.student import student_step
from realtime_model.training.teacher import teacher_step
from realtime_model.training.windows import ClipWindows


def train_reader(data: ClipWindows, steps: int, seed: int) -> LipReader:
    """Teach the reader on true latents; a minute's work, so it is not kept on disk."""
    clean = data.batch(np.random.default_rng(seed), 1).clean
    reader = LipReader(clean.shape[2], clean.shape[4]).to(data.device)
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
    data: ClipWindows,
    heldout: ClipWindows | None,
    recipe: DiffusionRecipe,
    out: Path,
    processes: Processes | None = None,
) -> dict[str, Tensor]:
    """Train to the end of the recipe; returns the averaged weights.

    Without ``heldout`` nothing is rolled out: what learns single pictures cannot speak.
    """
    team = processes or Processes()
    loop = Loop(
        model, out, steps=recipe.steps, lr=recipe.lr, name="teacher", ema=0.998, processes=team
    )

    def check(_: int) -> dict[str, float]:
        assert heldout is not None
        clips = heldout.played[:8]
        return score(model, reader, heldout, clips, 2) | score(model, reader, heldout, clips[:4], 8)

    step = teacher_step(model, reader, data, recipe, _seed(recipe, loop.step, team))
    loop.run(
        _precise(step, recipe, data), check=check if heldout is not None else None, check_every=500
    )
    return loop.average


def train_student(
    student: Denoising,
    teacher: Denoising,
    reader: LipReader,
    data: ClipWindows,
    heldout: ClipWindows,
    recipe: DiffusionRecipe,
    out: Path,
    processes: Processes | None = None,
) -> dict[str, Tensor]:
    """Distil to the end of the recipe; returns the averaged weights."""
    team = processes or Processes()
    loop = Loop(
        student,
        out,
        steps=recipe.distill_steps,
        lr=recipe.distill_lr,
        name="student",
        ema=0.995,
        processes=team,
    )
    clips = heldout.played[:8]
    teacher.requires_grad_(False).eval()
    seed = _seed(recipe, loop.step, team)
    step = student_step(student, teacher, reader, data, recipe, seed)
    loop.run(
        _precise(step, recipe, data),
        check=lambda _: (
            score(student, reader, heldout, clips, 2)
            | score(student, reader, heldout, clips[:4], 1)
        ),
        check_every=250,
    )
    return loop.average


def _seed(recipe: DiffusionRecipe, step: int, team: Processes) -> int:
    """Another one after each resume, and in each process."""
    return recipe.seed + step + team.rank * 1_000_003


def _precise(
    compute: Callable[[int], Step], recipe: DiffusionRecipe, data: ClipWindows
) -> Callable[[int], Step]:
    """A step computed in the precision that the recipe asks for."""

    def step(number: int) -> Step:
        with torch.autocast(data.device.type, torch.bfloat16, enabled=recipe.bfloat16):
            return compute(number)

    return step
