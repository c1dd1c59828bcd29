"""Who is judged: only what was held out, and of everything a little."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realtime_model.contract import RgbImage
from realtime_model.errors import ModelError
from realtime_model.training.judging.heldout import (
    load_cases,
    pick_clips,
    pick_sitters,
    read_phones,
    read_styles,
)
from realtime_model.training.rendering import Clip, Sitter
from realtime_model.training.speech.phones import Phone


def clip(name: str, frames: int = 100) -> Clip:
    sound, mouth = np.zeros(frames * 640, np.int16), np.zeros((frames, 52), np.float32)
    return Clip(name, "heldout", "it", sound, mouth)


def write_clip(folder: Path, name: str, split: str, frames: int = 100) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    np.savez(
        folder / f"{name}.npz",
        audio=rng.integers(-9000, 9000, frames * 640).astype(np.int16),
        curves=np.zeros((frames, 52), np.float16),
        language="it",
        split=split,
        phones=json.dumps([["m", 0.0, 0.1], ["a", 0.1, 0.3]]),
    )


@pytest.fixture
def runs(tmp_path: Path, astronaut: RgbImage) -> Path:
    """A corpus of two portraits and three clips; one of each is for training."""
    (tmp_path / "portraits").mkdir()
    Image.fromarray(astronaut).save(tmp_path / "portraits" / "eileen.png")
    rows = [
        {"name": name, "file": "eileen.png", "split": split, "style": "painting"}
        for name, split in (("eileen", "heldout"), ("known", "train"))
    ]
    (tmp_path / "portraits" / "manifest.json").write_text(json.dumps({"portraits": rows}))
    for name, split in (("a-0", "heldout"), ("b-0", "train"), ("c-0", "heldout")):
        write_clip(tmp_path / "corpus" / "speech", name, split)
    return tmp_path


def test_only_held_out_portraits_and_voices_are_judged(runs: Path) -> None:
    cases = load_cases(runs, clips=9, portraits=9)
    assert [(c.sitter.name, c.clip.name, c.other.name) for c in cases] == [
        ("eileen", "a-0", "c-0"),
        ("eileen", "c-0", "a-0"),
    ]
    assert cases[0].style == "painted"
    assert cases[0].phones == (Phone("m", 0.0, 0.1), Phone("a", 0.1, 0.3))


def test_the_number_of_clips_is_limited(runs: Path) -> None:
    assert [c.clip.name for c in load_cases(runs, clips=1, portraits=1)] == ["a-0"]


def test_clips_are_taken_of_every_voice_in_turn() -> None:
    offered = [clip("a-0"), clip("a-1"), clip("a-2"), clip("b-0"), clip("c-0"), clip("c-1", 301)]
    assert [c.name for c in pick_clips(offered, 4)] == ["a-0", "b-0", "c-0", "a-1"]


def test_every_tongue_has_its_turn_before_any_has_a_second() -> None:
    names = ("a-en-0", "a-en-1", "b-en-0", "a-en-sung-0", "c-en-0", "d-en-shouted-0", "b-en-sung-0")
    picked = pick_clips([clip(name) for name in names], 6)
    assert [c.name for c in picked] == [
        "a-en-0",
        "a-en-sung-0",
        "d-en-shouted-0",
        "b-en-0",
        "b-en-sung-0",
        "c-en-0",
    ]


def test_clips_are_neither_very_short_nor_very_long() -> None:
    offered = [clip("a-0", 74), clip("b-0", 75), clip("c-0", 300), clip("d-0", 301)]
    assert [c.name for c in pick_clips(offered, 9)] == ["b-0", "c-0"]


def test_portraits_are_taken_of_every_style_in_turn(sitters: list[Sitter]) -> None:
    one, two = sitters
    styles = {"one": "photo", "two": "drawn"}
    assert pick_sitters([one, one, two], styles, 2) == [one, two]


def test_a_manifest_without_styles_is_read(tmp_path: Path) -> None:
    rows = [{"name": "a", "style": "photo"}, {"name": "b", "style": "drawing"}, {"name": "c"}]
    (tmp_path / "manifest.json").write_text(json.dumps({"portraits": rows}))
    assert read_styles(tmp_path) == {"a": "photo", "b": "drawn", "c": "unknown"}


def test_children_are_a_kind_of_their_own_and_have_their_turn(
    tmp_path: Path, sitters: list[Sitter]
) -> None:
    rows = [
        {"name": "one", "style": "render", "age_years": None},
        {"name": "two", "style": "render", "age_years": 8},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps({"portraits": rows}))
    styles = read_styles(tmp_path)
    assert styles == {"one": "render", "two": "child"}
    one, two = sitters
    assert pick_sitters([one, one, two], styles, 2) == [one, two]


def test_a_clip_without_phones_has_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", audio=np.zeros(3))
    assert read_phones(tmp_path / "own.npz") == ()


def test_a_missing_corpus_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="run 'emolive train portraits' first"):
        load_cases(tmp_path, clips=1, portraits=1)


def test_a_corpus_without_held_out_clips_is_refused(runs: Path) -> None:
    for name in ("a-0", "c-0"):
        (runs / "corpus" / "speech" / f"{name}.npz").unlink()
    with pytest.raises(ModelError, match="nothing held out"):
        load_cases(runs, clips=1, portraits=1)


@pytest.mark.parametrize("victim", ["portraits/manifest.json", "corpus/speech/a-0.npz"])
def test_a_damaged_corpus_is_refused(runs: Path, victim: str) -> None:
    (runs / victim).write_bytes(b"{PK\x03\x04 cut off")
    with pytest.raises(ModelError, match="damaged"):
        load_cases(runs, clips=1, portraits=1)
