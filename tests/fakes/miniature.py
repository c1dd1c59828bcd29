"""`emo-sd15` in miniature on disk: every kind of module, narrow, random; parts in a real store."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from realtime_model.checkpoint import save_network
from realtime_model.config import (
    AudioConfig,
    ModelConfig,
    PartsConfig,
    SamplerConfig,
    UnetConfig,
)
from realtime_model.geometry import WindowGeometry
from realtime_model.pretrained.store import Origin, WeightStore
from realtime_model.unet.checkpoint import save_unet_network
from realtime_model.unet.miniature import MELS, PATCHES, PatchAutoencoder
from realtime_model.unet.network import UnetNetwork
from tests.unit.realtime_model.pretrained.conftest import SMALL, as_published, small_network

MINIATURE = ModelConfig(
    name="mini-sd15",
    geometry=WindowGeometry(hop_frames=3, past_frames=10, width_px=64, height_px=64),
    audio=AudioConfig(margin_frames=2),
    sampler=SamplerConfig(steps=2, path="linear", motion_noise=0.0),
    parts=PartsConfig(decoder="taesd"),
    unet=UnetConfig(
        widths=(8, 16, 16, 16),
        layers=1,
        heads=2,
        groups=4,
        token_dim=12,
        face_dim=10,
        audio_layers=3,
        audio_dim=24,
        audio_hidden=14,
        audio_tokens=5,
        locator=(4, 6, 8, 10),
        max_frames=8,
        speed_dim=8,
    ),
)

ECHO: dict[str, Any] = {
    "token_dim": 24,
    "face_tokens": 0,
    "voice": "attention",
    "audio_layers": 10,
    "audio_tokens": 50,
    "audio_gain": 3.0,
    "locator_channels": 1,
    "motion_frames": 0,
    "overlap_frames": 2,
    "unattended_motion": True,
}
"""What makes EchoMimic's layout of its unet; `parts.voice` is then whisper-tiny."""


def changed(**sections: Mapping[str, Any]) -> ModelConfig:
    """The miniature with other values, by section."""
    own = {name: replace(getattr(MINIATURE, name), **values) for name, values in sections.items()}
    return replace(MINIATURE, **own)


def add_parts(folder: Path) -> WeightStore:
    """Convert small published files into a store, as `emolive weights add` does."""
    store = WeightStore(folder / "weights")
    for kind in ("wav2vec2", "whisper-tiny", "kl-vae", "taesd"):
        download = folder / "downloads" / kind
        download.mkdir(parents=True)
        is_voice = kind in ("wav2vec2", "whisper-tiny")
        name = "model" if is_voice else "diffusion_pytorch_model"
        published = as_published(kind, small_network(kind).state_dict())
        save_file(published, download / f"{name}.safetensors")
        (download / "config.json").write_text(json.dumps(SMALL[kind]))
        store.add(kind, download, Origin(f"small {kind}"), lambda done, total: None)
    return store


def write_preset(preset: Path, config: ModelConfig, store: WeightStore) -> Path:
    """Write a preset and random weights beside it; layers that start silent are not."""
    assert config.parts is not None
    config = replace(config, parts=replace(config.parts, folder=str(store.folder)))
    save_network(random_network(config), preset)
    return preset


def write_student(preset: Path, patches: PatchAutoencoder) -> Path:
    """Write a preset as a training without downloads leaves it, with random weights."""
    unet = {"channels": patches.config.latent_channels, "audio_layers": 4, "audio_dim": 20}
    parts = {"voice": MELS, "encoder": PATCHES, "decoder": PATCHES}
    save_unet_network(random_network(changed(unet=unet, parts=parts)), preset, patches)
    return preset


def rewritten(preset: Path, copy: Path, **sections: Mapping[str, Any]) -> Path:
    """A copy of a preset, weights and all, with other values in some sections."""
    body = yaml.safe_load(preset.read_text())
    for name, values in sections.items():
        body["config"][name] = {**(body["config"][name] or {}), **values}
    copy.write_text(yaml.safe_dump(body))
    copy.with_suffix(".safetensors").write_bytes(preset.with_suffix(".safetensors").read_bytes())
    return copy


def random_network(config: ModelConfig) -> UnetNetwork:
    """The networks of a configuration with every weight moved a little."""
    torch.manual_seed(2)
    network = UnetNetwork(config).eval().requires_grad_(False)
    shaken(network, 0.1)
    return network


def shaken(network: nn.Module, size: float) -> None:
    for weight in network.parameters():
        weight.add_(size * torch.randn_like(weight))
