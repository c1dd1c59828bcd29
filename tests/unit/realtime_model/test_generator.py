"""The whole model, tiny and with random weights, through its file: streams own all they need."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from realtime_model.blendshapes import latent_of_pose
from realtime_model.checkpoint import save_network
from realtime_model.config import ModelConfig
from realtime_model.contract import AudioWindow, RgbImage, StreamOptions
from realtime_model.errors import PortraitError, ShapeError, StreamError
from realtime_model.face import FaceLandmarker
from realtime_model.factory import build_model
from realtime_model.generator import Generator
from realtime_model.network import EmoNetwork
from realtime_model.portrait import frame_portrait
from realtime_model.rig import FaceRig, at_rest
from realtime_model.state import StreamState
from realtime_model.tiny import TinyEngine, _press, _shown

CHUNKS = 3


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.unit.realtime_model.conftest import TINY

    torch.manual_seed(2)
    network = EmoNetwork(TINY)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.03 * torch.randn_like(weight))
    path = tmp_path_factory.mktemp("weights") / "tiny.yaml"
    save_network(network, path)
    return path


@pytest.fixture(scope="module")
def shared(preset: Path) -> Generator:
    return build_model(preset, threads=1)


@pytest.fixture
def model(shared: Generator) -> Iterator[Generator]:
    yield shared
    for stream in ("a", "b", "c"):
        shared.close(stream)


@pytest.fixture
def engine(shared: Generator) -> TinyEngine:
    assert isinstance(shared.engine, TinyEngine)
    return shared.engine


@pytest.fixture(scope="module")
def mirrored(astronaut: RgbImage) -> RgbImage:
    return np.ascontiguousarray(astronaut[:, ::-1])


def windows(seed: int, model: Generator, chunks: int = CHUNKS) -> list[AudioWindow]:
    geometry = model.geometry
    length = geometry.past_samples + chunks * geometry.hop_samples + geometry.lookahead_samples
    sound = np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)
    starts = [k * geometry.hop_samples for k in range(chunks)]
    return [AudioWindow(sound[s : s + geometry.window_samples], k) for k, s in enumerate(starts)]


def played(
    model: Generator,
    portrait: RgbImage,
    heard: Sequence[AudioWindow],
    options: StreamOptions | None = None,
) -> NDArray[np.uint8]:
    """All frames of a stream that has the model to itself."""
    model.open("a", portrait, options or StreamOptions())
    try:
        return np.concatenate([model.render({"a": w})["a"].frames for w in heard])
    finally:
        model.close("a")


def furthest(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def test_a_chunk_is_a_hop_of_pictures_and_bears_its_number(
    model: Generator, astronaut: RgbImage
) -> None:
    resting = model.open("a", astronaut, StreamOptions())
    assert resting.shape == (256, 256, 3)
    assert resting.dtype == np.uint8
    for window in windows(0, model):
        chunk = model.render({"a": window})["a"]
        assert chunk.chunk_index == window.chunk_index
        assert chunk.frames.shape == (4, 256, 256, 3)
        assert chunk.frames.dtype == np.uint8


def test_the_same_seed_gives_the_same_frames(model: Generator, astronaut: RgbImage) -> None:
    heard = windows(0, model)
    first = played(model, astronaut, heard, StreamOptions(seed=5))
    assert np.array_equal(played(model, astronaut, heard, StreamOptions(seed=5)), first)
    assert furthest(played(model, astronaut, heard, StreamOptions(seed=6)), first) > 0


def test_sound_and_portrait_decide_the_frames(
    model: Generator, astronaut: RgbImage, mirrored: RgbImage
) -> None:
    first = played(model, astronaut, windows(0, model))
    assert furthest(played(model, astronaut, windows(1, model)), first) > 0
    assert furthest(played(model, mirrored, windows(0, model)), first) > 30


def test_interleaved_streams_equal_each_alone(
    model: Generator, astronaut: RgbImage, mirrored: RgbImage
) -> None:
    said = {"a": windows(0, model), "b": windows(1, model)}
    alone = {
        "a": played(model, astronaut, said["a"], StreamOptions(seed=1)),
        "b": played(model, mirrored, said["b"], StreamOptions(seed=2)),
    }
    model.open("a", astronaut, StreamOptions(seed=1))
    model.open("b", mirrored, StreamOptions(seed=2))
    frames: dict[str, list[NDArray[np.uint8]]] = {"a": [], "b": []}
    for chunk in range(CHUNKS):
        for stream in ("b", "a") if chunk % 2 else ("a", "b"):
            out = model.render({stream: said[stream][chunk]})
            frames[stream].append(out[stream].frames)
    for stream, expected in alone.items():
        assert np.array_equal(np.concatenate(frames[stream]), expected)


def test_a_batch_equals_single_calls(
    model: Generator, astronaut: RgbImage, mirrored: RgbImage
) -> None:
    said = {"a": windows(0, model), "b": windows(1, model), "c": windows(2, model)}
    alone = played(model, mirrored, said["b"], StreamOptions(seed=2))
    for stream, portrait in zip("abc", (astronaut, mirrored, astronaut), strict=True):
        model.open(stream, portrait, StreamOptions(seed=2))
    out = [model.render({s: said[s][k] for s in "abc"})["b"].frames for k in range(CHUNKS)]
    # Sums of a batch are ordered differently; half a level may round either way.
    assert furthest(np.concatenate(out), alone) <= 1


def test_streams_on_different_rungs_of_the_ladder_share_a_call(
    model: Generator, astronaut: RgbImage, mirrored: RgbImage
) -> None:
    said = {"a": windows(0, model), "b": windows(1, model)}
    chosen = {"a": StreamOptions(steps=1), "b": StreamOptions(steps=3, motion=0.5)}
    alone = {
        "a": played(model, astronaut, said["a"], chosen["a"]),
        "b": played(model, mirrored, said["b"], chosen["b"]),
    }
    model.open("a", astronaut, chosen["a"])
    model.open("b", mirrored, chosen["b"])
    out = [model.render({s: said[s][k] for s in "ab"}) for k in range(CHUNKS)]
    for stream, expected in alone.items():
        together = np.concatenate([chunk[stream].frames for chunk in out])
        assert furthest(together, expected) <= 1


def test_steps_motion_and_speed_matter(model: Generator, astronaut: RgbImage) -> None:
    heard = windows(0, model)
    usual = played(model, astronaut, heard)
    assert np.array_equal(played(model, astronaut, heard, StreamOptions(steps=2)), usual)
    for options in (
        StreamOptions(steps=1),
        StreamOptions(motion=0.0),
        StreamOptions(head_speed=2.0),
    ):
        assert furthest(played(model, astronaut, heard, options), usual) > 0


def test_a_portrait_rests_as_its_landmarks_say(engine: TinyEngine, astronaut: RgbImage) -> None:
    framed = frame_portrait(astronaut, FaceLandmarker())
    avatar = engine.prepare(framed)
    rig = FaceRig(framed.landmarks, 256)
    latent = latent_of_pose(rig, at_rest(), 8)[None]
    off = engine.network.join(avatar.closed[None]) - latent
    assert off.square().sum() < 0.01 * latent.square().sum()  # the rig moves a half-size picture
    # A mouth that has to close: its lower lip comes from further down in the picture.
    assert float(latent[0, 1][4:7, 3:5].max()) > 0.2


@pytest.mark.parametrize("expression", [0.5, 1.0, 1.5])
def test_what_a_network_makes_of_silence_is_shown_as_rest(
    engine: TinyEngine, astronaut: RgbImage, expression: float
) -> None:
    avatar = engine.prepare(frame_portrait(astronaut, FaceLandmarker()))
    still = torch.zeros(4, *avatar.quiet.shape)
    options = StreamOptions(expression=expression)
    state = StreamState(avatar, still[:2], avatar.quiet.expand_as(still), 1, options)
    detail = _shown(state, avatar.quiet.expand_as(still)).chunk(2, 1)[1]
    pressed = 1.2 * avatar.closed.chunk(2)[1]
    assert torch.allclose(detail, pressed.expand_as(detail), atol=1e-5)


def test_lips_are_pressed_at_rest_and_not_when_they_part() -> None:
    closed = torch.randn(2, 8, 8)
    moved = torch.stack([-share * closed for share in (-0.5, 0.0, 0.075, 0.15, 0.9)])
    assert _press(moved, closed).flatten().tolist() == pytest.approx(
        [0.2, 0.2, 0.1, 0, 0], abs=1e-5
    )
    assert torch.isfinite(_press(moved, torch.zeros_like(closed))).all()


def test_motion_frames_carry_over_to_the_next_chunk(model: Generator, astronaut: RgbImage) -> None:
    heard, other = windows(0, model), windows(1, model)
    usual = played(model, astronaut, heard)
    changed = played(model, astronaut, [other[0], *heard[1:]])
    assert furthest(changed[4:], usual[4:]) > 0


def test_a_closed_stream_can_be_opened_anew(model: Generator, astronaut: RgbImage) -> None:
    heard = windows(0, model)
    first = played(model, astronaut, heard)
    model.close("a")
    model.close("never opened")
    assert np.array_equal(played(model, astronaut, heard), first)


def test_wrong_use_is_refused_and_harms_no_stream(model: Generator, astronaut: RgbImage) -> None:
    heard = windows(0, model)
    expected = played(model, astronaut, heard)
    model.open("a", astronaut, StreamOptions())
    frames = [model.render({"a": heard[0]})["a"].frames]
    with pytest.raises(StreamError, match="open already"):
        model.open("a", astronaut, StreamOptions())
    with pytest.raises(StreamError, match="not open"):
        model.render({"a": heard[1], "b": heard[1]})
    with pytest.raises(ShapeError, match="samples"):
        model.render({"a": AudioWindow(np.zeros(100, np.float32), 1)})
    with pytest.raises(PortraitError):
        model.open("b", np.zeros((300, 300, 3), np.uint8), StreamOptions())
    frames += [model.render({"a": w})["a"].frames for w in heard[1:]]
    assert np.array_equal(np.concatenate(frames), expected)


def test_a_portrait_that_will_not_do_leaves_its_name_free(
    model: Generator, astronaut: RgbImage
) -> None:
    with pytest.raises(PortraitError):
        model.open("a", np.zeros((300, 300, 3), np.uint8), StreamOptions())
    assert model.open("a", astronaut, StreamOptions()).shape == (256, 256, 3)


def test_stages_are_timed_for_whoever_listens(model: Generator, astronaut: RgbImage) -> None:
    seen: list[str] = []

    def listen(stage: str) -> AbstractContextManager[object]:
        seen.append(stage)
        return nullcontext()

    model.timed.listener = listen
    try:
        played(model, astronaut, windows(0, model)[:1])
    finally:
        model.timed.listener = None
    assert seen == ["features", "denoise", "decode"]


def test_what_a_trained_file_says_is_what_memory_said(
    tmp_path: Path, tiny: ModelConfig, astronaut: RgbImage, shake: Callable[[nn.Module], None]
) -> None:
    network = EmoNetwork(tiny)
    shake(network)
    for weight in network.state_dict().values():
        weight.copy_(weight.half())  # files hold float16
    save_network(network, tmp_path / "tiny.yaml")
    memory, file = Generator(TinyEngine(network)), build_model(tmp_path / "tiny.yaml", threads=1)
    heard = windows(0, memory)
    assert np.array_equal(played(memory, astronaut, heard), played(file, astronaut, heard))
