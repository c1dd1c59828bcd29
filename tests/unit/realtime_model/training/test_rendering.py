"""What the codec is trained on: on disk, exact, and taken up again after a kill."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from realtime_model.errors import TrainingError
from realtime_model.face import FaceLandmarker
from realtime_model.rig import arkit_labels, displacement
from realtime_model.training.evaluation import track
from realtime_model.training.rendering import (
    Clip,
    Sitter,
    load_clips,
    load_sitters,
    random_poses,
    render_codec_set,
    with_sleepers,
)
from realtime_model.training.rig import PhotoRig

POSES = 2


def render(sitters: Sequence[Sitter], clips: Sequence[Clip], out: Path, stop: int = 99) -> int:
    """Render up to ``stop`` frames, then give up as a killed process does."""
    done = 0
    for done in render_codec_set(sitters, clips, out, poses_each=POSES, seed=4):
        if done == stop:
            break
    return done


def arrays(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.glob("*.npy"))}


def test_frames_carry_the_labels_of_the_rig(
    sitters: list[Sitter], clips: list[Clip], tmp_path: Path
) -> None:
    assert render(sitters, clips, tmp_path) == POSES * len(sitters)
    frames, flows = np.load(tmp_path / "frames.npy"), np.load(tmp_path / "flows.npy")
    assert frames.shape == (4, 256, 256, 3)
    assert np.load(tmp_path / "who.npy").tolist() == [0, 0, 1, 1]
    assert np.array_equal(np.load(tmp_path / "portraits.npy")[1], sitters[1].portrait.image)
    pose = random_poses(clips, POSES, np.random.default_rng(4))[0]
    again = PhotoRig(sitters[0].portrait).render(pose)
    assert np.array_equal(again.image, frames[0])
    assert np.array_equal(displacement(again.source, 64), flows[0])


def test_a_killed_rendering_goes_on_to_the_same_end(
    sitters: list[Sitter], clips: list[Clip], tmp_path: Path
) -> None:
    render(sitters, clips, tmp_path / "whole")
    render(sitters, clips, tmp_path / "killed", stop=POSES + 1)
    assert json.loads((tmp_path / "killed" / "set.json").read_text())["done"] == 1
    render(sitters, clips, tmp_path / "killed")
    assert arrays(tmp_path / "killed") == arrays(tmp_path / "whole")


def test_what_is_finished_is_not_rendered_again(
    sitters: list[Sitter], clips: list[Clip], tmp_path: Path
) -> None:
    render(sitters, clips, tmp_path)
    before = (tmp_path / "set.json").stat().st_mtime_ns
    assert render(sitters, clips, tmp_path) == POSES * len(sitters)
    assert (tmp_path / "set.json").stat().st_mtime_ns == before


def test_other_portraits_start_anew(
    sitters: list[Sitter], clips: list[Clip], tmp_path: Path
) -> None:
    render(sitters, clips, tmp_path)
    render(sitters[:1], clips, tmp_path)
    assert np.load(tmp_path / "frames.npy").shape[0] == POSES


def test_a_disk_too_small_is_refused_before_anything_is_written(
    sitters: list[Sitter], clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: small)
    with pytest.raises(TrainingError, match="free some space"):
        render(sitters, clips, tmp_path)
    assert arrays(tmp_path) == {}


def test_displacement_points_to_where_a_pixel_comes_from() -> None:
    y, x = np.mgrid[:64, :64].astype(np.float32)
    moved = displacement(np.stack([x + 8, y - 4], -1), 16)
    assert moved.shape == (2, 16, 16)
    assert np.allclose(moved[0], 8 * 2 / 64)
    assert np.allclose(moved[1], -4 * 2 / 64)


def test_some_sitters_come_again_with_lowered_lids(
    sitters: list[Sitter], clips: list[Clip], landmarker: FaceLandmarker
) -> None:
    (awake, _, asleep) = with_sleepers(sitters, every=2)
    assert asleep.name == f"{awake.name}-lids"
    seen = track([awake.portrait.image, asleep.portrait.image], landmarker)
    assert seen.eyes[1] < 0.9 * seen.eyes[0]
    assert np.array_equal(asleep.portrait.landmarks, awake.portrait.landmarks)
    for pose in random_poses(clips, 20, np.random.default_rng(1)):
        assert pose.shapes[arkit_labels().index("eyeBlinkLeft")] == 0


def test_random_poses_reach_further_than_speech(clips: list[Clip]) -> None:
    poses = random_poses(clips, 60, np.random.default_rng(0))
    turned = np.degrees(np.abs([p.rotation_rad for p in poses])).max(0)
    assert (turned > 5).all()
    assert (turned < 25).all()
    assert max(float(p.shapes.max()) for p in poses) > 0.8


def test_some_lips_hardly_part(clips: list[Clip]) -> None:
    jaw = arkit_labels().index("jawOpen")
    wide = Clip("wide", "train", "en-us", clips[0].audio, np.full((50, 52), 0.4, np.float32))
    asked = [p.shapes[jaw] for p in random_poses([wide], 400, np.random.default_rng(0))]
    assert 0.25 < np.mean(np.array(asked) < 0.2) < 0.5


def test_portraits_of_a_split_are_read_and_those_without_a_face_left_out(
    sitters: list[Sitter], tmp_path: Path
) -> None:
    entries = []
    for name, split in (
        ("one", "train"),
        ("two", "heldout"),
        ("blank", "train"),
        ("gone", "train"),
    ):
        entries.append({"name": name, "split": split, "file": f"{name}.png"})
        picture = (
            np.zeros((256, 256, 3), np.uint8) if name == "blank" else sitters[0].portrait.image
        )
        if name != "gone":
            large = cv2.resize(np.asarray(picture), (512, 512))
            Image.fromarray(np.asarray(large, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "manifest.json").write_text(json.dumps({"portraits": entries}))
    (found,) = load_sitters(tmp_path, "train")
    assert found.name == "one"
    assert np.abs(found.portrait.landmarks - sitters[0].portrait.landmarks).mean() < 3


def test_clips_of_a_split_are_read_and_those_without_curves_left_out(tmp_path: Path) -> None:
    for name, split, curve in (("a", "train", 0.5), ("b", "heldout", 0.5), ("c", "train", np.nan)):
        np.savez(
            tmp_path / f"{name}.npz",
            split=split,
            language="en-us",
            audio=np.zeros(6400, np.int16),
            curves=np.full((10, 52), curve, np.float16),
        )
    (clip,) = load_clips(tmp_path, "train")
    assert (clip.name, clip.split, clip.language) == ("a", "train", "en-us")
    assert clip.mouth.dtype == np.float32
