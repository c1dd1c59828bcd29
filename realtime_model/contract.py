"""What the server knows of the model: numpy in, numpy out, streams named by id. No torch here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime_model.geometry import WindowGeometry

RgbImage = NDArray[np.uint8]
"""A picture: uint8, (height, width, 3), red first, rows from the top."""


@dataclass(frozen=True, slots=True)
class AudioWindow:
    """The sound one model call looks at.

    Attributes:
        samples: float32 in [-1, 1], (window_samples,): ``past | hop | lookahead``, see
            `WindowGeometry`.
        chunk_index: 0 for the first hop of the stream.
        is_speech: whether voice activity was detected in the hop; False lets the portrait idle.
    """

    samples: NDArray[np.float32]
    chunk_index: int
    is_speech: bool = True


@dataclass(frozen=True, slots=True)
class VideoChunk:
    """The answer to one window.

    Attributes:
        frames: uint8 RGB, (hop_frames, height_px, width_px, 3).
        chunk_index: the window's.
    """

    frames: NDArray[np.uint8]
    chunk_index: int


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a person may choose for one stream.

    Attributes:
        seed: the same seed, portrait and sound give the same frames.
        steps: denoising steps per chunk; None takes the preset's default.
        motion: how far head and eyes wander, 0 (still) to 1 (as trained).
        head_speed: how fast the head turns, 0.5 to 2; 1 is as trained.
        expression: how far the face moves with the voice, 0.5 to 1.5; 1 is as trained.
        blinks: blinks per minute, 0 to 40.
    """

    seed: int = 0
    steps: int | None = None
    motion: float = 1.0
    head_speed: float = 1.0
    expression: float = 1.0
    blinks: float = 18.0


class AvatarModel(Protocol):
    """Turns windows of sound into chunks of video, for any number of interleaved streams."""

    @property
    def geometry(self) -> WindowGeometry: ...

    def open(self, stream_id: str, portrait: RgbImage, options: StreamOptions) -> RgbImage:
        """Prepare a stream and return its resting frame, (height_px, width_px, 3).

        Raises:
            PortraitError: the picture holds no usable face.
            StreamError: the id is open already.
        """

    def render(self, windows: Mapping[str, AudioWindow]) -> dict[str, VideoChunk]:
        """Render one window each of several streams in a single pass through the network.

        Raises:
            StreamError: an id is unknown.
        """

    def close(self, stream_id: str) -> None:
        """Forget a stream; unknown ids are ignored."""
