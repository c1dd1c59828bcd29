"""What a denoiser is taught on: windows of played clips, with the sound around them.

`ClipWindows` cuts them for every size of network; what a latent and a sound are is said below it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realtime_model.config import ModelConfig
from realtime_model.errors import TrainingError
from realtime_model.features import PAST_FRAMES
from realtime_model.glide import part_cells
from realtime_model.network import EmoNetwork
from realtime_model.training.hearing import HeardClip, other_throat, span
from realtime_model.training.latents import Played

_SHORTEST = 12  # shorter clips have too few places to cut a window

Take = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Windows:
    """A batch of windows.

    Attributes:
        past: motion frames, (b, n, c, h, w).
        clean: new frames, (b, f, c, h, w).
        sound: what the network hears, from m frames before them to m after, (b, ...).
        lips: how much further open and how much wider the mouth is than in the portrait, hundredths
            of the face width, (b, f, 2).
        gesture: of the performer, (b, f, 5), see `realtime_model.gestures`.
        speed: of the head, degrees a frame, (b, f).
        who: number of the portrait, (b,).
        first: whether nothing was rendered before, (b,).
    """

    past: Tensor
    clean: Tensor
    sound: Tensor
    lips: Tensor
    gesture: Tensor
    speed: Tensor
    who: Tensor
    first: Tensor

    def to(self, device: torch.device) -> "Windows":
        """The same on a device."""
        return Windows(*(getattr(self, field.name).to(device) for field in fields(self)))


class ClipWindows(ABC):
    """Windows of played clips with their sound and portrait.

    Attributes:
        mouth: how much each cell of each portrait belongs to the mouth, (n, 1, h, w) in [0, 1].
        takes: each clip's sound, as recorded and then as mishandled.
        device: where batches are handed out.
    """

    def __init__(
        self,
        config: ModelConfig,
        played: Sequence[Played],
        takes: Mapping[str, tuple[Take, ...]],
        at_rest: Tensor,
        motion_frames: int,
    ) -> None:
        self.config, self.takes = config, takes
        self.played = [p for p in played if p.clip in takes and len(p.lips) > _SHORTEST]
        self.device = torch.device("cpu")
        self.mouth: Tensor
        self.motion_frames, self.new_frames = motion_frames, config.geometry.hop_frames
        self._gap = at_rest[:, 0].numpy()
        shares = np.array([len(p.lips) for p in self.played], np.float64)
        self._shares = shares / shares.sum()

    @abstractmethod
    def diffused(self, latents: Tensor) -> Tensor:
        """What is diffused, (n, c, h, w), of latents as they were kept, (n, ..., h, w)."""

    @abstractmethod
    def sound(self, take: Take, start: int) -> NDArray[np.float32]:
        """What the network hears of a take for the new frames that begin at ``start``."""

    @abstractmethod
    def mishandled(
        self, sound: NDArray[np.float32], dice: np.random.Generator
    ) -> NDArray[np.floating]:
        """A sound as another throat or a worse microphone would have it."""

    def decided(self, batch: Windows) -> Tensor:
        """How much each cell is decided by what the model is told, (b, 1, 1, h, w)."""
        return self.mouth[batch.who][:, None]

    def batch(self, rng: np.random.Generator, rows: int) -> Windows:
        """Draw windows at random, long clips more often."""
        return self.sequence(rng, rows, 1)[0]

    def sequence(self, rng: np.random.Generator, rows: int, hops: int) -> list[Windows]:
        """Draw stretches of ``hops`` windows, one after the other; a clip's last frame holds."""
        fresh = self.new_frames
        numbers = rng.choice(len(self.played), rows, p=self._shares)
        clips = [self.played[number] for number in numbers]
        starts = [int(rng.integers(-1, max(0, len(c.lips) - hops * fresh - 1) + 1)) for c in clips]
        heard = [self.takes[c.clip] for c in clips]
        takes = [some[rng.integers(len(some))] for some in heard]
        voices = rng.integers(2**31, size=rows)
        return [
            self._windows(clips, takes, [s + hop * fresh for s in starts], voices).to(self.device)
            for hop in range(hops)
        ]

    def _windows(
        self,
        clips: Sequence[Played],
        takes: Sequence[Take],
        starts: Sequence[int],
        voices: NDArray[np.int64],
    ) -> Windows:
        """Cut the windows; ``voices`` are the seeds of each row's throat and loudness."""
        kept, fresh = self.motion_frames, self.new_frames
        latent, heard, lips, gesture, speed = [], [], [], [], []
        for clip, take, start, voice in zip(clips, takes, starts, voices, strict=True):
            frames = np.arange(start - kept, start + fresh).clip(0, len(clip.lips) - 1)
            latent.append(clip.latent[frames])
            heard.append(self.mishandled(self.sound(take, start), np.random.default_rng(voice)))
            lips.append(clip.lips[frames[kept:]] - [self._gap[clip.face], 0.0])
            gesture.append(clip.gesture[frames[kept:]])
            speed.append(clip.speed_deg[frames[kept:]])
        kept_latents = torch.from_numpy(np.stack(latent).astype(np.float32))
        latents = self.diffused(kept_latents.flatten(0, 1))
        latents = latents.view(*kept_latents.shape[:2], *latents.shape[1:])
        return Windows(
            past=latents[:, :kept],
            clean=latents[:, kept:],
            sound=torch.from_numpy(np.stack(heard).astype(np.float32)),
            lips=torch.from_numpy(np.stack(lips).astype(np.float32)) * 100,
            gesture=torch.from_numpy(np.stack(gesture)),
            speed=torch.from_numpy(np.stack(speed)),
            who=torch.tensor([c.face for c in clips]),
            first=torch.tensor([s <= 0 for s in starts]),
        )


