"""A student that was trained without downloads, run as any preset is: a film, and a live stream."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from emolive.bench_model import demo_portrait
from emolive.generate import FilmRequest, generate_film, load_portrait
from emolive.presets import load_preset
from realtime_model.contract import AudioWindow, RgbImage, StreamOptions
from realtime_model.portrait import cut_square
from realtime_model.unet.miniature import PatchAutoencoder
from tests.fakes.live import CLOCK, running_engine
from tests.fakes.miniature import write_student
from tests.integration.test_generate_default import first_seconds


@pytest.fixture(scope="module")
def portrait() -> RgbImage:
    return load_portrait(demo_portrait())


@pytest.fixture(scope="module")
def preset(portrait: RgbImage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    whole = (0.0, 0.0, float(portrait.shape[1]), float(portrait.shape[1]))
    pictures = torch.from_numpy(cut_square(portrait, whole, 64))[None]
    folder = tmp_path_factory.mktemp("student")
    return write_student(folder / "student.yaml", PatchAutoencoder(8).fit(pictures))


def test_a_film_has_the_size_of_its_preset(preset: Path, tmp_path: Path) -> None:
    audio, output = first_seconds(1, tmp_path / "hello.wav"), tmp_path / "film.mp4"
    request = FilmRequest(demo_portrait(), audio, output, StreamOptions())
    made = generate_film(
        request, lambda: load_preset(str(preset), threads=1), lambda done, total: None
    )
    assert made.frames == 25
    with av.open(str(output)) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert np.shape(frames) == (25, 64, 64)
    assert np.abs(np.diff(np.array(frames, np.int16), axis=0)).max() > 20


async def test_a_live_stream_has_the_size_of_its_preset(preset: Path, portrait: RgbImage) -> None:
    async with running_engine(str(preset)) as engine:
        assert (engine.geometry.width_px, engine.geometry.height_px) == (64, 64)
        resting = await engine.open_stream("s", portrait, StreamOptions())
        assert resting.shape == (96, 64)
        sound = np.full(engine.geometry.window_samples, 0.1, np.float32)
        engine.submit("s", AudioWindow(sound, 0), epoch=0, deadline_s=CLOCK.now_s() + 60)
        chunk = await engine.chunks("s").get()
        assert chunk.frames.shape == (3, 96, 64)
