"""The engine of `emo-tiny`: latents say what moves, and the portrait's own pixels are moved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime_model.autoencoder import Pyramid
from realtime_model.blendshapes import blendshapes
from realtime_model.contract import AudioWindow, RgbImage, StreamOptions
from realtime_model.denoiser import ReferenceCache
from realtime_model.engine import Velocity, denoise, draw_gestures
from realtime_model.facemap import draw_face_map, lips_at_rest
from realtime_model.features import Heard
from realtime_model.gestures import blinks
from realtime_model.glide import glide, part_cells
from realtime_model.layers import KeyValue
from realtime_model.lids import LEVELS, level_of, with_lids
from realtime_model.network import EmoNetwork
from realtime_model.portrait import FramedPortrait
from realtime_model.state import StreamState

_SETTLING = 3  # chunks until a portrait that hears nothing has closed its mouth
_REACH = 1.1  # how many times as far speech is shown: in doubt a network moves a mouth too little
_PRESS = 0.2  # how much further than until they touch lips are closed at rest
_PARTED = 0.15  # of the way to as open as in the portrait: from there on nothing is pressed


@dataclass(frozen=True, slots=True)
class Avatar:
    """A portrait, prepared once; shared by all streams that show it.

    Attributes:
        pyramid: what the decoder needs, one row per position of the lids, see `lids.LEVELS`.
        cache: what the backbone needs.
        look: what the portrait adds inside ReferenceNet, (1, width, 8, 8).
        mouth: how much each cell belongs to the mouth, (1, 1, 8, 8) in [0, 1].
        quiet: what the network makes of silence, normalised, (c, 8, 8).
    """

    pyramid: Pyramid
    cache: ReferenceCache
    look: Tensor
    mouth: Tensor
    quiet: Tensor

    @property
    def closed(self) -> Tensor:
        """What it should make of silence: the mouth closed, as the landmarks say, (c, 8, 8)."""
        return self.cache.fields[0, 0]


State = StreamState[Avatar]


class TinyEngine:
    """Implements `engine.Engine` with an `EmoNetwork`, in float32 on the processor."""

    def __init__(self, network: EmoNetwork) -> None:
        # oneDNN convolves maps whose channels lie together without reordering them first.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network.eval()
        self.config = network.config

    @torch.inference_mode()
    def prepare(self, portrait: FramedPortrait) -> Avatar:
        """Compute once what a portrait needs: pyramid, reference keys, look, and how it rests."""
        network = self.network
        drawn = draw_face_map(portrait.landmarks, portrait.image.shape[0])
        face_map = torch.from_numpy(drawn)[None]
        lids = [with_lids(portrait.image, portrait.landmarks, level) for level in LEVELS]
        pixels = torch.from_numpy(np.stack(lids)).permute(0, 3, 1, 2)
        pictures = pixels.float() / 127.5 - 1
        pyramid = network.codec.reference(pictures, face_map.expand(len(LEVELS), -1, -1, -1))
        picture = pictures[:1]
        at64 = F.avg_pool2d(face_map, 2)
        look = network.reference.look(F.avg_pool2d(picture, 4), at64)
        bank = network.reference(self._still(1), torch.zeros(1), look)
        lips = torch.from_numpy(lips_at_rest(portrait.landmarks))[None]
        size_px, side = portrait.image.shape[0], self.config.codec.latent_side
        fields = network.split(blendshapes(portrait.landmarks, size_px, side))[None]
        cache = network.backbone.portrait(bank, at64, lips, fields)
        avatar = Avatar(pyramid, cache, look, part_cells(at64, "lips"), self._still(1)[0])
        return replace(avatar, quiet=self._quiet(avatar))

    def _quiet(self, avatar: Avatar) -> Tensor:
        """Latent (c, 8, 8) the network settles on when it hears nothing and the head is still."""
        state = self.begun(avatar, StreamOptions(motion=0))
        silence = np.zeros(self.config.geometry.window_samples, np.float32)
        for chunk in range(_SETTLING):
            heard = self.hear([AudioWindow(silence, chunk, is_speech=False)])
            latents = denoise(self, [state], heard, [chunk])[0]
            state = state.advanced(latents, chunk, self.config.motion_frames)
        return latents.mean(0)

    def begun(self, avatar: Avatar, options: StreamOptions) -> State:
        """A stream before its first chunk: nothing has moved yet."""
        return StreamState(
            avatar=avatar,
            motion_frames=self._still(self.config.motion_frames),
            last_hop=self._still(self.config.geometry.hop_frames),
            steps=options.steps or self.config.sampler.steps,
            options=options,
        )

    def hear(self, windows: Sequence[AudioWindow]) -> Heard:
        """What is heard around each frame of the hops."""
        geometry, margin = self.config.geometry, self.config.audio.margin_frames
        samples = torch.from_numpy(np.stack([w.samples for w in windows]))
        tokens = self.network.audio(samples)
        first = geometry.past_frames - margin
        return self.network.audio.around(
            tokens[:, first : first + geometry.hop_frames + 2 * margin]
        )

    def velocity(self, states: Sequence[State], heard: Heard, chunks: Sequence[int]) -> Velocity:
        """The backbone on one chunk a stream; see `engine.Engine`."""
        network, level = self.network, self.config.sampler.motion_noise
        past = torch.stack([s.motion_frames for s in states if s.motion_frames is not None])
        rows, kept = past.shape[:2]
        look = torch.cat([s.avatar.look for s in states]).repeat_interleave(kept, 0)
        bank = network.reference(past.flatten(0, 1), torch.full((rows * kept,), level), look)
        drawn, speed = draw_gestures(states, chunks, self.config.geometry.hop_frames)
        known = torch.ones(rows, dtype=torch.bool)
        given = network.backbone.conditions(heard, bank, drawn, speed, known)
        reference = _stack_references([s.avatar.cache for s in states])

        def velocity_at(noisy: Tensor, level: Tensor) -> Tensor:
            v: Tensor = network.backbone(noisy, level, reference, given)
            return v

        return velocity_at

    def show(self, states: Sequence[State], chunks: Sequence[int], latents: Tensor) -> RgbImage:
        """Frames uint8 (b * f, h, w, 3) of latents (b, f, c, 8, 8)."""
        shown = torch.cat([_shown(s, z) for s, z in zip(states, latents, strict=True)])
        pyramid = Pyramid.stack([self._lids(s, c) for s, c in zip(states, chunks, strict=True)])
        decoded = self.network.codec.decoder(self.network.join(shown), pyramid)
        frames: RgbImage = decoded.pixels().cpu().numpy()
        return frames

    def _lids(self, state: State, chunk: int) -> Pyramid:
        """The portrait in each frame of a chunk: its eyes open, closed or on their way."""
        frames, options = self.config.geometry.hop_frames, state.options
        closed = blinks(options.seed, chunk * frames, frames, per_minute=options.blinks)
        return state.avatar.pyramid.pick(torch.from_numpy(level_of(closed)))

    def _still(self, frames: int) -> Tensor:
        """Latents of the portrait itself, as diffused: nothing moved."""
        side = self.config.codec.latent_side
        return torch.zeros(frames, self.config.denoiser.channels, side, side)


def _shown(state: State, latents: Tensor) -> Tensor:
    """Latents of a chunk (f, c, 8, 8) as the decoder gets them: gliding, and as lively as asked.

    Speech moves the face away from rest, and where rest is, the portrait's landmarks say: the
    network guesses how far a mouth has to close a little wrong, the same in all frames.
    """
    avatar = state.avatar
    pose, detail = glide(state.last_hop, latents, avatar.mouth).chunk(2, 1)
    quiet, closed = (rest.chunk(2)[1] for rest in (avatar.quiet, avatar.closed))
    moved = (detail - quiet) * (_REACH * state.options.expression)
    return torch.cat([pose, (1 + _press(moved, closed)) * closed + moved], 1)


def _press(moved: Tensor, closed: Tensor) -> Tensor:
    """How much further lips that rest are closed than until they touch, (f, 1, 1, 1).

    The decoder stops a little short of closing a mouth that laughs. Lips that speak are left alone.

    Args:
        moved: what speech adds to rest, (f, c, 8, 8).
        closed: what closing the mouth of the portrait takes, (c, 8, 8).
    """
    parted = -(moved * closed).sum((1, 2, 3)) / closed.square().sum().clamp(min=1e-6)
    return _PRESS * (1 - parted / _PARTED).clamp(0, 1)[:, None, None, None]


def _stack_references(parts: Sequence[ReferenceCache]) -> ReferenceCache:
    if len(parts) == 1:
        return parts[0]
    keys = tuple(
        KeyValue(torch.cat([k.key for k in site]), torch.cat([k.value for k in site]))
        for site in zip(*(p.keys for p in parts), strict=True)
    )
    names = ("bias", "rest", "fields")
    return ReferenceCache(keys, *(torch.cat([getattr(p, name) for p in parts]) for name in names))
