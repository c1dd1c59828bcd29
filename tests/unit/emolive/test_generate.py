import itertools
import os
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from emolive.errors import InputError, WorkError
from emolive.generate import FilmRequest, WindowCutter, frame_count, generate_film, load_portrait
from emolive.sound import SoundFile
from realtime_model.contract import StreamOptions
from realtime_model.geometry import WindowGeometry
from stream_server.avatars.errors import PictureError
from tests.unit.emolive.conftest import MakeSound, TinyModel


def ignore(done: int, total: int | None) -> None:
    pass


def request(portrait: Path, audio: Path, output: Path, *, overwrite: bool = False) -> FilmRequest:
    return FilmRequest(portrait, audio, output, StreamOptions(), overwrite)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "frames"),
    [(1, 16_000, 1), (640, 16_000, 1), (641, 16_000, 2), (44_100, 44_100, 25), (8_000, 48_000, 5)],
)
def test_the_last_partial_frame_is_kept(samples: int, rate_hz: int, frames: int) -> None:
    assert frame_count(samples, rate_hz, 25) == frames


@pytest.mark.parametrize(
    ("rate_hz", "layout", "codec", "name"),
    [
        (8_000, "mono", "pcm_s16le", "telephone.wav"),
        (44_100, "stereo", "pcm_s16le", "disc.wav"),
        (48_000, "stereo", "flac", "film.flac"),
        (96_000, "mono", "flac", "studio.flac"),
        (48_000, "5.1", "flac", "cinema.flac"),
    ],
)
def test_film_is_as_long_as_the_sound_and_keeps_its_channels(
    model: TinyModel,
    portrait: Path,
    make_sound: MakeSound,
    tmp_path: Path,
    rate_hz: int,
    layout: str,
    codec: str,
    name: str,
) -> None:
    samples = rate_hz * 3 + rate_hz // 7
    audio = make_sound(name, samples=samples, rate_hz=rate_hz, layout=layout, codec=codec)
    output = tmp_path / "film.mp4"

    made = generate_film(request(portrait, audio, output), lambda: model, ignore)

    assert made.frames == frame_count(samples, rate_hz, 25)
    assert model.open_streams == set()
    with av.open(str(output)) as film:
        video, sound = film.streams.video[0], film.streams.audio[0]
        assert video.frames == made.frames
        assert video.codec_context.pix_fmt == "yuv420p"
        assert sound.layout.name == layout
        assert film.duration is not None
        assert film.duration / av.time_base == pytest.approx(samples / rate_hz, abs=0.04)
        heard = sum(frame.samples for frame in film.decode(audio=0))
        assert heard / sound.rate == pytest.approx(samples / rate_hz, abs=0.04)


def test_index_is_in_front_of_the_pictures(
    model: TinyModel, portrait: Path, make_sound: MakeSound, tmp_path: Path
) -> None:
    output = tmp_path / "film.mp4"
    generate_film(request(portrait, make_sound(), output), lambda: model, ignore)
    content = output.read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")


def test_frames_show_the_sound_of_their_own_moment(
    model: TinyModel, portrait: Path, tmp_path: Path, make_sound: MakeSound
) -> None:
    quiet = make_sound("quiet.wav", samples=16_000, level=0.0)
    loud = make_sound("loud.wav", samples=16_000)
    both = tmp_path / "both.wav"
    both.write_bytes(_joined(quiet, loud))
    output = tmp_path / "film.mp4"

    generate_film(request(portrait, both, output), lambda: model, ignore)

    with av.open(str(output)) as film:
        light = [frame.to_ndarray(format="gray").mean() for frame in film.decode(video=0)]
    assert len(light) == 50
    assert max(light[:25]) < 30 < 70 < min(light[25:])


def _joined(first: Path, second: Path) -> bytes:
    """Two WAV files of one format as one, its sizes left unknown as a pipe would."""
    head = first.read_bytes()
    body = second.read_bytes()
    data = head.find(b"data") + 8
    unknown = b"\xff\xff\xff\xff"
    return head[: data - 4] + unknown + head[data:] + body[body.find(b"data") + 8 :]


def test_windows_are_those_of_one_unbroken_line(model: TinyModel, make_sound: MakeSound) -> None:
    shape = WindowGeometry()
    cutter = WindowCutter(shape)
    with SoundFile(make_sound(samples=32_000)) as sound:
        windows = [window for frame in sound.frames() for window in cutter.push(frame)]
    assert [w.chunk_index for w in windows] == list(range(len(windows)))
    for before, after in itertools.pairwise(windows):
        np.testing.assert_array_equal(
            before.samples[shape.hop_samples :], after.samples[: -shape.hop_samples]
        )
    assert not windows[0].samples[: shape.past_samples].any()


