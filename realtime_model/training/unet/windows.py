"""Windows for `emo-sd15`: latents of pictures, features of a speech encoder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realtime_model.config import ModelConfig
from realtime_model.errors import ConfigError
from realtime_model.training.latents import Played
from realtime_model.training.windows import ClipWindows, Take
from realtime_model.unet.masks import find_regions
from realtime_model.unet.network import Regions

_LIPS = 2  # the last mask, see `unet.spatial.MASKS`


class UnetData(ClipWindows):
    """Windows of clips, and the portraits that acted them.

    Args:
        config: of the networks.
        played: clips as latents (t, c, h, w).
        takes: their sound, features (t, layers, d).
        faces: file of the portraits, see `material.look_at`.
        device: where batches and portraits are handed out.
        still: windows of one frame.

    Attributes:
        identity: embeddings of who the portraits are, (n, d); zeros are nobody in particular.
    """

    def __init__(
        self,
        config: ModelConfig,
        played: Sequence[Played],
        takes: Mapping[str, tuple[Take, ...]],
        faces: Path,
        device: torch.device,
        *,
        still: bool = False,
    ) -> None:
        if config.unet is None:
            raise ConfigError(f"{config.name} has no section unet")
        saved = torch.load(faces, weights_only=True)
        super().__init__(config, played, takes, saved["at_rest"], config.unet.motion_frames)
        self.device, self.new_frames = device, 1 if still else self.new_frames
        self._still, self.identity = saved["still"], saved["identity"]
        self._knows_who = config.unet.face_tokens > 0
        side, depths = self._still.shape[-1], len(config.unet.widths)
        size_px = int(saved["size_px"])
        self._regions = [
            find_regions(face.numpy(), size_px, side, depths) for face in saved["landmarks"]
        ]
        lips = torch.cat([r.masks[0][:, _LIPS] for r in self._regions])
        self.mouth = lips.view(-1, 1, side, side).to(device)

    def sitting(self, who: Tensor) -> tuple[Tensor, Regions, Tensor | None]:
        """Latents, regions and identities of portraits, for `UnetNetwork.portrait`.

        A network without face tokens is told no identities.
        """
        numbers = who.cpu()
        regions = Regions.stack([self._regions[int(n)] for n in numbers])
        masks = tuple(mask.to(self.device) for mask in regions.masks)
        placed = Regions(regions.box.to(self.device), masks)
        identity = self.identity[numbers].to(self.device) if self._knows_who else None
        return self._still[numbers].to(self.device), placed, identity

    def diffused(self, latents: Tensor) -> Tensor:
        return latents

    def sound(self, take: Take, start: int) -> NDArray[np.float32]:
        """Features (m + f + m, layers, d); a recording's ends are repeated, as in serving."""
        margin = self.config.audio.margin_frames
        frames = np.arange(start - margin, start + self.new_frames + margin)
        return np.asarray(take[frames.clip(0, len(take) - 1)], np.float32)

    def mishandled(
        self, sound: NDArray[np.float32], dice: np.random.Generator
    ) -> NDArray[np.floating]:
        """As it is: the takes differ, and the encoder has heard worse."""
        return sound
