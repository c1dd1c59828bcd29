"""From a preset with a unet to its engine: added weights, checked, on the device it names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from realtime_model.config import ModelConfig, PartsConfig, RuntimeConfig
from realtime_model.device import device_errors
from realtime_model.errors import CheckpointError, ConfigError
from realtime_model.pretrained.kinds import KINDS
from realtime_model.pretrained.latents import ImageLatents
from realtime_model.pretrained.store import About, WeightStore
from realtime_model.pretrained.voices import VOICES
from realtime_model.unet import memory
from realtime_model.unet.checkpoint import load_with_patches
from realtime_model.unet.engine import Senses, UnetEngine
from realtime_model.unet.hallo import compare
from realtime_model.unet.memory import MemoryNeeds
from realtime_model.unet.miniature import MELS, PATCHES, MelVoice, PatchAutoencoder
from realtime_model.unet.network import UnetNetwork
from realtime_model.unet.runtime import device_of, dtype_of, place

_VOICES = (*VOICES, MELS)
_PICTURES = ("kl-vae", "taesd", PATCHES)
_SPEED = (".speed.", ".speed_norm.", ".speed_attention.")  # published networks have no such layers


@dataclass(frozen=True, slots=True)
class Plan:
    """What a preset will be made of, and where it will run."""

    parts: PartsConfig
    runtime: RuntimeConfig
    store: WeightStore
    device: torch.device
    dtype: torch.dtype
    memory: MemoryNeeds


def plan(config: ModelConfig) -> Plan:
    """Ask everything that can be asked before a preset is loaded.

    Raises:
        CheckpointError: parts were not added; the text names the commands that add them.
        ConfigError: the preset asks for what cannot be.
        MemoryShortError: it would not fit into memory.
    """
    parts, runtime = config.parts or PartsConfig(), config.runtime or RuntimeConfig()
    store = WeightStore(Path(parts.folder))
    added = require_parts(config.name, parts, store)
    device = device_of(runtime)
    dtype = dtype_of(runtime, device)
    around = {kind: about.config for kind, about in added.items() if kind != parts.network}
    wanted = memory.needs(config, around, dtype, on_cuda=device.type == "cuda")
    where = "GPU" if device.type == "cuda" else "processor"
    memory.require(config.name, wanted, memory.free_bytes(device), where)
    return Plan(parts, runtime, store, device, dtype, wanted)


def build_unet(preset: Path, config: ModelConfig) -> UnetEngine:
    """Load what a preset names and put it together.

    Raises:
        CheckpointError, ConfigError, MemoryShortError: as `plan`, and nothing was loaded; or
            weights are altered, or do not fit.
    """
    made = plan(config)
    with device_errors(f"{config.name} cannot be loaded"):
        network, patches = _network(preset, config, made)
        step = place(network, made.runtime, made.device)
        return UnetEngine(network, _senses(made, network.unet.audio_dim, patches), step)


def require_parts(name: str, parts: PartsConfig, store: WeightStore) -> dict[str, About]:
    """Return what is known of each part that comes from the store, by kind.

    Raises:
        CheckpointError: parts were not added; the text names the commands that add them.
        ConfigError: a part is of a kind that cannot be that part.
    """
    for key, kind, known in (
        ("voice", parts.voice, _VOICES),
        ("encoder", parts.encoder, _PICTURES),
        ("decoder", parts.decoder, _PICTURES),
        ("network", parts.network or "hallo", tuple(KINDS)),
    ):
        if kind not in known:
            raise ConfigError(f"parts.{key} is one of {', '.join(known)}, not {kind}")
    pictures = {parts.encoder, parts.decoder}
    if PATCHES in pictures and (len(pictures) > 1 or parts.network):
        raise ConfigError(
            f"{PATCHES} are fitted for the networks beside {name}, and nothing else reads their "
            f"latents: set parts.encoder and parts.decoder both to {PATCHES}, and no parts.network"
        )
    wanted = (parts.network, parts.voice, parts.encoder, parts.decoder)
    kinds = list(dict.fromkeys(kind for kind in wanted if kind and kind not in (MELS, PATCHES)))
    missing = [kind for kind in kinds if not (store.folder / kind).is_dir()]
    if missing:
        commands = "; ".join(f"emolive weights add {k} {KINDS[k].repository}" for k in missing)
        raise CheckpointError(
            f"{name} needs weights that are not in {store.folder}: {', '.join(missing)}. "
            f"Read docs/weights.md, then run: {commands}"
        )
    return {kind: store.about(kind) for kind in kinds}


def voice_of(kind: str, width: int, store: WeightStore) -> nn.Module:
    """A speech encoder of a kind: samples (b, 640 * t) -> (b, t, layers, width).

    Args:
        kind: of added weights, or `MELS`, which are as many as the width asked for.
        width: of a feature.
        store: of added weights.

    Raises:
        CheckpointError: they are missing or altered.
    """
    return MelVoice(width) if kind == MELS else VOICES[kind](store.network(kind)).eval()


def _network(
    preset: Path, config: ModelConfig, made: Plan
) -> tuple[UnetNetwork, PatchAutoencoder | None]:
    """The UNets with their weights: those beside the preset and what is fitted, or added ones."""
    kind = made.parts.network
    if not kind:
        return load_with_patches(preset)
    tensors, _ = made.store.load(kind)
    network = _skeleton(config)
    fill(network, tensors, f"{kind} in {made.store.folder}", made.dtype)
    return network.eval().requires_grad_(False), None


def _skeleton(config: ModelConfig) -> UnetNetwork:
    """The networks without memory; with it where layers may stay as they are built."""
    assert config.unet is not None
    if config.unet.speed:
        return UnetNetwork(config)
    with torch.device("meta"):
        return UnetNetwork(config)


def fill(network: nn.Module, tensors: Mapping[str, Tensor], what: str, dtype: torch.dtype) -> None:
    """Give networks their weights, each brought to a precision by itself: never two copies of all.

    Raises:
        CheckpointError: one is missing, unknown or of another shape.
    """
    own = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    needed = {key: shape for key, shape in own.items() if not any(s in key for s in _SPEED)}
    found = compare(tensors, needed)
    if found:
        raise CheckpointError(f"{what} does not fit the section unet ({found})")
    state = {
        key: value.to(dtype) if value.is_floating_point() else value
        for key, value in tensors.items()
    }
    network.load_state_dict(state, assign=True, strict=False)


def _senses(made: Plan, width: int, patches: PatchAutoencoder | None) -> Senses:
    parts, store, device = made.parts, made.store, made.device
    voice = voice_of(parts.voice, width, store).to(device)
    encoder = ImageLatents(store.network(parts.encoder) if patches is None else patches, device)
    same = parts.decoder == parts.encoder
    decoder = encoder if same else ImageLatents(store.network(parts.decoder), device)
    return Senses(voice, encoder, decoder)
