from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest

import emolive.bench_model
from emolive.bench_model import (
    StageTimes,
    demo_portrait,
    measure_model,
    peak_memory_mib,
    recorded_windows,
)
from emolive.errors import WorkError
from realtime_model.contract import AudioWindow, VideoChunk
from realtime_model.geometry import WindowGeometry
from tests.unit.emolive.conftest import MakeSound, TinyModel


class Stopwatch:
    listener: Callable[[str], AbstractContextManager[object]] | None = None


class TimedModel(TinyModel):
    """Says what it is doing, as the real model does."""

    def __init__(self) -> None:
        super().__init__()
        self.timed = Stopwatch()

    def render(self, windows: Mapping[str, AudioWindow]) -> dict[str, VideoChunk]:
        with nullcontext() if self.timed.listener is None else self.timed.listener("denoise"):
            return super().render(windows)


def window(shape: WindowGeometry) -> AudioWindow:
    return AudioWindow(samples=np.zeros(shape.window_samples, np.float32), chunk_index=0)


def test_stages_of_the_model_are_parts_of_render() -> None:
    model = TimedModel()
    spent = StageTimes(model)
    for _ in range(3):
        spent.render(window(model.geometry))
    by_stage = spent.frame_ms()
    assert set(by_stage) == {"render", "render/denoise", "to_yuv"}
    assert by_stage["render/denoise"] <= by_stage["render"]
    assert sum(spent.chunk_s) * 1e3 / 12 >= by_stage["render"]


def test_recording_goes_round_without_a_break(
    monkeypatch: pytest.MonkeyPatch, make_sound: MakeSound
) -> None:
    monkeypatch.setattr(emolive.bench_model, "RECORDING", make_sound(samples=8_000))
    windows = recorded_windows(WindowGeometry())
    assert [next(windows).chunk_index for _ in range(20)] == list(range(20))


def test_a_lost_recording_is_named(
    monkeypatch: pytest.MonkeyPatch, portrait: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(emolive.bench_model, "load_portrait", lambda path: None)
    monkeypatch.setattr(emolive.bench_model, "demo_portrait", lambda: portrait)
    monkeypatch.setattr(emolive.bench_model, "RECORDING", tmp_path / "gone.wav")
    model = TinyModel()
    with pytest.raises(WorkError, match=r"gone\.wav is missing"):
        measure_model(lambda: model, seconds=1)
    assert model.open_streams == set()


def test_the_first_shipped_portrait_is_the_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(emolive.bench_model, "ASSETS", tmp_path)
    with pytest.raises(WorkError, match="holds no portrait"):
        demo_portrait()
    folder = tmp_path / "portraits"
    folder.mkdir()
    for name in ("ada", "bob"):
        (folder / f"{name}.png").write_bytes(b"picture")
    entries = "".join(f"- {{id: avtr_{n}, file: {n}.png, name: {n}}}\n" for n in ("bob", "ada"))
    (folder / "portraits.yaml").write_text(entries)
    assert demo_portrait() == folder / "bob.png"


def test_peak_memory_is_in_mebibytes() -> None:
    assert 20 < peak_memory_mib() < 100_000
