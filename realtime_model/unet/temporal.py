"""Attention over frames at each cell, the motion frames in front: AnimateDiff's module.

Two attentions over time, then, where the config has speed, one over the speeds of the head.
A motion frame takes part in both attentions, but what the module would make of it is not asked
for; so its feed-forward never runs, and what it brings to the first attention is the same at all
denoising steps (`TemporalTransformer.remember`).
"""

from dataclasses import dataclass

import torch
from diffusers.models.attention import FeedForward
from torch import Tensor, nn

from realtime_model.layers import Attention, KeyValue
from realtime_model.unet.spatial import as_map, as_tokens, silence


@dataclass(frozen=True, slots=True)
class Past:
    """Motion frames as a module over time needs them, the same at all steps of a chunk.

    Attributes:
        tokens: (b * cells, n, c), after the first projection.
        keys: of the first attention.
    """

    tokens: Tensor
    keys: KeyValue


class TemporalTransformer(nn.Module):
    """Maps (b * f, c, h, w) in and out; frames of a row see each other and its motion frames."""

    def __init__(
        self, channels: int, heads: int, groups: int, max_frames: int, speed_dim: int = 0
    ) -> None:
        """Build a module that starts by adding nothing; ``speed_dim`` 0 has no speed layer."""
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))
        self.attention = nn.ModuleList(Attention(channels, heads) for _ in range(2))
        for i in range(2):
            self.register_buffer(f"position_{i}", _positions(max_frames, channels))
        self.ff_norm = nn.LayerNorm(channels)
        self.ff = FeedForward(channels, activation_fn="geglu")
        self.proj_out = nn.Linear(channels, channels)
        silence(self.proj_out)
        self.speed_norm = nn.LayerNorm(channels) if speed_dim else None
        self.speed_attention = Attention(channels, heads, speed_dim) if speed_dim else None
        if self.speed_attention is not None:
            silence(self.speed_attention.to_out)

    def remember(self, motion: Tensor) -> Past:
        """Prepare features of motion frames, (b, n, cells, c)."""
        rows, kept, cells, c = motion.shape
        normed = self.norm(motion.flatten(0, 1).transpose(1, 2)).transpose(1, 2)
        tokens = self.proj_in(normed).view(rows, kept, cells, c).transpose(1, 2)
        tokens = tokens.reshape(rows * cells, kept, c)
        return Past(tokens, self._attention(0).key_value(self._placed(tokens, 0, 0)))

    def forward(
        self, x: Tensor, rows: int, past: Past | None = None, speed: KeyValue | None = None
    ) -> Tensor:
        """Return the new maps.

        Args:
            x: (b * f, c, h, w).
            rows: b.
            past: the motion frames; none has no frames in front.
            speed: keys and values of speeds, rows b; none where unknown.
        """
        n, c, cells = len(x), x.shape[1], x.shape[2] * x.shape[3]
        frames = n // rows
        tokens = self.proj_in(as_tokens(self.norm(x)))
        tokens = tokens.view(rows, frames, cells, c).transpose(1, 2).reshape(-1, frames, c)
        tokens = self._over_time(tokens, past)
        if self.speed_attention is not None and self.speed_norm is not None:
            assert speed is not None
            seen = speed.expand(len(tokens))
            tokens = tokens + self.speed_attention(self.speed_norm(tokens), seen)
        tokens = tokens + self.ff(self.ff_norm(tokens))
        out = self.proj_out(tokens).view(rows, cells, frames, c).transpose(1, 2)
        return x + as_map(out.reshape(n, cells, c), x)

    def _over_time(self, tokens: Tensor, past: Past | None) -> Tensor:
        first, second = self._attention(0), self._attention(1)
        kept = 0 if past is None else past.tokens.shape[1]
        placed = self._placed(tokens, 0, kept)
        own = first.key_value(placed)
        if past is None:
            whole = tokens + first(placed, own)
        else:
            asking = torch.cat([self._placed(past.tokens, 0, 0), placed], 1)
            whole = torch.cat([past.tokens, tokens], 1) + first(asking, past.keys, own)
        placed = self._placed(whole, 1, 0)
        out: Tensor = whole[:, kept:] + second(placed[:, kept:], second.key_value(placed))
        return out

    def _attention(self, i: int) -> Attention:
        attention = self.attention[i]
        assert isinstance(attention, Attention)
        return attention

    def _placed(self, tokens: Tensor, i: int, first: int) -> Tensor:
        """Normed tokens (n, frames, c) that know their places in time, ``first`` on."""
        position: Tensor = getattr(self, f"position_{i}")
        normed: Tensor = self.norms[i](tokens)
        return normed + position[:, first : first + tokens.shape[1]]


def _positions(frames: int, channels: int) -> Tensor:
    """Sines and cosines by turns, (1, frames, channels).

    Source: arXiv:1706.03762, section 3.5.
    """
    rate = torch.exp(torch.arange(0, channels, 2) * (-torch.log(torch.tensor(1e4)) / channels))
    angle = torch.arange(frames)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[None]
