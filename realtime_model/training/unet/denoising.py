"""`emo-sd15` as teacher and student ask it: see `training.denoising.Denoising`."""

from dataclasses import replace

import torch
from torch import Tensor

from realtime_model.errors import TrainingError
from realtime_model.training.denoising import Denoising, Past
from realtime_model.training.unet.windows import UnetData
from realtime_model.training.windows import ClipWindows
from realtime_model.unet.backbone import UnetConditions
from realtime_model.unet.network import Portrait, UnetNetwork


class UnetDenoising(Denoising):
    """All networks of `emo-sd15`.

    Args:
        network: they themselves.
        still: learn single pictures: no voice, no time.

    Raises:
        TrainingError: the network cannot be asked for single pictures.
    """

    def __init__(self, network: UnetNetwork, *, still: bool = False) -> None:
        super().__init__()
        if still and network.unet.voice == "attention":
            raise TrainingError(
                "parts: spatial learns pictures without a voice, and in this unet attention to it "
                "is one of the spatial layers (unet.voice: attention): train all"
            )
        self.network, self.hears = network, not still

    def tokens(self, sound: Tensor) -> Tensor:
        """Audio tokens of each frame, (b, f, tokens, d)."""
        tokens: Tensor = self.network.audio(sound)
        return tokens

    def deafened(self, tokens: Tensor, gone: Tensor) -> Tensor:
        """Tokens of zeros are no sound: their keys and values are zeros too."""
        return tokens * ~gone[:, None, None, None]

    def portrait(self, data: ClipWindows, who: Tensor) -> Portrait:
        """Each portrait is prepared once, however many rows show it."""
        assert isinstance(data, UnetData)
        shown, rows = torch.unique(who, return_inverse=True)
        prepared = self.network.portrait(*data.sitting(shown))
        return prepared if len(shown) == len(rows) == 1 else prepared.rows(rows.to(data.device))

    def stranger(self, portrait: Portrait) -> Portrait:
        return replace(portrait, cache=portrait.nobody)

    def before(self, portrait: Portrait, like: Tensor) -> Tensor:
        return portrait.still[:, None].expand_as(like)

    def given(
        self,
        portrait: Portrait,
        past: Past,
        tokens: Tensor,
        gesture: Tensor,
        speed: Tensor,
        known: Tensor,
    ) -> UnetConditions:
        """Gestures are not asked of this network: only the speed of the head is."""
        if not self.hears:
            return UnetConditions((), (), ())
        with torch.no_grad():
            motion = self.network.motion(portrait, past.latents)
        if self.network.unet.first_motion == "zeros":
            motion = tuple(site * ~past.absent[:, None, None, None] for site in motion)
        return self.network.backbone.conditions(tokens, motion, speed, known)

    def unheard(
        self, given: UnetConditions, tokens: Tensor, gesture: Tensor, speed: Tensor, known: Tensor
    ) -> UnetConditions:
        return given.unheard()

    def velocity(
        self, noisy: Tensor, level: Tensor, portrait: Portrait, given: UnetConditions
    ) -> Tensor:
        v: Tensor = self.network.backbone(noisy, level, portrait.cache, given)
        return v
