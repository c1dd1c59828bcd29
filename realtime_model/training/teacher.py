"""The teacher's loss: velocity on windows, conditions dropped so that guidance can compare."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from realtime_model.schedule import add_noise, clean_from, velocity
from realtime_model.training.denoising import (
    Denoising,
    DiffusionRecipe,
    correlated_noise,
    corrupted,
)
from realtime_model.training.lips import LipReader, lip_error
from realtime_model.training.loop import Step
from realtime_model.training.windows import ClipWindows


def teacher_step(
    model: Denoising,
    reader: LipReader,
    data: ClipWindows,
    recipe: DiffusionRecipe,
    seed: int,
) -> Callable[[int], Step]:
    """Return the loss of one step of the teacher."""
    rng, dice = np.random.default_rng(seed), torch.Generator().manual_seed(seed)

    def step(_: int) -> Step:
        batch = data.batch(rng, recipe.batch)
        rows, device = len(batch.clean), batch.clean.device
        drop_audio = recipe.drop_audio if model.hears else 1.0
        deaf = (torch.rand(rows, generator=dice) < drop_audio).to(device)
        tokens = model.deafened(model.tokens(batch.sound), deaf)
        portrait = model.portrait(data, batch.who)
        before = model.before(portrait, batch.past)
        past = corrupted(batch.past, before, batch.first, recipe.drop_motion, dice)
        known = (torch.rand(rows, generator=dice) > recipe.drop_speed).to(device)
        given = model.given(portrait, past, tokens, batch.gesture, batch.speed, known)
        if recipe.drop_portrait and torch.rand((), generator=dice) < recipe.drop_portrait:
            portrait = model.stranger(portrait)
        level = _levels(rows, dice).to(device)
        noise = correlated_noise(batch.clean.shape, dice).to(device)
        noisy = add_noise(batch.clean, noise, level)
        v = model.velocity(noisy, level, portrait, given)
        weight = 1 + recipe.mouth_weight * data.decided(batch)
        error = (v - velocity(batch.clean, noise, level)).pow(2)
        loss = (error * weight).mean() / weight.mean()
        lips = lip_error(reader, data, clean_from(noisy, v, level), batch, ~deaf)
        return Step(loss + recipe.reader_weight * lips, {"v": loss, "lips": lips})

    return step


def _levels(rows: int, dice: torch.Generator) -> Tensor:
    """A third of the rows at pure noise, where sampling starts; of the rest, high ones likelier."""
    level = torch.sigmoid(torch.randn(rows, generator=dice) * 1.1 + 0.4)
    pure = torch.rand(rows, generator=dice) < 0.33
    return torch.where(pure, torch.ones(rows), level)
