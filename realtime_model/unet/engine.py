"""The engine of presets with a unet: pictures are diffused as Stable Diffusion does.

    window   -> speech encoder on eight seconds of past -> features of the hop
    portrait -> autoencoder, ReferenceNet               -> keys and values, once a stream
    latents  -> autoencoder                             -> frames

What of `StreamOptions` does something here is said at `UnetEngine.begun`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from realtime_model.contract import AudioWindow, RgbImage, StreamOptions
from realtime_model.engine import Velocity, denoised_again, draw_gestures
from realtime_model.errors import ConfigError
from realtime_model.portrait import FramedPortrait
from realtime_model.pretrained.latents import CELL_PX, ImageLatents
from realtime_model.pretrained.voices import VoiceEncoder, hear_windows
from realtime_model.state import StreamState
from realtime_model.unet.masks import find_regions
from realtime_model.unet.network import Portrait, Step, UnetNetwork

State = StreamState[Portrait]


@dataclass(frozen=True, slots=True)
class Senses:
    """The networks around the UNets.

    Attributes:
        voice: hears.
        encoder: brings the portrait to a latent.
        decoder: brings latents to frames; may be the encoder.
    """

    voice: VoiceEncoder
    encoder: ImageLatents
    decoder: ImageLatents


class UnetEngine:
    """Implements `engine.Engine` with a `UnetNetwork`, on the device the network lies on."""

    def __init__(self, network: UnetNetwork, senses: Senses, step: Step | None = None) -> None:
        """Put the parts together.

        Args:
            network: where it runs, in the precision it runs in.
            senses: on the same device.
            step: stands for the network's backbone, see `UnetNetwork.guided`.

        Raises:
            ConfigError: windows, motion frames, speech features or latents do not fit the network.
        """
        self.network, self.config, self._step = network.eval(), network.config, step
        self._senses = senses
        self._device = network.backbone.conv_in.weight.device
        self._margin = self.config.audio.margin_frames
        self._check_windows()
        self._check_voice()
        self._check_pictures()

    def prepare(self, portrait: FramedPortrait) -> Portrait:
        """Compute once what a portrait needs. Nobody in particular is shown: see `Portrait`."""
        side = self.config.geometry.width_px // CELL_PX
        depths = len(self.network.unet.widths)
        found = find_regions(portrait.landmarks, portrait.image.shape[0], side, depths)
        picture = torch.from_numpy(np.ascontiguousarray(portrait.image))[None]
        latent = self._senses.encoder.encode(picture).to(self._device)
        return self.network.portrait(latent, found.to(self._device))

    def begun(self, avatar: Portrait, options: StreamOptions) -> State:
        """A stream before its first chunk.

        Of the options, ``seed`` and ``steps`` do what they say. ``expression`` scales how much face
        and lips follow the voice, and ``motion`` how much everything else does, as Hallo's weights
        of face, lips and pose do: a head that is asked not to move moves less, not never.
        ``head_speed`` and, for the speed, ``motion`` are told to networks with speed layers and do
        nothing in others. ``blinks`` does nothing: these networks blink as they were trained to.
        Where the voice has the place of face tokens no regions are known to it, so ``expression``
        and the other half of ``motion`` do nothing either.
        """
        past = self.network.first_motion(avatar)
        return StreamState(
            avatar=avatar,
            motion_frames=None if past is None else past[0],
            last_hop=avatar.still.expand(self.config.geometry.hop_frames, -1, -1, -1),
            steps=options.steps or self.config.sampler.steps,
            options=options,
        )

    def hear(self, windows: Sequence[AudioWindow]) -> Tensor:
        """Features of the frames of the hops and their neighbours, (b, n + f + 2m, layers, d).

        In front of them those of ``overlap_frames``, heard anew with more of what followed.
        """
        samples = torch.from_numpy(np.stack([w.samples for w in windows])).to(self._device)
        chunks = [w.chunk_index for w in windows]
        config, voice = self.config, self._senses.voice
        before = config.overlap_frames
        return hear_windows(voice, samples, chunks, config.geometry, self._margin, before=before)

    def velocity(self, states: Sequence[State], heard: Tensor, chunks: Sequence[int]) -> Velocity:
        """The backbone on one chunk a stream; see `engine.Engine`.

        Motion features, keys of the voice and speeds are computed here, for all steps.
        """
        network = self.network
        portrait = Portrait.stack([s.avatar for s in states])
        shown = denoised_again(states, self.config)
        before = 0 if shown is None else shown.shape[1]
        speed = None
        if network.unet.speed:
            frames = self.config.geometry.hop_frames
            speed = draw_gestures(states, chunks, frames, before)[1].to(self._device)
        ours = heard[:, self.config.overlap_frames - before :]
        given = network.chunk(ours, self._motion(states, portrait), speed)
        scales = [(s.options.motion, *[s.options.expression] * 2) for s in states]
        on_device = torch.tensor(scales, device=self._device, dtype=network.backbone.dtype)
        return network.guided(portrait, replace(given, scales=on_device), self._step)

    def show(self, states: Sequence[State], chunks: Sequence[int], latents: Tensor) -> RgbImage:
        """Frames uint8 (b * f, h, w, 3) of latents (b, f, 4, h / 8, w / 8)."""
        frames: RgbImage = self._senses.decoder.decode(latents.flatten(0, 1)).cpu().numpy()
        return frames

    def _motion(self, states: Sequence[State], portrait: Portrait) -> tuple[Tensor, ...]:
        """Features of the motion frames; of streams that have none yet, zero maps."""
        network = self.network
        rows = [row for row, s in enumerate(states) if s.motion_frames is not None]
        if not rows:
            return network.motion(portrait, None)
        past = torch.stack([s.motion_frames for s in states if s.motion_frames is not None])
        if len(rows) == len(states):
            return network.motion(portrait, past)
        some = network.motion(Portrait.stack([states[row].avatar for row in rows]), past)
        maps = network.motion(portrait, None)
        for site, found in zip(maps, some, strict=True):
            site[rows] = found
        return maps

    def _check_windows(self) -> None:
        geometry, unet = self.config.geometry, self.network.unet
        smallest = CELL_PX << (len(unet.widths) - 1)
        hop, motion = geometry.hop_frames, self.config.motion_frames
        first = self._margin + self.config.overlap_frames
        kind = "overlap" if self.config.overlap_frames else "motion"
        refuse = partial(_refuse_unless, self.config.name)
        refuse(
            geometry.width_px == geometry.height_px and geometry.width_px % smallest == 0,
            f"geometry.width_px and height_px must be the same multiple of {smallest}",
        )
        refuse(hop >= motion, f"geometry.hop_frames must be at least the {motion} {kind} frames")
        refuse(
            hop + motion <= unet.max_frames,
            f"{hop} new and {motion} {kind} frames are more than unet.max_frames, "
            f"{unet.max_frames}: shorten geometry.hop_frames",
        )
        refuse(
            geometry.lookahead_frames >= self._margin and geometry.past_frames >= first,
            f"geometry.lookahead_frames must be at least {self._margin}, audio.margin_frames, and "
            f"past_frames at least {first}",
        )

    def _check_voice(self) -> None:
        unet = self.network.unet
        with torch.inference_mode():
            second = torch.zeros(1, self.config.geometry.sample_rate_hz, device=self._device)
            found = tuple(self._senses.voice(second).shape[2:])
        expected = (unet.audio_layers, unet.audio_dim)
        _refuse_unless(
            self.config.name,
            found == expected,
            f"its voice gives {found[0]} layers of {found[1]} numbers a frame, and unet asks for "
            f"{expected[0]} of {expected[1]}: name another kind in parts.voice",
        )

    def _check_pictures(self) -> None:
        expected = self.network.unet.channels
        for part in ("encoder", "decoder"):
            found = getattr(self._senses, part).network.config.latent_channels
            _refuse_unless(
                self.config.name,
                found == expected,
                f"the latents of its {part} have {found} channels, and unet asks for {expected}: "
                f"name another kind in parts.{part}",
            )


def _refuse_unless(name: str, fits: bool, why: str) -> None:
    if not fits:
        raise ConfigError(f"{name}: {why}")
