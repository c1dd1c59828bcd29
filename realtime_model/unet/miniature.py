"""Stand-ins for the two large networks around the UNets, so that a miniature needs no download.

Both keep the interface of what they stand in for: `MelVoice` that of wav2vec2 in
`pretrained.voices`, `PatchAutoencoder` that of the autoencoders in `pretrained.latents`. The first
needs no weights; those of the second are fitted, and lie with the UNets' beside their preset.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from realtime_model.features import LogMel

PATCHES, MELS = "patches", "mels"
"""What `config.PartsConfig` and recipes call them, where kinds of added weights may stand."""

CELL_PX = 8
_STEPS = 4  # of 10 ms in a video frame


class MelVoice(nn.Module):
    """The four log-mel spectra of each video frame, as if they were four hidden layers."""

    def __init__(self, mels: int = 80) -> None:
        super().__init__()
        self.mel = LogMel(mels)

    @torch.inference_mode()
    def forward(self, samples: Tensor) -> Tensor:
        """Return (b, frames, 4, mels) of samples (b, 640 * frames) in [-1, 1]."""
        mel: Tensor = self.mel(samples)
        return mel.view(len(mel), -1, _STEPS, mel.shape[2])


@dataclass(frozen=True, slots=True)
class PatchSizes:
    """What `pretrained.latents.ImageLatents` asks of an autoencoder."""

    latent_channels: int
    scaling_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Coded:
    """Latents, under the name that diffusers gives them."""

    latents: Tensor


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pictures, under the name that diffusers gives them."""

    sample: Tensor


class PatchAutoencoder(nn.Module):
    """Squares of 8 x 8 pixels as weights of their most frequent patterns: principal components.

    It is fitted in closed form, in seconds, and decodes without a network. Four patterns, as many
    channels as Stable Diffusion's latents have, do not show how far a mouth of three cells is open;
    sixteen do.
    """

    mean: Tensor
    patterns: Tensor
    spread: Tensor

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.config = PatchSizes(channels)
        values = 3 * CELL_PX**2
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("patterns", torch.eye(values)[:, :channels].clone())
        self.register_buffer("spread", torch.ones(channels))

    def fit(self, pictures: Tensor) -> "PatchAutoencoder":
        """Find the patterns of RGB pictures uint8 (n, h, w, 3); returns itself.

        Rarer patterns are told apart less: latents' deviations fall as the square root of the
        patterns' own, about one over all.
        """
        rows = _patches(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1)[0]
        self.mean.copy_(rows.mean(0))
        power, patterns = torch.linalg.eigh(torch.cov(rows.T))
        channels = self.config.latent_channels
        deviation = power.flip(0)[:channels].clamp_min(1e-8).sqrt()
        self.patterns.copy_(patterns.flip(1)[:, :channels])
        self.spread.copy_(deviation.sqrt() * deviation.mean().sqrt())
        return self

    def encode(self, planes: Tensor) -> Coded:
        """Code pictures (n, 3, 8 h, 8 w) in [-1, 1] as (n, c, h, w)."""
        rows, (n, h, w) = _patches(planes)
        coded = (rows - self.mean) @ self.patterns / self.spread
        return Coded(coded.view(n, h, w, -1).permute(0, 3, 1, 2))

    def decode(self, latents: Tensor) -> Decoded:
        """The pictures of latents, (n, 3, 8 h, 8 w)."""
        n, _, h, w = latents.shape
        rows = (latents.permute(0, 2, 3, 1) * self.spread) @ self.patterns.T + self.mean
        planes = rows.view(n, h, w, 3, CELL_PX, CELL_PX).permute(0, 3, 1, 4, 2, 5)
        return Decoded(planes.reshape(n, 3, h * CELL_PX, w * CELL_PX))


def _patches(planes: Tensor) -> tuple[Tensor, tuple[int, int, int]]:
    """Squares of pictures (n, 3, 8 h, 8 w), (n * h * w, 3 * 8 * 8), and n, h and w."""
    squares = planes.unfold(2, CELL_PX, CELL_PX).unfold(3, CELL_PX, CELL_PX)
    n, _, h, w = squares.shape[:4]
    return squares.permute(0, 2, 3, 1, 4, 5).reshape(n * h * w, -1), (n, h, w)
