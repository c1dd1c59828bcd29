"""All networks of `emo-sd15` in one module, and the order in which they prepare a stream.

reference = network.portrait(latent, face box, masks, identity)    # once an avatar
given     = network.chunk(reference, speech features, last latents)  # once a chunk
latents   = sample_chunk(network.guided(reference, given), noise, ...)  # `denoise` is all of it
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from realtime_model.config import ModelConfig
from realtime_model.errors import ConfigError, ShapeError
from realtime_model.schedule import sample_chunk, velocity_to
from realtime_model.unet.backbone import Backbone, UnetConditions, UnetReference
from realtime_model.unet.conditions import AudioProjection, AudioTokens, FaceLocator, FaceProjection
from realtime_model.unet.reference import ReferenceNet

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Noisy latents (b, f, 4, h, w) and their levels (b,) -> velocities."""
Step = Callable[[Tensor, Tensor, UnetReference, UnetConditions], Tensor]
"""The backbone, or what stands for it: noisy latents, levels, portrait, conditions -> velocities.
"""


@dataclass(frozen=True, slots=True)
class Regions:
    """Where the face is in a portrait, as numbers.

    Attributes:
        box: the face's, (1, 3, height, width) in [0, 1], in pixels of the portrait.
        masks: pose, face and lips, (1, 3, cells), one per depth of the UNet.
    """

    box: Tensor
    masks: tuple[Tensor, ...]

    def to(self, device: torch.device) -> "Regions":
        """The same on a device."""
        return Regions(self.box.to(device), tuple(mask.to(device) for mask in self.masks))

    @staticmethod
    def stack(parts: Sequence["Regions"]) -> "Regions":
        """The regions of several portraits."""
        return Regions(
            torch.cat([p.box for p in parts]),
            tuple(torch.cat(depth) for depth in zip(*(p.masks for p in parts), strict=True)),
        )


@dataclass(frozen=True, slots=True)
class Portrait:
    """A portrait, prepared once.

    Attributes:
        cache: what the backbone needs.
        nobody: the same for the unconditional pass of guidance.
        still: its latent, (1, 4, h, w): the motion frames before the first chunk.
        face_tokens: its identity, (1, tokens, d); no tokens in a network without identity.
    """

    cache: UnetReference
    nobody: UnetReference
    still: Tensor
    face_tokens: Tensor

    @staticmethod
    def stack(parts: Sequence["Portrait"]) -> "Portrait":
        """The portraits of several rows: streams rendered in one pass."""
        if len(parts) == 1:
            return parts[0]
        return Portrait(
            UnetReference.stack([p.cache for p in parts]),
            UnetReference.stack([p.nobody for p in parts]),
            torch.cat([p.still for p in parts]),
            torch.cat([p.face_tokens for p in parts]),
        )

    def rows(self, numbers: Tensor) -> "Portrait":
        """The portraits of rows, by number, of several prepared together."""
        return Portrait(
            self.cache.rows(numbers),
            self.nobody.rows(numbers),
            self.still[numbers],
            self.face_tokens[numbers],
        )


