"""Sound to features with wav2vec2 and whisper, as hallo and EchoMimic feed them to their networks.

Both encoders look both ways, so they are shown the recent past again at every hop and only the
frames of the hop are taken: `hear_windows`. The interface is that of `features.AudioEncoder`: (b,
640 * frames) samples in, something per video frame of 40 ms out.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime_model.errors import ShapeError
from realtime_model.geometry import WindowGeometry

FRAME_SAMPLES = 640
PAST_FRAMES = 200
"""Eight seconds: what both encoders need of the past to be steady."""

QUIETEST_RMS = 0.01
"""Quieter sound is not made louder than if it had this level (-40 dB): silence stays silence."""


class VoiceEncoder(Protocol):
    """Turns (b, 640 * frames) samples in [-1, 1] into (b, frames, tokens, width)."""

    def __call__(self, samples: Tensor) -> Tensor: ...


class Wav2Vec2Voice(nn.Module):
    """Every layer of wav2vec2 at 25 Hz, as hallo uses them.

    The features of the convolutions (50 Hz) are brought to one per video frame *before* the
    transformer, by linear interpolation with aligned corners. For 640 samples a frame that takes
    features 0, 2, 4..., each of which hears the first 25 ms of its frame and nothing of another.

    Source: hallo 8fd7c57, models/wav2vec.py and datasets/audio_processor.py.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, samples: Tensor) -> Tensor:
        """Return the output of every layer, (b, frames, layers, width).

        Raises:
            ShapeError: the samples are no whole number of frames.
        """
        frames = _frames_of(samples)
        heard = self.network.feature_extractor(normalised(samples))
        return self.layers(F.interpolate(heard, size=frames, mode="linear", align_corners=True))

    def layers(self, heard: Tensor) -> Tensor:
        """Return (b, frames, layers, width) of convolutional features (b, channels, frames)."""
        hidden, _ = self.network.feature_projection(heard.transpose(1, 2))
        encoder = self.network.encoder
        hidden = encoder.layer_norm(hidden + encoder.pos_conv_embed(hidden))
        outputs = []
        for layer in encoder.layers:
            hidden = layer(hidden)
            outputs.append(hidden)
        return torch.stack(outputs, 2)


