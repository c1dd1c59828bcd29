"""Where a training of `emo-sd15` starts: Stable Diffusion 1.5 and AnimateDiff.

Both UNets start as Stable Diffusion's, modules over time as AnimateDiff's; voice, speed and the
place of the face start silent. Hallo's `net.pth` holds all of it trained: see `hallo`.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from torch import Tensor

from realtime_model.config import UnetConfig
from realtime_model.errors import CheckpointError
from realtime_model.unet import hallo
from realtime_model.unet.network import UnetNetwork

Sources = list[tuple[str, tuple[str, ...]]]

_ADDED = re.compile(r"\.(audio_modules|motion_modules)\.")  # to a UNet of Stable Diffusion
_DIFFUSERS = (
    (r"\.attn([12])\.", lambda m: f".attention_blocks.{int(m[1]) - 1}."),
    (r"\.norm([12])\.", lambda m: f".norms.{int(m[1]) - 1}."),
    (r"\.norm3\.", lambda _: ".ff_norm."),
)  # names of a MotionAdapter, and AnimateDiff's own


def from_stable_diffusion(
    state: Mapping[str, Tensor], config: UnetConfig | None = None
) -> dict[str, Tensor]:
    """Return a UNet's 686 tensors under our names, for both networks.

    Args:
        state: of `UNet2DConditionModel`, as in a repository's folder "unet".
        config: of the network; none is Hallo v1's.

    Raises:
        CheckpointError: a tensor is missing, unknown or of another shape.
    """
    config = config or UnetConfig()
    both = _sources(config, _is_stable_diffusions)
    _check(state, both, config, "the UNet of Stable Diffusion 1.5")
    return {name: hallo.gather(state, keys) for name, keys in both}


def from_animatediff(
    state: Mapping[str, Tensor], config: UnetConfig | None = None
) -> dict[str, Tensor]:
    """Return the 588 tensors of modules over time under our names.

    Args:
        state: of AnimateDiff's v2 modules (32 places in time) under their own names, behind
            "module." or not, or of a diffusers `MotionAdapter`, which leaves the places out.
        config: of the network; none is Hallo v1's.

    Raises:
        CheckpointError: a tensor is missing, unknown or of another shape.
    """
    config = config or UnetConfig()
    modules = _sources(config, lambda name: ".motion_modules." in name)
    named = dict(_animatediffs_names(state))
    if not any(".pos_encoder." in key for key in named):  # computed, so as we compute them
        modules = [(name, keys) for name, keys in modules if ".position_" not in name]
    _check(named, modules, config, "modules of AnimateDiff v2")
    return {name: hallo.gather(named, keys) for name, keys in modules}


def start(network: UnetNetwork, *parts: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Fill a network with what it starts from; return the names that stay as they were built."""
    known: dict[str, Tensor] = {}
    for part in parts:
        known.update(part)
    return tuple(network.load_state_dict(known, strict=False).missing_keys)


def _is_stable_diffusions(name: str) -> bool:
    return name.startswith(("reference.", "backbone.")) and not _ADDED.search(name)


def _sources(config: UnetConfig, wanted: Callable[[str], bool]) -> Sources:
    """Our names that are wanted, each with its names inside one network."""
    return [
        (name, tuple(key.partition(".")[2] for key in keys))
        for name, keys in hallo.names(config)
        if wanted(name)
    ]


def _check(
    state: Mapping[str, Tensor],
    sources: Sources,
    config: UnetConfig,
    kind: str,
) -> None:
    shapes = hallo.layout(config)
    expected = {
        key: shapes[f"{hallo.NETWORKS[name.partition('.')[0]]}.{key}"]
        for name, keys in sources
        for key in keys
    }
    found = hallo.compare(state, expected)
    if found:
        raise CheckpointError(f"this is not {kind} ({found}): name the kind of checkpoint it is")


def _animatediffs_names(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for key, value in state.items():
        name = key.removeprefix("module.")
        if ".temporal_transformer." not in name:
            if name.endswith("pos_embed.pe"):
                continue
            name = re.sub(r"(motion_modules\.\d+)\.", r"\1.temporal_transformer.", name)
            for pattern, ours in _DIFFUSERS:
                name = re.sub(pattern, ours, name)
        yield name, value
