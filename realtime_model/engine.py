"""What differs between the sizes of the network: five calls, around which `Generator` loops.

`realtime_model.tiny` moves the pixels of a portrait, on a processor; `realtime_model.unet.engine`
diffuses pictures as Stable Diffusion does, on a GPU.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from realtime_model.config import ModelConfig
from realtime_model.contract import AudioWindow, RgbImage, StreamOptions
from realtime_model.gestures import gestures, speeds_deg
from realtime_model.portrait import FramedPortrait
from realtime_model.schedule import ladder, sample
from realtime_model.state import StreamState, frame_noise

AvatarT = TypeVar("AvatarT")

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Noisy latents (b, f, c, h, w) and their levels (b,) -> velocities, for `schedule.sample`."""


class Engine(Protocol[AvatarT]):
    """The networks of a preset. It keeps nothing of a stream: all of that is in its state."""

    @property
    def config(self) -> ModelConfig: ...

    def prepare(self, portrait: FramedPortrait) -> AvatarT:
        """Compute once what a portrait needs."""

    def begun(self, avatar: AvatarT, options: StreamOptions) -> StreamState[AvatarT]:
        """A stream before its first chunk."""

    def hear(self, windows: Sequence[AudioWindow]) -> Tensor:
        """What is heard around each frame of the hops, one row a window."""

    def velocity(
        self, states: Sequence[StreamState[AvatarT]], heard: Tensor, chunks: Sequence[int]
    ) -> Velocity:
        """The network on one chunk a stream: all that its steps share is computed here, once."""

    def show(
        self, states: Sequence[StreamState[AvatarT]], chunks: Sequence[int], latents: Tensor
    ) -> RgbImage:
        """Frames uint8 (b * f, height, width, 3) of latents (b, f, c, h, w)."""


def denoise(
    engine: Engine[AvatarT],
    states: Sequence[StreamState[AvatarT]],
    heard: Tensor,
    chunks: Sequence[int],
) -> Tensor:
    """Sample the latents of one chunk a stream, (b, f, c, h, w), in as many steps as each wants."""
    frames = engine.config.geometry.hop_frames
    done: dict[int, Tensor] = {}
    for rows in _passes(states, alone=engine.config.is_one_shape):
        mine, when = [states[row] for row in rows], [chunks[row] for row in rows]
        noise = torch.stack(
            [
                frame_noise(s.options.seed, c * frames, frames, tuple(s.last_hop.shape[1:]))
                for s, c in zip(mine, when, strict=True)
            ]
        ).to(mine[0].last_hop.device)
        ours = heard if len(rows) == len(states) else heard[rows]
        down = ladder(engine.config.sampler, mine[0].steps)
        latents = sample(engine.velocity(mine, ours, when), noise, down)
        done.update(zip(rows, latents, strict=True))
    return torch.stack([done[row] for row in range(len(states))])


def _passes(states: Sequence[StreamState[AvatarT]], *, alone: bool) -> list[list[int]]:
    """Rows that go through the network together: those that want the same number of steps."""
    if alone:
        return [[row] for row in range(len(states))]
    wanted = sorted({state.steps for state in states})
    return [[row for row, state in enumerate(states) if state.steps == n] for n in wanted]


def draw_gestures(
    states: Sequence[StreamState[AvatarT]], chunks: Sequence[int], frames: int
) -> tuple[Tensor, Tensor]:
    """What the streams do besides speaking, (b, f, 5), and how fast their heads turn, (b, f).

    Speeds are in degrees a frame.
    """
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
