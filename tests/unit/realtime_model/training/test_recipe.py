"""The recipe that ships, and recipes that are refused."""

from pathlib import Path

import pytest

from realtime_model.checkpoint import DEFAULT_PRESET, read_weights
from realtime_model.errors import ConfigError
from realtime_model.training.recipe import TrainRecipe, load_recipe

SHIPPED = Path(__file__).parents[4] / "configs" / "train.yaml"


def written(folder: Path, text: str) -> Path:
    path = folder / "train.yaml"
    path.write_text(text)
    return path


def test_the_shipped_recipe_is_complete_and_trains_the_default_network() -> None:
    recipe = load_recipe(SHIPPED)
    assert recipe.model == read_weights(DEFAULT_PRESET)[0]
    assert recipe.denoiser.steps > recipe.denoiser.distill_steps > 0


def test_what_is_left_out_takes_its_default(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, "runs: elsewhere\ncodec: {flow_steps: 3}"))
    assert recipe.runs == "elsewhere"
    assert recipe.codec.flow_steps == 3
    assert recipe.codec.paint_steps == TrainRecipe().codec.paint_steps


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour: red", "colour"),
        ("codec: {flowsteps: 3}", r"codec\.flowsteps"),
        ("model: {audio: {width: 16, depth: 2}}", r"model\.audio\.depth"),
        ("codec: {flow_steps: many}", r"codec\.flow_steps"),
        ("denoiser: {batch: true}", r"denoiser\.batch"),
        ("denoiser: {lr: -0.1}", "negative"),
        ("listener: {kept: 1.2}", r"listener\.kept is a share, from 0 to 1"),
        ("runs: 3", "runs"),
        ("codec: 3", "codec"),
        ("- a", "keys and values"),
        ("{", "not valid YAML"),
    ],
)
def test_a_wrong_recipe_names_its_key(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=named):
        load_recipe(written(tmp_path, text))


def test_a_missing_recipe_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(tmp_path / "none.yaml")
