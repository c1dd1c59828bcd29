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
    deafened,
)
from realtime_model.training.lips import LipReader, lip_error
from realtime_model.training.loop import Step
from realtime_model.training.windows import DiffusionData


def teacher_step(
    model: Denoising,
    reader: LipReader,
    data: DiffusionData,
    recipe: DiffusionRecipe,
    seed: int,
) -> Callable[[int], Step]:
    """Return the loss of one step of the teacher."""
    rng, dice = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    margin, frames = data.config.audio.margin_frames, data.config.geometry.hop_frames

    def step(_: int) -> Step:
        batch = data.batch(rng, recipe.batch)
        rows = len(batch.clean)
        deaf = torch.rand(rows, generator=dice) < recipe.drop_audio
        tokens = model.tokens(batch.mel, margin, frames)
        tokens = deafened(tokens, model.backbone.no_audio, deaf)
        cache, look = model.cache(data, batch.who)
        past, haze = corrupted(batch.past, batch.first, recipe.drop_motion, dice)
        known = torch.rand(rows, generator=dice) > recipe.drop_speed
        given = model.given(past, haze, look, tokens, batch.gesture, batch.speed, known)
        level = _levels(rows, dice)
        noise = correlated_noise(batch.clean.shape, dice)
        noisy = add_noise(batch.clean, noise, level)
        v = model.backbone(noisy, level, cache, given)
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
