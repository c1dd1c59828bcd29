"""Played clips as latents: each utterance is acted by portraits of the corpus and encoded once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from realtime_model.blendshapes import blendshapes, latent_of_pose
from realtime_model.errors import TrainingError
from realtime_model.facemap import draw_face_map, lips_at_rest
from realtime_model.portrait import FramedPortrait
from realtime_model.rig import arkit_labels
from realtime_model.training.loop import save_whole
from realtime_model.training.motion import loudness_of, perform
from realtime_model.training.rendering import Clip, Sitter
from realtime_model.training.rig import PhotoRig

_ACTING_PX = 128  # the encoder looks at frames of this size


@dataclass(frozen=True, slots=True)
class Played:
    """One clip acted by one portrait.

    Attributes:
        clip: name of the utterance.
        face: number of the portrait.
        latent: displacement of the cells, float16 (t, 2, 8, 8); with a unet latents of pictures,
            (t, c, h, w).
        lips: gap between them, and how much wider the mouth is than in the portrait, over the face
            width, float32 (t, 2).
        gesture: what the performer did besides speaking, float32 (t, 5), see `gestures`.
        speed_deg: angular speed of the head, float32 (t,).
    """

    clip: str
    face: int
    latent: NDArray[np.float16]
    lips: NDArray[np.float32]
    gesture: NDArray[np.float32]
    speed_deg: NDArray[np.float32]


def idle_clips(count: int, seed: int) -> list[Clip]:
    """Silence and faint noise with a closed mouth: how a listener looks."""
    rng = np.random.default_rng(seed)
    clips = []
    for number in range(count):
        frames = int(rng.integers(90, 220))
        hush = rng.choice([0.0, rng.uniform(0.5, 40)])
        audio = (rng.normal(0, 1, frames * 640) * hush).astype(np.int16)
        mouth = np.zeros((frames, len(arkit_labels())), np.float32)
        clips.append(Clip(f"idle-{number:03d}", "train", "", audio, mouth))
    return clips


def prepare_faces(sitters: Sequence[Sitter], side: int = 8) -> dict[str, torch.Tensor]:
    """Look at the portraits as `emo-tiny`'s ReferenceNet does: tensors with a row for each."""
    faces: dict[str, list[torch.Tensor]]
    faces = {"picture": [], "face_map": [], "at_rest": [], "fields": []}
    for sitter in sitters:
        small = cv2.resize(sitter.portrait.image, (64, 64), interpolation=cv2.INTER_AREA)
        picture = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 127.5 - 1
        drawn = torch.from_numpy(draw_face_map(sitter.portrait.landmarks, 256))[None]
        at_rest = torch.from_numpy(lips_at_rest(sitter.portrait.landmarks))[None]
        faces["picture"].append(picture)
        faces["face_map"].append(F.avg_pool2d(drawn, 2))
        faces["at_rest"].append(at_rest)
        size_px = sitter.portrait.image.shape[0]
        faces["fields"].append(blendshapes(sitter.portrait.landmarks, size_px, side)[None])
    return {key: torch.cat(rows) for key, rows in faces.items()}


def play(sitter: Sitter, number: int, clip: Clip, seed: int, side: int = 8) -> Played:
    """Act one clip; the latents follow from the rig's motion alone, no picture is drawn."""
    framed = sitter.portrait
    size, scale = (_ACTING_PX, _ACTING_PX), _ACTING_PX / framed.image.shape[0]
    small = np.asarray(cv2.resize(framed.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    rig = PhotoRig(FramedPortrait(small, framed.landmarks * scale, framed.box))
    acted = perform(clip.mouth, loudness_of(clip.audio, len(clip.mouth)), seed)
    latents, lips = [], []
    for frame in range(len(acted)):
        pose = acted.pose(frame)
        latents.append(latent_of_pose(rig, pose, side))
        lips.append(rig.lips_of(pose))
    return Played(
        clip.name,
        number,
        torch.stack(latents).numpy().astype(np.float16),
        np.array(lips, np.float32),
        acted.gesture,
        acted.speed_deg,
    )


Act = Callable[[Sitter, int, Clip, int], Played]
Look = Callable[[Sequence[Sitter]], dict[str, torch.Tensor]]


def play_all(
    sitters: Sequence[Sitter],
    clips: Sequence[Clip],
    out: Path,
    *,
    each: int,
    seed: int,
    act: Act = play,
    look: Look = prepare_faces,
) -> Iterator[int]:
    """Act every clip by ``each`` portraits, one file per pair in ``out``; existing ones stay.

    Args:
        sitters: the portraits.
        clips: what they say.
        out: where the clips go, and beside them ``faces.pt``.
        each: portraits a clip.
        seed: who says what, and how.
        act: makes a clip of a portrait, its number, what it says and a seed.
        look: what a network needs of the portraits.

    Raises:
        TrainingError: other portraits acted there before.
    """
    out.mkdir(parents=True, exist_ok=True)
    _keep_faces([s.name for s in sitters], lambda: look(sitters), out / "faces.pt")
    rng = np.random.default_rng(seed)
    for done, (clip, take) in enumerate((c, t) for t in range(each) for c in clips):
        number = int(rng.integers(len(sitters)))
        path = out / f"{clip.name}.{take}.npz"
        if not path.is_file():
            save_played(act(sitters[number], number, clip, seed + done), path)
        yield done + 1


def save_played(made: Played, path: Path) -> None:
    """Write a clip, whole or not at all; its file has its name."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(
            file,
            face=made.face,
            latent=made.latent,
            lips=made.lips,
            gesture=made.gesture,
            speed=made.speed_deg,
        )
    part.replace(path)


def _keep_faces(names: list[str], look: Callable[[], dict[str, torch.Tensor]], path: Path) -> None:
    """Write the portraits beside what they act; clips name them by number."""
    if path.is_file() and torch.load(path, weights_only=True)["names"] != names:
        raise TrainingError(f"other portraits acted in {path.parent}: remove it and run again")
    save_whole({"names": names, **look()}, path)


def load_played(folder: Path) -> list[Played]:
    """Read all pairs of a folder."""
    played = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            name = path.stem.rsplit(".", 1)[0]
            played.append(
                Played(
                    name,
                    int(file["face"]),
                    file["latent"],
                    file["lips"],
                    file["gesture"],
                    file["speed"],
                )
            )
    return played
