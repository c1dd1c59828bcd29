"""Heads glide: what the voice does not time goes on from where it was heading.

Within a chunk a few-step sampler moves the head by less than it was asked to, and from chunk to
chunk it catches up: six times a second the picture would jerk. The step is spread over the hop that
follows it, so the pace is right and nothing comes late for longer than a hop. Lips are left alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from realtime_model.facemap import CHANNELS

_REACHED = 0.35  # share of a cell that the lips cover when it counts as all theirs


def part_cells(face_map: Tensor, channel: str) -> Tensor:
    """Cells that a part of the face reaches, (b, 1, 8, 8) in [0, 1], of maps (b, 10, 64, 64)."""
    share = F.avg_pool2d(face_map[:, [CHANNELS.index(channel)]], 8)
    return F.max_pool2d(share, 3, 1, 1).clamp(max=_REACHED) / _REACHED


def glide(before: Tensor, fresh: Tensor, mouth: Tensor) -> Tensor:
    """Return the latents of a chunk as they are shown.

    Args:
        before: latents of the hop before, (f, c, 8, 8); pose first, then detail.
        fresh: those of the chunk, (f, c, 8, 8).
        mouth: how much each cell belongs to the mouth, (1, 1, 8, 8); its detail is left alone.
    """
    hop, half = len(fresh), fresh.shape[1] // 2
    pace = (fresh[-1] - fresh[0] + before[-1] - before[0]) / max(1, 2 * (hop - 1))
    step = fresh[0] - (before[-1] + pace)
    fading = 1 - torch.arange(1, hop + 1, dtype=fresh.dtype, device=fresh.device) / hop
    held = step * fading[:, None, None, None]
    held = torch.cat([held[:, :half], held[:, half:] * (1 - mouth)], 1)
    return fresh - held
