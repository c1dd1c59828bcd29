"""Read this first: sound and state go in, frames come out, as one visible loop.

    tokens   = audio encoder(window)                      # one token per frame, causal
    motion   = ReferenceNet(last frames)                  # what just happened
    latent   = noise
    for level in levels:                                  # two steps
        latent = step_down(latent, backbone(latent | tokens, motion, portrait))
    frames   = decoder(latent, portrait)                  # the portrait's own pixels, moved

Everything of the portrait was computed when the stream was opened (`prepare`).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime_model.autoencoder import Pyramid, latent_of
from realtime_model.contract import AudioWindow, RgbImage, StreamOptions, VideoChunk
from realtime_model.denoiser import Conditions, ReferenceCache
from realtime_model.errors import ShapeError, StreamError
from realtime_model.face import FaceLandmarker
from realtime_model.facemap import draw_face_map, lips_at_rest
from realtime_model.features import neighbours
from realtime_model.geometry import WindowGeometry
from realtime_model.gestures import blinks, gestures, speeds_deg
from realtime_model.glide import glide, part_cells
from realtime_model.layers import KeyValue
from realtime_model.lids import LEVELS, level_of, with_lids
from realtime_model.network import EmoNetwork
from realtime_model.portrait import FramedPortrait, frame_portrait
from realtime_model.rig import FaceRig, at_rest, displacement
from realtime_model.schedule import ladder, sample
from realtime_model.state import Avatar, StreamState, frame_noise

_SETTLING = 3  # chunks until a portrait that hears nothing has closed its mouth
_PRESS = 0.2  # how much further than until they touch lips are closed at rest
_PARTED = 0.15  # of the way to as open as in the portrait: from there on nothing is pressed
_RIG_CELLS = 64  # side of the field of motion that latents are pooled from


class Generator:
    """The avatar model: implements `realtime_model.contract.AvatarModel`.

    Two interleaved streams give the same frames as each alone: all a stream owns is its
    `StreamState`.
    """

    def __init__(self, network: EmoNetwork, *, device: torch.device | None = None) -> None:
        self.network = network.eval()
        self.config = network.config
        self._device = device or torch.device("cpu")
        self._landmarker = FaceLandmarker()
        self._streams: dict[str, StreamState] = {}
        self.timed: Stopwatch = Stopwatch()

    @property
    def geometry(self) -> WindowGeometry:
        return self.config.geometry

    def open(self, stream_id: str, portrait: RgbImage, options: StreamOptions) -> RgbImage:
        if stream_id in self._streams:
            raise StreamError(f"stream {stream_id} is open already")
        framed = frame_portrait(portrait, self._landmarker)
        self._streams[stream_id] = self._begun(self.prepare(framed), options)
        return framed.image

    def _begun(self, avatar: Avatar, options: StreamOptions) -> StreamState:
        """A stream before its first chunk."""
        return StreamState(
            avatar=avatar,
            motion_frames=self._still(self.config.denoiser.motion_frames),
            last_hop=self._still(self.geometry.hop_frames),
            steps=options.steps or self.config.sampler.steps,
            options=options,
        )

    def close(self, stream_id: str) -> None:
        self._streams.pop(stream_id, None)

    @torch.inference_mode()
    def prepare(self, portrait: FramedPortrait) -> Avatar:
        """Compute once what a portrait needs: pyramid, reference keys, look, and how it rests."""
        network = self.network
        drawn = draw_face_map(portrait.landmarks, portrait.image.shape[0])
        face_map = torch.from_numpy(drawn)[None].to(self._device)
        lids = [with_lids(portrait.image, portrait.landmarks, level) for level in LEVELS]
        pixels = torch.from_numpy(np.stack(lids)).to(self._device).permute(0, 3, 1, 2)
        pictures = pixels.float() / 127.5 - 1
        pyramid = network.codec.reference(pictures, face_map.expand(len(LEVELS), -1, -1, -1))
        picture = pictures[:1]
        at64 = F.avg_pool2d(face_map, 2)
        look = network.reference.look(F.avg_pool2d(picture, 4), at64)
        bank = network.reference(self._still(1), torch.zeros(1), look)
        lips = torch.from_numpy(lips_at_rest(portrait.landmarks))[None].to(self._device)
        cache = network.backbone.portrait(bank, at64, lips)
        still = self._still(1)[0]
        avatar = Avatar(pyramid, cache, look, part_cells(at64, "lips"), still, still)
        return replace(avatar, quiet=self._quiet(avatar), closed=self._closed(portrait))

    def _quiet(self, avatar: Avatar) -> Tensor:
        """Latent (c, 8, 8) the network settles on when it hears nothing and the head is still."""
        state = self._begun(avatar, StreamOptions(motion=0))
        silence = np.zeros(self.geometry.window_samples, np.float32)
        for chunk in range(_SETTLING):
            tokens = self._tokens([AudioWindow(silence, chunk, is_speech=False)])
            latents = self.denoise([state], tokens, [chunk])[0]
            state = state.advanced(latents, chunk)
        return latents.mean(0)

    def _closed(self, portrait: FramedPortrait) -> Tensor:
        """Latent (c, 8, 8) of the portrait with its mouth closed, as its landmarks say."""
        rig = FaceRig(portrait.landmarks, portrait.image.shape[0])
        moved = displacement(rig.source_of(at_rest()), _RIG_CELLS).astype(np.float32)
        latent = latent_of(torch.from_numpy(moved)[None], self.config.codec.latent_side)
        return self.network.split(latent.to(self._device))[0]

    @torch.inference_mode()
    def render(self, windows: Mapping[str, AudioWindow]) -> dict[str, VideoChunk]:
        """Render one window each of several streams in one pass; see the module's docstring."""
        ids = list(windows)
        states = [self._state(i) for i in ids]
        chunks = [windows[i].chunk_index for i in ids]
        with self.timed("features"):
            tokens = self._tokens([windows[i] for i in ids])
        with self.timed("denoise"):
            latents = self.denoise(states, tokens, chunks)
        frames = self.geometry.hop_frames
        with self.timed("decode"):
            shown = torch.cat([_shown(s, z) for s, z in zip(states, latents, strict=True)])
            pyramid = Pyramid.stack([self._lids(s, c) for s, c in zip(states, chunks, strict=True)])
            pictures = self._decode(self.network.join(shown), pyramid)
        for i, state, latent, chunk in zip(ids, states, latents, chunks, strict=True):
            self._streams[i] = state.advanced(latent, chunk)
        return {
            i: VideoChunk(pictures[k * frames : (k + 1) * frames], chunk)
            for k, (i, chunk) in enumerate(zip(ids, chunks, strict=True))
        }

    def _gestures(
        self, states: Sequence[StreamState], chunks: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """What the streams do besides speaking, (b, f, 5), and how fast their heads turn, (b, f).

        Speeds are in degrees a frame.
        """
        frames = self.geometry.hop_frames
        drawn = [
            gestures(
                s.options.seed,
                c * frames - 1,
                frames + 1,
                liveliness=s.options.motion,
                head_speed=s.options.head_speed,
            )
            for s, c in zip(states, chunks, strict=True)
        ]
        speeds = np.stack([speeds_deg(d) for d in drawn])
        return torch.from_numpy(np.stack(drawn)[:, 1:]), torch.from_numpy(speeds)

    def _lids(self, state: StreamState, chunk: int) -> Pyramid:
        """The portrait in each frame of a chunk: its eyes open, closed or on their way."""
        frames, options = self.geometry.hop_frames, state.options
        closed = blinks(options.seed, chunk * frames, frames, per_minute=options.blinks)
        return state.avatar.pyramid.pick(torch.from_numpy(level_of(closed)))

    def denoise(
        self,
        states: Sequence[StreamState],
        tokens: Tensor,
        chunks: Sequence[int],
    ) -> Tensor:
        """Sample the latents of one chunk per stream, normalised, (b, f, c, 8, 8)."""
        frames = self.geometry.hop_frames
        network, sampler = self.network, self.config.sampler
        past = torch.stack([s.motion_frames for s in states])
        noise = torch.stack(
            [
                frame_noise(s.options.seed, c * frames, frames, tuple(past.shape[2:]))
                for s, c in zip(states, chunks, strict=True)
            ]
        )
        look = torch.cat([s.avatar.look for s in states])
        rows, kept = past.shape[:2]
        level = torch.full((rows * kept,), sampler.motion_noise)
        bank = network.reference(past.flatten(0, 1), level, look.repeat_interleave(kept, 0))
        drawn, speed = self._gestures(states, chunks)
        known = torch.ones(rows, dtype=torch.bool)
        given = network.backbone.conditions(tokens, bank, drawn, speed, known)
        reference = _stack_references([s.avatar.cache for s in states])
        steps = {s.steps for s in states}
        if len(steps) == 1:
            return self._sample(noise, steps.pop(), reference, given)
        # Streams on different rungs of the quality ladder are sampled row by row.
        return torch.cat(
            [
                self._sample(
                    noise[i : i + 1], s.steps, s.avatar.cache, _row(given, i, rows, frames)
                )
                for i, s in enumerate(states)
            ]
        )

    def _sample(
        self, latent: Tensor, steps: int, reference: ReferenceCache, given: Conditions
    ) -> Tensor:
        def velocity_at(noisy: Tensor, level: Tensor) -> Tensor:
            v: Tensor = self.network.backbone(noisy, level, reference, given)
            return v

        return sample(velocity_at, latent, ladder(self.config.sampler, steps))

    def _tokens(self, windows: Sequence[AudioWindow]) -> Tensor:
        """Audio tokens around each frame of the hop, (b, f, 2m + 1, d)."""
        geometry, margin = self.geometry, self.config.audio.margin_frames
        for window in windows:
            if window.samples.shape != (geometry.window_samples,):
                raise ShapeError(
                    f"a window has {window.samples.shape} samples, not ({geometry.window_samples},)"
                )
        samples = torch.from_numpy(np.stack([w.samples for w in windows]))
        tokens = self.network.audio(samples)
        first = geometry.past_frames - margin
        return neighbours(tokens[:, first : first + geometry.hop_frames + 2 * margin], margin)

    @torch.inference_mode()
    def _decode(self, latents: Tensor, pyramid: Pyramid) -> RgbImage:
        """Frames uint8 (n, h, w, 3) of codec latents (n, c, 8, 8)."""
        frames: RgbImage = self.network.codec.decoder(latents, pyramid).pixels().cpu().numpy()
        return frames

    def _still(self, frames: int) -> Tensor:
        """Latents of the portrait itself, as diffused: nothing moved."""
        side = self.config.codec.latent_side
        return torch.zeros(frames, self.config.denoiser.channels, side, side)

    def _state(self, stream_id: str) -> StreamState:
        try:
            return self._streams[stream_id]
        except KeyError:
            raise StreamError(f"stream {stream_id} is not open") from None


class Stopwatch:
    """Times the stages of a render when somebody listens; costs nothing otherwise."""

    def __init__(self) -> None:
        # Called with a stage's name; returns the context that surrounds it.
        self.listener: Callable[[str], AbstractContextManager[object]] | None = None

    def __call__(self, stage: str) -> AbstractContextManager[object]:
        return nullcontext() if self.listener is None else self.listener(stage)


def _shown(state: StreamState, latents: Tensor) -> Tensor:
    """Latents of a chunk (f, c, 8, 8) as the decoder gets them: gliding, and as lively as asked.

    Speech moves the face away from rest, and where rest is, the portrait's landmarks say: the
    network guesses how far a mouth has to close a little wrong, the same in all frames.
    """
    avatar = state.avatar
    pose, detail = glide(state.last_hop, latents, avatar.mouth).chunk(2, 1)
    quiet, closed = (rest.chunk(2)[1] for rest in (avatar.quiet, avatar.closed))
    moved = (detail - quiet) * state.options.expression
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
    bias, rest = (torch.cat([getattr(p, name) for p in parts]) for name in ("bias", "rest"))
    return ReferenceCache(keys, bias, rest)


def _row(given: Conditions, i: int, rows: int, frames: int) -> Conditions:
    """The conditions of one stream of a batch."""

    def cut(kv: KeyValue) -> KeyValue:
        each = len(kv.key) // rows
        return KeyValue(kv.key[i * each : (i + 1) * each], kv.value[i * each : (i + 1) * each])

    return Conditions(
        audio=tuple(map(cut, given.audio)),
        audio_bias=given.audio_bias[i * frames : (i + 1) * frames],
        motion=tuple(m[i : i + 1] for m in given.motion),
        speed=tuple(map(cut, given.speed)),
    )
