"""The student's loss: to land at once where the guided teacher arrives in small steps."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from realtime_model.schedule import clean_from, ladder, sample
from realtime_model.training.denoising import (
    Denoising,
    DiffusionRecipe,
    Past,
    correlated_noise,
    corrupted,
    shared_noise,
)
from realtime_model.training.lips import LipReader, lip_error
from realtime_model.training.loop import Step
from realtime_model.training.windows import ClipWindows, Windows

_TEACHER_POINTS = 4  # levels the teacher visits on its way down, both ends included


class Guide:
    """The teacher's answer to one batch: where its small steps lead, guidance fused in."""

    def __init__(
        self,
        teacher: Denoising,
        data: ClipWindows,
        batch: Windows,
        past: Past,
        known: Tensor,
    ) -> None:
        self._teacher, self._portrait = teacher, teacher.portrait(data, batch.who)
        tokens, moves = teacher.tokens(batch.sound), (batch.gesture, batch.speed, known)
        self._given = teacher.given(self._portrait, past, tokens, *moves)
        self._mute = teacher.unheard(self._given, tokens, *moves)

    def land(self, noisy: Tensor, level: float, strength: float) -> Tensor:
        """Clean latents that guided steps from ``level`` arrive at."""

        def velocity_at(z: Tensor, now: Tensor) -> Tensor:
            heard = self._teacher.velocity(z, now, self._portrait, self._given)
            unheard = self._teacher.velocity(z, now, self._portrait, self._mute)
            return heard + (strength - 1) * (heard - unheard)

        return sample(velocity_at, noisy, tuple(np.linspace(level, 0.0, _TEACHER_POINTS).tolist()))


def student_step(
    student: Denoising,
    teacher: Denoising,
    reader: LipReader,
    data: ClipWindows,
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
    sampler = data.config.sampler
    down = ladder(sampler, sampler.steps)

    def step(_: int) -> Step:
        *before, batch = data.sequence(rng, recipe.batch, 1 + int(rng.integers(recipe.rollout + 1)))
        rows, shape, device = len(batch.clean), batch.clean.shape, batch.clean.device
        portrait = student.portrait(data, batch.who)
        shared = shared_noise(shape, dice)
        first = before[0] if before else batch
        still = student.before(portrait, first.past)
        past = corrupted(first.past, still, first.first, 0.1, dice)
        known = (torch.rand(rows, generator=dice) > recipe.drop_speed).to(device)
        shown = batch.past[:, -1:]
        for window in before:
            with torch.no_grad():
                tokens, moves = student.tokens(window.sound), (window.gesture, window.speed, known)
                given = student.given(portrait, past, tokens, *moves)
                noise = correlated_noise(shape, dice, shared, share=sampler.shared_noise)
                noise = noise.to(device)
                made = student.descend(noise, down, portrait, given)
            shown = made[:, -1:]
            past = past.followed_by(made, sampler.motion_noise)
        tokens, moves = student.tokens(batch.sound), (batch.gesture, batch.speed, known)
        given = student.given(portrait, past, tokens, *moves)
        noisy = correlated_noise(shape, dice, shared, share=sampler.shared_noise).to(device)
        chosen = int(rng.integers(len(down) - 1))
        with torch.no_grad():
            noisy = student.descend(noisy, down[: chosen + 1], portrait, given)
        now = torch.full((rows,), down[chosen], device=device)
        guess = clean_from(noisy, student.velocity(noisy, now, portrait, given), now)
        with torch.no_grad():
            guide = Guide(teacher, data, batch, past, known)
            goal = guide.land(noisy, down[chosen], recipe.guidance)
        weight = 1 + recipe.mouth_weight * data.mouth[batch.who][:, None]
        follow = (((guess - goal).pow(2) + 1e-4).sqrt() * weight).mean() / weight.mean()
        truth = ((guess - batch.clean).abs() * data.decided(batch)).mean()
        lips = lip_error(reader, data, guess, batch, torch.ones(rows, device=device))
        # From what was shown last, too, it must move as the truth does: else chunks have seams.
        moved = torch.cat([shown, guess], 1).diff(dim=1)
        should = torch.cat([batch.past[:, -1:], batch.clean], 1).diff(dim=1)
        motion = ((moved - should).abs() * weight).mean() / weight.mean()
        loss = follow + 4 * truth + recipe.reader_weight * lips + recipe.motion_weight * motion
        return Step(loss, {"follow": follow, "truth": truth, "lips": lips, "motion": motion})

    return step
