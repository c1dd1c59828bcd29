"""What differs between the sizes of the network: five calls, around which `Generator` loops.

`realtime_model.tiny` moves the pixels of a portrait, on a processor; `realtime_model.unet.engine`
diffuses pictures as Stable Diffusion does, on a GPU.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from realtime_model.config import ModelConfig
from realtime_model.contract import AudioWindow, RgbImage, StreamOptions
from realtime_model.gestures import gestures, speeds_deg
from realtime_model.portrait import FramedPortrait
from realtime_model.schedule import sample_chunk
from realtime_model.state import StreamState, frame_noise

AvatarT = TypeVar("AvatarT")


class Rows(Protocol):
    """What is heard, one row a stream."""

    def __getitem__(self, rows: list[int], /) -> Self:
        """Some of the rows."""


HeardT = TypeVar("HeardT", bound=Rows)

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Noisy latents (b, f, c, h, w) and their levels (b,) -> velocities, for `sample_chunk`."""


class Engine(Protocol[AvatarT, HeardT]):
    """The networks of a preset. It keeps nothing of a stream: all of that is in its state."""

    @property
    def config(self) -> ModelConfig: ...

    def prepare(self, portrait: FramedPortrait) -> AvatarT:
        """Compute once what a portrait needs."""

    def begun(self, avatar: AvatarT, options: StreamOptions) -> StreamState[AvatarT]:
        """A stream before its first chunk."""

    def hear(self, windows: Sequence[AudioWindow]) -> HeardT:
        """What is heard around each frame of the hops, one row a window.

        With ``overlap_frames`` around those in front of the hops too.
        """

    def velocity(
        self, states: Sequence[StreamState[AvatarT]], heard: HeardT, chunks: Sequence[int]
    ) -> Velocity:
        """The network on one chunk a stream: all that its steps share is computed here, once.

        Its frames are those of the hop, and of streams with a past the ``overlap_frames`` in front.
        """

    def show(
        self, states: Sequence[StreamState[AvatarT]], chunks: Sequence[int], latents: Tensor
    ) -> RgbImage:
        """Frames uint8 (b * f, height, width, 3) of latents (b, f, c, h, w)."""


def denoise(
    engine: Engine[AvatarT, HeardT],
    states: Sequence[StreamState[AvatarT]],
    heard: HeardT,
    chunks: Sequence[int],
) -> Tensor:
    """Sample the latents of one chunk a stream, (b, f, c, h, w), in as many steps as each wants."""
    config = engine.config
    frames = config.geometry.hop_frames
    done: dict[int, Tensor] = {}
    for rows in _passes(states, config):
        mine, when = [states[row] for row in rows], [chunks[row] for row in rows]
        shown = denoised_again(mine, config)
        before = 0 if shown is None else shown.shape[1]
        like = mine[0].last_hop
        drawn = [
            frame_noise(
                s.options.seed,
                c * frames - before,
                before + frames,
                like.shape[1:],
                share=config.sampler.shared_noise,
            )
            for s, c in zip(mine, when, strict=True)
        ]
        noise = torch.stack(drawn).to(like.device)
        ours = heard if len(rows) == len(states) else heard[rows]
        velocity_at = engine.velocity(mine, ours, when)
        latents = sample_chunk(velocity_at, noise, config.sampler, mine[0].steps, shown)
        done.update(zip(rows, latents, strict=True))
    return torch.stack([done[row] for row in range(len(states))])


def denoised_again(states: Sequence[StreamState[AvatarT]], config: ModelConfig) -> Tensor | None:
    """The last latents (b, n, c, h, w) that streams of one pass denoise once more; none: n = 0."""
    if not config.overlap_frames:
        return None
    past = [s.motion_frames for s in states if s.motion_frames is not None]
    assert len(past) in (0, len(states))  # see `_passes`
    return torch.stack(past) if past else None


def _passes(states: Sequence[StreamState[AvatarT]], config: ModelConfig) -> list[list[int]]:
    """Rows that go through the network together: of as many steps, and of as many frames."""
    if config.is_one_shape:
        return [[row] for row in range(len(states))]
    rows: dict[tuple[int, bool], list[int]] = {}
    for row, state in enumerate(states):
        is_shorter = config.overlap_frames > 0 and state.motion_frames is None
        rows.setdefault((state.steps, is_shorter), []).append(row)
    return [rows[alike] for alike in sorted(rows)]


def draw_gestures(
    states: Sequence[StreamState[AvatarT]], chunks: Sequence[int], frames: int, before: int = 0
) -> tuple[Tensor, Tensor]:
    """What the streams do besides speaking, (b, n + f, 5), and how fast their heads turn.

    Speeds are in degrees a frame, (b, n + f).

    Args:
        states: of the streams.
        chunks: their indices.
        frames: of a chunk, f.
        before: frames in front of it, n.
    """
    first = before + 1  # the speed of a frame takes the one in front of it
    drawn = [
        gestures(
            s.options.seed,
            c * frames - first,
            first + frames,
            liveliness=s.options.motion,
            head_speed=s.options.head_speed,
        )
        for s, c in zip(states, chunks, strict=True)
    ]
    speeds = np.stack([speeds_deg(d) for d in drawn])
    return torch.from_numpy(np.stack(drawn)[:, 1:]), torch.from_numpy(speeds)
