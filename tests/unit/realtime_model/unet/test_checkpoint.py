"""A network of this size comes back from disk, and is told from the other size."""

from pathlib import Path

import pytest
import torch

from realtime_model.checkpoint import load_network, save_network
from realtime_model.config import ModelConfig
from realtime_model.errors import CheckpointError, ConfigError
from realtime_model.network import EmoNetwork
from realtime_model.unet.checkpoint import (
    load_unet_network,
    load_with_patches,
    save_unet_network,
)
from realtime_model.unet.miniature import PatchAutoencoder
from tests.fakes.miniature import rewritten, write_student
from tests.unit.realtime_model.unet.conftest import Scene


def test_a_network_comes_back_as_it_was_saved(scene: Scene, tmp_path: Path) -> None:
    preset = tmp_path / "mini.yaml"
    save_network(scene.net, preset)
    loaded = load_unet_network(preset)
    assert loaded.config == scene.net.config
    assert not loaded.training
    own = scene.net.state_dict()
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, own[key].half().float()), key


def test_presets_of_the_other_size_are_refused_by_name(
    scene: Scene, tiny: ModelConfig, tmp_path: Path
) -> None:
    large, small = tmp_path / "mini.yaml", tmp_path / "tiny.yaml"
    save_network(scene.net, large)
    save_network(EmoNetwork(tiny), small)
    with pytest.raises(ConfigError, match=r"mini\.yaml has a unet"):
        load_network(large)
    with pytest.raises(ConfigError, match="tiny has no section unet"):
        load_unet_network(small)


def test_altered_weights_are_refused(scene: Scene, tmp_path: Path) -> None:
    preset = tmp_path / "mini.yaml"
    save_network(scene.net, preset)
    weights = preset.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="altered"):
        load_unet_network(preset)


def test_patches_come_back_whole_from_the_same_file(pictures: torch.Tensor, tmp_path: Path) -> None:
    fitted = PatchAutoencoder(8).fit(pictures)
    preset = write_student(tmp_path / "student.yaml", fitted)
    assert {path.name for path in tmp_path.iterdir()} == {"student.yaml", "student.safetensors"}
    network, found = load_with_patches(preset)
    assert found is not None
    for key, value in found.state_dict().items():
        assert torch.equal(value, fitted.state_dict()[key]), key  # not as float16
    assert network.state_dict().keys() == load_unet_network(preset).state_dict().keys()
    # A copy that was changed to another autoencoder has no use for them.
    other = {"encoder": "taesd", "decoder": "taesd"}
    assert load_with_patches(rewritten(preset, tmp_path / "other.yaml", parts=other))[1] is None


def test_patches_that_are_missing_are_named(pictures: torch.Tensor, tmp_path: Path) -> None:
    preset = write_student(tmp_path / "student.yaml", PatchAutoencoder(8).fit(pictures))
    save_unet_network(load_unet_network(preset), preset)
    with pytest.raises(CheckpointError, match=r"3 tensors missing.*lacks patches\.mean"):
        load_unet_network(preset)
