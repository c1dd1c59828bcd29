"""What teacher and student share: how they ask a network, and what is done to its inputs.

`Denoising` is what both ask, whatever the size; `TinyDenoising` is `emo-tiny`'s answer, that of
`emo-sd15` is in `training.unet.denoising`.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from realtime_model.denoiser import Conditions, ReferenceCache
from realtime_model.errors import TrainingError
from realtime_model.features import PAST_FRAMES, Heard
from realtime_model.network import EmoNetwork
from realtime_model.schedule import add_noise, sample
from realtime_model.training.windows import ClipWindows, DiffusionData


@dataclass(frozen=True, slots=True)
class Round:
    """One of several trainings of a teacher, each of other parts.

    Attributes:
        parts: what is trained: names of `training.unet.parts.PARTS`, joined by "+".
        lora_rank: train additions of this rank in place of the linear layers; 0 trains all weights.
        batch: windows a step; 0 is the recipe's.
    """

    parts: str = "all"
    steps: int = 6000
    lr: float = 1.2e-3
    lora_rank: int = 0
    batch: int = 0


@dataclass(frozen=True, slots=True)
class DiffusionRecipe:
    """Constants of both trainings.

    Attributes:
        start: preset whose weights the teacher begins with; none: only the trained listener. With a
            unet also weights that were added, joined by "+".
        rounds: trainings of the teacher, one after the other; none is one of everything.
        steps: optimiser steps of the teacher.
        distill_steps: those of the student.
        batch: windows a step.
        lr: peak learning rate of the teacher.
        distill_lr: that of the student.
        mouth_weight: how much more the cells of the mouth count.
        reader_weight: how much a wrong opening and width of the mouth count.
        drop_audio: share of rows that hear nothing, so that guidance can compare.
        drop_motion: share of rows without motion frames.
        drop_speed: share of rows that are not told the speed of the head.
        drop_portrait: share of steps that see no portrait; only with a unet.
        guidance: strength of audio guidance fused into the student.
        motion_weight: how much a wrong change between frames counts for the student.
        rollout: windows, at most, that the student renders itself before the one it learns from.
        distill_lora_rank: as `Round.lora_rank`, for the student.
        checkpointing: less memory for a third more work; only with a unet.
        bfloat16: networks compute in bfloat16, weights stay float32.
    """

    start: str = ""
    rounds: tuple[Round, ...] = ()
    steps: int = 6000
    distill_steps: int = 1500
    batch: int = 14
    lr: float = 1.2e-3
    distill_lr: float = 4e-4
    mouth_weight: float = 8.0
    reader_weight: float = 0.5
    drop_audio: float = 0.1
    drop_motion: float = 0.12
    drop_speed: float = 0.5
    drop_portrait: float = 0.0
    guidance: float = 1.25
    motion_weight: float = 2.0
    rollout: int = 2
    distill_lora_rank: int = 0
    checkpointing: bool = False
    bfloat16: bool = False
    seed: int = 0

    def all_rounds(self) -> tuple[Round, ...]:
        """The trainings of the teacher, at least one."""
        return self.rounds or (Round(steps=self.steps, lr=self.lr),)


@dataclass(frozen=True, slots=True)
class Past:
    """Motion frames as a network is given them.

    Attributes:
        latents: (b, n, c, h, w).
        level: how noisy they are, (b,).
        absent: whether nothing was rendered before, (b,).
    """

    latents: Tensor
    level: Tensor
    absent: Tensor

    def followed_by(self, made: Tensor, level: float) -> "Past":
        """The motion frames after new ones (b, f, c, h, w)."""
        kept = torch.cat([self.latents, made], 1)[:, made.shape[1] :]
        return Past(kept, torch.full_like(self.level, level), torch.zeros_like(self.absent))


class Denoising(nn.Module, ABC):
    """Networks as a teacher and a student ask them.

    What `portrait` and `given` return is the networks' own: only they look inside.

    Attributes:
        hears: whether it is told the sound; not where single pictures are learned.
    """

    hears = True

    @abstractmethod
    def tokens(self, sound: Tensor) -> Any:
        """What is heard in each frame of `Windows.sound`."""

    @abstractmethod
    def deafened(self, tokens: Any, gone: Tensor) -> Any:
        """The same, those of rows ``gone`` (b,) replaced by no sound."""

    @abstractmethod
    def portrait(self, data: ClipWindows, who: Tensor) -> Any:
        """What the networks need of each row's portrait."""

    def stranger(self, portrait: Any) -> Any:
        """The same of nobody in particular."""
        raise TrainingError(
            "only a model with a unet can do without a portrait: drop_portrait is 0"
        )

    @abstractmethod
    def before(self, portrait: Any, like: Tensor) -> Tensor:
        """Motion frames before the first chunk, of the shape of ``like`` (b, n, c, h, w)."""

    @abstractmethod
    def given(
        self,
        portrait: Any,
        past: Past,
        tokens: Any,
        gesture: Tensor,
        speed: Tensor,
        known: Tensor,
    ) -> Any:
        """Conditions of a batch; ``known`` (b,) says whose speed is.

        No gradient goes through the features of motion frames: ReferenceNet learns from the
        portrait, and a step costs a third less.
        """

    @abstractmethod
    def unheard(
        self, given: Any, tokens: Any, gesture: Tensor, speed: Tensor, known: Tensor
    ) -> Any:
        """The same conditions without a sound."""

    @abstractmethod
    def velocity(self, noisy: Tensor, level: Tensor, portrait: Any, given: Any) -> Tensor:
        """Predicted velocity of noisy latents (b, f, c, h, w) at levels (b,)."""

    def descend(self, noisy: Tensor, down: tuple[float, ...], portrait: Any, given: Any) -> Tensor:
        """Latents after the network's own steps down a ladder of levels, or a part of one."""
        return sample(lambda z, now: self.velocity(z, now, portrait, given), noisy, down)


