"""The audio encoder is taught to hear the mouth."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from realtime_model.config import ModelConfig
from realtime_model.features import MOUTH_SHAPES
from realtime_model.rig import arkit_labels
from realtime_model.training import hearing
from realtime_model.training.hearing import (
    JAW,
    HeardClip,
    HearingRecipe,
    Listener,
    hear,
    hear_once,
    other_throat,
    response,
    score,
    shares_of,
    stretched,
    train_listener,
)
from realtime_model.training.rendering import Clip


def test_another_throat_moves_the_bands_and_keeps_the_rhythm() -> None:
    mel = np.zeros((40, 80), np.float32)
    mel[::2, 40] = 1.0
    places = []
    for seed in range(30):
        other = other_throat(mel, np.random.default_rng(seed))
        assert other.shape == mel.shape
        assert not other[1::2].any()
        places.append(int(other[0].argmax()))
    assert 35 <= min(places) < 38 < 42 < max(places) <= 46


def test_microphones_colour_a_voice_smoothly_and_differently() -> None:
    curves = np.stack([response(80, np.random.default_rng(seed)) for seed in range(200)])
    assert curves.std(0) == pytest.approx(1.0, abs=0.6)
    assert np.abs(np.diff(curves, axis=1)).mean() < 0.1 * np.abs(curves).mean()
    assert np.abs(curves.mean(1)).max() < 1e-5  # it colours; loudness is drawn apart


@pytest.mark.parametrize("length", [48, 60, 75])
def test_a_clip_heard_faster_or_slower_keeps_its_order_and_its_ends(length: int) -> None:
    course = np.stack([np.arange(60), np.arange(60) % 7], 1).astype(np.float32)
    other = stretched(course, length)
    assert other.shape == (length, 2)
    assert np.all(np.diff(other[:, 0]) >= 0)
    assert other[0, 0] <= 0.2
    assert other[-1, 0] >= 58.8
    middle = other[length // 2, 0]
    assert middle == pytest.approx(30, abs=1)
    if length == 60:
        assert np.array_equal(other, course)


def test_a_clip_is_heard_clean_and_mishandled(clips: list[Clip], tiny: ModelConfig) -> None:
    heard = hear(clips, tiny.audio, variants=2, seed=0)
    assert [h.name for h in heard] == [c.name for c in clips]
    for clip, h in zip(clips, heard, strict=True):
        assert [m.shape for m in h.mels] == [(4 * len(clip.mouth), 16)] * 3
        assert h.mouth.shape == (len(clip.mouth), len(MOUTH_SHAPES))
        assert np.array_equal(h.mouth[:, MOUTH_SHAPES.index(JAW)], clip.mouth[:, JAW])
        assert not np.array_equal(h.mels[0], h.mels[1])


def test_nobody_is_heard_so_much_that_the_others_are_not() -> None:
    def clip(name: str, frames: int) -> HeardClip:
        return HeardClip(name, (), np.zeros((frames, len(MOUTH_SHAPES)), np.float32))

    clips = [clip("reader-0", 500), clip("reader-1", 300), clip("a-0", 100), clip("b-0", 100)]
    assert shares_of(clips, 1.0) == pytest.approx([0.5, 0.3, 0.1, 0.1])
    # A fifth of 1,000 frames against two others with 100 each: half.
    assert shares_of(clips, 0.2) == pytest.approx([0.3125, 0.1875, 0.25, 0.25])


def test_what_was_heard_once_is_kept_until_the_clips_change(
    clips: list[Clip], tiny: ModelConfig, tmp_path: Path
) -> None:
    cache = tmp_path / "heard" / "train.npz"
    first = hear_once(clips, tiny.audio, cache, variants=1, seed=0)
    written = cache.stat().st_mtime_ns
    again = hear_once(clips, tiny.audio, cache, variants=1, seed=0)
    assert cache.stat().st_mtime_ns == written
    for a, b in zip(first, again, strict=True):
        assert a.name == b.name
        assert all(np.array_equal(x, y) for x, y in zip(a.mels, b.mels, strict=True))
        assert np.array_equal(a.mouth, b.mouth)
    assert len(hear_once(clips[:2], tiny.audio, cache, variants=1, seed=0)) == 2
    assert cache.stat().st_mtime_ns != written


def test_the_mouth_is_learned_from_sound(
    clips: list[Clip], tiny: ModelConfig, tmp_path: Path
) -> None:
    heard = hear(clips, tiny.audio, variants=0, seed=0)
    listener = Listener(tiny.audio)
    recipe = HearingRecipe(steps=60, batch=6, lr=0.01, variants=0)
    train_listener(listener, heard, heard, recipe, tmp_path)
    figures = score(listener, heard)
    assert figures["jaw"] > 0.6
    assert figures["jaw_shuffled"] < figures["jaw"] - 0.3
    assert figures["opening"] > 0.6


def test_what_is_seen_of_a_mouth_counts_beside_its_shapes(tiny: ModelConfig) -> None:
    gains = hearing._seen_gains()
    jaw, pucker = (MOUTH_SHAPES.index(arkit_labels().index(n)) for n in ("jawOpen", "mouthPucker"))
    assert gains.shape == (len(MOUTH_SHAPES), 2)
    # A jaw opens the mouth, pursed lips narrow it, by a share of the width of a face.
    opening, width = gains[[jaw, pucker]] * hearing._SEEN_SCALE
    assert 0.2 < opening[0] < 0.35
    assert abs(opening[1]) < 0.05
    assert -0.1 < width[1] < -0.03


def test_a_clip_without_motion_does_not_spoil_the_score(tiny: ModelConfig) -> None:
    rng = np.random.default_rng(0)

    def clip(name: str, opening: NDArray[np.float64]) -> HeardClip:
        mouth = np.zeros((30, len(MOUTH_SHAPES)), np.float32)
        mouth[:, MOUTH_SHAPES.index(JAW)] = opening
        return HeardClip(name, (rng.normal(size=(120, 16)).astype(np.float16),), mouth)

    clips = [clip("talk", rng.random(30)), clip("idle", np.zeros(30)), clip("more", rng.random(30))]
    assert np.isfinite(list(score(Listener(tiny.audio), clips).values())).all()


@pytest.mark.parametrize(("start", "filled"), [(-3, 7), (25, 5), (40, 0)])
def test_rows_beyond_a_clip_are_quiet(start: int, filled: int) -> None:
    span = hearing.span(np.ones((30, 2), np.float32), start, 10)
    assert span.shape == (10, 2)
    assert (span[:, 0] == 1).sum() == filled
    assert set(np.unique(span)) <= {np.float32(1), np.float32(hearing.QUIET)}


def test_the_guess_is_one_for_every_inner_frame(tiny: ModelConfig) -> None:
    guess = Listener(tiny.audio)(torch.randn(2, 80, 16))
    assert guess.shape == (2, 20 - 2 * tiny.audio.margin_frames, len(MOUTH_SHAPES))
