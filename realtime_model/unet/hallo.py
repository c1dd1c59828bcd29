"""Hallo v1's `net.pth` and this package: one map of names, strict both ways.

The layout is Hallo's, but for two things: keys and values of an attention are one matrix here,
and names that count where there is but one (``transformer_blocks.0``) are left out.
What a checkpoint of a configuration must hold, `layout`, follows from our own network by the map
backwards, so the two cannot drift apart. EchoMimic's names are the same but for its files:
`echomimic`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import torch
from torch import Tensor

from realtime_model.config import ModelConfig, SamplerConfig, UnetConfig
from realtime_model.errors import CheckpointError
from realtime_model.geometry import WindowGeometry
from realtime_model.unet.network import UnetNetwork

CONFIG = ModelConfig(
    name="emo-sd15",
    geometry=WindowGeometry(
        hop_frames=16, lookahead_frames=2, past_frames=200, width_px=512, height_px=512
    ),
    sampler=SamplerConfig(steps=40, path="linear", guidance=3.5, motion_noise=0.0),
    unet=UnetConfig(),
)
"""As Hallo's authors run it; its speech encoder hears eight seconds back."""

NETWORKS = {
    "reference": "reference_unet",
    "backbone": "denoising_unet",
    "locator": "face_locator",
    "face": "imageproj",
    "audio": "audioproj",
}
"""Our networks, and what Hallo calls them."""
_REGIONS = {"0": "full", "1": "face", "2": "lip"}
_OUTER = ("norm", "proj_in", "proj_out")  # of a transformer; the rest belongs to its one block
_OURS_ALONE = re.compile(r"\.speed(_norm|_attention)?\.")  # EMO has speed layers, Hallo has none


@dataclass(frozen=True, slots=True)
class Differences:
    """How a checkpoint differs from what a network needs; empty where it fits."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]  # each with both shapes, as text

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshapen)

    def __str__(self) -> str:
        parts = (
            ("lacks", self.missing),
            ("adds", self.unexpected),
            ("has other shapes for", self.misshapen),
        )
        return "; ".join(
            f"it {verb} {len(keys)} tensors, the first is {keys[0]}" for verb, keys in parts if keys
        )


def convert(state: Mapping[str, Tensor], config: UnetConfig | None = None) -> dict[str, Tensor]:
    """Return the tensors of a `net.pth` under our names.

    Speed layers are not among them: they stay as they were built, adding nothing.

    Args:
        state: as loaded with ``weights_only=True``.
        config: of the network; none is Hallo v1's.

    Raises:
        CheckpointError: a tensor is missing, unknown or of another shape.
    """
    config = config or UnetConfig()
    found = differences(state, config)
    if found:
        raise CheckpointError(
            f"this is not a net.pth of Hallo v1 ({found}): download it again, "
            "or name the kind of checkpoint it is"
        )
    return {name: gather(state, theirs) for name, theirs in names(config)}


def differences(state: Mapping[str, Tensor], config: UnetConfig | None = None) -> Differences:
    """Compare a checkpoint with `layout`."""
    return compare(state, layout(config or UnetConfig()))


def compare(state: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> Differences:
    """Compare tensors with the shapes expected of them."""
    return Differences(
        missing=tuple(sorted(expected.keys() - state.keys())),
        unexpected=tuple(sorted(state.keys() - expected.keys())),
        misshapen=tuple(
            f"{key} {tuple(state[key].shape)} instead of {shape}"
            for key, shape in sorted(expected.items())
            if key in state and tuple(state[key].shape) != shape
        ),
    )


def load(network: UnetNetwork, state: Mapping[str, Tensor]) -> None:
    """Fill a network from a `net.pth`; see `convert`."""
    result = network.load_state_dict(convert(state, network.unet), strict=False)
    assert not result.unexpected_keys
    assert all(_OURS_ALONE.search(key) for key in result.missing_keys)


def export(network: UnetNetwork) -> dict[str, Tensor]:
    """Return a network's tensors as a `net.pth` has them, without speed layers."""
    return _renamed(network.state_dict())


@cache
def layout(config: UnetConfig) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of a `net.pth`; nothing of its size is allocated."""
    renamed = _renamed(_skeleton(config))
    return MappingProxyType({key: tuple(value.shape) for key, value in renamed.items()})


def names(config: UnetConfig) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each of our names, with the one name Hallo has for it, or the two: keys, then values."""
    yield from _names(_skeleton(config))


def _names(ours: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in ours:
        if not _OURS_ALONE.search(name):
            network, _, inner = name.partition(".")
            yield name, tuple(f"{NETWORKS[network]}.{key}" for key in theirs(inner))


def _renamed(ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for name, keys in _names(ours):
        out.update(zip(keys, ours[name].chunk(len(keys)), strict=True))
    return out


@cache
def _skeleton(config: UnetConfig) -> Mapping[str, Tensor]:
    """The tensors of a network, shapes alone."""
    with torch.device("meta"):
        network = UnetNetwork(ModelConfig(name="skeleton", unet=config))
    return network.state_dict()


def gather(state: Mapping[str, Tensor], keys: tuple[str, ...]) -> Tensor:
    """One tensor of ours from one of theirs, or from keys and values."""
    return state[keys[0]] if len(keys) == 1 else torch.cat([state[key] for key in keys])


def theirs(name: str) -> tuple[str, ...]:
    """What Hallo, and Stable Diffusion, call a tensor inside one network."""
    module = re.fullmatch(r"(.*\.)(attentions|audio_modules|motion_modules)\.(\d+)\.(.*)", name)
    if module is None:
        return (name,)
    block, kind, layer, inner = module.groups()
    where = f"{block}{kind}.{layer}."
    if kind == "motion_modules":
        where += "temporal_transformer."
    if inner.split(".")[0] not in _OUTER:
        where += "transformer_blocks.0."
    if kind == "motion_modules":
        inner = re.sub(r"^attention\.(\d)", r"attention_blocks.\1", inner)
        inner = re.sub(r"^position_(\d)$", r"attention_blocks.\1.pos_encoder.pe", inner)
    if kind == "audio_modules":
        inner = re.sub(r"^attn2\.(\d)", r"attn2_\1", inner)
        inner = re.sub(r"^zero_conv\.(\d)", lambda m: f"zero_conv_{_REGIONS[m[1]]}", inner)
    inner = inner.replace(".to_out.", ".to_out.0.")
    if ".to_kv." in inner:
        return tuple(where + inner.replace(".to_kv.", f".to_{half}.") for half in "kv")
    return (where + inner,)