@dataclass(frozen=True, slots=True)
class TinyPortrait:
    """Reference keys of each row's portrait, and what it adds in ReferenceNet."""

    cache: ReferenceCache
    look: Tensor


class TinyDenoising(Denoising):
    """`emo-tiny`: ReferenceNet and backbone.

    The encoder hears as it was taught to: what it reads is drawn on the face (`blendshapes`), and
    if it went on learning here, portraits of the training would decide what a sound is.
    """

    def __init__(self, network: EmoNetwork) -> None:
        super().__init__()
        self.audio = network.audio.requires_grad_(requires_grad=False)
        self.audio.said.requires_grad_()
        self.reference = network.reference
        self.backbone = network.backbone

    def tokens(self, sound: Tensor) -> Heard:
        """What is heard in the log-mels of a window."""
        return self.audio.around(self.audio.from_mel(sound)[:, PAST_FRAMES:])

    def deafened(self, tokens: Heard, gone: Tensor) -> Heard:
        return self.backbone.nothing_heard(tokens, gone)

    def portrait(self, data: ClipWindows, who: Tensor) -> TinyPortrait:
        assert isinstance(data, DiffusionData)
        face_map = data.face_map[who]
        look = self.reference.look(data.picture[who], face_map)
        still = torch.zeros(len(who), data.config.denoiser.channels, *look.shape[2:])
        bank = self.reference(still, torch.zeros(len(who)), look)
        fields = data.fields(who)
        return TinyPortrait(self.backbone.portrait(bank, face_map, data.at_rest[who], fields), look)

    def before(self, portrait: TinyPortrait, like: Tensor) -> Tensor:
        return torch.zeros_like(like)  # latents say what moved: nothing

    def given(
        self,
        portrait: TinyPortrait,
        past: Past,
        tokens: Heard,
        gesture: Tensor,
        speed: Tensor,
        known: Tensor,
    ) -> Conditions:
        kept = past.latents.shape[1]
        with torch.no_grad():
            bank = self.reference(
                past.latents.flatten(0, 1),
                past.level.repeat_interleave(kept),
                portrait.look.repeat_interleave(kept, 0),
            )
        return self.backbone.conditions(tokens, bank, gesture, speed, known)

    def unheard(
        self, given: Conditions, tokens: Heard, gesture: Tensor, speed: Tensor, known: Tensor
    ) -> Conditions:
        mute = self.deafened(tokens, torch.ones_like(known))
        bank = tuple(m.flatten(0, 1) for m in given.motion)
        return self.backbone.conditions(mute, bank, gesture, speed, known)

    def velocity(
        self, noisy: Tensor, level: Tensor, portrait: TinyPortrait, given: Conditions
    ) -> Tensor:
        v: Tensor = self.backbone(noisy, level, portrait.cache, given)
        return v


def corrupted(
    past: Tensor, before: Tensor, first: Tensor, drop: float, dice: torch.Generator
) -> Past:
    """Motion frames as serving will see them: noisy, off in gain, or those ``before`` a stream.

    Args:
        past: true ones, (b, n, c, h, w).
        before: of `Denoising.before`.
        first: rows (b,) that begin a stream.
        drop: share of the other rows that do as well.
        dice: draws, on the CPU.
    """
    rows = len(past)
    level = torch.rand(rows, generator=dice) * 0.25
    gone = (torch.rand(rows, generator=dice) < drop).to(past.device) | first
    gain = (1 + 0.06 * torch.randn(rows, 1, 1, 1, 1, generator=dice)).to(past.device)
    noise, level = torch.randn(past.shape, generator=dice).to(past.device), level.to(past.device)
    past = torch.where(gone[:, None, None, None, None], before, past * gain)
    return Past(add_noise(past, noise, level), level, gone)


def shared_noise(shape: torch.Size, dice: torch.Generator) -> Tensor:
    """The part of the noise that all frames of a stream share, for rows (b, f, c, h, w)."""
    return torch.randn(shape[0], 1, *shape[2:], generator=dice)


def correlated_noise(
    shape: torch.Size, dice: torch.Generator, shared: Tensor | None = None, *, share: float = 0.9
) -> Tensor:
    """Noise as a stream draws it: most of it shared by the frames of a row.

    A teacher is never given noise that is shared whole: between two frames it could read how the
    truth moves.
    """
    shared = shared_noise(shape, dice) if shared is None else shared
    fresh = torch.randn(shape, generator=dice)
    return math.sqrt(share) * shared + math.sqrt(1 - share) * fresh
