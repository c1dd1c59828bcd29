"""The student's loss: to land at once where the guided teacher arrives in small steps."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from realtime_model.denoiser import Conditions, ReferenceCache
from realtime_model.schedule import clean_from, levels, step_down
from realtime_model.training.denoising import (
    Denoising,
    DiffusionRecipe,
    correlated_noise,
    corrupted,
    deafened,
)
from realtime_model.training.lips import LipReader, lip_error
from realtime_model.training.loop import Step
from realtime_model.training.windows import DiffusionData, Windows

_TEACHER_POINTS = 4  # levels the teacher visits on its way down, both ends included


class Guide:
    """The teacher's answer to one batch: where its small steps lead, guidance fused in."""

    def __init__(
        self, teacher: Denoising, data: DiffusionData, batch: Windows, past: Tensor, haze: Tensor
    ) -> None:
        rows, frames = batch.clean.shape[:2]
        margin = data.config.audio.margin_frames
        self._backbone = teacher.backbone
        self._cache, look = teacher.cache(data, batch.who)
        tokens = teacher.tokens(batch.mel, margin, frames)
        unknown = torch.zeros(rows, dtype=torch.bool)
        self._given = teacher.given(past, haze, look, tokens, batch.gesture, batch.speed, unknown)
        mute = deafened(tokens, teacher.backbone.no_audio, ~unknown)
        bank = tuple(m.flatten(0, 1) for m in self._given.motion)
        self._mute = teacher.backbone.conditions(mute, bank, batch.gesture, batch.speed, unknown)

    def land(self, noisy: Tensor, level: float, strength: float) -> Tensor:
        """Clean latents that guided steps from ``level`` arrive at."""
        for high, low in pairwise(np.linspace(level, 0.0, _TEACHER_POINTS).tolist()):
            now = torch.full((len(noisy),), high)
            heard = self._backbone(noisy, now, self._cache, self._given)
            unheard = self._backbone(noisy, now, self._cache, self._mute)
            v = heard + (strength - 1) * (heard - unheard)
            noisy = step_down(noisy, v, now, torch.full_like(now, low))
        return noisy


def student_step(
    student: Denoising,
    teacher: Denoising,
    reader: LipReader,
    data: DiffusionData,
    recipe: DiffusionRecipe,
    seed: int,
) -> Callable[[int], Step]:
    """Return the loss of one step of the student, taken at a level its own few steps lead to.

    There the student must land where the guided teacher lands from the same point, and on the
    truth where truth is decided by the sound: the mouth.
    """
    rng, dice = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    margin, frames = data.config.audio.margin_frames, data.config.geometry.hop_frames
    ladder = levels(data.config.sampler.steps, data.config.sampler.second_level)

    def step(_: int) -> Step:
        batch = data.batch(rng, recipe.batch)
        rows = len(batch.clean)
        cache, look = student.cache(data, batch.who)
        past, haze = corrupted(batch.past, batch.first, 0.1, dice)
        tokens = student.tokens(batch.mel, margin, frames)
        known = torch.zeros(rows, dtype=torch.bool)
        given = student.given(past, haze, look, tokens, batch.gesture, batch.speed, known)
        noisy = correlated_noise(batch.clean.shape, dice)
        chosen = int(rng.integers(len(ladder) - 1))
        noisy = _descend(student, noisy, ladder[: chosen + 1], cache, given)
        now = torch.full((rows,), ladder[chosen])
        guess = clean_from(noisy, student.backbone(noisy, now, cache, given), now)
        with torch.no_grad():
            guide = Guide(teacher, data, batch, past, haze)
            goal = guide.land(noisy, ladder[chosen], recipe.guidance)
        # The teacher has the last word on all but the eyes: blinks are rare, it averages them.
        weight = 1 + recipe.mouth_weight * data.mouth[batch.who][:, None]
        weight = weight * (1 - data.eyes[batch.who][:, None])
        follow = (((guess - goal).pow(2) + 1e-4).sqrt() * weight).mean() / weight.mean()
        truth = ((guess - batch.clean).abs() * data.decided(batch)).mean()
        lips = lip_error(reader, data, guess, batch, ~known)
        loss = follow + 4 * truth + recipe.reader_weight * lips
        return Step(loss, {"follow": follow, "truth": truth, "lips": lips})

    return step


@torch.no_grad()
def _descend(
    model: Denoising,
    noisy: Tensor,
    ladder: tuple[float, ...],
    cache: ReferenceCache,
    given: Conditions,
) -> Tensor:
    """Latents after the model's own steps down a part of its ladder."""
    for high, low in pairwise(ladder):
        now = torch.full((len(noisy),), high)
        v = model.backbone(noisy, now, cache, given)
        noisy = step_down(noisy, v, now, torch.full_like(now, low))
    return noisy
