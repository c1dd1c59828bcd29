"""Whole clips rolled out as serving does it, and what their mouths do: whether training worked."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from realtime_model.schedule import ladder
from realtime_model.training.correlation import correlation
from realtime_model.training.denoising import Denoising, Past, correlated_noise, shared_noise
from realtime_model.training.latents import Played
from realtime_model.training.lips import LipReader
from realtime_model.training.windows import ClipWindows


@torch.inference_mode()
def roll_out(
    model: Denoising, data: ClipWindows, played: Played, steps: int, *, seed: int = 0
) -> Tensor:
    """Latents (t, c, h, w) of a whole clip, from the model's own motion frames, as in serving."""
    sampler, hop = data.config.sampler, data.new_frames
    portrait = model.portrait(data, torch.tensor([played.face]))
    cells = data.diffused(torch.from_numpy(played.latent[:1].astype(np.float32))).shape[1:]
    shape = torch.Size((1, hop, *cells))
    like = torch.zeros(1, data.motion_frames, *cells, device=data.device)
    haze = torch.full((1,), sampler.motion_noise, device=data.device)
    unknown = torch.zeros(1, dtype=torch.bool, device=data.device)
    past = Past(model.before(portrait, like), haze, ~unknown)
    speed = torch.zeros(1, hop, device=data.device)
    down = ladder(sampler, steps)
    dice = torch.Generator().manual_seed(seed)
    shared = shared_noise(shape, dice)
    take = data.takes[played.clip][0]
    out = []
    for start in range(0, len(played.lips) - hop + 1, hop):
        tokens = model.tokens(torch.from_numpy(data.sound(take, start))[None].to(data.device))
        gesture = torch.from_numpy(played.gesture[start : start + hop])[None].to(data.device)
        given = model.given(portrait, past, tokens, gesture, speed, unknown)
        noise = correlated_noise(shape, dice, shared, share=sampler.shared_noise).to(data.device)
        z = model.descend(noise, down, portrait, given)
        past = past.followed_by(z, sampler.motion_noise)
        out.append(z[0])
    return torch.cat(out)


def score(
    model: Denoising, reader: LipReader, data: ClipWindows, clips: Sequence[Played], steps: int
) -> dict[str, float]:
    """Correlation of the mouth in rolled-out latents with the truth, and with another clip's."""
    model.eval()
    own, other, spread, rounded = [], [], [], []
    for number, played in enumerate(clips):
        z = roll_out(model, data, played, steps)
        portrait = data.mouth[played.face][None].expand(len(z), -1, -1, -1)
        with torch.inference_mode():
            read = reader(z, portrait).cpu().numpy()
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
