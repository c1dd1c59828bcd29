"""EchoMimic's layout as a model: what `UnetNetwork.denoise` makes of a chunk, a call streams."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from realtime_model.config import ModelConfig, PartsConfig
from realtime_model.contract import RgbImage, StreamOptions
from realtime_model.engine import denoise
from realtime_model.errors import ConfigError
from realtime_model.factory import build_model
from realtime_model.generator import Generator
from realtime_model.pretrained.store import WeightStore
from realtime_model.pretrained.voices import hear_windows
from realtime_model.state import StreamState, frame_noise
from realtime_model.unet.engine import UnetEngine
from realtime_model.unet.network import Portrait
from realtime_model.unet.spatial import silence
from realtime_model.unet.temporal import TemporalTransformer
from tests.fakes.miniature import ECHO, add_parts, changed, rewritten, write_preset
from tests.unit.realtime_model.unet.test_engine import Frames, furthest, played, windows

HOP, OVERLAP, MARGIN, CHUNKS = 3, 2, 2, 4
SHAPE = (4, 8, 8)


def config_of(**unet: Any) -> ModelConfig:
    parts = PartsConfig(voice="whisper-tiny", decoder="taesd")
    base = changed(unet={**ECHO, **unet}, sampler={"noise_limit": 1.5})
    return replace(base, parts=parts)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> WeightStore:
    return add_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory, store: WeightStore) -> Path:
    return write_preset(tmp_path_factory.mktemp("echo") / "echo.yaml", config_of(), store)


@pytest.fixture(scope="module")
def shared(preset: Path) -> Generator:
    return build_model(preset, threads=1)


@pytest.fixture
def model(shared: Generator) -> Iterator[Generator]:
    yield shared
    for stream in "abc":
        shared.close(stream)


@pytest.fixture
def engine(model: Generator) -> UnetEngine:
    assert isinstance(model.engine, UnetEngine)
    return model.engine


def streamed_by_hand(engine: UnetEngine, portrait: Portrait, model: Generator) -> Frames:
    """Each chunk by `UnetNetwork.denoise`, from nothing but its window and the last latents."""
    past: Tensor | None = None
    shown, voice = [], engine._senses.voice
    for chunk, window in enumerate(windows(0, model, CHUNKS)):
        before = OVERLAP if chunk else 0
        samples = torch.from_numpy(window.samples)[None]
        heard = hear_windows(voice, samples, [chunk], model.geometry, MARGIN, before=before)
        noise = frame_noise(7, chunk * HOP - before, before + HOP, SHAPE, share=0.9)[None]
        latents = engine.network.denoise(portrait, heard, past, noise, steps=3)
        shown.append(engine.show([], [], latents))
        past = latents[:, -OVERLAP:]
    return np.concatenate(shown)


def test_a_call_shows_what_the_network_makes_chunk_by_chunk(
    model: Generator, engine: UnetEngine, astronaut: RgbImage
) -> None:
    options = StreamOptions(seed=7, steps=3)
    streamed = played(model, astronaut, windows(0, model, CHUNKS), options)
    model.open("b", astronaut, options)
    with torch.inference_mode():
        by_hand = streamed_by_hand(engine, model._streams["b"].avatar, model)
    assert len(streamed) == CHUNKS * HOP
    assert furthest(streamed, by_hand) == 0


def test_frames_shown_already_count_for_the_new_ones(model: Generator, astronaut: RgbImage) -> None:
    heard, other = windows(0, model, CHUNKS), windows(1, model, CHUNKS)
    usual = played(model, astronaut, heard)
    changed_once = played(model, astronaut, [other[0], *heard[1:]])
    assert furthest(changed_once[HOP : 2 * HOP], usual[HOP : 2 * HOP]) > 0


def test_streams_together_equal_each_alone_whenever_they_begin(
    model: Generator, astronaut: RgbImage
) -> None:
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    shown = {"a": astronaut, "b": mirrored, "c": astronaut}
    said = {name: windows(seed, model, CHUNKS) for seed, name in enumerate("abc")}
    chosen = {name: StreamOptions(seed=seed) for seed, name in enumerate("abc")}
    chosen["c"] = StreamOptions(seed=2, steps=3)
    alone = {name: played(model, shown[name], said[name], chosen[name]) for name in "abc"}
    together: dict[str, list[Frames]] = {name: [] for name in "abc"}
    late = {"a": 0, "b": 1, "c": 1}
    for tick in range(CHUNKS + 1):
        here = {name: tick - late[name] for name in "bac" if 0 <= tick - late[name] < CHUNKS}
        for name, chunk in here.items():
            if chunk == 0:
                model.open(name, shown[name], chosen[name])
        chunks = model.render({name: said[name][chunk] for name, chunk in here.items()})
        for name, made in chunks.items():
            together[name].append(made.frames)
    for name, expected in alone.items():
        # Sums of a batch are ordered differently; half a level may round either way.
        assert furthest(np.concatenate(together[name]), expected) <= 1
    assert furthest(alone["a"], alone["c"]) > 1


@torch.inference_mode()
def test_without_time_modules_chunks_are_the_whole(
    store: WeightStore, tmp_path: Path, astronaut: RgbImage
) -> None:
    longer = config_of(max_frames=CHUNKS * HOP)
    model = build_model(write_preset(tmp_path / "longer.yaml", longer, store), threads=1)
    engine = model.engine
    assert isinstance(engine, UnetEngine)
    for module in engine.network.modules():
        if isinstance(module, TemporalTransformer):
            silence(module.proj_out)
    model.open("a", astronaut, StreamOptions(seed=5))
    state: StreamState[Portrait] = model._streams["a"]
    features = torch.randn(1, MARGIN + CHUNKS * HOP + MARGIN, 10, 24)
    noise = frame_noise(5, 0, CHUNKS * HOP, SHAPE, share=0.9)[None]
    whole = engine.network.denoise(state.avatar, features, None, noise)[0]
    padded = torch.cat([torch.zeros_like(features[:, :OVERLAP]), features], 1)
    for chunk in range(CHUNKS):
        heard = padded[:, chunk * HOP :][:, : OVERLAP + HOP + 2 * MARGIN]
        latents = denoise(engine, [state], heard, [chunk])[0]
        assert torch.allclose(latents, whole[chunk * HOP :][:HOP], atol=1e-4)
        state = state.advanced(latents, chunk, model.config.motion_frames)
        assert state.motion_frames is not None
        assert len(state.motion_frames) == OVERLAP


def test_speed_of_the_head_is_told_for_frames_shown_already_too(
    store: WeightStore, tmp_path: Path, astronaut: RgbImage
) -> None:
    model = build_model(write_preset(tmp_path / "q.yaml", config_of(speed=True), store), threads=1)
    heard = windows(0, model, 2)
    slow = played(model, astronaut, heard, StreamOptions(head_speed=0.5))
    assert furthest(played(model, astronaut, heard, StreamOptions(head_speed=2.0)), slow) > 0


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"geometry": {"hop_frames": 7}}, "7 new and 2 overlap frames are more than .*, 8"),
        ({"geometry": {"hop_frames": 1}}, "at least the 2 overlap frames"),
        ({"geometry": {"past_frames": 3}}, "past_frames at least 4"),
    ],
)
def test_windows_that_do_not_fit_are_refused(
    preset: Path, tmp_path: Path, sections: Mapping[str, Mapping[str, Any]], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        build_model(rewritten(preset, tmp_path / "other.yaml", **sections), threads=1)
