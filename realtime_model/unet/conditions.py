"""Small networks beside the UNets: identity, voice and the place of the face, as they need them."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from realtime_model.config import UnetConfig
from realtime_model.errors import ConfigError
from realtime_model.features import neighbours
from realtime_model.unet.spatial import silence


class FaceProjection(nn.Module):
    """An identity embedding -> face tokens."""

    def __init__(self, config: UnetConfig) -> None:
        super().__init__()
        self.shape = (config.face_tokens, config.token_dim)
        self.proj = nn.Linear(config.face_dim, config.face_tokens * config.token_dim)
        self.norm = nn.LayerNorm(config.token_dim)

    def forward(self, embedding: Tensor | None, rows: int = 1) -> Tensor:
        """Return (b, tokens, d) of embeddings (b, 512); none is zeros: nobody in particular."""
        if embedding is None:
            embedding = self.proj.weight.new_zeros(rows, self.proj.in_features)
        out: Tensor = self.norm(self.proj(embedding).view(-1, *self.shape))
        return out


class AudioProjection(nn.Module):
    """Hidden layers of a speech encoder around a frame -> the frame's audio tokens."""

    def __init__(self, config: UnetConfig, margin_frames: int) -> None:
        super().__init__()
        self.shape = (config.audio_tokens, config.token_dim)
        self.margin = margin_frames
        heard = (2 * margin_frames + 1) * config.audio_layers * config.audio_dim
        self.proj1 = nn.Linear(heard, config.audio_hidden)
        self.proj2 = nn.Linear(config.audio_hidden, config.audio_hidden)
        self.proj3 = nn.Linear(config.audio_hidden, config.audio_tokens * config.token_dim)
        self.norm = nn.LayerNorm(config.token_dim)

    def forward(self, features: Tensor) -> Tensor:
        """Return (b, f, tokens, d).

        Args:
            features: (b, margin + f + margin, layers, d): the frames with their neighbours.
        """
        near = neighbours(features.flatten(2), self.margin).flatten(2)
        hidden = F.relu(self.proj2(F.relu(self.proj1(near))))
        tokens: Tensor = self.norm(self.proj3(hidden).unflatten(-1, self.shape))
        return tokens


class AudioTokens(nn.Module):
    """The same where features are tokens: those of a frame and its neighbours, made louder."""

    def __init__(self, config: UnetConfig, margin_frames: int) -> None:
        super().__init__()
        self.margin, self.gain = margin_frames, config.audio_gain
        heard = (2 * margin_frames + 1) * config.audio_layers
        if config.audio_tokens != heard:
            raise ConfigError(
                f"unet.audio_tokens is {config.audio_tokens}, but {config.audio_layers} a frame "
                f"and {margin_frames} neighbours on each side are {heard}"
            )

    def forward(self, features: Tensor) -> Tensor:
        """Return (b, f, tokens, d) of features (b, margin + f + margin, layers, d)."""
        near = neighbours(features.flatten(2), self.margin)
        tokens: Tensor = near.reshape(*near.shape[:2], -1, features.shape[-1])
        return self.gain * tokens


class FaceLocator(nn.Module):
    """A picture of where the face is, (n, 3 or 1, 8 * h, 8 * w) in [0, 1] -> (n, c, h, w)."""

    def __init__(self, config: UnetConfig) -> None:
        super().__init__()
        widths = config.locator
        self.conv_in = nn.Conv2d(config.locator_channels, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for came, width in pairwise(widths):
            self.blocks.append(nn.Conv2d(came, came, 3, padding=1))
            self.blocks.append(nn.Conv2d(came, width, 3, stride=2, padding=1))
        self.conv_out = nn.Conv2d(widths[-1], config.widths[0], 3, padding=1)
        silence(self.conv_out)

    def forward(self, picture: Tensor) -> Tensor:
        # Three channels of a box are equal; a locator of one channel takes the first.
        x = F.silu(self.conv_in(picture[:, : self.conv_in.in_channels]))
        for block in self.blocks:
            x = F.silu(block(x))
        out: Tensor = self.conv_out(x)
        return out
