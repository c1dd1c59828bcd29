"""Writes an MP4: complete at its destination, or not there at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from emolive.errors import InputError, WorkError
from emolive.sound import SoundFile
from realtime_model.geometry import WindowGeometry

_AAC_RATES_HZ = (32_000, 44_100, 48_000)
_BITS_PER_CHANNEL = 96_000
# BT.601 is what the conversion to YUV uses, and what a player must undo.
_COLOURS = "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m"


class Film:
    """H.264 and AAC in one file, fed piece by piece; the index is in front, for streaming."""

    def __init__(self, container: OutputContainer, shape: WindowGeometry, sound: SoundFile) -> None:
        self._container = container
        self.frames = 0
        self._frame_s = Fraction(1, shape.fps)
        video = container.add_stream("libx264", rate=shape.fps)
        video.width, video.height, video.pix_fmt = shape.width_px, shape.height_px, "yuv420p"
        video.options = {"crf": "18", "preset": "fast", "x264-params": _COLOURS}
        self._video = video
        rate_hz = sound.rate_hz if sound.rate_hz in _AAC_RATES_HZ else 48_000
        self._audio = container.add_stream("aac", rate=rate_hz, layout=sound.layout)
        self._audio.bit_rate = _BITS_PER_CHANNEL * self._audio.layout.nb_channels

    def add_frame(self, image: NDArray[np.uint8]) -> None:
        """Append one image, uint8 RGB (height_px, width_px, 3)."""
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = self.frames, self._frame_s
        self.frames += 1
        self._container.mux(self._video.encode(frame))

    def add_sound(self, frame: av.AudioFrame) -> None:
        """Append decoded sound."""
        self._container.mux(self._audio.encode(frame))

    def finish(self) -> None:
        """Write what the encoders still hold."""
        self._container.mux(self._video.encode(None))
        self._container.mux(self._audio.encode(None))


@contextmanager
def writing_film(
    output: Path, shape: WindowGeometry, sound: SoundFile, *, overwrite: bool
) -> Iterator[Film]:
    """Give a film to fill; it appears at ``output`` when the block ends well, and only then.

    Raises:
        InputError: the output is no place for an MP4, or exists already.
        WorkError: the disk is full or refuses.
    """
    check_output(output, overwrite=overwrite)
    unfinished = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with av.open(
            str(unfinished), "w", format="mp4", options={"movflags": "+faststart"}
        ) as container:
            film = Film(container, shape, sound)
            yield film
            film.finish()
        unfinished.replace(output)
    except (FFmpegError, OSError) as exc:
        raise WorkError(f"Cannot write {output}: {exc.strerror or exc}.") from exc
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            unfinished.unlink()


def check_output(output: Path, *, overwrite: bool) -> None:
    """Refuse at once what could only fail after minutes of work.

    Raises:
        InputError: the name, the folder or an existing file stands in the way.
    """
    if output.suffix.lower() != ".mp4":
        raise InputError(f"The output must end in .mp4, and {output.name} does not.")
    if not output.parent.is_dir():
        raise InputError(f"The folder {output.parent} does not exist.")
    if output.is_dir():
        raise InputError(f"{output} is a folder.")
    if output.exists() and not overwrite:
        raise InputError(f"{output} exists already. Choose another name or add --overwrite.")
    if not os.access(output.parent, os.W_OK):
        raise InputError(f"The folder {output.parent} cannot be written to.")
