"""The backbone of `emo-sd15`: velocity of noisy latents, given a portrait, a voice and a past.

At each site: self- and reference-attention and face tokens; the voice, for pose, face and lips,
or in place of the face tokens; then time, with the motion frames in front. All that stays the same
at the steps of a chunk comes in ready-made.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from realtime_model.config import UnetConfig
from realtime_model.embeddings import SpeedEncoder
from realtime_model.layers import KeyValue
from realtime_model.unet.spatial import AudioTransformer
from realtime_model.unet.temporal import Past, TemporalTransformer
from realtime_model.unet.trunk import Block, Place, Trunk

_FRAMES_WITHOUT_PORTRAIT = 4  # whatever the config's motion frames: Hallo's rule


@dataclass(frozen=True, slots=True)
class UnetReference:
    """All the backbone needs of a portrait, computed once.

    No ``keys`` is the unconditional pass: plain self-attention.

    Attributes:
        keys: reference keys and values, one per site, (1, heads, n, c / heads).
        bias: what the face locator adds after the first convolution, (1, c, h, w).
        face: keys and values of the face tokens, one per site; empty where the voice has their
            place.
        masks: regions of pose, face and lips, (1, 3, cells), one per depth of the UNet.
    """

    keys: tuple[KeyValue, ...]
    bias: Tensor
    face: tuple[KeyValue, ...]
    masks: tuple[Tensor, ...]

    @staticmethod
    def stack(parts: Sequence["UnetReference"]) -> "UnetReference":
        """The portraits of several rows."""
        return UnetReference(
            _by_site([p.keys for p in parts]),
            torch.cat([p.bias for p in parts]),
            _by_site([p.face for p in parts]),
            tuple(torch.cat(depth) for depth in zip(*(p.masks for p in parts), strict=True)),
        )

    def rows(self, numbers: Tensor) -> "UnetReference":
        """The portraits of rows, by number, of several prepared together."""
        return UnetReference(
            tuple(kv.rows(numbers) for kv in self.keys),
            self.bias[numbers],
            tuple(kv.rows(numbers) for kv in self.face),
            tuple(mask[numbers] for mask in self.masks),
        )


@dataclass(frozen=True, slots=True)
class UnetConditions:
    """What steers one chunk, the same at all its steps.

    Attributes:
        audio: keys and values of the audio tokens for each mask, one triple per site, rows b * f;
            one each where the voice has the place of face tokens. None at all: single pictures,
            which no module for voice or time sees.
        motion: the motion frames, one per site; empty without any.
        speed: keys and values of the speeds, one per site, rows b; empty without speed layers.
        scales: how much pose, face and lips of each row follow the voice, besides the config's
            scales, (b, 3); none is as trained.
    """

    audio: tuple[tuple[KeyValue, ...], ...]
    motion: tuple[Past, ...]
    speed: tuple[KeyValue, ...]
    scales: Tensor | None = None

    def unheard(self) -> "UnetConditions":
        """The same without a voice, for guidance: keys and values of audio tokens of zeros."""

        def nothing(kv: KeyValue) -> KeyValue:
            return KeyValue(torch.zeros_like(kv.key), torch.zeros_like(kv.value))

        silent = tuple(tuple(map(nothing, site)) for site in self.audio)
        return replace(self, audio=silent, scales=None)


class Backbone(Trunk):
    """The trunk with modules for voice and time, and what turns the last maps into velocities."""

    def __init__(self, config: UnetConfig, margin_frames: int = 2) -> None:
        super().__init__(config, config.token_dim)
        self.modular = config.voice == "modules"
        for name, block in self._blocks():
            here = [p for p in self.places if p.block == name]
            if self.modular:
                block.audio_modules = nn.ModuleList(self._audio(p) for p in here if p.attends)
            block.motion_modules = nn.ModuleList(self._time(p) for p in here)
        self.conv_norm_out = nn.GroupNorm(config.groups, config.widths[0], eps=1e-5)
        self.conv_act = nn.SiLU()
        self.conv_out = nn.Conv2d(config.widths[0], config.channels, 3, padding=1)
        self.speed = SpeedEncoder(config.speed_dim, margin_frames) if config.speed else None
        self.sites = tuple(p for p in self.places if p.attends)
        self._site = {p: i for i, p in enumerate(self.sites)}

    def _blocks(self) -> Iterator[tuple[str, Block]]:
        yield from ((n, m) for n, m in self.named_modules() if isinstance(m, Block))

    def _audio(self, place: Place) -> AudioTransformer:
        config = self.config
        return AudioTransformer(
            place.width, place.came, config.heads, config.groups, config.token_dim
        )

    def _time(self, place: Place) -> TemporalTransformer:
        config = self.config
        speed = config.speed_dim if config.speed and place.attends else 0
        return TemporalTransformer(
            place.width, config.heads, config.groups, config.max_frames, speed
        )

    def audio(self, place: Place) -> AudioTransformer:
        """The module that hears, at a place with attention."""
        found = self.get_submodule(place.path("audio_modules"))
        assert isinstance(found, AudioTransformer)
        return found

    def time(self, place: Place) -> TemporalTransformer:
        """The module over time at a place."""
        found = self.get_submodule(place.path("motion_modules"))
        assert isinstance(found, TemporalTransformer)
        return found

    def reference_keys(self, bank: tuple[Tensor, ...]) -> tuple[KeyValue, ...]:
        """Keys and values of ReferenceNet's features, through the backbone's own projections."""
        return tuple(
            self.attention(p).attn1.key_value(features)
            for p, features in zip(self.sites, bank, strict=True)
        )

    def face_keys(self, tokens: Tensor) -> tuple[KeyValue, ...]:
        """Keys and values of face tokens (n, tokens, d), one per site; none without any."""
        if not self.config.face_tokens:
            return ()
        return tuple(self.attention(p).key_value(tokens) for p in self.sites)

    def audio_keys(self, tokens: Tensor) -> tuple[tuple[KeyValue, ...], ...]:
        """Keys and values of audio tokens (n, tokens, d) per site, for all that hears there."""
        if self.modular:
            return tuple(self.audio(p).key_value(tokens) for p in self.sites)
        return tuple((self.attention(p).key_value(tokens),) for p in self.sites)

    def conditions(
        self,
        tokens: Tensor,
        motion: tuple[Tensor, ...],
        speed_deg: Tensor | None = None,
        known: Tensor | None = None,
    ) -> UnetConditions:
        """Prepare what all steps of a chunk share.

        Args:
            tokens: audio tokens of each frame, (b, f, tokens, d).
            motion: ReferenceNet's features of the motion frames, (b, n, cells, c) per site, or
                `zero_motion`; empty without motion frames.
            speed_deg: (b, f) degrees a frame; none is unknown.
            known: rows (b,) whose speed counts; none is all of them.
        """
        rows, frames = tokens.shape[:2]
        speed: tuple[KeyValue, ...] = ()
        if self.speed is not None:
            if known is None:
                known = torch.full((rows,), speed_deg is not None, device=tokens.device)
            given = tokens.new_zeros(rows, frames) if speed_deg is None else speed_deg
            features = self.speed(given.to(self.dtype), known)
            speed = tuple(self._speed_keys(p, features) for p in self.sites)
        sites = self.sites if motion else ()
        return UnetConditions(
            audio=self.audio_keys(tokens.flatten(0, 1)),
            motion=tuple(self.time(p).remember(m) for p, m in zip(sites, motion, strict=True)),
            speed=speed,
        )

    def zero_motion(
        self, rows: int, side: int, frames: int = _FRAMES_WITHOUT_PORTRAIT
    ) -> tuple[Tensor, ...]:
        """Zero maps in place of motion frames, for latents ``side`` cells wide.

        They are not nothing: a norm's bias and a place in time make tokens of them.
        """
        weight = self.conv_in.weight
        return tuple(
            weight.new_zeros(rows, frames, (side >> p.depth) ** 2, p.width) for p in self.sites
        )

    def _speed_keys(self, place: Place, features: Tensor) -> KeyValue:
        attention = self.time(place).speed_attention
        assert attention is not None
        return attention.key_value(features)

    def forward(
        self, noisy: Tensor, level: Tensor, reference: UnetReference, given: UnetConditions
    ) -> Tensor:
        """Return the velocity (b, f, 4, h, w) of noisy latents of the same shape at levels (b,)."""
        rows, frames = noisy.shape[:2]
        temb = self.embed_time(level).repeat_interleave(frames, 0)
        scales = _scales(self.config.audio_scales, given.scales, frames)

        def modules(x: Tensor, place: Place) -> Tensor:
            if not place.attends:
                run = self.config.unattended_motion and len(given.audio) > 0
                out: Tensor = self.through(self.time(place), x, rows) if run else x
                return out
            site = self._site[place]
            keys = reference.keys[site] if reference.keys else None
            told = reference.face[site] if reference.face else None
            if not self.modular:
                told = given.audio[site][0] if given.audio else None
            x, _ = self.through(self.attention(place), x, told, keys)
            if not given.audio:
                return x
            if self.modular:
                masks = _per_frame(reference.masks[place.depth], rows, frames)
                x = self.through(self.audio(place), x, given.audio[site], masks, scales)
            speed = given.speed[site] if given.speed else None
            past = given.motion[site] if given.motion else None
            out = self.through(self.time(place), x, rows, past, speed)
            return out

        latents = noisy.flatten(0, 1).to(self.dtype)  # the sampler counts in float32
        x = self.conv_in(latents) + _per_frame(reference.bias, rows, frames)
        x = self.run(x, temb, modules)
        out: Tensor = self.conv_out(self.conv_act(self.conv_norm_out(x)))
        return out.view_as(noisy).to(noisy.dtype)


def _per_frame(of_rows: Tensor, rows: int, frames: int) -> Tensor:
    """One entry for all, or one a frame; one a row is repeated for the row's frames."""
    if len(of_rows) in (1, rows * frames):
        return of_rows
    return of_rows.repeat_interleave(frames, 0)


def _scales(
    trained: tuple[float, ...], of_rows: Tensor | None, frames: int
) -> tuple[float | Tensor, ...]:
    """How much each region follows the voice: a number for all frames, or (b * f, 1, 1)."""
    if of_rows is None:
        return trained
    each = of_rows.repeat_interleave(frames, 0)[:, :, None, None]
    return tuple(scale * each[:, i] for i, scale in enumerate(trained))


def _by_site(parts: Sequence[tuple[KeyValue, ...]]) -> tuple[KeyValue, ...]:
    return tuple(KeyValue.stack(site) for site in zip(*parts, strict=True))