class DiffusionData(ClipWindows):
    """Windows for `emo-tiny`: displacement in two parts, log-mels."""

    def __init__(
        self, network: EmoNetwork, played: Sequence[Played], heard: Sequence[HeardClip], faces: Path
    ) -> None:
        self._network = network
        saved = torch.load(faces, weights_only=True)
        self.face_map, self.picture = saved["face_map"], saved["picture"]
        if "fields" not in saved:
            raise TrainingError(
                f"{faces} is from before mouths had fields: run emolive train latents again, which "
                "looks at the portraits anew and keeps what they acted"
            )
        self.at_rest, self._fields = saved["at_rest"], saved["fields"]
        config = network.config
        takes = {clip.name: clip.mels for clip in heard}
        super().__init__(config, played, takes, self.at_rest, config.denoiser.motion_frames)
        self.mouth = part_cells(self.face_map, "lips")
        self.eyes = part_cells(self.face_map, "eyes")

    def diffused(self, latents: Tensor) -> Tensor:
        return self._network.split(latents)

    def fields(self, who: Tensor) -> Tensor:
        """Latents of each portrait's mouth, (b, 1 + shapes, c, 8, 8), see `blendshapes`."""
        fields = self._fields[who]
        parts = self._network.split(fields.flatten(0, 1))
        return parts.view(*fields.shape[:2], *parts.shape[1:])

    def sound(self, take: Take, start: int) -> NDArray[np.float32]:
        return mel_span(take, start, self.config.audio.margin_frames, self.new_frames)

    def mishandled(
        self, sound: NDArray[np.float32], dice: np.random.Generator
    ) -> NDArray[np.floating]:
        other = other_throat(sound, dice)
        return other + dice.normal(0, 0.12)

    def decided(self, batch: Windows) -> Tensor:
        """The mouth by the sound, the eyes a little by the gesture."""
        return self.mouth[batch.who][:, None] + self.eyes[batch.who][:, None] * 0.2

    def scale(self) -> Tensor:
        """Deviation of pose and detail of the latents, (4, 1, 1); detail where the face is."""
        sample = torch.from_numpy(np.concatenate([p.latent[::7] for p in self.played])).float()
        parts = self._network.split(sample) * self._network.latent_scale
        return parts.pow(2).mean((0, 2, 3)).sqrt()[:, None, None]


def mel_span(
    mel: NDArray[np.float16], first_frame: int, margin: int, frames: int
) -> NDArray[np.float32]:
    """Log-mels that decide the tokens of some frames and their neighbours; else silence."""
    start = 4 * (first_frame - margin - PAST_FRAMES)
    length = 4 * (PAST_FRAMES + 2 * margin + frames)
    return span(mel, start, length)
