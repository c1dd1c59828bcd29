"""Films of any frame rate, with sound that begins when it likes."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from emolive.errors import InputError
from emolive.ingest.reading import FilmFile

WriteFilm = Callable[..., Path]


@pytest.fixture
def write_film(tmp_path: Path) -> WriteFilm:
    """Writes grey pictures that become lighter, shown at the given seconds, and a click track."""

    def write(
        shown_s: list[float], clicks_s: list[float] | None = None, begins_s: float = 0.0
    ) -> Path:
        path = tmp_path / "film.mkv"
        with av.open(str(path), "w") as container:
            video = container.add_stream("ffv1", rate=1000)
            video.width, video.height, video.pix_fmt = 32, 16, "bgr0"
            video.time_base = Fraction(1, 1000)
            audio = None
            if clicks_s is not None:
                audio = container.add_stream("pcm_s16le", rate=48_000, layout="stereo")
            for number, at_s in enumerate(shown_s):
                grey = np.full((16, 32, 3), 2 * number, np.uint8)
                frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
                frame.pts, frame.time_base = round(at_s * 1000), Fraction(1, 1000)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            if audio is not None and clicks_s is not None:
                line = np.zeros((round(shown_s[-1] * 48_000), 2), np.int16)
                for click_s in clicks_s:
                    line[round((click_s - begins_s) * 48_000) :][:480] = 20_000
                sound = av.AudioFrame.from_ndarray(line.reshape(1, -1), "s16", "stereo")
                sound.sample_rate = 48_000
                sound.pts, sound.time_base = round(begins_s * 48_000), Fraction(1, 48_000)
                container.mux(audio.encode(sound))
                container.mux(audio.encode(None))
        return path

    return write


def numbers(film: FilmFile) -> list[int]:
    """Which pictures are shown, a number a frame."""
    return [round(float(image.mean()) / 2) for image in film.frames()]


@pytest.mark.parametrize("fps", [15, 24, 25, 30, 50, 60])
def test_every_frame_shows_the_picture_nearest_in_time(fps: int, write_film: WriteFilm) -> None:
    film = FilmFile(write_film([n / fps for n in range(2 * fps)]))
    shown = numbers(film)
    assert abs(len(shown) - 50) <= 1
    for tick, number in enumerate(shown):
        assert abs(number / fps - tick / 25) <= 0.5 / fps + 0.002
    assert film.damaged_packets == 0
    assert film.read_s == pytest.approx(2 - 1 / fps, abs=0.002)


def test_pictures_of_uneven_times_keep_their_times(write_film: WriteFilm) -> None:
    shown = numbers(FilmFile(write_film([0.0, 0.04, 0.50, 0.55, 0.61])))
    assert shown[:2] == [0, 1]
    assert shown.index(2) == 7  # 0.28 s: the middle of the gap
    assert shown[-1] == 4


def test_times_that_leap_ahead_end_the_film_there(write_film: WriteFilm) -> None:
    film = FilmFile(write_film([0.0, 0.04, 0.08, 400.0]))
    assert len(numbers(film)) == 3
    assert film.damaged_packets == 1


def click_at(samples: NDArray[np.int16]) -> float:
    return float(np.flatnonzero(np.abs(samples) > 8_000)[0]) / 16_000


@pytest.mark.parametrize("begins_s", [0.0, 0.3, 0.7])
def test_sound_lies_where_it_was_heard(begins_s: float, write_film: WriteFilm) -> None:
    pictures = [0.2 + n / 25 for n in range(75)]  # the first picture is late: all count from it
    film = FilmFile(write_film(pictures, clicks_s=[1.0], begins_s=begins_s))
    assert click_at(film.sound()) == pytest.approx(1.0 - 0.2, abs=0.002)


def test_a_film_without_sound_gives_none(write_film: WriteFilm) -> None:
    film = FilmFile(write_film([0.0, 0.04]))
    assert not film.has_sound
    assert len(film.sound()) == 0


def test_what_is_no_film_is_refused(tmp_path: Path, make_sound: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="no pictures"):
        FilmFile(make_sound("only.wav"))
    text = tmp_path / "letter.mp4"
    text.write_text("Dear all,")
    with pytest.raises(InputError, match="no film that can be read"):
        FilmFile(text)
