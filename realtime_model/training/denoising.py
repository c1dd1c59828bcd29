"""What teacher and student share: the networks, what is done to their inputs, and the judgement.

Whether a training worked is asked of whole clips, rolled out as serving does it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from realtime_model.denoiser import Conditions, ReferenceCache
from realtime_model.features import PAST_FRAMES, neighbours
from realtime_model.network import EmoNetwork
from realtime_model.schedule import add_noise, ladder, sample
from realtime_model.training.correlation import correlation
from realtime_model.training.hearing import HeardClip
from realtime_model.training.latents import Played
from realtime_model.training.lips import LipReader
from realtime_model.training.windows import DiffusionData, mel_span


@dataclass(frozen=True, slots=True)
class DiffusionRecipe:
    """Constants of both trainings.

    Attributes:
        start: preset whose weights the teacher begins with; none: only the trained listener.
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
        guidance: strength of audio guidance fused into the student.
        motion_weight: how much a wrong change between frames counts for the student.
        rollout: windows, at most, that the student renders itself before the one it learns from.
    """

    start: str = ""
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
    guidance: float = 1.5
    motion_weight: float = 2.0
    rollout: int = 2
    seed: int = 0


class Denoising(nn.Module):
    """What is optimised: ReferenceNet, backbone and, slowly, the audio encoder."""

    def __init__(self, network: EmoNetwork) -> None:
        super().__init__()
        self.audio = network.audio
        self.reference = network.reference
        self.backbone = network.backbone

    def tokens(self, mel: Tensor, margin: int, frames: int) -> Tensor:
        """Audio tokens around each frame, (b, f, 2m + 1, d), of the log-mels of a window."""
        out = self.audio.from_mel(mel)[:, PAST_FRAMES : PAST_FRAMES + frames + 2 * margin]
        return neighbours(out, margin)

    def cache(self, data: DiffusionData, who: Tensor) -> tuple[ReferenceCache, Tensor]:
        """Reference keys of each row's portrait, and what it adds in ReferenceNet."""
        face_map = data.face_map[who]
        look = self.reference.look(data.picture[who], face_map)
        still = torch.zeros(len(who), data.config.denoiser.channels, *look.shape[2:])
        bank = self.reference(still, torch.zeros(len(who)), look)
        return self.backbone.portrait(bank, face_map, data.at_rest[who]), look

    def given(
        self,
        past: Tensor,
        noise: Tensor,
        look: Tensor,
        tokens: Tensor,
        gesture: Tensor,
        speed: Tensor,
        known: Tensor,
    ) -> Conditions:
        """Conditions of a batch whose motion frames are at noise level ``noise`` (b,).

        No gradient goes through the features of motion frames: ReferenceNet learns from the
        portrait, and a step costs a third less.
        """
        kept = past.shape[1]
        with torch.no_grad():
            bank = self.reference(
                past.flatten(0, 1), noise.repeat_interleave(kept), look.repeat_interleave(kept, 0)
            )
        return self.backbone.conditions(tokens, bank, gesture, speed, known)


