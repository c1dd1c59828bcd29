"""Clips of people before a camera, as ``emolive data ingest`` left them.

clips/NAME.mp4  its frames become latents
clips/NAME.npz  sound, landmarks and speed of the head; curves are not known there, nor needed

The portrait is a frame of the same clip, another one for each take.
Source: arXiv:2402.17485, section 3.3 (reference and target of one film).
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realtime_model.contract import RgbImage
from realtime_model.errors import TrainingError
from realtime_model.facemap import lips_at_rest
from realtime_model.gestures import GESTURES
from realtime_model.portrait import FramedPortrait
from realtime_model.pretrained.latents import ImageLatents
from realtime_model.training.handover import spread
from realtime_model.training.latents import Played, save_played
from realtime_model.training.loop import save_whole
from realtime_model.training.recipe import TrainRecipe
from realtime_model.training.rendering import Clip, Sitter
from realtime_model.training.unet.material import AT_ONCE, FITTED_ON, look_at


@dataclass(frozen=True, slots=True)
class Film:
    """One clip.

    Attributes:
        clip: its sound; of the mouth no curves, only the number of frames.
        numbers: file of what is known of each frame; the film lies beside it.
        filmed_px: side of its frames.
        size_px: side they are wanted at.
    """

    clip: Clip
    numbers: Path
    filmed_px: int
    size_px: int

    def landmarks(self) -> NDArray[np.float32]:
        """Return (t, 478, 3) in pixels of the frames."""
        with np.load(self.numbers) as file:
            return np.asarray(file["landmarks"] * (self.size_px / self.filmed_px), np.float32)

    def speed_deg(self) -> NDArray[np.float32]:
        """Angular speed of the head, degrees a frame, (t,)."""
        with np.load(self.numbers) as file:
            return np.asarray(file["speed_deg"], np.float32)

    def frames(self) -> Iterator[RgbImage]:
        """Yield its frames, uint8 RGB.

        Raises:
            TrainingError: there are fewer than numbers.
        """
        path, wanted = self.numbers.with_suffix(".mp4"), len(self.clip.mouth)
        film, size = cv2.VideoCapture(str(path)), (self.size_px, self.size_px)
        try:
            for number in range(wanted):
                found, picture = film.read()
                if not found:
                    raise TrainingError(
                        f"{path} has {number} of {wanted} pictures: remove it and the .npz beside "
                        "it, and run emolive data ingest again"
                    )
                if picture.shape[:2] != size:
                    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
                yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        finally:
            film.release()

    def portrait_frame(self, take: int, seed: int) -> int:
        """Number of the frame that is the portrait of a take."""
        dice = np.random.default_rng([seed, take, zlib.crc32(self.clip.name.encode())])
        return int(dice.integers(len(self.clip.mouth)))

    def sitter(self, take: int, seed: int) -> Sitter:
        """That frame as a portrait."""
        number = self.portrait_frame(take, seed)
        image = next(islice(self.frames(), number, None))
        whole = (0.0, 0.0, float(self.size_px), float(self.size_px))
        framed = FramedPortrait(image, self.landmarks()[number], whole)
        return Sitter(self.take_name(take), self.clip.split, framed)

    def take_name(self, take: int) -> str:
        return f"{self.clip.name}.{take}"


def load_films(folder: Path, split: str, size_px: int) -> list[Film]:
    """Find the clips of one split in what ``emolive data ingest`` made.

    Raises:
        TrainingError: there are none.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
        filmed_px = int(manifest["size_px"])
    except (FileNotFoundError, ValueError, KeyError, TypeError) as exc:
        raise TrainingError(
            f"{folder} holds no clips of films: run first emolive data ingest FILMS --out {folder}"
        ) from exc
    films = []
    for path in sorted((folder / "clips").glob("*.npz")):
        with np.load(path) as file:
            if str(file["split"]) != split:
                continue
            unknown = np.zeros((len(file["speed_deg"]), 0), np.float32)
            clip = Clip(path.stem, split, str(file["language"]), file["audio"], unknown)
        films.append(Film(clip, path, filmed_px, size_px))
    if not films:
        raise TrainingError(
            f"{folder} has no clip to {split}: emolive data ingest needs films of two persons or "
            "more, and holds out at least one with --heldout above 0"
        )
    return films


class FilmedClips:
    """Clips of people; see `material.Material`.

    Raises:
        TrainingError: a split has none.
    """

    def __init__(self, recipe: TrainRecipe) -> None:
        self._recipe = recipe
        most = {"train": recipe.pictures.clips, "heldout": recipe.latents.heldout_clips}
        folder, size_px = Path(recipe.latents.clips), recipe.pictures.size_px
        self._films = {s: spread(load_films(folder, s, size_px), n) for s, n in most.items()}

    def clips(self, split: str) -> list[Clip]:
        return [film.clip for film in self._films[split]]

    def sample(self) -> Tensor:
        films = self._films["train"]
        each = max(1, FITTED_ON // len(films))
        frames: list[RgbImage] = []
        for film in films[:FITTED_ON]:
            stride = max(1, len(film.clip.mouth) // each)
            frames += list(islice(film.frames(), 0, None, stride))[:each]
        return torch.from_numpy(np.stack(frames))

    def film(self, split: str, latents: ImageLatents, out: Path) -> Iterator[int]:
        asked = self._recipe.latents
        each = asked.takes if split == "train" else 1
        takes = [(film, take) for take in range(each) for film in self._films[split]]
        out.mkdir(parents=True, exist_ok=True)
        numbers = self._portraits(takes, latents, out / "faces.pt")
        for done, (film, take) in enumerate(takes):
            name = film.take_name(take)
            path = out / f"{name}.npz"
            if not path.is_file():
                rest = film.portrait_frame(take, asked.seed)
                save_played(_played(film, numbers[name], rest, latents), path)
            yield done + 1

    def _portraits(
        self, takes: Sequence[tuple[Film, int]], latents: ImageLatents, path: Path
    ) -> dict[str, int]:
        """Write the portraits; return their numbers by name. Later films follow those there."""
        unet, seed = self._recipe.model.unet, self._recipe.latents.seed
        assert unet is not None
        saved = torch.load(path, weights_only=True) if path.is_file() else {"names": []}
        names: list[str] = saved.pop("names")
        fresh = [(f, take) for f, take in takes if f.take_name(take) not in names]
        if fresh:
            sitters = [film.sitter(take, seed) for film, take in fresh]
            identity = self._recipe.pictures.identity
            looked = look_at(sitters, latents, unet.face_dim, identity=identity)
            for key, rows in saved.items():
                if rows.dim():
                    looked[key] = torch.cat([rows, looked[key]])
            names = names + [s.name for s in sitters]
            save_whole({"names": names, **looked}, path)
        return {name: number for number, name in enumerate(names)}


def _played(film: Film, face: int, rest: int, latents: ImageLatents) -> Played:
    """A clip as latents.

    Args:
        film: the clip.
        face: number of its portrait.
        rest: the frame that is the portrait.
        latents: autoencoder.
    """
    frames, kept = film.frames(), []
    while part := list(islice(frames, AT_ONCE)):
        kept.append(latents.encode(torch.from_numpy(np.stack(part))).half().cpu())
    lips = np.stack([lips_at_rest(marks) for marks in film.landmarks()])
    lips[:, 1] -= lips[rest, 1]
    nothing = np.zeros((len(lips), len(GESTURES)), np.float32)  # only emo-tiny asks for gestures
    return Played(film.clip.name, face, torch.cat(kept).numpy(), lips, nothing, film.speed_deg())
