"""The miniature of `emo-sd15` as a model: through its files, in the loop `emo-tiny` runs in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from realtime_model.config import ModelConfig
from realtime_model.contract import AudioWindow, AvatarModel, RgbImage, StreamOptions
from realtime_model.errors import ConfigError, StreamError
from realtime_model.factory import build_model
from realtime_model.generator import Generator
from realtime_model.pretrained.store import WeightStore
from realtime_model.unet.engine import UnetEngine
from tests.fakes.miniature import MINIATURE, add_parts, changed, rewritten, write_preset

CHUNKS = 3
Frames = NDArray[np.uint8]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> WeightStore:
    return add_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory, store: WeightStore) -> Path:
    return write_preset(tmp_path_factory.mktemp("presets") / "mini.yaml", MINIATURE, store)


@pytest.fixture(scope="module")
def shared(preset: Path) -> Generator:
    return build_model(preset, threads=1)


@pytest.fixture
def model(shared: Generator) -> Iterator[Generator]:
    yield shared
    for stream in "abc":
        shared.close(stream)


@pytest.fixture(scope="module")
def mirrored(astronaut: RgbImage) -> RgbImage:
    return np.ascontiguousarray(astronaut[:, ::-1])


def windows(seed: int, model: AvatarModel, chunks: int = CHUNKS) -> list[AudioWindow]:
    shape = model.geometry
    length = shape.past_samples + chunks * shape.hop_samples + shape.lookahead_samples
    sound = np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)
    sound[: shape.past_samples] = 0
    starts = [k * shape.hop_samples for k in range(chunks)]
    return [AudioWindow(sound[s : s + shape.window_samples], k) for k, s in enumerate(starts)]


def played(
    model: AvatarModel,
    portrait: RgbImage,
    heard: Sequence[AudioWindow],
    options: StreamOptions | None = None,
) -> Frames:
    model.open("a", portrait, options or StreamOptions())
    try:
        return np.concatenate([model.render({"a": w})["a"].frames for w in heard])
    finally:
        model.close("a")


def furthest(one: Frames, other: Frames) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def variant(preset: Path, tmp_path: Path, **sections: Mapping[str, Any]) -> Generator:
    return build_model(rewritten(preset, tmp_path / "other.yaml", **sections), threads=1)


def test_a_preset_with_a_unet_is_a_model(model: Generator, astronaut: RgbImage) -> None:
    assert isinstance(model.engine, UnetEngine)
    resting = model.open("a", astronaut, StreamOptions())
    assert resting.shape == (64, 64, 3)
    for window in windows(0, model):
        chunk = model.render({"a": window})["a"]
        assert chunk.chunk_index == window.chunk_index
        assert chunk.frames.shape == (3, 64, 64, 3)
        assert chunk.frames.dtype == np.uint8
        assert len(np.unique(chunk.frames)) > 20
    with pytest.raises(StreamError, match="not open"):
        model.render({"b": window})


def test_streams_together_equal_each_alone_whatever_their_steps(
    model: Generator, astronaut: RgbImage, mirrored: RgbImage
) -> None:
    said = {name: windows(seed, model) for seed, name in enumerate("abc")}
    shown = {"a": astronaut, "b": mirrored, "c": astronaut}
    chosen = {
        "a": StreamOptions(seed=1, steps=1),
        "b": StreamOptions(seed=2, steps=3),
        "c": StreamOptions(seed=3, steps=3, expression=1.5, motion=0.2),
    }
    alone = {name: played(model, shown[name], said[name], chosen[name]) for name in "abc"}
    for name in "abc":
        model.open(name, shown[name], chosen[name])
    chunks = [model.render({name: said[name][k] for name in "bac"}) for k in range(CHUNKS)]
    for name, expected in alone.items():
        together = np.concatenate([chunk[name].frames for chunk in chunks])
        # Sums of a batch are ordered differently; half a level may round either way.
        assert furthest(together, expected) <= 1
    assert furthest(alone["a"], alone["c"]) > 1


def test_seed_sound_portrait_and_options_decide_the_frames(
    model: Generator, astronaut: RgbImage, mirrored: RgbImage
) -> None:
    heard = windows(0, model)
    usual = played(model, astronaut, heard)
    assert np.array_equal(played(model, astronaut, heard), usual)
    assert np.array_equal(played(model, astronaut, heard, StreamOptions(steps=2)), usual)
    for options in (
        StreamOptions(seed=1),
        StreamOptions(steps=1),
        StreamOptions(expression=1.5),
        StreamOptions(motion=0.0),
    ):
        assert furthest(played(model, astronaut, heard, options), usual) > 0, options
    assert furthest(played(model, astronaut, windows(1, model)), usual) > 0
    assert furthest(played(model, mirrored, heard), usual) > 1
    # As documented: these networks have no lids to close and no speed layers.
    for options in (StreamOptions(blinks=0), StreamOptions(head_speed=2.0)):
        assert np.array_equal(played(model, astronaut, heard, options), usual)


def test_motion_frames_carry_over_and_eight_seconds_do_not_end_it(
    model: Generator, astronaut: RgbImage
) -> None:
    heard, other = windows(0, model, 5), windows(1, model, 5)
    usual = played(model, astronaut, heard)
    changed_once = played(model, astronaut, [other[0], *heard[1:]])
    assert furthest(changed_once[3:], usual[3:]) > 0


def test_before_the_first_chunk_is_the_portrait_or_nothing(
    model: Generator, preset: Path, astronaut: RgbImage, mirrored: RgbImage, tmp_path: Path
) -> None:
    zeros = variant(preset, tmp_path, unet={"first_motion": "zeros"})
    heard, late = windows(0, zeros), windows(1, zeros)
    alone = played(zeros, mirrored, late)
    assert furthest(alone[:3], played(model, mirrored, late)[:3]) > 0
    # A stream with a past and one without share a pass.
    zeros.open("b", astronaut, StreamOptions())
    zeros.render({"b": heard[0]})
    zeros.open("a", mirrored, StreamOptions())
    mixed = [zeros.render({"b": heard[1], "a": late[0]})["a"].frames]
    mixed += [zeros.render({"a": window})["a"].frames for window in late[1:]]
    assert furthest(np.concatenate(mixed), alone) <= 1


def test_networks_with_speed_layers_heed_the_speed_of_the_head(
    store: WeightStore, astronaut: RgbImage, tmp_path: Path
) -> None:
    quick = write_preset(tmp_path / "quick.yaml", changed(unet={"speed": True}), store)
    model = build_model(quick, threads=1)
    heard = windows(0, model)
    slow = played(model, astronaut, heard, StreamOptions(head_speed=0.5))
    assert furthest(played(model, astronaut, heard, StreamOptions(head_speed=2.0)), slow) > 0


def test_guidance_is_paid_for_as_the_preset_says(
    model: Generator, preset: Path, astronaut: RgbImage, tmp_path: Path
) -> None:
    heard = windows(0, model)
    plain = played(model, astronaut, heard)
    passes: dict[str, int] = {}
    films: dict[str, Frames] = {}
    for guide in ("two-pass", "self-negative", "fused"):
        guided = variant(preset, tmp_path, sampler={"guidance": 3.0, "guide": guide})
        assert isinstance(guided.engine, UnetEngine)
        calls: list[int] = []
        guided.engine.network.backbone.register_forward_hook(
            lambda module, given, out, calls=calls: calls.append(1)
        )
        films[guide] = played(guided, astronaut, heard)
        passes[guide] = len(calls)
    assert passes == {"two-pass": 4 * CHUNKS, "self-negative": 2 * CHUNKS, "fused": 2 * CHUNKS}
    assert np.array_equal(films["fused"], plain)
    assert furthest(films["two-pass"], plain) > 1
    assert furthest(films["self-negative"], plain) > 1
    assert furthest(films["self-negative"], films["two-pass"]) > 1


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"geometry": {"hop_frames": 7}}, "more than unet.max_frames, 8"),
        ({"geometry": {"hop_frames": 1}}, "at least the 2 motion frames"),
        ({"geometry": {"width_px": 96}}, "multiple of 64"),
        ({"geometry": {"lookahead_frames": 1}}, "at least 2, audio.margin_frames"),
    ],
)
def test_windows_that_do_not_fit_are_refused(
    preset: Path, tmp_path: Path, sections: Mapping[str, Mapping[str, Any]], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        variant(preset, tmp_path, **sections)


def test_a_voice_of_another_size_is_refused(store: WeightStore, tmp_path: Path) -> None:
    deeper: ModelConfig = changed(unet={"audio_layers": 4})
    with pytest.raises(ConfigError, match=r"gives 3 layers of 24 .* asks for 4 of 24"):
        build_model(write_preset(tmp_path / "deep.yaml", deeper, store), threads=1)


def test_the_section_that_is_left_out_has_its_defaults(store: WeightStore, tmp_path: Path) -> None:
    bare = replace(MINIATURE, runtime=None)
    assert build_model(write_preset(tmp_path / "bare.yaml", bare, store), threads=1)
    assert torch.get_num_threads() == 1