def test_silence_makes_a_film_of_a_resting_portrait(
    model: TinyModel, portrait: Path, make_sound: MakeSound, tmp_path: Path
) -> None:
    audio = make_sound(level=0.0)
    made = generate_film(request(portrait, audio, tmp_path / "film.mp4"), lambda: model, ignore)
    assert made.frames == 25
    assert not any(window.is_speech for window in model.rendered)


def test_truncated_compressed_sound_is_used_as_far_as_it_goes(
    model: TinyModel, portrait: Path, make_sound: MakeSound, tmp_path: Path
) -> None:
    whole = make_sound("song.mp3", samples=441_000, rate_hz=44_100, codec="libmp3lame")
    cut = tmp_path / "cut.mp3"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    made = generate_film(request(portrait, cut, tmp_path / "film.mp4"), lambda: model, ignore)
    assert 4 < made.duration_s < 6
    assert made.frames == frame_count(round(made.duration_s * 44_100), 44_100, 25)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no sound file"), (b"", "is empty"), (b"\x00\x11" * 5_000, "not a sound file")],
)
def test_unusable_sound_is_refused_before_the_model_is_loaded(
    portrait: Path, tmp_path: Path, content: bytes | None, words: str
) -> None:
    audio = tmp_path / "sound.wav"
    if content is not None:
        audio.write_bytes(content)

    def never() -> TinyModel:
        raise AssertionError("the model must not be loaded")

    with pytest.raises(InputError, match=words):
        generate_film(request(portrait, audio, tmp_path / "film.mp4"), never, ignore)


def test_sound_of_no_samples_leaves_nothing_behind(
    model: TinyModel, portrait: Path, tmp_path: Path
) -> None:
    audio = tmp_path / "nothing.wav"
    with wave.open(str(audio), "wb") as header_only:
        header_only.setnchannels(1)
        header_only.setsampwidth(2)
        header_only.setframerate(16_000)
    with pytest.raises(InputError, match="holds no sound"):
        generate_film(request(portrait, audio, tmp_path / "film.mp4"), lambda: model, ignore)
    assert os.listdir(tmp_path) == [audio.name]


def test_a_picture_in_the_place_of_sound_is_refused(
    model: TinyModel, portrait: Path, tmp_path: Path
) -> None:
    audio = tmp_path / "picture.png"
    frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
    frame.save(str(audio))
    with pytest.raises(InputError, match="no audio stream"):
        generate_film(request(portrait, audio, tmp_path / "film.mp4"), lambda: model, ignore)


def test_interruption_leaves_the_earlier_film_and_no_traces(
    model: TinyModel, portrait: Path, make_sound: MakeSound, tmp_path: Path
) -> None:
    audio = make_sound(samples=80_000)
    output = tmp_path / "film.mp4"
    output.write_bytes(b"an earlier film")
    model.fail_at = 3
    with pytest.raises(KeyboardInterrupt):
        generate_film(request(portrait, audio, output, overwrite=True), lambda: model, ignore)
    assert output.read_bytes() == b"an earlier film"
    assert sorted(os.listdir(tmp_path)) == [output.name, audio.name]
    assert model.open_streams == set()


def test_existing_output_is_kept_unless_asked(
    model: TinyModel, portrait: Path, make_sound: MakeSound, tmp_path: Path
) -> None:
    output = tmp_path / "film.mp4"
    output.write_bytes(b"precious")
    audio = make_sound()
    with pytest.raises(InputError, match="--overwrite"):
        generate_film(request(portrait, audio, output), lambda: model, ignore)
    assert output.read_bytes() == b"precious"
    generate_film(request(portrait, audio, output, overwrite=True), lambda: model, ignore)
    assert output.stat().st_size > 1_000


@pytest.mark.parametrize(
    ("output", "words"),
    [("nowhere/film.mp4", "does not exist"), ("film.avi", r"must end in \.mp4")],
)
def test_bad_output_is_refused_at_once(
    model: TinyModel, portrait: Path, make_sound: MakeSound, tmp_path: Path, output: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        generate_film(request(portrait, make_sound(), tmp_path / output), lambda: model, ignore)


def test_a_disk_that_refuses_is_named(
    model: TinyModel, portrait: Path, make_sound: MakeSound
) -> None:
    # Nobody, not even root, can create a file in /proc.
    with pytest.raises((WorkError, InputError), match="/proc"):
        generate_film(
            request(portrait, make_sound(), Path("/proc/film.mp4")), lambda: model, ignore
        )


def test_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture at"):
        load_portrait(tmp_path / "nobody.png")


def test_text_in_the_place_of_a_picture_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "portrait.png"
    text.write_text("not a picture")
    with pytest.raises(PictureError, match="not a PNG"):
        load_portrait(text)
