"""From people's films to a network that was taught on them, by the commands alone."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

from emolive.bench_model import RECORDING
from emolive.cli import main
from emolive.ingest.clips import ClipFilm
from realtime_model.checkpoint import DEFAULT_PRESET
from realtime_model.face import FaceLandmarker
from realtime_model.portrait import frame_portrait
from realtime_model.rig import arkit_labels
from realtime_model.training.correlation import correlation
from realtime_model.training.latents import Played, load_played
from realtime_model.training.motion import loudness_of, perform
from realtime_model.training.rig import PhotoRig
from realtime_model.training.unet.filmed import load_films
from realtime_model.training.unet.material import load_heard
from tests.unit.realtime_model.training.unet.conftest import SMALLEST

SECONDS, FILMED_PX = 3, 256
TAKES, SEED = 2, 5
PORTRAITS = DEFAULT_PRESET.parents[1] / "portraits"

# The stages are run as ``python -m`` runs them; other tests have imported them before.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning"),
    pytest.mark.timeout(900),  # a minute of one core: every frame is looked at twice
]


def spoken(second: int) -> NDArray[np.int16]:
    with av.open(str(RECORDING)) as container:
        blocks = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    rate = 16_000
    return np.concatenate(blocks)[second * rate :][: SECONDS * rate].astype(np.int16)


def write_speaker(path: Path, name: str, sound: NDArray[np.int16], seed: int) -> None:
    """A film of a drawn person whose mouth is as open as the sound is loud."""
    portrait = np.asarray(Image.open(PORTRAITS / name).convert("RGB"))
    rig = PhotoRig(frame_portrait(portrait, FaceLandmarker(), FILMED_PX))
    loudness = loudness_of(sound, SECONDS * 25)
    mouth = np.zeros((len(loudness), len(arkit_labels())), np.float32)
    mouth[:, arkit_labels().index("jawOpen")] = 0.7 * loudness
    acted = perform(mouth, loudness, seed, liveliness=0.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    film = ClipFilm(path, FILMED_PX)
    for frame in range(len(acted)):
        film.add(rig.render(acted.pose(frame)).image)
    film.finish(sound)


def run(*arguments: object) -> int:
    """One command, as typed; returns its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["emolive", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
    assert isinstance(end.value.code, int)
    return end.value.code


def ingested(films: Path, out: Path) -> int:
    consent = "Eileen agreed on 1 May to be trained on."
    options = ("--out", out, "--size", 128, "--heldout", 0.5, "--consent", consent)
    return run("data", "ingest", films, *options)


def train(stage: str, recipe: Path) -> int:
    return run("train", stage, "--config", recipe, "--threads", 1)


def write_recipe(place: Path, **latents: object) -> Path:
    recipe: dict[str, Any] = {
        "runs": str(place / "runs"),
        "preset": str(place / "weights" / "filmed.yaml"),
        "model": SMALLEST.plain(),
        "pictures": {"latents": "patches", "voice": "mels", "size_px": 64, "films": 1},
        "listener": {"variants": 1},
        "latents": {"takes": TAKES, "heldout_clips": 1, "seed": SEED, **latents},
        "reader": {"steps": 1},
        "denoiser": {
            "rounds": [{"parts": "spatial", "steps": 2, "lr": 0.001}, {"steps": 2, "lr": 0.001}],
            "distill_steps": 1,
            "batch": 2,
        },
    }
    path = place / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of two people, ingested and made into latents."""
    place = tmp_path_factory.mktemp("filmed")
    write_speaker(place / "films/mira/one.mp4", "mira.jpg", spoken(0), 1)
    write_speaker(place / "films/samuel/one.mp4", "samuel.jpg", spoken(2), 2)
    assert ingested(place / "films", place / "clips") == 0
    assert train("latents", write_recipe(place, clips=str(place / "clips"))) == 0
    return place


def faces(place: Path, split: str = "train") -> dict[str, Any]:
    found: dict[str, Any] = torch.load(place / "runs" / "latents" / split / "faces.pt")
    return found


def taught(place: Path) -> list[Played]:
    return load_played(place / "runs" / "latents" / "train")


def test_every_frame_is_a_latent_beside_its_sound(place: Path) -> None:
    played, kept = taught(place), faces(place)
    (film,) = load_films(place / "clips", "train", 64)
    frames = len(film.clip.mouth)
    assert len(played) == TAKES
    assert [p.latent.shape for p in played] == [(frames, 8, 8, 8)] * TAKES
    assert kept["names"] == [film.take_name(take) for take in range(TAKES)]
    heard = load_heard(place / "runs" / "heard" / "train")
    assert [take.shape for take in heard[film.clip.name]] == [(frames, 4, 20)] * 2
    assert len(load_played(place / "runs" / "latents" / "heldout")) == 1


def test_the_portrait_is_a_frame_of_the_same_clip(place: Path) -> None:
    (film,) = load_films(place / "clips", "train", 64)
    rests = [film.portrait_frame(take, SEED) for take in range(TAKES)]
    assert rests[0] != rests[1]
    kept = faces(place)
    for one in taught(place):
        rest = rests[one.face]
        still = kept["still"][one.face].numpy()
        np.testing.assert_allclose(one.latent[rest], still, atol=2e-3)  # kept as float16
        assert np.abs(one.latent.astype(np.float32) - still).max() > 0.05
        assert one.lips[rest, 1] == 0
        assert one.lips[rest, 0] == pytest.approx(float(kept["at_rest"][one.face, 0]))
        np.testing.assert_array_equal(kept["landmarks"][one.face], film.landmarks()[rest])


def test_lips_and_speed_are_those_that_were_seen(place: Path) -> None:
    (film,) = load_films(place / "clips", "train", 64)
    with np.load(film.numbers) as file:
        opening, speed = file["opening"], file["speed_deg"]
        assert np.isnan(file["curves"]).all()
    for one in taught(place):
        assert correlation(one.lips[:, 0], opening) > 0.95
        np.testing.assert_array_equal(one.speed_deg, speed)
        assert speed.max() > 0


def test_the_other_stages_follow(place: Path) -> None:
    for stage in ("teacher", "student", "films"):
        assert train(stage, place / "recipe.yaml") == 0
    assert (place / "runs" / "teacher" / "round-2" / "last.pt").is_file()
    assert (place / "weights" / "filmed.safetensors").is_file()
    assert (place / "runs" / "films" / "sheet.png").is_file()


def test_films_that_come_later_are_added(place: Path) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in (place / "runs/latents/train").glob("*.npz")}
    names = faces(place)["names"]
    trained = load_films(place / "clips", "train", 64)[0].numbers
    person = "mira" if "mira" in trained.name else "samuel"
    later = place / "films" / person / "an earlier name.mp4"
    write_speaker(later, f"{person}.jpg", spoken(1), 3)
    assert ingested(place / "films", place / "clips") == 0
    assert train("latents", place / "recipe.yaml") == 0
    after = {p.name: p.stat().st_mtime_ns for p in (place / "runs/latents/train").glob("*.npz")}
    assert len(after) == 2 * len(before)
    assert after.items() >= before.items()
    kept = faces(place)
    assert kept["names"][: len(names)] == names
    assert len(kept["still"]) == len(kept["names"]) == 2 * TAKES
    by_face = sorted(taught(place), key=lambda one: one.face)
    assert [one.clip for one in by_face] == [name.rsplit(".", 1)[0] for name in kept["names"]]


def without_a_manifest(clips: Path) -> None:
    (clips / "manifest.json").unlink()


def without_anybody_held_out(clips: Path) -> None:
    for film in load_films(clips, "heldout", 64):
        film.numbers.unlink()


def with_a_short_film(clips: Path) -> None:
    (film,) = load_films(clips, "heldout", 64)
    film.numbers.with_suffix(".mp4").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without_a_manifest, "run first emolive data ingest"),
        (without_anybody_held_out, "has no clip to heldout"),
        (with_a_short_film, "has 0 of 75 pictures"),
    ],
)
def test_what_is_missing_is_named(
    spoil: Callable[[Path], None],
    said: str,
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clips = tmp_path / "clips"
    (clips / "clips").mkdir(parents=True)
    (clips / "manifest.json").write_bytes((place / "clips" / "manifest.json").read_bytes())
    for path in (place / "clips" / "clips").iterdir():
        (clips / "clips" / path.name).write_bytes(path.read_bytes())
    spoil(clips)
    recipe = write_recipe(tmp_path, clips=str(clips))
    assert train("latents", recipe) != 0
    assert said in capsys.readouterr().err


def test_the_small_model_takes_no_films(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump({"latents": {"clips": str(place / "clips")}}))
    assert train("latents", recipe) != 0
    assert "filmed clips train a model with a unet" in capsys.readouterr().err
