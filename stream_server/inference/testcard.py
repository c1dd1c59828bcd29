"""The contract drawn as a level meter: transport, demos and load tests without a network.

The mouth opens with the level of exactly the 40 ms a frame shows, and a row of cells at the bottom
spells the frame's media position, so that a receiver can tell which sound belongs to which picture.
"""

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np

from realtime_model.contract import AudioWindow, RgbImage, StreamOptions, VideoChunk
from realtime_model.errors import PortraitError, StreamError
from realtime_model.geometry import WindowGeometry
from stream_server.media import Analysis, I420Image

_CELLS: Final = 16
_CELL_ROWS: Final = 16
_FULL_LEVEL: Final = 0.25
_MOUTH_RGB: Final = (96, 24, 32)
_LIP_RGB: Final = (190, 90, 90)
_BLINK_FRAMES: Final = 75


class TestcardModel:
    """Implements `AvatarModel`; its only state is the portraits: any window may follow any."""

    __test__ = False  # the name is not pytest's business

    def __init__(self) -> None:
        self.geometry: Final = WindowGeometry()
        self._portraits: dict[str, RgbImage] = {}

    def open(self, stream_id: str, portrait: RgbImage, options: StreamOptions) -> RgbImage:
        if stream_id in self._portraits:
            raise StreamError(f"stream {stream_id!r} is open already")
        if min(portrait.shape[:2]) < 64:
            raise PortraitError(
                "too_small", "The picture is smaller than 64 pixels.", "Take a larger one."
            )
        size = (self.geometry.width_px, self.geometry.height_px)
        self._portraits[stream_id] = np.asarray(
            cv2.resize(portrait, size, interpolation=cv2.INTER_AREA), np.uint8
        )
        return self._draw(self._portraits[stream_id], 0.0, 0)

    def render(self, windows: Mapping[str, AudioWindow]) -> dict[str, VideoChunk]:
        return {stream_id: self._chunk(stream_id, window) for stream_id, window in windows.items()}

    def close(self, stream_id: str) -> None:
        self._portraits.pop(stream_id, None)

    def _chunk(self, stream_id: str, window: AudioWindow) -> VideoChunk:
        portrait = self._portraits.get(stream_id)
        if portrait is None:
            raise StreamError(f"stream {stream_id!r} is unknown")
        shape = self.geometry
        hop = window.samples[shape.past_samples : shape.past_samples + shape.hop_samples]
        first = window.chunk_index * shape.hop_frames
        frames = [
            self._draw(portrait, _opening(sound), first + k)
            for k, sound in enumerate(np.split(hop, shape.hop_frames))
        ]
        return VideoChunk(np.stack(frames), window.chunk_index)

    def _draw(self, portrait: RgbImage, opening: float, position: int) -> RgbImage:
        picture = portrait.copy()
        height, width = picture.shape[:2]
        centre, half_width = (width // 2, height * 3 // 4), width // 7
        half_height = 2 + round(opening * height / 9)
        cv2.ellipse(picture, centre, (half_width, half_height), 0, 0, 360, _MOUTH_RGB, -1)
        cv2.ellipse(picture, centre, (half_width, half_height), 0, 0, 360, _LIP_RGB, 3)
        if position % _BLINK_FRAMES in (1, 2, 3):
            lid = (width // 14, 4)
            for x in (width * 3 // 8, width * 5 // 8):
                cv2.ellipse(picture, (x, height * 2 // 5), lid, 0, 0, 360, _LIP_RGB, -1)
        bits = position >> np.arange(_CELLS) & 1
        picture[-_CELL_ROWS:] = np.repeat(bits * 255, width // _CELLS)[None, :, None]
        return picture


def read_position(image: I420Image) -> int:
    """Return the media position (modulo 65,536) that a test card's frame spells, decoded or not."""
    height, width = image.shape[0] * 2 // 3, image.shape[1]
    row = image[height - _CELL_ROWS // 2, :width].reshape(_CELLS, -1)
    bits = row[:, row.shape[1] // 2] > 127
    return int(sum(1 << k for k, bit in enumerate(bits) if bit))


def _opening(sound: Analysis) -> float:
    return float(min(1.0, np.sqrt(np.mean(np.square(sound))) / _FULL_LEVEL))
