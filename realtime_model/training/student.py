"""The student's loss: to land at once where the guided teacher arrives in small steps."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from realtime_model.schedule import clean_from, ladder, sample
from realtime_model.training.denoising import (
    Denoising,
    DiffusionRecipe,
    correlated_noise,
    corrupted,
    deafened,
    descend,
    shared_noise,
)
from realtime_model.training.lips import LipReader, lip_error
from realtime_model.training.loop import Step
from realtime_model.training.windows import DiffusionData, Windows

_TEACHER_POINTS = 4  # levels the teacher visits on its way down, both ends included


class Guide:
    """The teacher's answer to one batch: where its small steps lead, guidance fused in."""

    def __init__(
        self,
        teacher: Denoising,
        data: DiffusionData,
        batch: Windows,
        past: Tensor,
        haze: Tensor,
        known: Tensor,
    ) -> None:
        frames = batch.clean.shape[1]
        margin = data.config.audio.margin_frames
        self._backbone = teacher.backbone
        self._cache, look = teacher.cache(data, batch.who)
        tokens = teacher.tokens(batch.mel, margin, frames)
        self._given = teacher.given(past, haze, look, tokens, batch.gesture, batch.speed, known)
        mute = deafened(tokens, teacher.backbone.no_audio, torch.ones_like(known))
        bank = tuple(m.flatten(0, 1) for m in self._given.motion)
        self._mute = teacher.backbone.conditions(mute, bank, batch.gesture, batch.speed, known)

    def land(self, noisy: Tensor, level: float, strength: float) -> Tensor:
        """Clean latents that guided steps from ``level`` arrive at."""

        def velocity_at(z: Tensor, now: Tensor) -> Tensor:
            heard: Tensor = self._backbone(z, now, self._cache, self._given)
            unheard: Tensor = self._backbone(z, now, self._cache, self._mute)
            return heard + (strength - 1) * (heard - unheard)

        return sample(velocity_at, noisy, tuple(np.linspace(level, 0.0, _TEACHER_POINTS).tolist()))


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
    truth where truth is decided by the sound: the mouth. Motion frames are often of its own making,
    so that it learns to mend what it did rather than to go on with it. Source: self-forcing,
    arXiv:2506.08009.
    """
    rng, dice = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    margin, frames = data.config.audio.margin_frames, data.config.geometry.hop_frames
    down = ladder(data.config.sampler, data.config.sampler.steps)

    def step(_: int) -> Step:
        *before, batch = data.sequence(rng, recipe.batch, 1 + int(rng.integers(recipe.rollout + 1)))
        rows = len(batch.clean)
        cache, look = student.cache(data, batch.who)
        shared = shared_noise(batch.clean.shape, dice)
        first = before[0] if before else batch
        past, haze = corrupted(first.past, first.first, 0.1, dice)
        known = torch.rand(rows, generator=dice) > recipe.drop_speed
        shown = batch.past[:, -1:]
        for window in before:
            with torch.no_grad():
                tokens = student.tokens(window.mel, margin, frames)
                given = student.given(past, haze, look, tokens, window.gesture, window.speed, known)
                noise = correlated_noise(batch.clean.shape, dice, shared)
                made = descend(student, noise, down, cache, given)
            shown = made[:, -1:]
            past = torch.cat([past, made], 1)[:, -past.shape[1] :]
            haze = torch.full_like(haze, data.config.sampler.motion_noise)
        tokens = student.tokens(batch.mel, margin, frames)
        given = student.given(past, haze, look, tokens, batch.gesture, batch.speed, known)
        noisy = correlated_noise(batch.clean.shape, dice, shared)
        chosen = int(rng.integers(len(down) - 1))
        with torch.no_grad():
            noisy = descend(student, noisy, down[: chosen + 1], cache, given)
        now = torch.full((rows,), down[chosen])
        guess = clean_from(noisy, student.backbone(noisy, now, cache, given), now)
        with torch.no_grad():
            guide = Guide(teacher, data, batch, past, haze, known)
            goal = guide.land(noisy, down[chosen], recipe.guidance)
        weight = 1 + recipe.mouth_weight * data.mouth[batch.who][:, None]
        follow = (((guess - goal).pow(2) + 1e-4).sqrt() * weight).mean() / weight.mean()
        truth = ((guess - batch.clean).abs() * data.decided(batch)).mean()
        lips = lip_error(reader, data, guess, batch, torch.ones(rows))
        # From what was shown last, too, it must move as the truth does: else chunks have seams.
        moved = torch.cat([shown, guess], 1).diff(dim=1)
        should = torch.cat([batch.past[:, -1:], batch.clean], 1).diff(dim=1)
        motion = ((moved - should).abs() * weight).mean() / weight.mean()
        loss = follow + 4 * truth + recipe.reader_weight * lips + recipe.motion_weight * motion
        return Step(loss, {"follow": follow, "truth": truth, "lips": lips, "motion": motion})

    return step
