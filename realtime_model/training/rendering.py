"""Portraits animated by the rig, written to disk as arrays the trainers map into memory."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.face import FaceLandmarker
from realtime_model.lids import LEVELS, with_lids
from realtime_model.portrait import FRAME_PX, FramedPortrait, frame_face
from realtime_model.rig import Pose, arkit_labels
from realtime_model.training.codec_set import CodecSet
from realtime_model.training.rig import PhotoRig

_DEGREE = np.pi / 180


@dataclass(frozen=True, slots=True)
class Sitter:
    """One framed portrait of the corpus."""

    name: str
    split: str
    portrait: FramedPortrait


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance of the corpus."""

    name: str
    split: str
    language: str
    audio: NDArray[np.int16]
    mouth: NDArray[np.float32]


def load_sitters(
    folder: Path, split: str, *, size_px: int = FRAME_PX, named: str = "", most: int = 0
) -> list[Sitter]:
    """Read the portraits of one split and frame them; pictures without a face are left out.

    Args:
        folder: of the portraits.
        split: "train" or "heldout".
        size_px: side of the framed squares.
        named: only those whose names begin so.
        most: stop after so many; 0 is never.
    """
    landmarker = FaceLandmarker()
    sitters: list[Sitter] = []
    for entry in json.loads((folder / "manifest.json").read_text())["portraits"]:
        if entry["split"] != split or not entry["name"].startswith(named):
            continue
        if most and len(sitters) == most:
            break
        picture = cv2.imread(str(folder / entry["file"]))
        if picture is None:
            continue
        image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        faces = landmarker.detect(image)
        if faces:
            sitters.append(Sitter(entry["name"], split, frame_face(image, faces[0], size_px)))
    return sitters


def load_clips(folder: Path, split: str) -> list[Clip]:
    """Read the utterances of one split that have curves."""
    clips = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            if str(file["split"]) != split or not np.isfinite(file["curves"]).all():
                continue
            clips.append(
                Clip(
                    path.stem,
                    split,
                    str(file["language"]),
                    file["audio"],
                    file["curves"].astype(np.float32),
                )
            )
    return clips


def random_poses(clips: Sequence[Clip], count: int, rng: np.random.Generator) -> list[Pose]:
    """Poses for the codec: mouths of speech, small ones, expressions, heads turned further."""
    labels = arkit_labels()
    wild = [
        i for i, name in enumerate(labels) if name.startswith(("mouth", "jaw", "brow", "cheek"))
    ]
    poses = []
    for _ in range(count):
        clip = clips[int(rng.integers(len(clips)))]
        shapes = clip.mouth[rng.integers(len(clip.mouth))].copy()
        if rng.random() < 0.5:
            for i in rng.choice(wild, 3, replace=False):
                shapes[i] = min(1.0, shapes[i] + rng.uniform(0, 0.5))
        if rng.random() < 0.2:
            shapes[labels.index("jawOpen")] = rng.uniform(0, 0.7)
        reach = np.array([8.0, 13.0, 7.0]) * _DEGREE
        if rng.random() < 0.25:  # lips that hardly part are where a decoder errs and people look
            shapes *= rng.uniform(0.05, 0.5)
        pitch, yaw, roll = (float(v) for v in np.clip(rng.normal(0, 0.55, 3), -1.2, 1.2) * reach)
        shift = (float(rng.normal(0, 0.015)), float(rng.normal(0, 0.015)))
        gaze = (float(rng.normal(0, 0.15)), float(rng.normal(0, 0.07)))
        poses.append(Pose(shapes.astype(np.float32), (pitch, yaw, roll), shift, gaze))
    return poses


def with_sleepers(sitters: Sequence[Sitter], every: int = 4) -> list[Sitter]:
    """Add to some sitters themselves with lowered lids: blinks are shown by the portrait alone."""
    asleep = []
    for number, sitter in enumerate(sitters[::every]):
        framed = sitter.portrait
        level = LEVELS[1 + number % (len(LEVELS) - 1)]
        image = with_lids(framed.image, framed.landmarks, level)
        asleep.append(
            replace(sitter, name=f"{sitter.name}-lids", portrait=replace(framed, image=image))
        )
    return [*sitters, *asleep]


def render_codec_set(
    sitters: Sequence[Sitter], clips: Sequence[Clip], out: Path, *, poses_each: int, seed: int
) -> Iterator[int]:
    """Fill a `CodecSet`; yields the frames done so far. Portraits finished before are kept."""
    rendered = CodecSet(out, [s.name for s in sitters], poses_each, seed)
    rng = np.random.default_rng(seed)
    row = 0
    for number, sitter in enumerate(sitters):
        poses = random_poses(clips, poses_each, rng)
        if number < rendered.done:
            row += poses_each
            yield row
            continue
        rendered.write_portrait(number, sitter.portrait)
        rig = PhotoRig(sitter.portrait)
        for pose in poses:
            rendered.write_frame(row, number, rig.render(pose))
            row += 1
            yield row
        rendered.finish_portrait()
