"""What the denoiser is taught on: windows of played clips, with the sound around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realtime_model.features import PAST_FRAMES
from realtime_model.glide import part_cells
from realtime_model.network import EmoNetwork
from realtime_model.training.hearing import HeardClip, other_throat, span
from realtime_model.training.latents import Played

_SHORTEST = 12  # shorter clips have too few places to cut a window


@dataclass(frozen=True, slots=True)
class Windows:
    """A batch of windows.

    Attributes:
        past: motion frames, (b, n, c, 8, 8).
        clean: new frames, (b, f, c, 8, 8).
        mel: log-mels from `PAST_FRAMES` + m frames before them to m after, (b, 4 * frames, mels).
        lips: how much further open and how much wider the mouth is than in the portrait, hundredths
            of the face width, (b, f, 2).
        gesture: of the performer, (b, f, 5), see `realtime_model.gestures`.
        speed: of the head, degrees a frame, (b, f).
        who: number of the portrait, (b,).
        first: whether nothing was rendered before, (b,).
    """

    past: Tensor
    clean: Tensor
    mel: Tensor
    lips: Tensor
    gesture: Tensor
    speed: Tensor
    who: Tensor
    first: Tensor


class DiffusionData:
    """Windows of played clips with their sound and portrait."""

    def __init__(
        self, network: EmoNetwork, played: Sequence[Played], heard: Sequence[HeardClip], faces: Path
    ) -> None:
        self._network, self.config = network, network.config
        self.heard = {clip.name: clip for clip in heard}
        self.played = [p for p in played if p.clip in self.heard and len(p.lips) > _SHORTEST]
        saved = torch.load(faces, weights_only=True)
        self.face_map, self.picture = saved["face_map"], saved["picture"]
        self.at_rest = saved["at_rest"]
        self._gap = self.at_rest[:, 0].numpy()
        self.mouth = part_cells(self.face_map, "lips")
        self.eyes = part_cells(self.face_map, "eyes")
        shares = np.array([len(p.lips) for p in self.played], np.float64)
        self._shares = shares / shares.sum()

    def decided(self, batch: "Windows") -> Tensor:
        """How much each cell is decided by what the model is told, (b, 1, 1, 8, 8).

        The mouth by the sound, the eyes a little by the gesture.
        """
        return self.mouth[batch.who][:, None] + self.eyes[batch.who][:, None] * 0.2

    def scale(self) -> Tensor:
        """Deviation of pose and detail of the latents, (4, 1, 1); detail where the face is."""
        sample = torch.from_numpy(np.concatenate([p.latent[::7] for p in self.played])).float()
        parts = self._network.split(sample) * self._network.latent_scale
        return parts.pow(2).mean((0, 2, 3)).sqrt()[:, None, None]

    def batch(self, rng: np.random.Generator, rows: int) -> Windows:
        """Draw windows at random, long clips more often."""
        return self.sequence(rng, rows, 1)[0]

    def sequence(self, rng: np.random.Generator, rows: int, hops: int) -> list[Windows]:
        """Draw stretches of ``hops`` windows, one after the other; a clip's last frame holds."""
        fresh = self.config.geometry.hop_frames
        numbers = rng.choice(len(self.played), rows, p=self._shares)
        clips = [self.played[number] for number in numbers]
        starts = [int(rng.integers(-1, max(0, len(c.lips) - hops * fresh - 1) + 1)) for c in clips]
        heard = [self.heard[c.clip].mels for c in clips]
        takes = [mels[rng.integers(len(mels))] for mels in heard]
        voices = rng.integers(2**31, size=rows)
        return [
            self._windows(clips, takes, [s + hop * fresh for s in starts], voices)
            for hop in range(hops)
        ]

    def _windows(
        self,
        clips: Sequence[Played],
        takes: Sequence[NDArray[np.float16]],
        starts: Sequence[int],
        voices: NDArray[np.int64],
    ) -> Windows:
        """Cut the windows; ``voices`` are the seeds of each row's throat and loudness."""
        kept, fresh = self.config.denoiser.motion_frames, self.config.geometry.hop_frames
        margin = self.config.audio.margin_frames
        latent, mel, lips, gesture, speed = [], [], [], [], []
        for clip, take, start, voice in zip(clips, takes, starts, voices, strict=True):
            frames = np.arange(start - kept, start + fresh).clip(0, len(clip.lips) - 1)
            latent.append(clip.latent[frames])
            dice = np.random.default_rng(voice)
            sound = other_throat(mel_span(take, start, margin, fresh), dice)
            mel.append(sound + dice.normal(0, 0.12))
            lips.append(clip.lips[frames[kept:]] - [self._gap[clip.face], 0.0])
            gesture.append(clip.gesture[frames[kept:]])
            speed.append(clip.speed_deg[frames[kept:]])
        moved = torch.from_numpy(np.stack(latent).astype(np.float32))
        latents = self._network.split(moved.flatten(0, 1))
        latents = latents.view(*moved.shape[:2], *latents.shape[1:])
        return Windows(
            past=latents[:, :kept],
            clean=latents[:, kept:],
            mel=torch.from_numpy(np.stack(mel).astype(np.float32)),
            lips=torch.from_numpy(np.stack(lips).astype(np.float32)) * 100,
            gesture=torch.from_numpy(np.stack(gesture)),
            speed=torch.from_numpy(np.stack(speed)),
            who=torch.tensor([c.face for c in clips]),
            first=torch.tensor([s <= 0 for s in starts]),
        )


def mel_span(
    mel: NDArray[np.float16], first_frame: int, margin: int, frames: int
) -> NDArray[np.float32]:
    """Log-mels that decide the tokens of some frames and their neighbours; else silence."""
    start = 4 * (first_frame - margin - PAST_FRAMES)
    length = 4 * (PAST_FRAMES + 2 * margin + frames)
    return span(mel, start, length)
