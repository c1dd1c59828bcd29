"""What `emo-sd15` is taught on: clips as latents of pictures and features of a voice.

Clips are acted by portraits (`acted`), or of people before a camera (`filmed`).

The autoencoder and the speech encoder are not trained here. They are weights that were added
(``emolive weights add``), or, for a miniature, the two of `unet.miniature` that need no download.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from realtime_model.config import ModelConfig, PartsConfig
from realtime_model.errors import ConfigError
from realtime_model.facemap import lips_at_rest
from realtime_model.pretrained.latents import ImageLatents
from realtime_model.pretrained.store import WeightStore
from realtime_model.pretrained.voices import FRAME_SAMPLES, VOICES
from realtime_model.training.hearing import sound_takes
from realtime_model.training.identity import FaceEmbedder
from realtime_model.training.loop import save_whole
from realtime_model.training.rendering import Clip, Sitter
from realtime_model.training.windows import Take
from realtime_model.unet.building import voice_of
from realtime_model.unet.miniature import MELS, PATCHES, PatchAutoencoder

AT_ONCE = 16
"""Pictures encoded together."""
FITTED_ON = 400
"""Pictures, at most, whose patterns `PATCHES` are."""


class Material(Protocol):
    """Where clips come from; complete when it is built, or it raises a `TrainingError`."""

    def clips(self, split: str) -> list[Clip]:
        """What is heard."""

    def sample(self) -> Tensor:
        """Pictures uint8 (n, size, size, 3) to find `PATCHES` in."""

    def film(self, split: str, latents: ImageLatents, out: Path) -> Iterator[int]:
        """Keep each clip as latents in ``out``, once a take, and the portraits in ``faces.pt``.

        Yields how many there are so far; those that are there already stay.
        """


@dataclass(frozen=True, slots=True)
class PicturesRecipe:
    """What the full size is taught on; `emo-tiny` has no use for it.

    Attributes:
        latents: autoencoder: weights that were added, or `PATCHES`.
        voice: speech encoder: weights that were added, or `MELS`.
        weights: folder of added weights.
        size_px: side of the pictures.
        named: only those portraits of the training whose names begin so.
        portraits: how many; 0 is all.
        clips: how many; 0 is all.
        films: how many of them the stage "films" streams.
        liveliness: of the heads; 1 is a person's.
        identity: give the portraits' identities, embeddings of the extra "evaluate".
    """

    latents: str = "kl-vae"
    voice: str = "wav2vec2"
    weights: str = "var/weights"
    size_px: int = 512
    named: str = ""
    portraits: int = 0
    clips: int = 0
    films: int = 4
    liveliness: float = 1.0
    identity: bool = False

    @property
    def parts(self) -> PartsConfig:
        """What a network that was taught on this has to be served with."""
        return PartsConfig(
            voice=self.voice, encoder=self.latents, decoder=self.latents, folder=self.weights
        )


def load_voice(recipe: PicturesRecipe, config: ModelConfig) -> torch.nn.Module:
    """The speech encoder: samples (b, 640 * t) -> (b, t, layers, d).

    Raises:
        CheckpointError: its weights were not added.
        ConfigError: it is none, or its features are not those that the unet expects.
    """
    assert config.unet is not None
    layers, width = config.unet.audio_layers, config.unet.audio_dim
    if recipe.voice not in (MELS, *VOICES):
        raise ConfigError(f"pictures.voice is {MELS} or {', '.join(VOICES)}, not {recipe.voice}")
    voice = voice_of(recipe.voice, width, WeightStore(Path(recipe.weights)))
    with torch.inference_mode():
        made = tuple(voice(torch.zeros(1, 2 * FRAME_SAMPLES)).shape[2:])
    if made != (layers, width):
        raise ConfigError(
            f"{recipe.voice} makes {made[0]} layers of {made[1]} values: set unet.audio_layers and "
            f"unet.audio_dim to them, not to {layers} and {width}"
        )
    return voice


def load_pictures(
    recipe: PicturesRecipe, fitted: Path, channels: int, device: torch.device
) -> ImageLatents:
    """The autoencoder; patches are those of the file ``fitted``, which training has left.

    Raises:
        CheckpointError: its weights were not added.
        ConfigError: its latents have another number of channels than the unet.
    """
    network: torch.nn.Module | None = load_patches(recipe, fitted, channels)
    if network is None:
        network = WeightStore(Path(recipe.weights)).network(recipe.latents)
    latents = ImageLatents(network, device)
    if latents.network.config.latent_channels != channels:
        raise ConfigError(f"{recipe.latents} makes other latents than unet.channels: {channels}")
    return latents


def load_patches(recipe: PicturesRecipe, fitted: Path, channels: int) -> PatchAutoencoder | None:
    """The autoencoder that was fitted, as float32; nothing where the recipe names another."""
    if recipe.latents != PATCHES:
        return None
    network = PatchAutoencoder(channels)
    network.load_state_dict(torch.load(fitted, weights_only=True))
    return network


def look_at(
    sitters: Sequence[Sitter], latents: ImageLatents, width: int, *, identity: bool
) -> dict[str, Tensor]:
    """What the networks need of the portraits, one row each.

    Args:
        sitters: the portraits.
        latents: their autoencoder.
        width: of an identity embedding.
        identity: embed who they are; else they are nobody in particular.

    Raises:
        ConfigError: embeddings have another width.
    """
    pictures = torch.from_numpy(np.stack([s.portrait.image for s in sitters]))
    still = torch.cat([latents.encode(part).cpu() for part in torch.split(pictures, AT_ONCE)])
    who = torch.zeros(len(sitters), width)
    if identity:
        embedder = FaceEmbedder()
        for row, sitter in enumerate(sitters):
            found = torch.from_numpy(embedder.embed(sitter.portrait.image)).float()
            if len(found) != width:
                raise ConfigError(f"identities are {len(found)} values: set unet.face_dim to that")
            who[row] = found
    landmarks = np.stack([s.portrait.landmarks for s in sitters])
    at_rest = np.stack([lips_at_rest(face) for face in landmarks])
    return {
        "still": still,
        "landmarks": torch.from_numpy(landmarks),
        "at_rest": torch.from_numpy(at_rest),
        "identity": who,
        "size_px": torch.tensor(pictures.shape[1]),
    }


def listen(
    clips: Sequence[Clip], voice: torch.nn.Module, out: Path, *, variants: int, seed: int
) -> Iterator[int]:
    """Keep the features of all clips, a file each: the sound as it is, then mishandled."""
    out.mkdir(parents=True, exist_ok=True)
    for done, (clip, takes) in enumerate(sound_takes(clips, variants=variants, seed=seed)):
        path = out / f"{clip.name}.pt"
        if not path.is_file():
            with torch.inference_mode():
                heard = [voice(torch.from_numpy(take)[None])[0].half().clone() for take in takes]
            save_whole(torch.stack(heard), path)
        yield done + 1


def load_heard(folder: Path) -> Mapping[str, tuple[Take, ...]]:
    """The features of a folder by the clips' names, mapped from disk, (t, layers, d) each."""
    found = {}
    for path in sorted(folder.glob("*.pt")):
        takes = torch.load(path, weights_only=True, mmap=True)
        found[path.stem] = tuple(take.numpy() for take in takes)
    return found
