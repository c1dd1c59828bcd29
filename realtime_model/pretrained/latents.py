"""Picture to latent and back with the published autoencoders of Stable Diffusion 1.5.

The network that diffuses sees latents of about unit variance. AutoencoderKL's are brought there by
its scale 0.18215; TAESD's are there already (scale 1): with both, latents mean the same here and
one may encode and the other decode.
"""

from typing import Any

import torch
from torch import Tensor, nn

from realtime_model.errors import ShapeError

CELL_PX = 8
"""Side of the square of pixels that one cell of a latent stands for."""


FRAMES_AT_ONCE = 4
"""How many pictures are decoded together."""


class ImageLatents(nn.Module):
    """An autoencoder between uint8 pictures and latents (n, 4, h / 8, w / 8) of unit variance.

    A portrait is encoded once; every chunk is decoded. On CUDA the network runs in bfloat16 with
    channels last, elsewhere in float32; latents given and returned are float32.

    Args:
        network: AutoencoderKL or AutoencoderTiny of diffusers.
        device: where it runs; it is moved there.
        frames_at_once: how many pictures are decoded together. More only costs memory: a decoded
            picture does not depend on its neighbours.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, *, frames_at_once: int = FRAMES_AT_ONCE
    ) -> None:
        super().__init__()
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.device, self.frames_at_once = device, frames_at_once
        # Past the class of diffusers, which would warn of modules to keep in float32: it has none.
        placed: Any = nn.Module.to(network, device=device, dtype=self.dtype)
        self.network = placed.to(memory_format=torch.channels_last)
        self.scale = float(self.network.config.scaling_factor)

    @torch.inference_mode()
    def encode(self, pictures: Tensor) -> Tensor:
        """Return latents of RGB pictures uint8 (n, h, w, 3); the most likely ones, no noise drawn.

        Raises:
            ShapeError: another shape or type, or sides that are no multiples of 8.
        """
        shape = tuple(pictures.shape)
        if pictures.dtype != torch.uint8 or len(shape) != 4 or shape[3] != 3:
            raise ShapeError(f"pictures are {pictures.dtype} {shape}, not uint8 (n, h, w, 3)")
        if shape[1] % CELL_PX or shape[2] % CELL_PX:
            raise ShapeError(
                f"pictures are {shape[1]} x {shape[2]}; sides must divide by {CELL_PX}"
            )
        planes = self._place(pictures.permute(0, 3, 1, 2)) / 127.5 - 1
        coded = self.network.encode(planes)
        latents = coded.latents if hasattr(coded, "latents") else coded.latent_dist.mode()
        scaled: Tensor = latents.float() * self.scale
        return scaled

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Return RGB pictures uint8 (n, 8 h, 8 w, 3) of latents (n, 4, h, w).

        Raises:
            ShapeError: the latents have another number of channels.
        """
        channels = self.network.config.latent_channels
        if latents.ndim != 4 or latents.shape[1] != channels:
            raise ShapeError(f"latents are {tuple(latents.shape)}, not (n, {channels}, h, w)")
        parts = torch.split(latents, self.frames_at_once)
        return torch.cat([self._pixels(part) for part in parts])

    def _pixels(self, latents: Tensor) -> Tensor:
        planes = self.network.decode(self._place(latents / self.scale)).sample.float()
        levels: Tensor = ((planes + 1) * 127.5).round().clamp(0, 255)
        return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    def _place(self, planes: Tensor) -> Tensor:
        return planes.to(self.device, self.dtype, memory_format=torch.channels_last)
