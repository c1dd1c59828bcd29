"""Clips acted by portraits, as latents with their labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from realtime_model.errors import TrainingError
from realtime_model.gestures import GESTURES
from realtime_model.training.latents import idle_clips, load_played, play, play_all, prepare_faces
from realtime_model.training.rendering import Clip, Sitter


def test_a_played_clip_moves_as_its_mouth_does(sitters: list[Sitter], clips: list[Clip]) -> None:
    played = play(sitters[0], 0, clips[0], seed=1)
    frames = len(clips[0].mouth)
    assert played.latent.shape == (frames, 2, 8, 8)
    assert played.latent.dtype == np.float16
    assert played.lips[:, 0].shape == played.speed_deg.shape == (frames,)
    assert played.gesture.shape == (frames, len(GESTURES))
    jaw = clips[0].mouth.max(1)
    assert np.corrcoef(played.lips[:, 0], jaw)[0, 1] > 0.95
    # The mouth lies in the lower middle; what moves there moves with the jaw.
    mouth = played.latent[:, 1, 4:7, 3:5].astype(np.float32).mean((1, 2))
    turned = played.latent[:, 1, :2, 3:5].astype(np.float32).mean((1, 2))
    assert abs(np.corrcoef(mouth - turned, played.lips[:, 0])[0, 1]) > 0.5


def test_a_seed_decides_how_a_clip_is_played(sitters: list[Sitter], clips: list[Clip]) -> None:
    one, two, other = (play(sitters[0], 0, clips[0], seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.latent, two.latent)
    assert not np.array_equal(one.latent, other.latent)
    assert np.allclose(one.lips, other.lips, atol=0.02)


def test_idle_clips_are_silent_with_a_closed_mouth() -> None:
    for clip in idle_clips(6, 0):
        assert np.abs(clip.audio.astype(int)).max() < 400
        assert clip.mouth.max() == 0
        assert len(clip.audio) == 640 * len(clip.mouth)
    assert len({c.name for c in idle_clips(6, 0)}) == 6


def test_all_clips_are_played_once_and_kept(
    sitters: list[Sitter], clips: list[Clip], tmp_path: Path
) -> None:
    assert list(play_all(sitters, clips[:2], tmp_path, each=2, seed=0)) == [1, 2, 3, 4]
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.npz")}
    assert len(before) == 4
    first = next(iter(before))
    first.unlink()
    assert list(play_all(sitters, clips[:2], tmp_path, each=2, seed=0))[-1] == 4
    after = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.npz")}
    assert [p for p in after if after[p] != before[p]] == [first]
    played = load_played(tmp_path)
    assert sorted({p.clip for p in played}) == ["clip-0", "clip-1"]
    assert {p.face for p in played} <= {0, 1}


def test_clips_are_not_mixed_with_those_of_other_portraits(
    sitters: list[Sitter], clips: list[Clip], tmp_path: Path
) -> None:
    list(play_all(sitters, clips[:1], tmp_path, each=1, seed=0))
    with pytest.raises(TrainingError, match="other portraits"):
        list(play_all(sitters[:1], clips[:1], tmp_path, each=1, seed=0))


def test_faces_are_seen_as_the_generator_sees_them(sitters: list[Sitter]) -> None:
    faces = prepare_faces(sitters)
    assert faces["picture"].shape == (2, 3, 64, 64)
    assert faces["face_map"].shape == (2, 10, 64, 64)
    assert faces["at_rest"].shape == (2, 2)
    assert float(faces["picture"].min()) >= -1
    whole = torch.from_numpy(sitters[0].portrait.image.copy()).permute(2, 0, 1)[None] / 127.5 - 1
    pooled = torch.nn.functional.avg_pool2d(whole, 4)
    assert float((pooled - faces["picture"][:1]).abs().max()) < 0.02
