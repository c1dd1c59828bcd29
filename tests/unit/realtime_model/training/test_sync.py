"""The scorer of sync learns what belongs together, and finds by how much a film is off."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from realtime_model.config import AudioConfig
from realtime_model.errors import CheckpointError
from realtime_model.rig import arkit_labels
from realtime_model.training.hearing import hear
from realtime_model.training.latents import Played
from realtime_model.training.rendering import Clip
from realtime_model.training.sync import (
    REACH,
    SyncRecipe,
    SyncScorer,
    judge_sync,
    load_scorer,
    steady,
    train_sync,
)

FRAMES = 160
JAW = arkit_labels().index("jawOpen")


def babble(name: str, seed: int) -> Clip:
    """Noise as loud as the jaw is open."""
    rng = np.random.default_rng(seed)
    jaw = np.convolve(rng.uniform(0, 1, FRAMES + 4), np.full(5, 0.2), "valid")
    jaw = np.clip((jaw - 0.4) * 3, 0, 1).astype(np.float32)
    mouth = np.zeros((FRAMES, len(arkit_labels())), np.float32)
    mouth[:, JAW] = jaw
    sound = rng.normal(0, 8000, FRAMES * 640) * np.repeat(jaw, 640)
    return Clip(name, "train", "", sound.clip(-32768, 32767).astype(np.int16), mouth)


def acted(clip: Clip) -> Played:
    jaw = clip.mouth[:, JAW]
    lips = np.stack([0.1 * jaw, 0.02 * jaw**2], 1)
    none = np.zeros((FRAMES, 5), np.float32)
    return Played(clip.name, 0, np.zeros((FRAMES, 2, 8, 8), np.float16), lips, none, none[:, 0])


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("sync")
    clips = [babble(f"babble-{n}", n) for n in range(12)]
    heard = hear(clips, AudioConfig(), variants=0, seed=0)
    pairs = ([acted(c) for c in clips], heard)
    train_sync(SyncScorer(), pairs, pairs, SyncRecipe(steps=50, batch=4, lr=3e-3), out)
    return out / "last.pt"


def curves(clip: Clip, late: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    opening, width = acted(clip).lips.T
    return np.roll(opening, late), np.roll(width, late)


@pytest.mark.parametrize("late", [-6, 0, 9])
def test_it_finds_by_how_much_an_unheard_film_is_off(taught: Path, late: int) -> None:
    clip = babble("unheard", 99)
    found = judge_sync(load_scorer(taught), clip.audio, *curves(clip, late))
    assert found is not None
    assert found.offset_frames == pytest.approx(late, abs=1)
    assert (found.hits > 0.8) == (late == 0)
    assert found.windows > 50


def test_a_mouth_of_another_clip_does_not_fit(taught: Path) -> None:
    found = judge_sync(load_scorer(taught), babble("one", 98).audio, *curves(babble("two", 97), 0))
    assert found is not None
    assert found.hits < 0.4


def test_a_mouth_that_rests_cannot_be_judged(taught: Path) -> None:
    still = np.full(FRAMES, 0.01, np.float32)
    assert judge_sync(load_scorer(taught), babble("one", 98).audio, still, still) is None


def test_portraits_and_readers_become_alike() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(50, 2))
    assert np.allclose(steady(one), steady(one * [3, 0.2] + [5, 1]), atol=1e-5)
    assert not steady(np.ones((9, 2))).any()


def test_every_shift_is_compared() -> None:
    likeness = SyncScorer()(torch.randn(2, 4 * (30 + 2 * REACH), 80), torch.randn(2, 30, 2))
    assert likeness.shape == (2, 30, 2 * REACH + 1)
    assert likeness.abs().max() <= 1 + 1e-5


def test_a_damaged_scorer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"last\.pt is damaged"):
        load_scorer(path)
