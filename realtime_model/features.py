"""Sound to features: a log-mel spectrogram and causal convolutions, one token a video frame.

Everything is causal: the token of frame k depends on samples up to the end of frame k and at most
``PAST_FRAMES`` frames back, so a window that carries that much past gives the same tokens as the
whole recording. Looking ahead is the caller's: EMO shows each frame the tokens of its neighbours
-m..+m. `AudioEncoder.around` shows it one more: how a mouth looks that says this.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime_model.config import AudioConfig
from realtime_model.rig import arkit_labels

SAMPLE_RATE_HZ = 16_000
_HOP = 160
_FFT = 512
_WINDOW = 400
_PER_FRAME = 4  # mel frames of 10 ms in a video frame of 40 ms
_FLOOR = 1e-5
_DILATIONS = (1, 2, 2)
MOUTH_SHAPES = tuple(
    i
    for i, name in enumerate(arkit_labels())
    if name.startswith(("jaw", "mouth", "tongue", "cheekPuff"))
)
"""Of the 52 ARKit shapes those that sound decides."""
SHAPE_SCALE = 0.12
"""Typical deviation of a shape in speech."""
_READER_WIDTH = 128
# Mel window 240 samples, convolutions 4 + 3 + 2 * 3 mel frames, then 2 * sum(dilations) frames.
PAST_FRAMES = math.ceil((240 / _HOP + 4 + 3 + 6) / _PER_FRAME) + 2 * sum(_DILATIONS)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the backbone is told of a voice.

    Attributes:
        tokens: around each frame, (b, f, 2m + 2, d).
        mouth: activations of `MOUTH_SHAPES` that they mean, (b, f, shapes).
    """

    tokens: Tensor
    mouth: Tensor

    def __getitem__(self, rows: list[int]) -> "Heard":
        return Heard(self.tokens[rows], self.mouth[rows])


class LogMel(nn.Module):
    """Log-mel energies at 100 Hz; the value of frame i uses samples up to (i + 1) * 160 only."""

    bank: Tensor
    window: Tensor

    def __init__(self, mels: int) -> None:
        super().__init__()
        self.register_buffer("bank", _mel_bank(mels), persistent=False)
        self.register_buffer("window", torch.hann_window(_WINDOW), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Return (b, n, mels), near zero mean and unit range, of (b, 160 * n) samples."""
        padded = F.pad(samples, (_WINDOW - _HOP, 0))
        frames = padded.unfold(-1, _WINDOW, _HOP) * self.window
        power = torch.fft.rfft(frames, _FFT).abs().pow(2)
        return (torch.log(power @ self.bank + _FLOOR) + 5) / 4


class AudioEncoder(nn.Module):
    """Log-mel -> one token per video frame.

    Each time step is normalised on its own, so that a louder microphone changes little.
    """

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        width = config.width
        self.mel = LogMel(config.mels)
        self.conv1 = nn.Conv1d(config.mels, width, 5)
        self.norm1 = _StepNorm(width)
        self.conv2 = nn.Conv1d(width, width, 4, stride=2)
        self.norm2 = _StepNorm(width)
        self.conv3 = nn.Conv1d(width, width, 4, stride=2)
        self.norms = nn.ModuleList(_StepNorm(width) for _ in _DILATIONS)
        self.dilated = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=d) for d in _DILATIONS)
        self.mix = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in _DILATIONS)
        self.out_norm = _StepNorm(width)
        self.out = nn.Conv1d(width, config.token_dim, 1)
        self.margin = config.margin_frames
        self.reader = nn.Sequential(
            nn.Linear(config.token_dim * (2 * self.margin + 1), _READER_WIDTH),
            nn.GELU(),
            nn.Linear(_READER_WIDTH, len(MOUTH_SHAPES)),
        )
        self.said = nn.Linear(len(MOUTH_SHAPES), config.token_dim)

    def forward(self, samples: Tensor) -> Tensor:
        """Return tokens (b, frames, token_dim) of samples (b, 640 * frames) in [-1, 1]."""
        return self.from_mel(self.mel(samples))

    def from_mel(self, mel: Tensor) -> Tensor:
        """The same from log-mel energies (b, 4 * frames, mels)."""
        h = F.gelu(self.norm1(self.conv1(F.pad(mel.transpose(1, 2), (4, 0)))))
        h = F.gelu(self.norm2(self.conv2(F.pad(h, (2, 0)))))
        h = self.conv3(F.pad(h, (2, 0)))
        blocks = zip(self.norms, self.dilated, self.mix, _DILATIONS, strict=True)
        for norm, dilated, mix, dilation in blocks:
            h = h + mix(F.gelu(dilated(F.pad(norm(h), (2 * dilation, 0)))))
        tokens: Tensor = self.out(self.out_norm(h))
        return tokens.transpose(1, 2)

    def around(self, tokens: Tensor) -> Heard:
        """What each frame is told of tokens (b, m + frames + m, d).

        The tokens of its neighbours, and what they mean for the mouth: as a token of its own, and
        as it is. The backbone need not find out again what the encoder was taught first.
        """
        near = neighbours(tokens, self.margin)
        mouth: Tensor = self.reader(near.flatten(2))
        said: Tensor = self.said(mouth / SHAPE_SCALE)
        return Heard(torch.cat([near, said[:, :, None]], 2), mouth)

    def mouth(self, tokens: Tensor) -> Tensor:
        """Activations (b, frames, shapes) of `MOUTH_SHAPES` from tokens (b, m + frames + m, d)."""
        shapes: Tensor = self.reader(neighbours(tokens, self.margin).flatten(2))
        return shapes


class _StepNorm(nn.LayerNorm):
    """Layer norm over the channels of each time step of (b, c, t)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def neighbours(tokens: Tensor, margin: int) -> Tensor:
    """Return the tokens of frames -margin..+margin around each inner frame.

    Args:
        tokens: (b, margin + frames + margin, c).
        margin: EMO's m.

    Returns:
        (b, frames, 2 * margin + 1, c).
    """
    return tokens.unfold(1, 2 * margin + 1, 1).transpose(2, 3)


def _mel_bank(mels: int, low_hz: float = 50.0, high_hz: float = 7600.0) -> Tensor:
    """Triangular filters, (257, mels), on the HTK mel scale: m = 2595 log10(1 + f / 700)."""

    def mel(hz: float) -> float:
        return 2595 * math.log10(1 + hz / 700)

    edges = torch.linspace(mel(low_hz), mel(high_hz), mels + 2)
    hz = 700 * (10 ** (edges / 2595) - 1)
    bins = torch.arange(_FFT // 2 + 1) * SAMPLE_RATE_HZ / _FFT
    up = (bins[:, None] - hz[None, :-2]) / (hz[1:-1] - hz[:-2])
    down = (hz[None, 2:] - bins[:, None]) / (hz[2:] - hz[1:-1])
    bank = torch.minimum(up, down).clamp_min(0)
    # The lowest filters are narrower than a bin: give each at least its nearest one.
    nearest = (hz[1:-1] * _FFT / SAMPLE_RATE_HZ).round().long()
    bank[nearest, torch.arange(mels)] = bank[nearest, torch.arange(mels)].clamp_min(0.5)
    return bank
