"""What a preset needs of memory, and whether it is there: asked before anything is loaded."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from realtime_model.config import ModelConfig
from realtime_model.errors import MemoryShortError
from realtime_model.pretrained.latents import CELL_PX, FRAMES_AT_ONCE
from realtime_model.pretrained.networks import Config, builder
from realtime_model.unet import flops
from realtime_model.unet.network import UnetNetwork

_GIB = 2**30
_DECODED_MAPS = 4  # of the decoder's widest at full resolution: input, norm, output, sum
_COLOURS = 3  # of the picture itself: patches decode without a wider map
_LIBRARIES = 3 * _GIB // 4  # torch itself, and its buffers
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class MemoryNeeds:
    """Bytes by what they are for; estimates, rather too high than too low."""

    networks: int
    senses: int
    stream: int
    working: int

    @property
    def total(self) -> int:
        return self.networks + self.senses + self.stream + self.working

    def __str__(self) -> str:
        parts = {
            "UNets": self.networks,
            "voice and pictures": self.senses,
            "a stream": self.stream,
            "while it works": self.working,
        }
        each = ", ".join(f"{name} {_gib(size)}" for name, size in parts.items())
        return f"{_gib(self.total)} GiB ({each})"


def needs(
    config: ModelConfig, senses: dict[str, Config], dtype: torch.dtype, *, on_cuda: bool
) -> MemoryNeeds:
    """Estimate what a preset needs with one stream.

    Args:
        config: with a unet.
        senses: sizes of the added networks around it, by kind, see `pretrained.store.About`. Those
            of `unet.miniature` are some kilobytes, and not counted.
        dtype: of the UNets.
        on_cuda: autoencoders then run in bfloat16, otherwise in float32.
    """
    assert config.unet is not None
    unet, side, each = config.unet, config.geometry.width_px // CELL_PX, dtype.itemsize
    frames, motion = config.geometry.hop_frames + unet.overlap_frames, unet.motion_frames
    with torch.device("meta"):
        networks = _numbers(UnetNetwork(config))
        around = sum(_numbers(builder(kind, sizes)[1]()) for kind, sizes in senses.items())
    stream = (
        2 * flops.portrait_bytes(unet, side, each)  # its own, and stacked with others'
        + motion * flops.motion_bytes(unet, side, each)
        + flops.audio_bytes(unet, frames, each)
    )
    picture = (side * CELL_PX) ** 2 * _decoder_width(senses) * (2 if on_cuda else 4)
    working = max(
        flops.activation_bytes(unet, side, frames, each), FRAMES_AT_ONCE * _DECODED_MAPS * picture
    )
    return MemoryNeeds(networks * each, around * 4, stream, working + _LIBRARIES)


def require(name: str, wanted: MemoryNeeds, free_bytes: int, where: str) -> None:
    """Compare what is needed with what is free.

    Raises:
        MemoryShortError: with both amounts.
    """
    if wanted.total > free_bytes:
        raise MemoryShortError(
            f"{name} needs about {wanted} of memory on the {where}, and {_gib(free_bytes)} GiB "
            "are free. End other programs, set runtime.dtype: bfloat16 or parts.decoder: taesd, "
            "or use the default preset"
        )


def free_bytes(device: torch.device) -> int:
    """Memory that can still be used; on the processor without what a container forbids."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return min([_available(_MEMINFO), *_left_to_container(_CGROUP)])


def _available(meminfo: Path) -> int:
    if not meminfo.is_file():  # not Linux: what there is stands for what is free
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024


def _left_to_container(folder: Path) -> list[int]:
    """What a control group (version 2) leaves to its processes; nothing where there is none."""
    try:
        limit = (folder / "memory.max").read_text().strip()
        return [] if limit == "max" else [int(limit) - int((folder / "memory.current").read_text())]
    except (OSError, ValueError):
        return []


def _numbers(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.state_dict().values())


def _decoder_width(senses: dict[str, Config]) -> int:
    """Channels of the widest map an autoencoder holds at full resolution."""
    names = ("block_out_channels", "decoder_block_out_channels")
    found = [sizes[name] for sizes in senses.values() for name in names if name in sizes]
    return max((int(width) for widths in found for width in widths[:2]), default=_COLOURS)


def _gib(size: float) -> str:
    return f"{size / _GIB:.1f}"
