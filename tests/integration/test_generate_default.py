"""The command as a person runs it: a process of its own, the shipped weights and recording."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np

from emolive.bench_model import RECORDING, demo_portrait


def emolive(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emolive", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)


def first_seconds(seconds: int, path: Path) -> Path:
    with av.open(str(RECORDING)) as source, av.open(str(path), "w") as cut:
        stream = cut.add_stream("pcm_s16le", rate=16_000, layout="mono")
        left = seconds * 16_000
        for frame in source.decode(audio=0):
            samples = frame.to_ndarray()[:, :left]
            left -= samples.shape[1]
            if samples.size:
                piece = av.AudioFrame.from_ndarray(samples.astype(np.int16), "s16", "mono")
                piece.sample_rate = 16_000
                cut.mux(stream.encode(piece))
        cut.mux(stream.encode(None))
    return path


def test_the_shipped_portrait_speaks_the_shipped_recording(tmp_path: Path) -> None:
    audio = first_seconds(3, tmp_path / "hello.wav")
    films = [tmp_path / "first.mp4", tmp_path / "again.mp4"]
    for film in films:
        # Of several threads one may go on alone, where something else is busy: a level of 255.
        done = emolive("generate", demo_portrait(), audio, "-o", film, "--seed", 3, "--threads", 1)
        assert done.returncode == 0, done.stderr
    first, again = (frames(film) for film in films)
    assert first.shape == (75, 256, 256)
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.diff(first.astype(np.int16), axis=0)).max() > 20  # it moves


def frames(film: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with av.open(str(film)) as container:
        decoded = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    return np.asarray(decoded, np.uint8)


def test_a_photo_of_nobody_is_a_sentence(tmp_path: Path) -> None:
    nobody = tmp_path / "grey.png"
    grey = av.VideoFrame.from_ndarray(np.full((256, 256, 3), 128, np.uint8), format="rgb24")
    grey.save(str(nobody))
    done = emolive("generate", nobody, RECORDING, "-o", tmp_path / "film.mp4")
    assert done.returncode == 2
    assert "No face was found" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [nobody]
