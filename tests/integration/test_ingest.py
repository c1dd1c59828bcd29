"""Films that the default model made, spoilt as cameras and cutters spoil them, and ingested."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from emolive.bench_model import RECORDING
from emolive.cli import main
from emolive.errors import InputError, WorkError
from emolive.generate import FilmRequest, generate_film
from emolive.ingest.choosing import Rules
from emolive.ingest.folder import Request, ingest
from emolive.ingest.reading import FPS, FilmFile
from emolive.presets import load_preset
from realtime_model.contract import RgbImage, StreamOptions
from realtime_model.face import FaceLandmarker
from realtime_model.training.speech.corpus import read_clip

SECONDS = 5
NOTE = "Eileen agreed on 1 May to be trained on."

Pictures = Sequence[NDArray[np.uint8]]
Sound = NDArray[np.int16]


def nobody_waits(name: str, done: int, total: int) -> None:
    assert 0 < done <= total


def write_film(path: Path, pictures: Pictures, sound: Sound | None, fps: int = FPS) -> None:
    """A film as a phone would write it: H.264 and AAC, the index in front."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=fps)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt, video.options = "yuv420p", {"crf": "20", "preset": "ultrafast"}
        audio = None if sound is None else container.add_stream("aac", rate=16_000, layout="mono")
        for number, image in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            for at in range(0, len(sound), 1024):
                block = av.AudioFrame.from_ndarray(sound[None, at : at + 1024], "s16", "mono")
                block.sample_rate, block.pts = 16_000, at
                block.time_base = Fraction(1, 16_000)
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))