class UnetNetwork(nn.Module):
    """ReferenceNet, backbone and the small networks that feed them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.unet is None:
            raise ConfigError(f"{config.name} has no section unet: build an EmoNetwork")
        self.config, self.unet = config, config.unet
        margin = config.audio.margin_frames
        self.reference = ReferenceNet(config.unet)
        self.backbone = Backbone(config.unet, margin)
        self.locator = FaceLocator(config.unet)
        self.face = FaceProjection(config.unet) if config.unet.face_tokens else None
        self.audio: AudioProjection | AudioTokens
        if config.unet.voice == "modules":
            self.audio = AudioProjection(config.unet, margin)
        else:
            self.audio = AudioTokens(config.unet, margin)

    def portrait(
        self, latent: Tensor, regions: Regions, identity: Tensor | None = None
    ) -> Portrait:
        """Compute once what a portrait needs.

        Args:
            latent: (1, 4, h, w), as diffused; or (n, 4, h, w): n portraits, all the rest alike.
            regions: where its face is.
            identity: (1, 512); none is nobody in particular.
        """
        rows, side = len(latent), latent.shape[-1]
        expected = [(rows, 3, (side >> d) ** 2) for d in range(len(self.unet.widths))]
        if [tuple(m.shape) for m in regions.masks] != expected:
            raise ShapeError(f"masks of a latent {side} cells wide have shapes {expected}")
        dtype = self.backbone.dtype
        tokens, nothing = self.face_tokens(identity, rows), self.face_tokens(None, rows)
        masks = tuple(m.to(dtype) for m in regions.masks)
        bank = self.reference(latent, self.reference.face_keys(tokens))
        bias = self.locator(regions.box.to(dtype))
        cache = UnetReference(
            self.backbone.reference_keys(bank),
            bias,
            self.backbone.face_keys(tokens),
            masks,
        )
        nobody = UnetReference((), torch.zeros_like(bias), self.backbone.face_keys(nothing), masks)
        return Portrait(cache, nobody, latent, tokens)

    def face_tokens(self, identity: Tensor | None, rows: int = 1) -> Tensor:
        """Tokens (n, tokens, d) of identities (n, 512); none is nobody in particular."""
        dtype, like = self.backbone.dtype, self.backbone.conv_in.weight
        if self.face is None:
            if identity is not None:
                raise ShapeError("this network has no face tokens: it takes no identity")
            return like.new_zeros(rows, 0, self.unet.token_dim)
        tokens: Tensor = self.face(None if identity is None else identity.to(dtype), rows)
        return tokens

    def first_motion(self, portrait: Portrait) -> Tensor | None:
        """Latents (b, n, 4, h, w) shown before the first chunk.

        None is zero maps at every site, or, without motion frames, that nothing was shown.
        """
        if self.unet.first_motion == "zeros" or not self.unet.motion_frames:
            return None
        return portrait.still[:, None].repeat(1, self.unet.motion_frames, 1, 1, 1)

    def motion(self, portrait: Portrait, latents: Tensor | None) -> tuple[Tensor, ...]:
        """Features of the motion frames, (b, n, cells, c) per site; empty without such frames.

        Args:
            portrait: of `portrait`.
            latents: the last ones, (b, n, 4, h, w); none is zero maps.
        """
        if not self.unet.motion_frames:
            return ()
        if latents is None:
            side = portrait.still.shape[-1]
            return self.backbone.zero_motion(len(portrait.still), side, self.unet.motion_frames)
        keys = self.reference.face_keys(portrait.face_tokens)
        bank = self.reference(latents.flatten(0, 1), keys)
        return tuple(site.unflatten(0, latents.shape[:2]) for site in bank)

    def chunk(
        self,
        features: Tensor,
        motion: tuple[Tensor, ...],
        speed_deg: Tensor | None = None,
    ) -> UnetConditions:
        """Compute what all steps of a chunk share.

        Args:
            features: of the speech encoder, (b, margin + f + margin, layers, d).
            motion: of `motion`.
            speed_deg: (b, f) degrees a frame; none is unknown.
        """
        tokens = self.audio(features.to(self.backbone.dtype))
        return self.backbone.conditions(tokens, motion, speed_deg)

    def denoise(
        self,
        portrait: Portrait,
        features: Tensor,
        past: Tensor | None,
        noise: Tensor,
        *,
        steps: int | None = None,
    ) -> Tensor:
        """Sample the latents of one chunk, (b, f, 4, h, w).

        A network with ``unet.overlap_frames`` in place of motion frames denoises the last ones
        once more in front of the new ones: with a ``past``, ``features`` and ``noise`` are of both,
        and the new ones alone are returned. Before the first chunk it has no past.

        Args:
            portrait: of `portrait`, or a stack of b.
            features: of the speech encoder, (b, margin + f + margin, layers, d).
            past: latents of the last frames, (b, n, 4, h, w); none is zero maps.
            noise: (b, f, 4, h, w), see `state.frame_noise`.
            steps: none is the config's.
        """
        sampler = self.config.sampler
        given = self.chunk(features, self.motion(portrait, past))
        shown = past if self.unet.overlap_frames else None
        velocity_at = self.guided(portrait, given)
        return sample_chunk(velocity_at, noise, sampler, steps or sampler.steps, shown)

    def guided(
        self, portrait: Portrait, given: UnetConditions, step: Step | None = None
    ) -> Velocity:
        """Velocities for `schedule.sample`; with guidance, moved away from unconditional ones.

        Where those come from is the config's ``sampler.guide``:

        two-pass: a second pass that knows no portrait, no identity, no place of a face and no
            voice, but the same motion frames.
        self-negative: nowhere; the portrait as it is stands for what would be shown without a
            voice. One pass, and frames are moved away from the still portrait.
        fused: they are not asked for, because the weights were distilled with guidance inside.

        Args:
            portrait: of `portrait`, or a stack of b.
            given: of `chunk`.
            step: stands for the backbone, as a recording of it does; none is the backbone.

        Source: self-negative is residual classifier-free guidance, arXiv:2312.12491, section 3.2.
        """
        sampler, step = self.config.sampler, step or self.backbone
        scale = 1.0 if sampler.guide == "fused" else sampler.guidance
        twice = scale != 1.0 and sampler.guide == "two-pass"
        unheard = given.unheard() if twice else given

        def velocity_at(noisy: Tensor, level: Tensor) -> Tensor:
            v: Tensor = step(noisy, level, portrait.cache, given)
            if scale == 1.0:
                return v
            if twice:
                free = step(noisy, level, portrait.nobody, unheard)
            else:
                free = velocity_to(portrait.still[:, None], noisy, level)
            return free + scale * (v - free)

        return velocity_at
