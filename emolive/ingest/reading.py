"""People's own films, whatever camera made them: pictures at 25 a second, sound at 16 kHz."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from emolive.errors import InputError
from emolive.packets import decoded
from emolive.sound import SteadyResampler
from realtime_model.contract import RgbImage

FPS: Final = 25
RATE_HZ: Final = 16_000
FRAME_SAMPLES: Final = RATE_HZ // FPS

_LONGEST_GAP_S: Final = 10.0  # a file whose pictures jump further ahead is damaged there


class FilmFile:
    """A file with pictures, read from front to back, as often as asked.

    What cannot be decoded is skipped and counted. Both picture and sound are timed from the first
    picture on.

    Attributes:
        damaged_packets: of the pictures, the last time they were read.
        read_s: how far pictures could be read the last time.

    Raises:
        InputError: the file cannot be read, or has no pictures.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged_packets, self.read_s = 0, 0.0
        try:
            with av.open(str(path), metadata_errors="replace") as container:
                if not container.streams.video:
                    raise InputError("there are no pictures in it")
                self.has_sound = bool(container.streams.audio)
                length = container.duration
        except (FFmpegError, OSError) as exc:
            raise InputError("it is no film that can be read, or it is damaged") from exc
        self.said_s = None if length is None else length / av.time_base
        """Its length in seconds, as the file says."""

    def frames(self) -> Iterator[RgbImage]:
        """Yield one picture per 40 ms: the one that is nearest in time, upright."""
        self.damaged_packets, self.read_s = 0, 0.0
        tick, gap_s = 0, 1 / FPS
        before_s, before = 0.0, None
        for now_s, picture in self._timed():
            if before is not None:
                gap_s = now_s - before_s
                while tick / FPS <= before_s + gap_s / 2:
                    yield before
                    tick += 1
            before_s, before = now_s, picture
            self.read_s = now_s
        if before is not None:
            while tick / FPS <= before_s + gap_s / 2:
                yield before
                tick += 1

    def sound(self) -> NDArray[np.int16]:
        """Return all sound as mono, sample 0 at the first picture; empty without any."""
        if not self.has_sound:
            return np.zeros(0, np.int16)
        resampler = SteadyResampler(rate_hz=RATE_HZ, layout="mono", sample_format="s16")
        blocks: list[NDArray[np.int16]] = []
        with av.open(str(self.path), metadata_errors="replace") as container:
            stream = container.streams.audio[0]
            begins_s: float | None = None
            for frame in decoded(container, stream):
                if begins_s is None:
                    begins_s = frame.time or 0.0
                blocks += [f.to_ndarray()[0].astype(np.int16) for f in resampler.push(frame)]
        blocks += [f.to_ndarray()[0].astype(np.int16) for f in resampler.finish()]
        whole = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
        late = round(((begins_s or 0.0) - self._first_picture_s()) * RATE_HZ)
        return np.pad(whole, (late, 0)) if late > 0 else whole[-late:]

    def _first_picture_s(self) -> float:
        with av.open(str(self.path), metadata_errors="replace") as container:
            frame = next(decoded(container, container.streams.video[0]), None)
            return 0.0 if frame is None or frame.time is None else float(frame.time)

    def _timed(self) -> Iterator[tuple[float, RgbImage]]:
        """Every picture with its seconds after the first; times that do not rise are left out."""
        first_s: float | None = None
        last_s = -1.0
        damaged: list[None] = []
        with av.open(str(self.path), metadata_errors="replace") as container:
            stream: Any = container.streams.video[0]
            stream.thread_type = "AUTO"
            for frame in decoded(container, stream, partial(damaged.append, None)):
                self.damaged_packets = len(damaged)
                if frame.time is None or getattr(frame, "is_corrupt", False):
                    continue
                first_s = frame.time if first_s is None else first_s
                now_s = frame.time - first_s
                if now_s > max(last_s, 0.0) + _LONGEST_GAP_S:
                    self.damaged_packets += 1
                    return
                if now_s > last_s:
                    last_s = now_s
                    yield now_s, _upright(frame)
            self.damaged_packets = len(damaged)


def _upright(frame: Any) -> RgbImage:
    """A decoded picture as RGB, turned as the camera was held, with square pixels."""
    image = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    if turns:
        image = np.ascontiguousarray(np.rot90(image, turns))
    shape = frame.sample_aspect_ratio if hasattr(frame, "sample_aspect_ratio") else None
    if shape and shape != 1:
        height, width = image.shape[:2]
        across, down = (
            (width * float(shape), height) if turns % 2 == 0 else (width, height * float(shape))
        )
        image = cv2.resize(image, (round(across), round(down)), interpolation=cv2.INTER_LINEAR)
    return np.asarray(image, np.uint8)
