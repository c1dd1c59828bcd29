"""Weights on disk: safetensors beside a YAML that names their hash and the configuration they fit.

Loading reads nothing else, asks no network and runs no code from the file. A missing, altered or
foreign file is refused with a sentence.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from realtime_model.config import ModelConfig
from realtime_model.errors import CheckpointError, ConfigError
from realtime_model.network import EmoNetwork
from realtime_model.presets import DEFAULT, preset_path

DEFAULT_PRESET = preset_path(DEFAULT)


class Configured(Protocol):
    """All networks of a preset, of whatever size."""

    @property
    def config(self) -> ModelConfig: ...

    def state_dict(self) -> Mapping[str, torch.Tensor]: ...


def save_network(
    network: Configured, preset: Path, *, fitted: Mapping[str, torch.Tensor] | None = None
) -> None:
    """Write float16 weights and the preset that names them; both appear whole or not at all.

    Args:
        network: what to save.
        preset: path of the YAML; the weights lie beside it with the same stem.
        fitted: tensors of others to lie in the same file, in the precision they have.

    Raises:
        CheckpointError: the files cannot be written.
    """
    preset.parent.mkdir(parents=True, exist_ok=True)
    weights = preset.with_suffix(".safetensors")
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for key, value in network.state_dict().items()
    }
    state |= {key: value.contiguous().cpu() for key, value in (fitted or {}).items()}
    part, text = weights.with_suffix(".part"), preset.with_suffix(".part-yaml")
    try:
        raw = save(state)
        part.write_bytes(raw)  # the library's own `save_file` lets nobody but its user read it
        digest = hashlib.sha256(raw).hexdigest()
        body = {"sha256": digest, "config": _lists(network.config.plain())}
        text.write_text(yaml.safe_dump(body, sort_keys=False))
        os.replace(part, weights)
        os.replace(text, preset)
    except (OSError, SafetensorError) as exc:
        part.unlink(missing_ok=True)
        text.unlink(missing_ok=True)
        raise CheckpointError(
            f"{weights} cannot be written ({exc}): free some space or choose another place"
        ) from exc


def load_network(preset: Path = DEFAULT_PRESET) -> EmoNetwork:
    """Build the network a preset describes and fill it with its weights, as float32.

    Raises:
        CheckpointError: a file is missing or altered, or its tensors do not fit the configuration.
        ConfigError: the configuration has an unknown key or an impossible size.
    """
    config, state = read_weights(preset)
    if config.unet is not None:
        raise ConfigError(
            f"{preset} has a unet, so it is of emo-sd15's size: use realtime_model.unet.checkpoint"
        )
    network = EmoNetwork(config)
    fit(network, state, preset)
    return network.eval().requires_grad_(False)


def read_weights(preset: Path) -> tuple[ModelConfig, dict[str, torch.Tensor]]:
    """Return a preset's configuration and its weights, as float32, without building a network.

    Raises:
        CheckpointError: a file is missing or altered.
        ConfigError: the configuration has an unknown key or an impossible size.
    """
    body = _read_preset(preset)
    if "sha256" not in body:
        raise ConfigError(f"{preset} names no weights: it needs the key sha256, or config.parts")
    weights = preset.with_suffix(".safetensors")
    try:
        raw = weights.read_bytes()
    except OSError as exc:
        raise CheckpointError(f"{weights} cannot be read: restore it or reinstall emolive") from exc
    if hashlib.sha256(raw).hexdigest() != body["sha256"]:
        raise CheckpointError(
            f"{weights} is altered: its sha256 is not the one in {preset.name}; restore both files"
        )
    config = ModelConfig.read(body["config"])
    try:
        return config, {k: v.float() if v.is_floating_point() else v for k, v in load(raw).items()}
    except SafetensorError as exc:
        raise CheckpointError(f"{weights} is not a safetensors file") from exc


def read_config(preset: Path) -> ModelConfig:
    """Return a preset's configuration; its weights are not looked at.

    Raises:
        CheckpointError: the file is missing.
        ConfigError: the configuration has an unknown key or an impossible size.
    """
    return ModelConfig.read(_read_preset(preset)["config"])


def _read_preset(preset: Path) -> dict[str, Any]:
    try:
        body = yaml.safe_load(preset.read_text())
    except OSError as exc:
        raise CheckpointError(f"{preset} cannot be read: name an existing preset") from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"{preset} is not valid YAML: {exc}") from exc
    known = isinstance(body, dict) and {"config"} <= body.keys() <= {"sha256", "config"}
    if not known or not isinstance(body["config"], dict):
        raise ConfigError(
            f"{preset} must hold the keys config and, for weights beside it, sha256, and no others"
        )
    return dict(body)


def fit(network: nn.Module, state: dict[str, torch.Tensor], preset: Path) -> None:
    """Fill a network with exactly its tensors.

    Raises:
        CheckpointError: one is missing, unknown or of another shape.
    """
    weights = preset.with_suffix(".safetensors")
    own = network.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or extra:
        named = "; ".join(f"{w} {k[0]}" for w, k in (("lacks", missing), ("adds", extra)) if k)
        raise CheckpointError(
            f"{weights} does not fit: {len(missing)} tensors missing, "
            f"{len(extra)} unknown ({named})"
        )
    for key, value in state.items():
        if value.shape != own[key].shape:
            raise CheckpointError(
                f"{weights} does not fit: {key} is {tuple(value.shape)}, "
                f"not {tuple(own[key].shape)}"
            )
    network.load_state_dict(state)


def _lists(value: Any) -> Any:
    """Tuples to lists, for YAML."""
    if isinstance(value, dict):
        return {k: _lists(v) for k, v in value.items()}
    return [_lists(v) for v in value] if isinstance(value, list | tuple) else value
