"""All networks of a preset in one module, so that one file holds their weights."""

import torch
from torch import Tensor, nn

from realtime_model.autoencoder import Codec
from realtime_model.config import ModelConfig
from realtime_model.denoiser import Backbone, ReferenceNet
from realtime_model.features import AudioEncoder


class EmoNetwork(nn.Module):
    """Codec, audio encoder, ReferenceNet and backbone, and the scale of the latent."""

    latent_scale: Tensor
    smooth: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.codec = Codec(config.codec)
        self.audio = AudioEncoder(config.audio)
        self.reference = ReferenceNet(config)
        self.backbone = Backbone(config)
        self.register_buffer("latent_scale", torch.ones(config.denoiser.channels, 1, 1))
        smooth = _smooth_projection(config.codec.latent_side)
        self.register_buffer("smooth", smooth, persistent=False)

    def split(self, latent: Tensor) -> Tensor:
        """Codec latents (n, 2, 8, 8) -> what is diffused, (n, 4, 8, 8), about unit variance.

        A head that turns moves every cell, lips only a few and less: diffused together, the lips
        drown in the noise of the pose. So the smooth part of the field and the rest of it are
        scaled apart.
        """
        pose = self._smoothed(latent)
        return torch.cat([pose, latent - pose], 1) / self.latent_scale

    def join(self, parts: Tensor) -> Tensor:
        """The inverse of `split`; what strays from either part's own space is dropped."""
        pose, detail = (parts * self.latent_scale).chunk(2, 1)
        return self._smoothed(pose) + detail - self._smoothed(detail)

    def _smoothed(self, latent: Tensor) -> Tensor:
        return (latent.flatten(2) @ self.smooth).view_as(latent)


def _smooth_projection(side: int) -> Tensor:
    """Orthogonal projection (side^2, side^2) of a field onto polynomials up to third degree."""
    axis = torch.linspace(-1, 1, side, dtype=torch.float64)
    y, x = (a.flatten() for a in torch.meshgrid(axis, axis, indexing="ij"))
    powers = [x**i * y**j for i in range(4) for j in range(4 - i)]
    basis: Tensor = torch.linalg.qr(torch.stack(powers, 1))[0]
    return (basis @ basis.T).float()
