"""The UNet both networks are made of: convolutions, and places for modules that attend.

    down_blocks.0 ... mid_block ... up_blocks.3        # names as in Stable Diffusion 1.5
        resnets.j -> attentions.j [-> audio_modules.j -> motion_modules.j]
        downsamplers.0 | upsamplers.0

What happens at a place is the network's own: it hands `Trunk.run` a function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.downsampling import Downsample2D
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from realtime_model.config import UnetConfig
from realtime_model.schedule import timestep_at
from realtime_model.unet.spatial import SpatialTransformer


@dataclass(frozen=True, slots=True)
class Place:
    """Where modules sit behind one ResNet block.

    Attributes:
        block: path of the block in the trunk, as "down_blocks.0".
        layer: index in the block.
        width: channels of the maps.
        came: channels the block was handed; Hallo's audio modules work at these.
        depth: how often the maps were halved.
        attends: whether there is attention; where not, there are modules over time alone.
    """

    block: str
    layer: int
    width: int
    came: int
    depth: int
    attends: bool

    def path(self, kind: str) -> str:
        """Path of a module here, as ``down_blocks.0.attentions.1``."""
        return f"{self.block}.{kind}.{self.layer}"


def places(config: UnetConfig) -> tuple[Place, ...]:
    """All places in the order they are passed."""
    widths, last = config.widths, len(config.widths) - 1
    found = []
    for i, width in enumerate(widths):
        for j in range(config.layers):
            came = widths[max(0, i - 1)] if j == 0 else width
            found.append(Place(f"down_blocks.{i}", j, width, came, i, config.attend[i]))
    found.append(Place("mid_block", 0, widths[-1], widths[-1], last, True))
    for i in range(len(widths)):
        depth = last - i
        came = widths[max(0, depth - 1)]  # of the maps joined last, in all layers
        for j in range(config.layers + 1):
            where = f"up_blocks.{i}"
            found.append(Place(where, j, widths[depth], came, depth, config.attend[depth]))
    return tuple(found)


def sites(config: UnetConfig) -> tuple[Place, ...]:
    """The places with attention, in the order they are passed."""
    return tuple(place for place in places(config) if place.attends)


class Block(nn.Module):
    """One width on the way down or up, or the middle."""

    def __init__(self, config: UnetConfig, here: tuple[Place, ...], token_dim: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList()
        self.attentions = nn.ModuleList(
            SpatialTransformer(p.width, config.heads, config.groups, token_dim)
            for p in here
            if p.attends
        )
        self.downsamplers = nn.ModuleList()
        self.upsamplers = nn.ModuleList()


Modules = Callable[[Tensor, Place], Tensor]


class Trunk(nn.Module):
    """A UNet up to, and without, its last norm and convolution.

    Attributes:
        checkpointing: in training, compute the maps inside modules again on the way back rather
            than keep them: a third more work, a fraction of the memory.
    """

    def __init__(self, config: UnetConfig, token_dim: int) -> None:
        """Build it; ``token_dim`` is of what it attends to beside pictures, 0 for nothing."""
        super().__init__()
        self.config, self.token_dim = config, token_dim
        self.checkpointing = False
        self.places = places(config)
        widths = config.widths
        self.conv_in = nn.Conv2d(config.channels, widths[0], 3, padding=1)
        self.time_proj = Timesteps(widths[0], flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(widths[0], 4 * widths[0])
        self.down_blocks = nn.ModuleList(
            self._block(f"down_blocks.{i}") for i in range(len(widths))
        )
        self.mid_block = self._block("mid_block")
        self.up_blocks = nn.ModuleList(self._block(f"up_blocks.{i}") for i in range(len(widths)))
        self._fill_down()
        self._fill_up()

    def _block(self, name: str) -> Block:
        return Block(self.config, tuple(p for p in self.places if p.block == name), self.token_dim)

    def _resnet(self, came: int, width: int) -> nn.Module:
        made: nn.Module = ResnetBlock2D(
            in_channels=came,
            out_channels=width,
            temb_channels=4 * self.config.widths[0],
            groups=self.config.groups,
            eps=1e-5,
        )
        return made

    def _fill_down(self) -> None:
        widths = self.config.widths
        for i, (block, width) in enumerate(zip(self.down_blocks, widths, strict=True)):
            assert isinstance(block, Block)
            for j in range(self.config.layers):
                came = widths[max(0, i - 1)] if j == 0 else width
                block.resnets.append(self._resnet(came, width))
            if i < len(widths) - 1:
                block.downsamplers.append(Downsample2D(width, use_conv=True, name="op"))
        block = self.mid_block
        for _ in range(2):
            block.resnets.append(self._resnet(widths[-1], widths[-1]))

    def _fill_up(self) -> None:
        widths, layers = self.config.widths, self.config.layers
        below = widths[-1]
        for i, block in enumerate(self.up_blocks):
            assert isinstance(block, Block)
            depth = len(widths) - 1 - i
            width, above = widths[depth], widths[max(0, depth - 1)]
            for j in range(layers + 1):
                came = below if j == 0 else width
                skipped = above if j == layers else width
                block.resnets.append(self._resnet(came + skipped, width))
            if depth:
                block.upsamplers.append(Upsample2D(width, use_conv=True))
            below = width

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights, and so of all maps inside."""
        return self.conv_in.weight.dtype

    def embed_time(self, level: Tensor) -> Tensor:
        """Noise levels in [0, 1], (n,) -> (n, temb), by way of their timesteps."""
        return self.embed_timestep(timestep_at(level))

    def embed_timestep(self, timestep: Tensor) -> Tensor:
        """Timesteps 0..999, (n,) -> (n, temb)."""
        waves = self.time_proj(timestep).to(self.dtype)
        out: Tensor = self.time_embedding(waves)
        return out

    def through(self, module: nn.Module, *inputs: Any) -> Any:
        """What a module makes of its inputs; see `checkpointing`."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(module, *inputs, use_reentrant=False)
        return module(*inputs)

    def run(self, x: Tensor, temb: Tensor, modules: Modules) -> Tensor:
        """Down, middle and up; ``modules(x, place)`` runs what sits at each place.

        Args:
            x: after `conv_in`, (n, c, h, w); h and w divide by 2 as often as widths change.
            temb: (n, temb).
            modules: called once a place, in the order of `places`.
        """
        way = iter(self.places)
        skips = [x]
        for block in self.down_blocks:
            assert isinstance(block, Block)
            for resnet in block.resnets:
                x = modules(self.through(resnet, x, temb), next(way))
                skips.append(x)
            for down in block.downsamplers:
                x = down(x)
                skips.append(x)
        x = modules(self.through(self.mid_block.resnets[0], x, temb), next(way))
        x = self.through(self.mid_block.resnets[1], x, temb)
        for block in self.up_blocks:
            assert isinstance(block, Block)
            for resnet in block.resnets:
                x = torch.cat([x, skips.pop()], 1)
                x = modules(self.through(resnet, x, temb), next(way))
            for up in block.upsamplers:
                x = up(x)
        return x

    def attention(self, place: Place) -> SpatialTransformer:
        """The module that attends within a frame at a place."""
        found = self.get_submodule(place.path("attentions"))
        assert isinstance(found, SpatialTransformer)
        return found
