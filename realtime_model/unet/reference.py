"""ReferenceNet: what the backbone attends to, of a portrait and of the motion frames."""

import torch
from torch import Tensor

from realtime_model.config import UnetConfig
from realtime_model.layers import KeyValue
from realtime_model.unet.trunk import Place, Trunk


class ReferenceNet(Trunk):
    """The trunk without voice and time, always asked at timestep 0."""

    def __init__(self, config: UnetConfig) -> None:
        super().__init__(config, config.token_dim if config.face_tokens else 0)

    def face_keys(self, tokens: Tensor) -> tuple[KeyValue, ...]:
        """Keys and values of face tokens (n, tokens, d), one per site; none without any."""
        if not self.token_dim:
            return ()
        return tuple(self.attention(p).key_value(tokens) for p in self.places if p.attends)

    def forward(self, latent: Tensor, face: tuple[KeyValue, ...]) -> tuple[Tensor, ...]:
        """Return features (n, cells, c) of clean latents, one per site.

        Args:
            latent: (n, 4, h, w), as diffused.
            face: of `face_keys`; one row, or n.
        """
        bank: list[Tensor] = []
        last = sum(p.attends for p in self.places) - 1

        def modules(x: Tensor, place: Place) -> Tensor:
            if not place.attends:
                return x
            site = len(bank)
            attention = self.attention(place)
            if site == last:  # nobody asks for what would come of it
                bank.append(attention.features(x))
                return x
            x, normed = self.through(attention, x, face[site] if face else None)
            bank.append(normed)
            return x

        timestep = torch.zeros(len(latent), dtype=torch.int64, device=latent.device)
        self.run(self.conv_in(latent.to(self.dtype)), self.embed_timestep(timestep), modules)
        return tuple(bank)
