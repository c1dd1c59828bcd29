"""Weights that are missing, altered or foreign are refused with a sentence."""

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from realtime_model.checkpoint import load_network, save_network
from realtime_model.config import ModelConfig
from realtime_model.errors import CheckpointError, ConfigError
from realtime_model.network import EmoNetwork


@pytest.fixture
def preset(tmp_path: Path, tiny: ModelConfig) -> Path:
    path = tmp_path / "tiny.yaml"
    save_network(EmoNetwork(tiny), path)
    return path


def rewrite(preset: Path, state: dict[str, torch.Tensor]) -> None:
    """Put other tensors behind a preset, with a hash that fits."""
    weights = preset.with_suffix(".safetensors")
    save_file(state, weights)
    body = yaml.safe_load(preset.read_text())
    body["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    preset.write_text(yaml.safe_dump(body))


def test_a_network_comes_back_as_it_was_saved(preset: Path, tiny: ModelConfig) -> None:
    torch.manual_seed(0)
    saved, loaded = EmoNetwork(tiny).state_dict(), load_network(preset)
    assert loaded.config == tiny
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    for key, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, saved[key].half().float()), key


def test_saving_leaves_two_whole_files_only(preset: Path) -> None:
    assert sorted(p.name for p in preset.parent.iterdir()) == ["tiny.safetensors", "tiny.yaml"]


def test_whoever_may_read_the_preset_may_read_its_weights(preset: Path) -> None:
    assert preset.with_suffix(".safetensors").stat().st_mode == preset.stat().st_mode


def test_a_save_that_fails_leaves_the_old_weights(
    preset: Path, tiny: ModelConfig, full_disk: AbstractContextManager[None]
) -> None:
    before = {p.name: p.read_bytes() for p in preset.parent.iterdir()}
    with full_disk, pytest.raises(CheckpointError, match="cannot be written"):
        save_network(EmoNetwork(tiny), preset)
    assert {p.name: p.read_bytes() for p in preset.parent.iterdir()} == before
    load_network(preset)


def test_a_missing_preset_or_weight_file_is_named(preset: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        load_network(preset.with_name("nowhere.yaml"))
    preset.with_suffix(".safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"tiny\.safetensors"):
        load_network(preset)


def test_one_altered_bit_is_noticed(preset: Path) -> None:
    weights = preset.with_suffix(".safetensors")
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(CheckpointError, match="altered"):
        load_network(preset)


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_tensors_that_do_not_fit_are_named(change: str, preset: Path) -> None:
    state = load_file(preset.with_suffix(".safetensors"))
    key = "backbone.trunk.enter.bias"
    if change == "missing":
        del state[key]
    elif change == "extra":
        key = "backbone.third_eye"
        state[key] = torch.zeros(1)
    else:
        state[key] = state[key][:-1]
    rewrite(preset, state)
    with pytest.raises(CheckpointError, match=key):
        load_network(preset)


def test_a_file_of_another_kind_is_refused(preset: Path) -> None:
    weights = preset.with_suffix(".safetensors")
    weights.write_bytes(b"\x80\x04pickled nonsense, never executed")
    body = yaml.safe_load(preset.read_text())
    body["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    preset.write_text(yaml.safe_dump(body))
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_network(preset)


@pytest.mark.parametrize("text", ["[1, 2]", "sha256: a", "sha256: a\nconfig: {}\nmore: 1", "{"])
def test_a_preset_of_another_form_is_refused(text: str, preset: Path) -> None:
    preset.write_text(text)
    with pytest.raises(ConfigError):
        load_network(preset)


def test_an_unknown_key_in_a_preset_is_named(preset: Path) -> None:
    body = yaml.safe_load(preset.read_text())
    body["config"]["denoiser"]["depth"] = 3
    preset.write_text(yaml.safe_dump(body))
    with pytest.raises(ConfigError, match="depth"):
        load_network(preset)
