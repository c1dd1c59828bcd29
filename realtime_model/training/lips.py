"""A reader of lips in latents: it watches what the loss of a latent hardly notices."""

import torch
from torch import Tensor, nn

from realtime_model.config import ModelConfig
from realtime_model.training.windows import DiffusionData, Windows


class LipReader(nn.Module):
    """Reads opening and width of the mouth off a latent: (b, c, 8, 8) -> (b, 2).

    In hundredths of the face width, see `latents.Played.lips`.
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
    """Difference in opening and width of the mouth, hundredths of the face width, of a guess."""
    frames = guess.shape[1]
    mouth = data.mouth[batch.who].repeat_interleave(frames, 0)
    read: Tensor = reader(guess.flatten(0, 1), mouth).view(-1, frames, 2)
    return ((read - batch.lips).abs().sum(-1) * heard[:, None]).mean()
