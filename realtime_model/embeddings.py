"""Conditions as numbers: the noise level, the place of the face, the speed of the head."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime_model.facemap import CHANNELS

_TIME_FREQUENCIES = 32
SPEED_CENTRES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 6.0)


class TimeEmbedding(nn.Module):
    """Noise level in [0, 1] -> (b, temb)."""

    def __init__(self, temb: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2 * _TIME_FREQUENCIES, temb), nn.SiLU(), nn.Linear(temb, temb)
        )

    def forward(self, level: Tensor) -> Tensor:
        ramp = torch.linspace(0, math.log(1000.0), _TIME_FREQUENCIES, device=level.device)
        angle = level[:, None] * torch.exp(ramp)
        out: Tensor = self.net(torch.cat([angle.sin(), angle.cos()], -1))
        return out


class RestEncoder(nn.Module):
    """The mouth of the portrait -> (b, temb); silent at the start of training.

    Latents say how far the lips move from the portrait, so closing them means another latent for
    each mouth that is open there. Seen in 64 x 64 pixels a gap is guessed too roughly.
    """

    def __init__(self, temb: int) -> None:
        super().__init__()
        last = nn.Linear(64, temb)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(nn.Linear(2, 64), nn.SiLU(), last)

    def forward(self, lips: Tensor) -> Tensor:
        """Return (b, temb) of gap and width (b, 2), see `facemap.lips_at_rest`."""
        spread = torch.tensor([0.06, 0.06], device=lips.device)
        middle = torch.tensor([0.04, 0.40], device=lips.device)
        out: Tensor = self.net((lips - middle) / spread)
        return out


class FaceLocator(nn.Module):
    """The face map at 64 cells -> 8 cells; silent at the start of training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = down_to_cells(len(CHANNELS), width)
        last = self.net[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, face_map: Tensor) -> Tensor:
        """Return (b, width, 8, 8) for maps (b, 10, 64, 64)."""
        out: Tensor = self.net(face_map)
        return out


def down_to_cells(channels: int, width: int) -> nn.Sequential:
    """64 cells -> 8 cells."""
    return nn.Sequential(
        nn.Conv2d(channels, 24, 3, 2, 1),
        nn.SiLU(),
        nn.Conv2d(24, 48, 3, 2, 1),
        nn.SiLU(),
        nn.Conv2d(48, 64, 3, 2, 1),
        nn.SiLU(),
        nn.Conv2d(64, width, 1),
    )


class SpeedEncoder(nn.Module):
    """Angular speed of the head -> bucket features, as EMO: tanh((w - centre) / radius * 3)."""

    centres: Tensor
    radii: Tensor

    def __init__(self, width: int, margin: int) -> None:
        super().__init__()
        centres = torch.tensor(SPEED_CENTRES)
        gaps = centres.diff()
        radii = torch.minimum(F.pad(gaps, (1, 0), value=9.0), F.pad(gaps, (0, 1), value=9.0))
        self.register_buffer("centres", centres, persistent=False)
        self.register_buffer("radii", radii, persistent=False)
        self.margin = margin
        self.net = nn.Sequential(
            nn.Linear(len(SPEED_CENTRES) * (2 * margin + 1), 64), nn.SiLU(), nn.Linear(64, width)
        )
        self.unknown = nn.Parameter(torch.zeros(width))

    def forward(self, speed_deg: Tensor, known: Tensor) -> Tensor:
        """Return (b, f, width) for speeds (b, f) in degrees a frame.

        Rows that are not ``known`` (b,) get one learned token instead.
        """
        bucket = torch.tanh((speed_deg[..., None] - self.centres) / self.radii * 3)
        padded = torch.cat(
            [bucket[:, :1]] * self.margin + [bucket] + [bucket[:, -1:]] * self.margin, 1
        )
        near = padded.unfold(1, 2 * self.margin + 1, 1).flatten(2)
        return torch.where(known[:, None, None], self.net(near), self.unknown)
