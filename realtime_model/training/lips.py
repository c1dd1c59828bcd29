"""A reader of lips in latents: it watches what the loss of a latent hardly notices."""

import torch
from torch import Tensor, nn

from realtime_model.config import ModelConfig
from realtime_model.training.windows import DiffusionData, Windows

# A mouth opens further than it rounds; both should count alike.
_WIDTH_WEIGHT = 2.0


class LipReader(nn.Module):
    """Reads how much further open and how much wider a mouth is than in the portrait.

    (b, c, 8, 8) -> (b, 2), hundredths of the face width. A latent cannot tell more: it holds what
    moved.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.denoiser.channels
        self.mouth = nn.Conv2d(1, 48, 3, padding=1)
        self.net = nn.Sequential(
            nn.Conv2d(c, 48, 3, padding=1), nn.GELU(), nn.Conv2d(48, 48, 3, padding=1), nn.GELU()
        )
        self.head = nn.Sequential(nn.Linear(48 * 64, 64), nn.GELU(), nn.Linear(64, 2))

    def forward(self, latent: Tensor, mouth: Tensor) -> Tensor:
        h = self.net(latent) * torch.sigmoid(self.mouth(mouth))
        out: Tensor = self.head(h.flatten(1))
        return out


def lip_error(
    reader: LipReader, data: DiffusionData, guess: Tensor, batch: Windows, heard: Tensor
) -> Tensor:
    """How wrong opening and width of the mouth are in a guess, hundredths of the face width."""
    frames = guess.shape[1]
    mouth = data.mouth[batch.who].repeat_interleave(frames, 0)
    read: Tensor = reader(guess.flatten(0, 1), mouth).view(-1, frames, 2)
    opening, width = (read - batch.lips).abs().unbind(-1)
    return ((opening + _WIDTH_WEIGHT * width) * heard[:, None]).mean()
