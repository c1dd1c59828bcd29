"""What is read off a streamed clip, and the page it is shown on."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from realtime_model.contract import RgbImage
from realtime_model.face import FaceLandmarker
from realtime_model.portrait import frame_portrait
from realtime_model.pretrained.latents import ImageLatents
from realtime_model.rig import Pose, arkit_labels
from realtime_model.training.latents import Played
from realtime_model.training.rendering import Sitter
from realtime_model.training.rig import PhotoRig
from realtime_model.training.unet.films import Streamed, Taught, judge
from realtime_model.training.unet.report import page, write_films
from realtime_model.unet.miniature import PatchAutoencoder
from tests.fakes.html import needs_no_other_file, read
from tests.unit.realtime_model.training.unet.conftest import SMALLEST

HOP = 4
OPENED = (0.5 - 0.5 * np.cos(np.arange(24) * np.pi / 6)).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """A photograph whose jaw goes down and up twice, and an autoencoder that keeps all of it."""

    taught: Taught
    rig: PhotoRig
    pictures: ImageLatents
    landmarker: FaceLandmarker

    def streamed(self, width: float) -> torch.Tensor:
        """Latents of the same film with a mouth that opens so many times as wide."""
        return self.pictures.encode(drawn(self.rig, width)).clone()

    def judged(self, streamed: torch.Tensor) -> Streamed:
        lips = np.roll(self.taught.played.lips, 3, axis=0)  # a quarter of a period
        other = replace(self.taught, played=replace(self.taught.played, lips=lips))
        return judge(self.taught, other, self.pictures, streamed, self.landmarker, hop_frames=HOP)


def poses(width: float) -> list[Pose]:
    jaw = np.eye(len(arkit_labels()), dtype=np.float32)[arkit_labels().index("jawOpen")]
    return [Pose(jaw * 0.7 * width * opened) for opened in OPENED]


def drawn(rig: PhotoRig, width: float) -> torch.Tensor:
    return torch.from_numpy(np.stack([rig.render(pose).image for pose in poses(width)]))


@pytest.fixture(scope="module")
def scene(astronaut: RgbImage) -> Scene:
    landmarker = FaceLandmarker()
    portrait = frame_portrait(astronaut, landmarker, 128)
    rig = PhotoRig(portrait)
    frames, nothing = drawn(rig, 1), np.zeros((len(OPENED), 5), np.float32)
    pictures = ImageLatents(PatchAutoencoder(192).fit(frames), torch.device("cpu"))
    lips = np.array([rig.lips_of(pose) for pose in poses(1)], np.float32)
    latent = pictures.encode(frames).half().numpy()
    played = Played("clip", 0, latent, lips, nothing, nothing[:, 0])
    tone = np.sin(np.arange(len(OPENED) * 640)) * np.repeat(OPENED, 640)
    sound = (tone * 9_000).astype(np.int16)
    taught = Taught(Sitter("astronaut", "train", portrait), played, sound)
    return Scene(taught, rig, pictures, landmarker)


@pytest.fixture(scope="module")
def perfect(scene: Scene) -> Streamed:
    latent = torch.from_numpy(scene.taught.played.latent).float()
    return scene.judged(torch.cat([latent, latent[:1]]))  # the last hop may end later


def test_what_was_taught_is_judged_as_perfect(perfect: Streamed) -> None:
    figures, curves = perfect.figures, perfect.curves
    assert figures.lips == figures.ceiling > 0.9
    assert abs(figures.shuffled) < 0.3
    assert figures.spread == pytest.approx(1)
    assert figures.psnr == pytest.approx(10 * np.log10(255**2 / 1e-9))
    assert figures.sharpness == pytest.approx(1, abs=0.3)
    assert 0.5 < figures.seam < 2
    assert figures.lost == 0
    assert len(curves.model) == len(curves.rig) == len(curves.loudness) == 24
    # Both are measured in speaking ranges, so that they lie over each other.
    assert float(np.abs(curves.model - curves.rig).mean()) < 0.15
    assert int(np.argmax(curves.rig)) in (6, 18)
    assert perfect.strip.shape == (2 * 128, 8 * 128, 3)
    assert np.array_equal(perfect.strip[:128], perfect.strip[128:])


def test_a_mouth_that_hedges_is_drawn_lower(scene: Scene, perfect: Streamed) -> None:
    half = scene.judged(scene.streamed(0.5))
    assert half.figures.lips > 0.9
    assert half.figures.spread < 0.8
    assert half.figures.psnr < 50
    assert half.curves.model.max() < 0.8 * perfect.curves.model.max()
    assert np.array_equal(half.curves.rig, perfect.curves.rig)


def test_a_seam_and_a_blur_are_seen(scene: Scene, perfect: Streamed) -> None:
    jumping = scene.streamed(1)
    for start in (HOP, 3 * HOP):
        jumping[start : start + HOP, 0] += 2
    assert scene.judged(jumping).figures.seam > 2 * perfect.figures.seam
    blurred = scene.streamed(1)
    blurred[:, 8:] = 0  # only the most frequent patterns are left
    blurred[12:] = 0  # and in half of the film nobody is left
    found = scene.judged(blurred).figures
    assert found.lost == 0.5
    assert found.sharpness < 0.7 * perfect.figures.sharpness


def test_the_page_shows_every_clip_and_needs_no_other_file(
    perfect: Streamed, tmp_path: Path
) -> None:
    sly = replace(perfect, figures=replace(perfect.figures, portrait="<b>bo & co</b>"))
    write_films([perfect, sly], tmp_path / "films", SMALLEST)
    names = {path.name for path in (tmp_path / "films").iterdir()}
    assert names == {"figures.json", "sheet.png", "report.html"}
    html = (tmp_path / "films" / "report.html").read_text()
    assert needs_no_other_file(html)
    assert len(read(html).sources) == html.count('<polyline class="model"') == 2
    assert "<b>" not in html
    text = " ".join(read(html).text)
    assert "$" not in text
    assert "smallest-sd15: 2 clips, 2 steps, 64 pixels, 4 frames at a time." in text
    assert text.count("<b>bo & co</b> says clip") == 2  # a heading, and the title of its plot
    assert f"{perfect.figures.seam:.3g}" in text
    rows = json.loads((tmp_path / "films" / "figures.json").read_text())
    assert [row["portrait"] for row in rows] == ["astronaut", "<b>bo & co</b>"]
    sheet = cv2.imread(str(tmp_path / "films" / "sheet.png"))
    assert sheet is not None
    assert sheet.shape == (2 * 2 * 128, 8 * 128, 3)


def test_the_verdict_is_of_all_clips(perfect: Streamed) -> None:
    deaf = replace(perfect, figures=replace(perfect.figures, lips=-0.1, ceiling=0.5))
    half = replace(perfect, figures=replace(perfect.figures, lips=0.5, ceiling=0.7))
    assert "at 0.20 in the mean, -0.10 at worst; in the frames that were taught, at 0.60." in page(
        [half, deaf], SMALLEST
    )