@pytest.fixture(scope="module")
def speaking(
    astronaut: RgbImage, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[NDArray[np.uint8]], Sound]:
    """A portrait says five seconds of the shipped recording, through ``emolive generate``."""
    place = tmp_path_factory.mktemp("generated")
    Image.fromarray(astronaut).save(place / "face.png")
    with av.open(str(RECORDING)) as container:
        blocks = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    spoken = np.concatenate(blocks)[: SECONDS * 16_000].astype(np.int16)
    with av.open(str(place / "voice.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(spoken[None], "s16", "mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
    request = FilmRequest(
        place / "face.png", place / "voice.wav", place / "film.mp4", StreamOptions()
    )
    generate_film(request, lambda: load_preset("default", threads=1), lambda done, total: None)
    film = FilmFile(place / "film.mp4")
    return list(film.frames()), film.sound()


@pytest.fixture(scope="module")
def films(
    speaking: tuple[list[NDArray[np.uint8]], Sound], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    pictures, sound = speaking
    place = tmp_path_factory.mktemp("films")
    late = np.pad(sound, (5 * 640, 0))[: len(sound)]
    mirrored = [image[:, ::-1] for image in pictures]
    write_film(place / "anna/fine.mp4", pictures, sound)
    write_film(place / "anna/late sound.mp4", pictures, late)
    write_film(place / "anna/cut.mkv", [*pictures, *mirrored], np.concatenate([sound, sound]))
    write_film(place / "bo/silent.mp4", pictures[:75], None)
    write_film(place / "bo/another voice.mp4", pictures, sound[::-1].copy())
    write_film(place / "bo/quiet.mp4", pictures[:75], np.zeros(3 * 16_000, np.int16))
    noise = np.random.default_rng(0).integers(0, 255, (75, 64, 64, 3)).astype(np.uint8)
    write_film(place / "bo/nobody.mp4", list(noise), sound)
    pairs = [np.hstack([a, b]) for a, b in zip(pictures, mirrored, strict=True)]
    write_film(place / "bo/two.mp4", pairs[:75], sound)
    whole = (place / "anna/fine.mp4").read_bytes()
    (place / "bo/truncated.mp4").write_bytes(whole[: int(0.7 * len(whole))])
    (place / "bo/no index.mp4").write_bytes(whole[-len(whole) // 3 :])
    (place / "bo/empty.mov").write_bytes(b"")
    (place / "holiday.txt").write_text("no film")
    return place


@pytest.fixture(scope="module")
def dataset(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dataset") / "clips"
    ingest(Request(films, out, NOTE, size_px=128, heldout=0.5), nobody_waits)
    return out


@pytest.fixture(scope="module")
def manifest(dataset: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((dataset / "manifest.json").read_text())
    return read


def reasons(manifest: dict[str, Any], name: str) -> list[str]:
    return [left["reason"] for left in manifest["files"][name]["left_out"]]


def test_a_good_film_becomes_one_clip_in_time(manifest: dict[str, Any]) -> None:
    film = manifest["files"]["anna/fine.mp4"]
    (clip,) = film["clips"]
    assert (film["note"], film["left_out"]) == ("", [])
    assert clip["frames"] == SECONDS * FPS
    assert abs(clip["lag_frames"]) <= 2
    assert clip["moved_frames"] == 0
    assert clip["correlation"] > 0.5
    assert clip["speech"] > 0.5
    assert any("pixels" in lack for lack in clip["lacks"])


def test_late_sound_is_found_and_put_back(
    manifest: dict[str, Any], dataset: Path, speaking: tuple[Any, Sound]
) -> None:
    (fine,), (moved,) = (
        manifest["files"][f"anna/{name}.mp4"]["clips"] for name in ("fine", "late sound")
    )
    # 200 ms later; what lies between two frames may be rounded either way.
    assert abs(moved["lag_frames"] - (fine["lag_frames"] - 5)) <= 1
    assert moved["moved_frames"] == moved["lag_frames"]
    assert "earlier" in " ".join(moved["lacks"])
    audio = read_clip(dataset / "clips" / f"{moved['name']}.npz").audio.astype(float)
    true = np.pad(speaking[1], (0, len(audio)))[: len(audio)].astype(float)
    apart = -5 - moved["moved_frames"]  # what the model itself is early or late
    again = np.corrcoef(np.roll(audio, apart * 640)[8_000:-8_000], true[8_000:-8_000])[0, 1]
    assert again > 0.9


def test_a_cut_divides_a_film(manifest: dict[str, Any]) -> None:
    clips = manifest["files"]["anna/cut.mkv"]["clips"]
    assert [(clip["from_s"], clip["to_s"]) for clip in clips] == [(0, SECONDS), (SECONDS, 10)]
    assert all(abs(clip["lag_frames"]) <= 2 for clip in clips)


def test_what_cannot_be_used_is_told_by_name(manifest: dict[str, Any]) -> None:
    files = manifest["files"]
    assert files["bo/silent.mp4"]["note"] == "it has no sound"
    assert reasons(manifest, "bo/quiet.mp4") == ["quiet"]
    assert reasons(manifest, "bo/nobody.mp4") == ["no_face"]
    assert reasons(manifest, "bo/two.mp4") == ["several_faces"]
    assert reasons(manifest, "bo/another voice.mp4") == ["not_this_voice"]
    for name in ("bo/no index.mp4", "bo/empty.mov"):
        assert "damaged" in files[name]["note"]
        assert files[name]["clips"] == []
    assert "holiday.txt" not in files


def test_of_a_film_that_is_cut_off_the_rest_is_used(manifest: dict[str, Any]) -> None:
    film = manifest["files"]["bo/truncated.mp4"]
    assert "cut off" in film["note"] or "damaged packets" in film["note"]
    assert all(clip["to_s"] < SECONDS for clip in film["clips"])
    assert film["clips"] or film["left_out"]


def test_training_reads_a_clip(manifest: dict[str, Any], dataset: Path) -> None:
    (record,) = manifest["files"]["anna/fine.mp4"]["clips"]
    path = dataset / "clips" / f"{record['name']}.npz"
    clip = read_clip(path)
    frames = record["frames"]
    assert len(clip.audio) == frames * 640
    assert (clip.voice, clip.split) == ("anna", manifest["persons"]["anna"])
    assert clip.curves.shape == (frames, 52)
    assert np.isnan(clip.curves).all()
    film = FilmFile(path.with_suffix(".mp4"))
    pictures = list(film.frames())
    assert len(pictures) == frames
    assert pictures[0].shape == (128, 128, 3)
    assert abs(len(film.sound()) - len(clip.audio)) < 1_600
    with np.load(path) as fields:
        marks, opening = fields["landmarks"], fields["opening"]
        assert fields["speed_deg"].shape == opening.shape == (frames,)
        assert 0 < fields["speed_deg"].max() < 5
    assert marks.shape == (frames, 478, 3)
    seen = FaceLandmarker().detect(pictures[60])[0]
    assert np.abs(seen.landmarks[:, :2] - marks[60, :, :2]).mean() < 1.5
    assert opening.max() > 5 * np.median(opening)


def test_persons_are_divided_and_the_note_is_kept(manifest: dict[str, Any], dataset: Path) -> None:
    assert sorted(manifest["persons"]) == ["anna", "bo"]
    assert sorted(manifest["persons"].values()) == ["heldout", "train"]
    assert NOTE in (dataset / "CONSENT.txt").read_text()
    with Image.open(dataset / "contact.jpg") as sheet:
        assert sheet.width == 960


def test_run_again_it_does_nothing_and_a_changed_film_is_done_again(
    films: Path, dataset: Path, speaking: tuple[list[NDArray[np.uint8]], Sound]
) -> None:
    request = Request(films, dataset, NOTE, size_px=128, heldout=0.5)
    before = {path: path.stat().st_mtime_ns for path in (dataset / "clips").iterdir()}

    def unwanted(name: str, done: int, total: int) -> None:
        raise AssertionError(name)

    ingest(request, unwanted)
    assert {path: path.stat().st_mtime_ns for path in (dataset / "clips").iterdir()} == before
    divided = json.loads((dataset / "manifest.json").read_text())["persons"]
    pictures, sound = speaking
    write_film(films / "carl.mp4", pictures[:80], sound)
    looked: set[str] = set()
    grown = ingest(request, lambda name, done, total: looked.add(name))
    assert looked == {"carl.mp4"}
    assert {name: grown.persons[name] for name in ("anna", "bo")} == divided
    (films / "carl.mp4").unlink()


@pytest.fixture
def one_film(tmp_path: Path, speaking: tuple[list[NDArray[np.uint8]], Sound]) -> tuple[Path, Path]:
    pictures, sound = speaking
    write_film(tmp_path / "films/anna.mp4", pictures[:80], sound)
    return tmp_path / "films", tmp_path / "out"


def test_without_consent_nothing_is_done(one_film: tuple[Path, Path]) -> None:
    source, out = one_film
    with pytest.raises(InputError, match=r"say anything.*--consent.*do not train"):
        ingest(Request(source, out, None), nobody_waits)
    (source / "CONSENT.txt").write_text("  \n")
    with pytest.raises(InputError, match="consent"):
        ingest(Request(source, out, ""), nobody_waits)
    assert not out.exists()


def test_a_full_disk_is_noticed_before_writing(
    one_film: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = one_film
    small = shutil.disk_usage(source)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: small)
    with pytest.raises(WorkError, match=r"has 0\.00 GB left: free some space"):
        ingest(Request(source, out, NOTE, size_px=64, rules=Rules()), nobody_waits)
    assert list((out / "clips").iterdir()) == []


def test_a_stop_leaves_no_half_clip_and_the_next_run_goes_on(one_film: tuple[Path, Path]) -> None:
    source, out = one_film
    request = Request(source, out, NOTE, size_px=64)

    def stop(name: str, done: int, total: int) -> None:
        if done == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(request, stop)
    assert list((out / "clips").iterdir()) == []
    assert len(ingest(request, nobody_waits).kept) == 1


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["emolive", "data", "ingest", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


def test_the_command_tells_what_it_did(
    one_film: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, out = one_film
    options: tuple[object, ...] = ("--out", out, "--size", 64)
    assert run(monkeypatch, source, *options) == 2
    assert "do not train on them" in capsys.readouterr().err
    assert run(monkeypatch, source, *options, "--consent", NOTE) == 0
    shown = capsys.readouterr().out
    assert "anna.mp4" in shown
    assert "1 clips" in shown
    assert "No clip is held out" in shown
    assert run(monkeypatch, source, *options, "--consent", NOTE, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["clips"] == 1
    assert report["files"]["anna.mp4"]["clips"][0]["frames"] == 80
    assert run(monkeypatch, source, "--out", out, "--size", 128, "--consent", NOTE) == 2
    assert "holds clips of 64 pixels" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda place: place / "nowhere", "There is no folder"),
        (lambda place: place, "There are no films in"),
    ],
)
def test_a_folder_without_films_is_refused(
    make: Callable[[Path], Path], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        ingest(Request(make(tmp_path), tmp_path / "out", NOTE), nobody_waits)


def test_a_damaged_manifest_is_named(one_film: tuple[Path, Path]) -> None:
    source, out = one_film
    out.mkdir()
    (out / "manifest.json").write_text('{"format": 1')
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        ingest(Request(source, out, NOTE), nobody_waits)
