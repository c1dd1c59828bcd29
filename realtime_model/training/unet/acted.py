"""Clips that portraits act: drawn by the rig, which knows every mouth exactly."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from realtime_model.pretrained.latents import ImageLatents
from realtime_model.training.handover import corpus_clips, missing, spread
from realtime_model.training.latents import Played, idle_clips, play_all
from realtime_model.training.motion import Performance, loudness_of, perform
from realtime_model.training.recipe import TrainRecipe
from realtime_model.training.rendering import Clip, Sitter, load_sitters
from realtime_model.training.rig import PhotoRig
from realtime_model.training.unet.material import AT_ONCE, FITTED_ON, look_at


class ActedClips:
    """The corpus, acted by the portraits; see `material.Material`.

    Raises:
        TrainingError: there are no portraits, or no corpus.
    """

    def __init__(self, recipe: TrainRecipe) -> None:
        self._recipe, sources = recipe, Path(recipe.sources or recipe.runs)
        splits = ("train", "heldout")
        self._sitters = {split: self._portraits(sources / "portraits", split) for split in splits}
        spoken = {split: corpus_clips(sources / "corpus" / "speech", split) for split in splits}
        asked = recipe.latents
        self._clips = {
            "train": spread(spoken["train"], recipe.pictures.clips)
            + idle_clips(asked.idle, asked.seed),
            "heldout": spread(spoken["heldout"], asked.heldout_clips),
        }

    def clips(self, split: str) -> list[Clip]:
        return self._clips[split]

    def sample(self) -> Tensor:
        frames, sitters, clips = [], self._sitters["train"], self._clips["train"]
        each = max(1, FITTED_ON // len(sitters))
        for number, sitter in enumerate(sitters):
            rig, acted = PhotoRig(sitter.portrait), self._act(clips[number % len(clips)], number)
            for frame in np.linspace(0, len(acted) - 1, min(each, len(acted))).astype(int):
                frames.append(rig.render(acted.pose(int(frame))).image)
        return torch.from_numpy(np.stack(frames))

    def film(self, split: str, latents: ImageLatents, out: Path) -> Iterator[int]:
        asked, unet = self._recipe.latents, self._recipe.model.unet
        assert unet is not None

        def act(sitter: Sitter, number: int, clip: Clip, seed: int) -> Played:
            return self._filmed(sitter, number, clip, seed, latents)

        def look(sitters: Sequence[Sitter]) -> dict[str, Tensor]:
            identity = self._recipe.pictures.identity
            return look_at(sitters, latents, unet.face_dim, identity=identity)

        each = asked.takes if split == "train" else 1
        sitters, clips = self._sitters[split], self._clips[split]
        return play_all(sitters, clips, out, each=each, seed=asked.seed, act=act, look=look)

    def _portraits(self, folder: Path, split: str) -> list[Sitter]:
        asked, found = self._recipe.pictures, list[Sitter]()
        if (folder / "manifest.json").is_file():
            named = asked.named if split == "train" else ""
            found = load_sitters(
                folder, split, size_px=asked.size_px, named=named, most=asked.portraits
            )
        if not found:
            raise missing(folder / split, "portraits")
        return found

    def _filmed(
        self, sitter: Sitter, number: int, clip: Clip, seed: int, latents: ImageLatents
    ) -> Played:
        """Act one clip before the camera: its frames, drawn by the rig, as latents."""
        rig, acted = PhotoRig(sitter.portrait), self._act(clip, seed)
        kept, lips = [], []
        for start in range(0, len(acted), AT_ONCE):
            poses = [acted.pose(f) for f in range(start, min(start + AT_ONCE, len(acted)))]
            frames = torch.from_numpy(np.stack([rig.render(pose).image for pose in poses]))
            kept.append(latents.encode(frames).half().cpu())
            lips += [rig.lips_of(pose) for pose in poses]
        return Played(
            clip.name,
            number,
            torch.cat(kept).numpy(),
            np.array(lips, np.float32),
            acted.gesture,
            acted.speed_deg,
        )

    def _act(self, clip: Clip, seed: int) -> Performance:
        loudness = loudness_of(clip.audio, len(clip.mouth))
        return perform(clip.mouth, loudness, seed, liveliness=self._recipe.pictures.liveliness)
