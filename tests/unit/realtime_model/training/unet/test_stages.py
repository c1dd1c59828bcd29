"""From pictures and voices to weights that stream, by the commands of `emo-tiny`."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from realtime_model.config import PartsConfig
from realtime_model.contract import RgbImage
from realtime_model.errors import ConfigError, TrainingError
from realtime_model.factory import build_model
from realtime_model.training.evaluation import film
from realtime_model.training.recipe import TrainRecipe, load_recipe
from realtime_model.training.stages import Stage, Workshop
from realtime_model.training.unet.material import PicturesRecipe
from realtime_model.training.unet.workshop import UnetWorkshop
from realtime_model.unet.checkpoint import load_with_patches
from tests.fakes.miniature import add_parts

IN_ORDER = (Stage.LATENTS, Stage.TEACHER, Stage.STUDENT, Stage.FILMS)


def test_all_stages_in_order_end_in_weights_that_stream(
    recipe: TrainRecipe, astronaut: RgbImage
) -> None:
    for stage in IN_ORDER:
        Workshop(recipe).run(stage)
    network, patches = load_with_patches(Path(recipe.preset))
    parts = PartsConfig(voice="mels", encoder="patches", decoder="patches")
    assert network.config == replace(recipe.model, parts=parts)
    fitted = torch.load(Path(recipe.runs) / "latents" / "patches.pt", weights_only=True)
    assert patches is not None
    assert all(torch.equal(v, fitted[k]) for k, v in patches.state_dict().items())
    sound = np.zeros(16_000 // 5, np.int16)
    served = film(build_model(Path(recipe.preset), threads=1), astronaut, sound)
    assert served.shape == (5, 64, 64, 3)
    films = Path(recipe.runs) / "films"
    figures = json.loads((films / "figures.json").read_text())
    assert len(figures) == 2
    assert all(np.isfinite(row["psnr"]) for row in figures)
    sheet = cv2.imread(str(films / "sheet.png"))
    assert sheet is not None
    assert sheet.shape == (2 * 2 * 64, 8 * 64, 3)  # truth over stream, of each clip
    report = (films / "report.html").read_text()
    assert all(row["clip"] in report for row in figures)
    assert report.count('class="model"') == report.count("<img") == 2
    # Finished: run again, they do nothing and harm nothing.
    weights = Path(recipe.preset).with_suffix(".safetensors")
    before = weights.read_bytes()
    for stage in IN_ORDER[:3]:
        Workshop(recipe).run(stage)
    assert weights.read_bytes() == before


def test_what_was_taught_on_added_weights_is_served_with_them(
    recipe: TrainRecipe, tmp_path: Path
) -> None:
    folder = str(add_parts(tmp_path).folder)
    assert recipe.model.unet is not None
    unet = replace(recipe.model.unet, channels=4, audio_layers=3, audio_dim=24)
    own = replace(
        recipe,
        model=replace(recipe.model, unet=unet),
        pictures=replace(recipe.pictures, latents="taesd", voice="wav2vec2", weights=folder),
    )
    for stage in IN_ORDER:
        Workshop(own).run(stage)  # the last of them streams what the preset names
    network, patches = load_with_patches(Path(own.preset))
    assert network.config.parts == PartsConfig("", "wav2vec2", "taesd", "taesd", folder)
    assert patches is None


def test_what_could_not_be_served_is_not_taught(recipe: TrainRecipe) -> None:
    small = replace(recipe, pictures=PicturesRecipe(latents="patches", size_px=128))
    with pytest.raises(ConfigError, match=r"streams 64 x 64 pixels, .* teaches 128"):
        Workshop(small).run(Stage.LATENTS)
    named = replace(recipe, model=replace(recipe.model, parts=PartsConfig(decoder="taesd")))
    with pytest.raises(ConfigError, match=r"model\.parts follows from pictures\.latents"):
        Workshop(named).run(Stage.STUDENT)


@pytest.mark.parametrize(
    ("stage", "first"),
    [(Stage.TEACHER, "latents"), (Stage.STUDENT, "latents"), (Stage.FILMS, "student")],
)
def test_a_stage_run_too_early_names_the_one_to_run_first(
    stage: Stage, first: str, recipe: TrainRecipe
) -> None:
    with pytest.raises(TrainingError, match=f"emolive train {first}"):
        Workshop(recipe).run(stage)


def test_a_stage_of_the_other_size_is_refused(recipe: TrainRecipe) -> None:
    with pytest.raises(TrainingError, match="has no stage codec; it has portraits, corpus"):
        Workshop(recipe).run(Stage.CODEC)


def test_an_encoder_that_does_not_fit_the_unet_is_named(recipe: TrainRecipe) -> None:
    assert recipe.model.unet is not None
    wide = replace(recipe.model, unet=replace(recipe.model.unet, audio_layers=3))
    with pytest.raises(ConfigError, match="mels makes 4 layers of 20 values"):
        Workshop(replace(recipe, model=wide)).run(Stage.LATENTS)
    other = replace(recipe, pictures=replace(recipe.pictures, voice="ears"))
    with pytest.raises(ConfigError, match="not ears"):
        Workshop(other).run(Stage.LATENTS)


def test_a_round_begins_with_what_the_one_before_arrived_at(recipe: TrainRecipe) -> None:
    for stage in IN_ORDER[:2]:
        Workshop(recipe).run(stage)
    taught = [
        torch.load(Path(recipe.runs) / "teacher" / f"round-{n}" / "last.pt", weights_only=True)
        for n in (1, 2)
    ]
    spatial = "network.reference.conv_in.weight"
    assert torch.equal(taught[0]["average"][spatial], taught[1]["module"][spatial])
    # Silent at first, so the first of all to learn.
    voice = "network.backbone.mid_block.audio_modules.0.zero_conv.2.weight"
    assert torch.equal(taught[0]["average"][voice], taught[0]["module"][voice])
    assert not torch.equal(taught[0]["average"][voice], taught[1]["module"][voice])
    network = UnetWorkshop(recipe)._taught()
    assert network.state_dict().keys() == {
        key.removeprefix("network.") for key in taught[0]["module"]
    }


@pytest.mark.parametrize("name", ["train-sd15.yaml", "train-sd15-mini.yaml"])
def test_the_shipped_recipes_are_of_the_full_layout(name: str) -> None:
    recipe = load_recipe(Path("configs") / name)
    assert recipe.model.unet is not None
    assert recipe.model.unet.speed
    assert len(recipe.denoiser.all_rounds()) > 1
