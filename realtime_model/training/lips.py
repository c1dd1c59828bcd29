"""A reader of lips in latents: it watches what the loss of a latent hardly notices."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime_model.training.windows import ClipWindows, Windows

# A mouth opens further than it rounds; both should count alike.
_WIDTH_WEIGHT = 3.5
_CELLS = 8  # side of the maps that are read


class LipReader(nn.Module):
    """Reads how much further open and how much wider a mouth is than in the portrait.

    (b, c, side, side) -> (b, 2), hundredths of the face width. A latent of what moved cannot tell
    more.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.mouth = nn.Conv2d(1, 48, 3, padding=1)
        layers: list[nn.Module] = [nn.Conv2d(channels, 48, 3, padding=1), nn.GELU()]
        while side > _CELLS:
            layers += [nn.Conv2d(48, 48, 4, 2, 1), nn.GELU()]
            side //= 2
        self.net = nn.Sequential(*layers, nn.Conv2d(48, 48, 3, padding=1), nn.GELU())
        self.head = nn.Sequential(nn.Linear(48 * _CELLS**2, 64), nn.GELU(), nn.Linear(64, 2))

    def forward(self, latent: Tensor, mouth: Tensor) -> Tensor:
        seen = F.adaptive_avg_pool2d(mouth, _CELLS) if mouth.shape[-1] > _CELLS else mouth
        h = self.net(latent) * torch.sigmoid(self.mouth(seen))
        out: Tensor = self.head(h.flatten(1))
        return out


def lip_error(
    reader: LipReader, data: ClipWindows, guess: Tensor, batch: Windows, heard: Tensor
) -> Tensor:
    """How wrong opening and width of the mouth are in a guess, hundredths of the face width."""
    frames = guess.shape[1]
    mouth = data.mouth[batch.who].repeat_interleave(frames, 0)
    read: Tensor = reader(guess.flatten(0, 1), mouth).view(-1, frames, 2)
    opening, width = (read - batch.lips).abs().unbind(-1)
    return ((opening + _WIDTH_WEIGHT * width) * heard[:, None]).mean()
