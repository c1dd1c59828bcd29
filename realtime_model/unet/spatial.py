"""Attention over the cells of one frame: to the portrait, to the face's identity, to the voice.

Both modules take and return maps (n, c, h, w), n = frames of all rows, and add to what they get.
Names of submodules are Stable Diffusion's; `hallo` maps them to checkpoints.
"""

import torch
import torch.nn.functional as F
from diffusers.models.attention import FeedForward
from torch import Tensor, nn

from realtime_model.layers import Attention, KeyValue

MASKS = ("pose", "face", "lip")  # what the three attentions of `AudioTransformer` look at


def as_tokens(x: Tensor) -> Tensor:
    """Maps (n, c, h, w) as tokens (n, h * w, c)."""
    return x.flatten(2).transpose(1, 2)


def as_map(tokens: Tensor, like: Tensor) -> Tensor:
    """Tokens (n, h * w, c) as maps of the height and width of ``like``."""
    return tokens.transpose(1, 2).reshape(len(tokens), -1, *like.shape[2:])


class SpatialTransformer(nn.Module):
    """Self-attention, to the portrait as well where its keys are given, then to other tokens.

    Those are of the face or of the voice; with ``token_dim`` 0 there are none to attend to.
    """

    def __init__(self, channels: int, heads: int, groups: int, token_dim: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels, heads)
        self.norm2 = nn.LayerNorm(channels) if token_dim else None
        self.attn2 = Attention(channels, heads, token_dim) if token_dim else None
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels, activation_fn="geglu")
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def key_value(self, tokens: Tensor) -> KeyValue:
        """Keys and values of face or audio tokens, (n, tokens, d)."""
        assert self.attn2 is not None
        return self.attn2.key_value(tokens)

    def tokens(self, x: Tensor) -> Tensor:
        """What the block works on, (n, cells, c)."""
        return as_tokens(self.proj_in(self.norm(x)))

    def features(self, x: Tensor) -> Tensor:
        """What ReferenceNet hands to the backbone: the normed input of self-attention."""
        normed: Tensor = self.norm1(self.tokens(x))
        return normed

    def forward(
        self, x: Tensor, told: KeyValue | None, reference: KeyValue | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the new maps, and `features` of the old ones.

        Args:
            x: (n, c, h, w).
            told: of `key_value`; one row, or one for each batch row, or one a frame.
            reference: of the portrait's features; none is plain self-attention.
        """
        tokens = self.tokens(x)
        normed = self.norm1(tokens)
        seen = [self.attn1.key_value(normed)]
        if reference is not None:
            seen.append(reference.expand(len(x)))
        tokens = tokens + self.attn1(normed, *seen)
        if self.attn2 is not None and self.norm2 is not None:
            assert told is not None
            tokens = tokens + self.attn2(self.norm2(tokens), told.expand(len(x)))
        tokens = tokens + self.ff(self.norm3(tokens))
        return x + self.proj_out(as_map(tokens, x)), normed


class AudioTransformer(nn.Module):
    """Self-attention, then one attention to the voice for each of pose, face and lips.

    Each hears the same tokens, is kept to its own region by a mask, and starts silent. Works at
    ``inner`` channels, which need not be those of the maps.
    """

    def __init__(self, channels: int, inner: int, heads: int, groups: int, token_dim: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, inner, 1)
        self.norm1 = nn.LayerNorm(inner)
        self.attn1 = Attention(inner, heads)
        self.norm2 = nn.LayerNorm(inner)
        self.attn2 = nn.ModuleList(Attention(inner, heads, token_dim) for _ in MASKS)
        self.zero_conv = nn.ModuleList(nn.Conv2d(inner, inner, 1) for _ in MASKS)
        for module in self.zero_conv:
            silence(module)
        self.norm3 = nn.LayerNorm(inner)
        self.ff = FeedForward(inner, activation_fn="geglu")
        self.proj_out = nn.Conv2d(inner, channels, 1)

    def key_value(self, tokens: Tensor) -> tuple[KeyValue, ...]:
        """Keys and values of audio tokens (n, tokens, d) for each mask."""
        return tuple(a.key_value(tokens) for a in self.attn2)  # type: ignore[operator]

    def forward(
        self,
        x: Tensor,
        audio: tuple[KeyValue, ...],
        masks: Tensor,
        scales: tuple[float | Tensor, ...],
    ) -> Tensor:
        """Return the new maps.

        Args:
            x: (n, c, h, w).
            audio: of `key_value`, rows n.
            masks: (1 or n, 3, h * w), as `MASKS`.
            scales: how much each region follows the voice, for all maps or (n, 1, 1); 1 is as
                trained.
        """
        tokens = as_tokens(self.proj_in(self.norm(x)))
        normed = self.norm1(tokens)
        tokens = tokens + self.attn1(normed, self.attn1.key_value(normed))
        normed = self.norm2(tokens)
        for i, (attention, zero_conv) in enumerate(zip(self.attn2, self.zero_conv, strict=True)):
            heard = attention(normed, audio[i]) * masks[:, i, :, None]
            # The bias counts outside the mask too, as in training: only the input is masked.
            tokens = tokens + scales[i] * _pointwise(zero_conv, heard)
        tokens = tokens + self.ff(self.norm3(tokens))
        out: Tensor = x + self.proj_out(as_map(tokens, x))
        return out


def silence(module: nn.Module) -> None:
    """Set all weights to zero: a layer that adds nothing until it is trained."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()


def _pointwise(conv: nn.Module, tokens: Tensor) -> Tensor:
    """A 1x1 convolution on tokens (n, cells, c)."""
    assert isinstance(conv, nn.Conv2d)
    return F.linear(tokens, conv.weight[:, :, 0, 0], conv.bias)