def corrupted(
    past: Tensor, first: Tensor, drop: float, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Motion frames as serving will see them, noisy, off in gain, or none; and their levels."""
    rows = len(past)
    level = torch.rand(rows, generator=rng) * 0.25
    gone = (torch.rand(rows, generator=rng) < drop) | first
    gain = 1 + 0.06 * torch.randn(rows, 1, 1, 1, 1, generator=rng)
    noise = torch.randn(past.shape, generator=rng)
    past = torch.where(gone[:, None, None, None, None], torch.zeros_like(past), past * gain)
    return add_noise(past, noise, level), level


def deafened(tokens: Tensor, empty: Tensor, gone: Tensor) -> Tensor:
    """Tokens (b, f, 2m + 1, d), those of rows ``gone`` (b,) replaced by the learned no sound."""
    return torch.where(gone[:, None, None, None], empty, tokens)


def shared_noise(shape: torch.Size, dice: torch.Generator) -> Tensor:
    """The part of the noise that all frames of a stream share, for rows (b, f, c, h, w)."""
    return torch.randn(shape[0], 1, *shape[2:], generator=dice)


def correlated_noise(
    shape: torch.Size, dice: torch.Generator, shared: Tensor | None = None
) -> Tensor:
    """Noise as the generator draws it: most of it shared by the frames of a row."""
    shared = shared_noise(shape, dice) if shared is None else shared
    return math.sqrt(0.9) * shared + math.sqrt(0.1) * torch.randn(shape, generator=dice)


def descend(
    model: Denoising,
    noisy: Tensor,
    down: tuple[float, ...],
    cache: ReferenceCache,
    given: Conditions,
) -> Tensor:
    """Latents after the model's own steps down a ladder of levels, or a part of one."""

    def velocity_at(z: Tensor, level: Tensor) -> Tensor:
        v: Tensor = model.backbone(z, level, cache, given)
        return v

    return sample(velocity_at, noisy, down)


@torch.inference_mode()
def roll_out(
    model: Denoising,
    data: DiffusionData,
    played: Played,
    heard: HeardClip,
    steps: int,
    *,
    seed: int = 0,
) -> Tensor:
    """Latents (t, c, 8, 8) of a whole clip, from the model's own motion frames, as in serving."""
    config = data.config
    margin, hop = config.audio.margin_frames, config.geometry.hop_frames
    cache, look = model.cache(data, torch.tensor([played.face]))
    side, channels = config.codec.latent_side, config.denoiser.channels
    past = torch.zeros(1, config.denoiser.motion_frames, channels, side, side)
    haze = torch.full((1,), config.sampler.motion_noise)
    speed, known = torch.zeros(1, hop), torch.zeros(1, dtype=torch.bool)
    down = ladder(config.sampler, steps)
    dice = torch.Generator().manual_seed(seed)
    shared = torch.randn(1, 1, *past.shape[2:], generator=dice)
    out = []
    for start in range(0, len(played.lips) - hop + 1, hop):
        mel = torch.from_numpy(mel_span(heard.mels[0], start, margin, hop))[None]
        tokens = model.tokens(mel, margin, hop)
        gesture = torch.from_numpy(played.gesture[start : start + hop])[None]
        given = model.given(past, haze, look, tokens, gesture, speed, known)
        fresh = torch.randn(1, hop, *past.shape[2:], generator=dice)
        z = math.sqrt(0.9) * shared + math.sqrt(0.1) * fresh
        z = descend(model, z, down, cache, given)
        past = torch.cat([past, z], 1)[:, -past.shape[1] :]
        out.append(z[0])
    return torch.cat(out)


def score(
    model: Denoising, reader: LipReader, data: DiffusionData, clips: Sequence[Played], steps: int
) -> dict[str, float]:
    """Correlation of the mouth in rolled-out latents with the truth, and with another clip's."""
    model.eval()
    own, other, spread, rounded = [], [], [], []
    for number, played in enumerate(clips):
        z = roll_out(model, data, played, data.heard[played.clip], steps)
        portrait = data.mouth[played.face][None].expand(len(z), -1, -1, -1)
        with torch.inference_mode():
            read = reader(z, portrait).numpy()
        opening, width = played.lips.T
        own.append(correlation(read[:, 0], opening))
        rounded.append(correlation(read[:, 1], width))
        other.append(correlation(read[:, 0], clips[(number + 1) % len(clips)].lips[:, 0]))
        spread.append(read[:, 0].std() / (100 * opening.std() + 1e-6))
    model.train()
    return {
        f"lips{steps}": _mean(own),
        f"shuffled{steps}": _mean(other),
        f"spread{steps}": float(np.median(spread)),
        f"width{steps}": _mean(rounded),
    }


def _mean(values: Sequence[float]) -> float:
    """Mean of the numbers among the values: a clip without motion has no correlation."""
    known = [v for v in values if not math.isnan(v)]
    return float(np.mean(known)) if known else math.nan
