"""The student beside its teacher, who takes forty guided steps where the student takes one or two.

What the teacher does on the same clips is the most that distillation could have kept.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from realtime_model.checkpoint import load_network
from realtime_model.engine import Velocity
from realtime_model.features import Heard
from realtime_model.generator import Generator
from realtime_model.tiny import State, TinyEngine
from realtime_model.training.denoising import DiffusionRecipe
from realtime_model.training.judging.clip import Judged


class GuidedEngine(TinyEngine):
    """`TinyEngine` with guidance in two passes, one of which hears nothing.

    Source: classifier-free guidance, arXiv:2207.12598.
    """

    strength = DiffusionRecipe().guidance  # what the student was taught with

    def velocity(self, states: Sequence[State], heard: Heard, chunks: Sequence[int]) -> Velocity:
        told = super().velocity(states, heard, chunks)
        everyone = torch.ones(len(states), dtype=torch.bool)
        nothing = self.network.backbone.nothing_heard(heard, everyone)
        untold = super().velocity(states, nothing, chunks)

        def velocity_at(noisy: Tensor, level: Tensor) -> Tensor:
            v = told(noisy, level)
            return v + (self.strength - 1) * (v - untold(noisy, level))

        return velocity_at


def load_teacher(preset: Path) -> Generator:
    """The teacher that the student's stage left beside its preset.

    Raises:
        CheckpointError: it is missing or altered.
    """
    return Generator(GuidedEngine(load_network(preset)))


def compare(student: Sequence[Judged], teacher: Sequence[Judged]) -> dict[str, float]:
    """Figures of the student over the teacher's; both judged on the same clips, in this order."""
    pairs = list(zip(student, teacher, strict=False))
    own, other = (np.mean([p[who].figures.lips for p in pairs]) for who in (0, 1))
    out = {"teacher_lips": float(other), "lips_of_teacher": float(own / other)}
    faces = [[p[who].figures.identity_median for p in pairs] for who in (0, 1)]
    if all(f is not None for row in faces for f in row):
        mine, theirs = (float(np.mean([f for f in row if f is not None])) for row in faces)
        out["identity_of_teacher"] = mine / theirs
    return {name: round(value, 4) for name, value in out.items()}
