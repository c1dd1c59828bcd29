"""Blocks shared by the codec and the denoiser; all stateless."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def group_norm(channels: int) -> nn.GroupNorm:
    """Groups of at least eight channels, sixteen at most."""
    return nn.GroupNorm(max(1, min(16, channels // 8)), channels)


class ResBlock(nn.Module):
    """Two 3x3 convolutions with a skip; ``temb``, when given, scales and shifts the middle."""

    def __init__(self, c_in: int, c_out: int, temb: int = 0) -> None:
        super().__init__()
        self.norm1 = group_norm(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2 = group_norm(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.temb = nn.Linear(temb, 2 * c_out) if temb else None
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, temb: Tensor | None = None) -> Tensor:
        h = self.norm2(self.conv1(F.silu(self.norm1(x))))
        if self.temb is not None:
            assert temb is not None
            scale, shift = self.temb(temb)[:, :, None, None].chunk(2, 1)
            h = h * (1 + scale) + shift
        out: Tensor = self.skip(x) + self.conv2(F.silu(h))
        return out


@dataclass(frozen=True, slots=True)
class KeyValue:
    """Keys and values of one attention, (b, heads, n, c / heads); computed once, used often."""

    key: Tensor
    value: Tensor

    def expand(self, batch: int) -> "KeyValue":
        """Repeat each row for ``batch`` rows in all, copies side by side; one row is not copied."""
        rows = self.key.shape[0]
        if rows == batch:
            return self
        if rows == 1:
            return KeyValue(
                self.key.expand(batch, -1, -1, -1), self.value.expand(batch, -1, -1, -1)
            )
        each = batch // rows
        return KeyValue(self.key.repeat_interleave(each, 0), self.value.repeat_interleave(each, 0))

    def rows(self, numbers: Tensor) -> "KeyValue":
        """The rows with these numbers, (b,)."""
        return KeyValue(self.key[numbers], self.value[numbers])

    @staticmethod
    def stack(parts: Sequence["KeyValue"]) -> "KeyValue":
        """The rows of several, one after another."""
        return KeyValue(torch.cat([p.key for p in parts]), torch.cat([p.value for p in parts]))


class Attention(nn.Module):
    """Multi-head attention whose keys and values may be given ready-made."""

    def __init__(self, channels: int, heads: int, context: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_kv = nn.Linear(context or channels, 2 * channels, bias=False)
        self.to_out = nn.Linear(channels, channels)

    def key_value(self, context: Tensor) -> KeyValue:
        """Return the keys and values of a context, (b, n, context channels)."""
        key, value = self.to_kv(context).chunk(2, -1)
        return KeyValue(self._split(key), self._split(value))

    def _split(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        return x.view(b, n, self.heads, c // self.heads).transpose(1, 2)

    def forward(self, x: Tensor, *contexts: KeyValue) -> Tensor:
        """Attend from x (b, n, c) to all tokens of all contexts."""
        b, n, c = x.shape
        key = torch.cat([kv.key for kv in contexts], 2) if len(contexts) > 1 else contexts[0].key
        value = (
            torch.cat([kv.value for kv in contexts], 2) if len(contexts) > 1 else contexts[0].value
        )
        out = F.scaled_dot_product_attention(self._split(self.to_q(x)), key, value)
        joined: Tensor = self.to_out(out.transpose(1, 2).reshape(b, n, c))
        return joined


class FeedForward(nn.Sequential):
    """Norm, widen, GELU, narrow."""

    def __init__(self, channels: int, widen: int = 2) -> None:
        super().__init__(
            nn.LayerNorm(channels),
            nn.Linear(channels, widen * channels),
            nn.GELU(),
            nn.Linear(widen * channels, channels),
        )


def upsample(x: Tensor) -> Tensor:
    """Double height and width by repetition; the next convolution smooths it."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
