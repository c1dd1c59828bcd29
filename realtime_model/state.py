"""What the model keeps of one stream between two chunks."""

import math
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from realtime_model.contract import StreamOptions

AvatarT = TypeVar("AvatarT")


@dataclass(frozen=True, slots=True)
class StreamState(Generic[AvatarT]):
    """One stream: who it shows, its last frames, its noise.

    Attributes:
        avatar: the portrait, prepared by the engine; streams that show it may share it.
        motion_frames: last rendered latents, as diffused, (n, c, h, w); before the first chunk the
            portrait itself, or none where the network is then given zero maps or nothing.
        last_hop: latents of the last chunk, as diffused, (f, c, h, w); the portrait itself at
            first.
        steps: denoising steps.
        options: what was chosen for it.
        next_chunk: index the next window should have.
    """

    avatar: AvatarT
    motion_frames: Tensor | None
    last_hop: Tensor
    steps: int
    options: StreamOptions
    next_chunk: int = 0

    def advanced(self, latents: Tensor, chunk_index: int, motion: int) -> "StreamState[AvatarT]":
        """The state after a chunk of latents (f, c, h, w), with the last ``motion`` frames kept."""
        past = latents if self.motion_frames is None else torch.cat([self.motion_frames, latents])
        kept = past[len(past) - motion :]
        return replace(self, motion_frames=kept, last_hop=latents, next_chunk=chunk_index + 1)


def frame_noise(
    seed: int, first_frame: int, frames: int, shape: tuple[int, ...], *, share: float
) -> Tensor:
    """Noise of absolute frames, (frames, *shape): part fixed for the stream, part fresh.

    Together they are standard normal. What is fresh is seen as flicker, more so the more steps are
    taken.

    Args:
        seed: of the stream.
        first_frame: from 0 on.
        frames: how many.
        shape: of one.
        share: of the variance that is fixed, 0 to 1; see `SamplerConfig.shared_noise`.
    """
    shared = torch.randn(shape, generator=_generator(seed, -1))
    fresh = [torch.randn(shape, generator=_generator(seed, first_frame + i)) for i in range(frames)]
    return math.sqrt(share) * shared + math.sqrt(1 - share) * torch.stack(fresh)


def _generator(seed: int, frame: int) -> torch.Generator:
    # Two odd constants spread (seed, frame) over 63 bits; each pair gets a sequence of its own.
    mixed = (seed * 0x9E3779B97F4A7C15 + (frame + 1) * 0xC2B2AE3D27D4EB4F) & (2**63 - 1)
    return torch.Generator().manual_seed(mixed)
