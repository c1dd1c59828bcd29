"""The network: EMO's backbone and ReferenceNet, at two resolutions of a small latent.

Each of the five sites runs self- and reference-attention over the cells of a frame,
audio-attention, then attention over time with the motion frames in front and the speed of the head
beside. ReferenceNet is the same trunk without audio and time; its features at each site are what
the backbone attends to.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from realtime_model.blendshapes import posed
from realtime_model.config import ModelConfig
from realtime_model.embeddings import (
    FaceLocator,
    RestEncoder,
    SpeedEncoder,
    TimeEmbedding,
    down_to_cells,
)
from realtime_model.facemap import CHANNELS
from realtime_model.features import Heard
from realtime_model.gestures import GESTURES
from realtime_model.layers import Attention, FeedForward, KeyValue, ResBlock, group_norm, upsample
from realtime_model.schedule import alpha_sigma

_MAX_FRAMES = 32  # motion frames and new frames share these positions in time


@dataclass(frozen=True, slots=True)
class ReferenceCache:
    """All the backbone needs of a portrait, computed once.

    Attributes:
        keys: reference keys and values, one per site, (1, heads, n, c / heads).
        bias: what the face locator adds after the first convolution, (1, c, 8, 8).
        rest: what its mouth adds to the time embedding, (1, temb).
        fields: latents of its mouth, closed and moved by each shape, as diffused,
            (1, 1 + shapes, c, 8, 8); see `blendshapes`.
    """

    keys: tuple[KeyValue, ...]
    bias: Tensor
    rest: Tensor
    fields: Tensor


@dataclass(frozen=True, slots=True)
class Conditions:
    """What steers one chunk, the same at all its steps.

    Attributes:
        audio: keys and values of the audio tokens, one per site, rows (b * f).
        audio_bias: pooled audio and gestures, for the time embedding, (b * f, temb).
        motion: motion-frame features, one per site, (b, n, cells, c).
        speed: keys and values of the speed features, one per site, rows b.
        mouth: what the voice means for the mouth, (b, f, shapes).
    """

    audio: tuple[KeyValue, ...]
    audio_bias: Tensor
    motion: tuple[Tensor, ...]
    speed: tuple[KeyValue, ...]
    mouth: Tensor


class Trunk(nn.Module):
    """Convolutions and self-attention of both networks; sites count 0..4 from the input on."""

    def __init__(self, config: ModelConfig, enter: int) -> None:
        super().__init__()
        a, b = config.denoiser.widths
        temb = config.denoiser.temb
        self.widths = (a, b, b, b, a)
        self.enter = nn.Conv2d(enter, a, 3, padding=1)
        self.res = nn.ModuleList(
            [
                ResBlock(a, a, temb),
                ResBlock(b, b, temb),
                ResBlock(b, b, temb),
                ResBlock(2 * b, b, temb),
                ResBlock(2 * a, a, temb),
            ]
        )
        self.down = nn.Conv2d(a, b, 3, 2, 1)
        self.up = nn.Conv2d(b, a, 3, padding=1)
        self.norms = nn.ModuleList(nn.LayerNorm(w) for w in self.widths)
        self.self_attention = nn.ModuleList(
            Attention(w, w // config.denoiser.head_dim) for w in self.widths
        )
        self.feed = nn.ModuleList(FeedForward(w) for w in self.widths)


class ReferenceNet(nn.Module):
    """Features of a portrait, or of a motion frame, at every site."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        a = config.denoiser.widths[0]
        self.time = TimeEmbedding(config.denoiser.temb)
        self.trunk = Trunk(config, config.denoiser.channels)
        self.portrait = down_to_cells(3 + len(CHANNELS), a)

    def look(self, portrait: Tensor, face_map: Tensor) -> Tensor:
        """Return what portraits add after the first convolution, (b, c, 8, 8).

        Args:
            portrait: (b, 3, 64, 64) in [-1, 1].
            face_map: (b, 10, 64, 64).
        """
        out: Tensor = self.portrait(torch.cat([portrait, face_map], 1))
        return out

    def forward(self, latent: Tensor, level: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
        """Return normed features (n, cells, c) per site of latents (n, c, 8, 8) at levels (n,)."""
        trunk, temb = self.trunk, self.time(level)
        bank: list[Tensor] = []

        def site(x: Tensor, i: int) -> Tensor:
            h, w = x.shape[2:]
            tokens = x.flatten(2).transpose(1, 2)
            normed = trunk.norms[i](tokens)
            bank.append(normed)
            attention = trunk.self_attention[i]
            own = attention.key_value(normed)  # type: ignore[operator]
            tokens = tokens + attention(normed, own)
            tokens = tokens + trunk.feed[i](tokens)
            return _as_map(tokens, h, w)

        _run_trunk(trunk, trunk.enter(latent) + bias, temb, site)
        return tuple(bank)


class Backbone(nn.Module):
    """Predicts the velocity of noisy latents.

    What is heard is drawn on the face first: the mouth as the encoder reads it, moved as the rig
    would move this portrait. The layers see the noisy latent without it, and it beside; what they
    predict is the rest: head, expression, and what was heard wrong.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        settings = config.denoiser
        token, tokens = config.audio.token_dim, 2 * config.audio.margin_frames + 2
        heads = [w // settings.head_dim for w in (_widths(settings.widths))]
        widths = _widths(settings.widths)
        self.time = TimeEmbedding(settings.temb)
        self.locator = FaceLocator(settings.widths[0])
        self.rest = RestEncoder(settings.temb)
        self.trunk = Trunk(config, 2 * config.denoiser.channels)
        self.audio_position = nn.Parameter(torch.randn(tokens, token) * 0.3)
        self.audio_pool = nn.Sequential(
            nn.Linear(tokens * token, settings.temb),
            nn.SiLU(),
            nn.Linear(settings.temb, settings.temb),
        )
        self.no_audio = nn.Parameter(torch.zeros(tokens, token))
        self.gesture = nn.Linear(len(GESTURES), settings.temb)
        nn.init.zeros_(self.gesture.weight)
        nn.init.zeros_(self.gesture.bias)
        self.speed = SpeedEncoder(48, config.audio.margin_frames)
        pairs = list(zip(widths, heads, strict=True))
        self.audio_norms = nn.ModuleList(nn.LayerNorm(w) for w in widths)
        self.audio_attention = nn.ModuleList(Attention(w, h, token) for w, h in pairs)
        self.time_norms = nn.ModuleList(nn.LayerNorm(w) for w in widths)
        self.time_attention = nn.ModuleList(Attention(w, h) for w, h in pairs)
        self.time_position = nn.ParameterList(
            nn.Parameter(torch.randn(_MAX_FRAMES, w) * 0.02) for w in widths
        )
        self.speed_norms = nn.ModuleList(nn.LayerNorm(w) for w in widths)
        self.speed_attention = nn.ModuleList(Attention(w, h, 48) for w, h in pairs)
        for attention in self.speed_attention:
            assert isinstance(attention, Attention)
            nn.init.zeros_(attention.to_out.weight)
            nn.init.zeros_(attention.to_out.bias)
        a = settings.widths[0]
        self.leave = nn.Sequential(
            group_norm(a), nn.SiLU(), nn.Conv2d(a, config.denoiser.channels, 3, padding=1)
        )

    def reference_keys(self, bank: tuple[Tensor, ...]) -> tuple[KeyValue, ...]:
        """Keys and values of ReferenceNet's features, through the backbone's own projections."""
        return tuple(
            attention.key_value(features)  # type: ignore[operator]
            for attention, features in zip(self.trunk.self_attention, bank, strict=True)
        )

    def portrait(
        self, bank: tuple[Tensor, ...], face_map: Tensor, lips: Tensor, fields: Tensor
    ) -> ReferenceCache:
        """All that is computed once of portraits.

        Args:
            bank: ReferenceNet's features of them, (b, cells, c) per site.
            face_map: (b, 10, 64, 64).
            lips: (b, 2), see `facemap.lips_at_rest`.
            fields: (b, 1 + shapes, c, 8, 8), see `ReferenceCache`.
        """
        return ReferenceCache(
            self.reference_keys(bank), self.locator(face_map), self.rest(lips), fields
        )

    def conditions(
        self,
        heard: Heard,
        motion: tuple[Tensor, ...],
        gesture: Tensor,
        speed_deg: Tensor,
        known: Tensor,
    ) -> Conditions:
        """Prepare what all steps of a chunk share.

        Args:
            heard: of `AudioEncoder.around`; see `nothing_heard` for guidance.
            motion: ReferenceNet's features of the motion frames, (b * n, cells, c) per site.
            gesture: (b, f, 5), see `realtime_model.gestures`.
            speed_deg: (b, f) degrees a frame.
            known: (b,) whether the speed is given.
        """
        rows = len(heard.tokens)
        flat = heard.tokens.flatten(0, 1)
        placed = flat + self.audio_position
        speed = self.speed(speed_deg, known)
        return Conditions(
            audio=tuple(a.key_value(placed) for a in self.audio_attention),  # type: ignore[operator]
            audio_bias=self.audio_pool(flat.flatten(1)) + self.gesture(gesture.flatten(0, 1)),
            motion=tuple(m.view(rows, -1, *m.shape[1:]) for m in motion),
            speed=tuple(a.key_value(speed) for a in self.speed_attention),  # type: ignore[operator]
            mouth=heard.mouth,
        )

    def nothing_heard(self, heard: Heard, gone: Tensor) -> Heard:
        """The same, but rows ``gone`` (b,) are told that there is no sound to go by."""
        return Heard(
            torch.where(gone[:, None, None, None], self.no_audio, heard.tokens),
            heard.mouth * ~gone[:, None, None],
        )

    def forward(
        self, noisy: Tensor, level: Tensor, reference: ReferenceCache, given: Conditions
    ) -> Tensor:
        """Return the velocity (b, f, c, 8, 8) of noisy latents of the same shape at levels (b,)."""
        rows, frames = noisy.shape[:2]
        steady = (self.time(level) + reference.rest).repeat_interleave(frames, 0)
        temb = steady + given.audio_bias
        trunk = self.trunk
        bias = reference.bias
        if len(bias) not in (1, rows * frames):
            bias = bias.repeat_interleave(frames, 0)

        def site(x: Tensor, i: int) -> Tensor:
            n, _, h, w = x.shape
            tokens = x.flatten(2).transpose(1, 2)
            normed = trunk.norms[i](tokens)
            attention = trunk.self_attention[i]
            own = attention.key_value(normed)  # type: ignore[operator]
            tokens = tokens + attention(normed, own, reference.keys[i].expand(n))
            tokens = tokens + self.audio_attention[i](self.audio_norms[i](tokens), given.audio[i])
            tokens = self._through_time(tokens, i, rows, given)
            tokens = tokens + trunk.feed[i](tokens)
            return _as_map(tokens, h, w)

        # z = said + rest: with the network's velocity of the rest that of the whole is known.
        said = posed(reference.fields, given.mouth)
        alpha, sigma = (a[:, None, None, None, None] for a in alpha_sigma(level))
        unsaid = torch.cat([noisy - alpha * said, said], 2)
        x = trunk.enter(unsaid.flatten(0, 1)) + bias
        out: Tensor = self.leave(_run_trunk(trunk, x, temb, site))
        return out.view_as(noisy) - sigma * said

    def _through_time(self, tokens: Tensor, i: int, rows: int, given: Conditions) -> Tensor:
        """Attention over frames at each cell, motion frames in front, then over the speeds."""
        n, cells, c = tokens.shape
        frames = n // rows
        own = tokens.view(rows, frames, cells, c).transpose(1, 2).reshape(-1, frames, c)
        past = given.motion[i].transpose(1, 2).reshape(rows * cells, -1, c)
        whole: Tensor = self.time_norms[i](torch.cat([past, own], 1))
        whole = whole + self.time_position[i][: whole.shape[1]]
        attention = self.time_attention[i]
        seen = attention.key_value(whole)  # type: ignore[operator]
        own = own + attention(whole[:, past.shape[1] :], seen)
        speed = given.speed[i].expand(rows * cells)
        out: Tensor = own + self.speed_attention[i](self.speed_norms[i](own), speed)
        return out.view(rows, cells, frames, c).transpose(1, 2).reshape(n, cells, c)


def _widths(widths: tuple[int, int]) -> tuple[int, ...]:
    a, b = widths
    return (a, b, b, b, a)


def _as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """Tokens (n, cells, c) as a map (n, c, height, width)."""
    n, _, c = tokens.shape
    return tokens.transpose(1, 2).reshape(n, c, height, width)


def _run_trunk(
    trunk: Trunk, x: Tensor, temb: Tensor, site: Callable[[Tensor, int], Tensor]
) -> Tensor:
    """Down, middle and up again; ``site(x, i)`` runs the attention of site i."""
    res = trunk.res
    high = site(res[0](x, temb), 0)
    low = site(res[1](trunk.down(high), temb), 1)
    x = site(res[2](low, temb), 2)
    x = site(res[3](torch.cat([x, low], 1), temb), 3)
    x = trunk.up(upsample(x))
    out: Tensor = site(res[4](torch.cat([x, high], 1), temb), 4)
    return out
