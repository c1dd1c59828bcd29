"""Memory that the server and the model process share."""

from multiprocessing.shared_memory import SharedMemory
from typing import Self

import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.geometry import WindowGeometry


class SharedSlots:
    """A row of slots; each takes the sound of one window and gives the frames of one chunk.

    The server creates and unlinks it, the worker attaches to it. Whose turn it is follows from the
    messages: a slot is the worker's from `Render` until its answer.
    """

    def __init__(self, memory: SharedMemory, geometry: WindowGeometry, *, is_owner: bool) -> None:
        self._memory = memory
        self._is_owner = is_owner
        shape = (geometry.hop_frames, geometry.height_px * 3 // 2, geometry.width_px)
        self._sound_bytes = geometry.window_samples * np.dtype(np.float32).itemsize
        self._slot_bytes = self._sound_bytes + int(np.prod(shape))
        self._shape = shape

    @classmethod
    def create(cls, geometry: WindowGeometry, count: int) -> Self:
        frames = geometry.hop_frames * geometry.height_px * 3 // 2 * geometry.width_px
        size = count * (geometry.window_samples * np.dtype(np.float32).itemsize + frames)
        return cls(SharedMemory(create=True, size=size), geometry, is_owner=True)

    @classmethod
    def attach(cls, name: str, geometry: WindowGeometry) -> Self:
        return cls(SharedMemory(name), geometry, is_owner=False)

    @property
    def name(self) -> str:
        return self._memory.name

    def sound(self, slot: int) -> NDArray[np.float32]:
        """Return the sound of a slot, (window_samples,); a view, not to be kept."""
        length = self._sound_bytes // np.dtype(np.float32).itemsize
        return np.ndarray((length,), np.float32, self._memory.buf, slot * self._slot_bytes)

    def frames(self, slot: int) -> NDArray[np.uint8]:
        """Return the frames of a slot, I420, (hop_frames, height * 3 / 2, width); a view."""
        offset = slot * self._slot_bytes + self._sound_bytes
        return np.ndarray(self._shape, np.uint8, self._memory.buf, offset)

    def close(self) -> None:
        self._memory.close()
        if self._is_owner:
            self._memory.unlink()


class LentPicture:
    """A picture in shared memory of its own, until closed."""

    def __init__(self, picture: RgbImage) -> None:
        self._memory = SharedMemory(create=True, size=picture.nbytes)
        np.ndarray(picture.shape, np.uint8, self._memory.buf)[:] = picture

    @property
    def name(self) -> str:
        return self._memory.name

    def close(self) -> None:
        self._memory.close()
        self._memory.unlink()


def borrowed_picture(name: str, shape: tuple[int, int, int]) -> RgbImage:
    """Return a copy of a picture that is lent under a name."""
    memory = SharedMemory(name)
    try:
        return np.ndarray(shape, np.uint8, memory.buf).copy()
    finally:
        memory.close()
