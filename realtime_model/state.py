"""What the model keeps of one stream between two chunks."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from realtime_model.autoencoder import Pyramid
from realtime_model.contract import StreamOptions
from realtime_model.denoiser import ReferenceCache


@dataclass(frozen=True, slots=True)
class Avatar:
    """A portrait, prepared once; shared by all streams that show it.

    Attributes:
        pyramid: what the decoder needs, one row per position of the lids, see `lids.LEVELS`.
        cache: what the backbone needs.
        look: what the portrait adds inside ReferenceNet, (1, width, 8, 8).
        mouth: how much each cell belongs to the mouth, (1, 1, 8, 8) in [0, 1].
        quiet: what the network makes of silence, normalised, (c, 8, 8).
        closed: what it should: the portrait at rest with its mouth closed, normalised, (c, 8, 8).
    """

    pyramid: Pyramid
    cache: ReferenceCache
    look: Tensor
    mouth: Tensor
    quiet: Tensor
    closed: Tensor


@dataclass(frozen=True, slots=True)
class StreamState:
    """One stream: who it shows, its last frames, its noise.

    Attributes:
        avatar: the portrait.
        motion_frames: last rendered latents, normalised, (n, c, 8, 8); zeros, the portrait itself,
            at first.
        last_hop: latents of the last chunk, normalised, (f, c, 8, 8); zeros at first.
        steps: denoising steps.
        options: what was chosen for it.
        next_chunk: index the next window should have.
    """

    avatar: Avatar
    motion_frames: Tensor
    last_hop: Tensor
    steps: int
    options: StreamOptions
    next_chunk: int = 0

    def advanced(self, latents: Tensor, chunk_index: int) -> "StreamState":
        """The state after a chunk of latents (f, c, 8, 8)."""
        kept = torch.cat([self.motion_frames, latents])[-len(self.motion_frames) :]
        return replace(self, motion_frames=kept, last_hop=latents, next_chunk=chunk_index + 1)

    def restarted(self) -> "StreamState":
        """The state before the first chunk."""
        return replace(
            self,
            motion_frames=torch.zeros_like(self.motion_frames),
            last_hop=torch.zeros_like(self.last_hop),
            next_chunk=0,
        )


def frame_noise(seed: int, first_frame: int, frames: int, shape: tuple[int, ...]) -> Tensor:
    """Noise of absolute frames, (frames, *shape): part fixed for the stream, part fresh.

    The shared part keeps neighbouring frames from flickering; together they are standard normal.
    """
    shared = torch.randn(shape, generator=_generator(seed, -1))
    fresh = [torch.randn(shape, generator=_generator(seed, first_frame + i)) for i in range(frames)]
    return math.sqrt(0.9) * shared + math.sqrt(0.1) * torch.stack(fresh)


def _generator(seed: int, frame: int) -> torch.Generator:
    # Two odd constants spread (seed, frame) over 63 bits; each pair gets a sequence of its own.
    mixed = (seed * 0x9E3779B97F4A7C15 + (frame + 1) * 0xC2B2AE3D27D4EB4F) & (2**63 - 1)
    return torch.Generator().manual_seed(mixed)