class WhisperVoice(nn.Module):
    """Every depth of whisper's encoder, two steps of 20 ms a frame, as EchoMimic uses them.

    A frame has 2 * (1 + layers) tokens: what enters the first layer, then the output of each, of
    its first step, then of its second. What lies beyond the sound is the network's own padding
    (zeros in the spectrogram) up to 30 s.

    Source: EchoMimic a53e970, models/whisper; the encoder is OpenAI's. EchoMimic runs at 24 frames
    a second and rounds to the nearest step; at 25 each frame has exactly two.
    """

    bank: Tensor
    window: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network
        first: Any = network.conv1
        bank = torch.from_numpy(_mel_bank(first.in_channels)).float()
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("window", torch.hann_window(400), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Return (b, frames, 2 * (1 + layers), width).

        Raises:
            ShapeError: the samples are no whole number of frames, or longer than the network hears.
        """
        frames, steps = _frames_of(samples), self.network.embed_positions.num_embeddings
        if 2 * frames > steps:
            raise ShapeError(f"whisper hears {steps // 2} frames at a time, not {frames}")
        mel = F.pad(self.log_mel(samples), (0, 2 * steps - 4 * frames))
        hidden = F.gelu(self.network.conv2(F.gelu(self.network.conv1(mel)))).transpose(1, 2)
        hidden = hidden + self.network.embed_positions.weight
        depths = [hidden]
        for layer in self.network.layers:
            hidden = layer(hidden, None)
            depths.append(hidden)
        tokens = torch.stack(depths, 2)[:, : 2 * frames]
        return tokens.reshape(len(samples), frames, 2 * len(depths), -1)

    def log_mel(self, samples: Tensor) -> Tensor:
        """Return (b, mels, n) of (b, 160 * n) samples: 10 ms steps, at most 80 dB below the peak.

        Source: arXiv:2212.04356, sec. 2.2, and OpenAI's whisper/audio.py.
        """
        wave = torch.stft(samples, 400, 160, window=self.window, return_complex=True)
        power = wave[..., :-1].abs().square()
        log = (self.bank.T @ power).clamp_min(1e-10).log10()
        mel: Tensor = (torch.maximum(log, log.amax((1, 2), keepdim=True) - 8) + 4) / 4
        return mel


VOICES: dict[str, type[Wav2Vec2Voice] | type[WhisperVoice]] = {
    "wav2vec2": Wav2Vec2Voice,
    "whisper-tiny": WhisperVoice,
}
"""What hears, by the kind of its weights."""


def normalised(samples: Tensor) -> Tensor:
    """Return samples (b, n) with mean 0 and, unless they are very quiet, variance 1.

    The published networks were trained on whole recordings treated like this; a window of eight
    seconds stands for the recording. `QUIETEST_RMS` keeps the noise of a silent room from being
    made as loud as a voice.
    """
    centred = samples - samples.mean(-1, keepdim=True)
    level = centred.square().mean(-1, keepdim=True).clamp_min(QUIETEST_RMS**2)
    return centred / (level + 1e-7).sqrt()


def hear_windows(
    encoder: VoiceEncoder,
    windows: Tensor,
    chunk_indices: Sequence[int],
    geometry: WindowGeometry,
    margin: int,
    *,
    before: int = 0,
) -> Tensor:
    """Encode windows of several streams; return the frames of their hops and ``margin`` around.

    The silence that stands before a young stream is cut off first: it was not in the recording,
    and an encoder that looks both ways would notice it.

    Args:
        encoder: of this module.
        windows: (b, window_samples): ``past | hop | lookahead``, see `WindowGeometry`.
        chunk_indices: of the windows; they tell how much of the past is real.
        geometry: of the windows.
        margin: EMO's m, at most the lookahead and the past. Frames before the first are the first.
        before: frames in front of the hop that are wanted too, `UnetConfig.overlap_frames`.

    Returns:
        (b, before + hop_frames + 2 * margin, tokens, width), for `features.neighbours`.

    Raises:
        ShapeError: the windows are not the geometry's, or have less than is wanted.
    """
    if windows.shape != (len(chunk_indices), geometry.window_samples):
        raise ShapeError(
            f"windows are {tuple(windows.shape)}, "
            f"not {(len(chunk_indices), geometry.window_samples)}"
        )
    first = before + margin
    if margin > geometry.lookahead_frames or first > geometry.past_frames:
        raise ShapeError(
            f"a margin of {margin} frames needs as many of lookahead, and {first} of past"
        )
    past = [min(geometry.past_frames, i * geometry.hop_frames) for i in chunk_indices]
    answers: dict[int, Tensor] = {}
    for length in set(past):  # after eight seconds all streams have the same: one call
        rows = [row for row, frames in enumerate(past) if frames == length]
        silence = (geometry.past_frames - length) * geometry.samples_per_frame
        tokens = encoder(windows[rows, silence:])
        wanted = torch.arange(-first, geometry.hop_frames + margin) + length
        answers |= dict(zip(rows, tokens[:, wanted.clamp_min(0)], strict=True))
    return torch.stack([answers[row] for row in range(len(past))])


def _frames_of(samples: Tensor) -> int:
    frames, rest = divmod(samples.shape[-1], FRAME_SAMPLES)
    if samples.ndim != 2 or rest or not frames:
        raise ShapeError(
            f"samples are {tuple(samples.shape)}; wanted (b, n), n a multiple of {FRAME_SAMPLES}"
        )
    return frames


@cache
def _mel_bank(mels: int) -> Any:
    """Triangular filters on Slaney's scale with unit area, (201, mels), as whisper was trained."""
    bank = import_module("transformers.audio_utils").mel_filter_bank
    return bank(201, mels, 0.0, 8_000.0, 16_000, norm="slaney", mel_scale="slaney")
