"""A portrait and a sound file in, a film out: the live pipeline, as fast as it goes."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from emolive.errors import InputError
from emolive.film import check_output, writing_film
from emolive.progress import Report
from emolive.sound import SoundFile, VoiceBlocks, silence
from realtime_model.contract import AudioWindow, AvatarModel, RgbImage, StreamOptions
from realtime_model.face import FaceLandmarker
from realtime_model.geometry import WindowGeometry
from realtime_model.portrait import frame_portrait
from stream_server.avatars.decoding import DecodeLimits, PictureDecoder
from stream_server.media import AudioPacket, Voice
from stream_server.pipeline.decimate import Decimator
from stream_server.pipeline.framer import Framer
from stream_server.pipeline.vad import VoiceActivity
from stream_server.settings import AvatarsSection

_STREAM = "film"


@dataclass(frozen=True, slots=True)
class FilmRequest:
    """What to make: the options of ``emolive generate``."""

    portrait: Path
    audio: Path
    output: Path
    options: StreamOptions
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class FilmMade:
    """What was made, for a last line to the person who waited."""

    output: Path
    frames: int
    duration_s: float
    render_s: float
    damaged_packets: int

    def summary(self) -> str:
        """Return the line."""
        fps = self.frames / max(self.render_s, 1e-9)
        text = f"{self.output}: {self.duration_s:.2f} s, {self.frames} frames, {fps:.0f} fps"
        if self.damaged_packets:
            text += f"; {self.damaged_packets} damaged packets of the sound were skipped"
        return text


class WindowCutter:
    """From decoded sound to the windows a live call with the same sound would give."""

    def __init__(self, shape: WindowGeometry) -> None:
        self._blocks = VoiceBlocks()
        self._decimator = Decimator()
        self._activity = VoiceActivity()
        self._framer = Framer(shape)
        self._samples = 0

    def push(self, frame: av.AudioFrame) -> Iterator[AudioWindow]:
        for block in self._blocks.push(frame):
            yield from self._take(block)

    def finish(self) -> Iterator[AudioWindow]:
        """Yield the last windows, and after them windows of silence for as long as asked."""
        for block in self._blocks.finish():
            yield from self._take(block)
        while True:
            yield from self._take(silence())

    def _take(self, voice: Voice) -> list[AudioWindow]:
        analysis = self._decimator.push(voice)
        packet = AudioPacket(start=self._samples, analysis=analysis, voice=voice)
        self._samples = packet.end
        return self._framer.push(packet, self._activity.push(analysis))


def generate_film(
    request: FilmRequest, build: Callable[[], AvatarModel], report: Report
) -> FilmMade:
    """Make the film; either it is complete or nothing is left behind.

    Args:
        request: what to make.
        build: loads the model; called once everything given has been checked.
        report: told the frames written so far.

    Raises:
        InputError: a file is missing, holds no sound, or the output stands in the way.
        PictureError: the portrait is no picture.
        PortraitError: the picture cannot become an avatar.
    """
    check_output(request.output, overwrite=request.overwrite)
    with SoundFile(request.audio) as sound:
        portrait = load_portrait(request.portrait)
        model = build()
        started_s = time.monotonic()
        shape = model.geometry
        expected = None if sound.duration_s is None else round(sound.duration_s * shape.fps)
        with (
            opened(model, portrait, request.options),
            writing_film(request.output, shape, sound, overwrite=request.overwrite) as film,
        ):
            cutter, samples = WindowCutter(shape), 0
            for heard in sound.frames():
                samples += heard.samples
                film.add_sound(heard)
                for window in cutter.push(heard):
                    for image in _images(model, window):
                        film.add_frame(image)
                    report(film.frames, expected)
            total = frame_count(samples, sound.rate_hz, shape.fps)
            images = (image for window in cutter.finish() for image in _images(model, window))
            while film.frames < total:
                film.add_frame(next(images))
                report(film.frames, total)
    return FilmMade(
        output=request.output,
        frames=total,
        duration_s=samples / sound.rate_hz,
        render_s=time.monotonic() - started_s,
        damaged_packets=sound.damaged_packets,
    )


def frame_count(samples: int, rate_hz: int, fps: int) -> int:
    """Return how many frames cover so much sound; the last one may show less than its share."""
    return -(-samples * fps // rate_hz)


def load_portrait(path: Path) -> RgbImage:
    """Read a picture file with the care given to uploads, and see that it shows one face.

    Raises:
        InputError: there is no such file, or it is too large.
        PictureError: it is no picture, damaged, too small or too large.
        PortraitError: it does not show exactly one face from the front.
    """
    limits = AvatarsSection()
    if not path.is_file():
        raise InputError(f"There is no picture at {path}.")
    if path.stat().st_size > limits.max_upload_bytes:
        raise InputError(
            f"{path} is larger than {limits.max_upload_bytes // 2**20} MiB. Save it smaller."
        )
    decoder = PictureDecoder(
        DecodeLimits(
            min_side_px=limits.min_side_px,
            max_side_px=limits.max_side_px,
            max_pixels=limits.max_pixels,
            memory_bytes=limits.decode_memory_bytes,
            timeout_s=limits.decode_timeout_s,
        )
    )
    picture = asyncio.run(decoder.decode(path.read_bytes()))
    frame_portrait(picture, FaceLandmarker())  # a sentence now instead of after loading the model
    return picture


@contextmanager
def opened(model: AvatarModel, portrait: RgbImage, options: StreamOptions) -> Iterator[None]:
    """Hold the model's one stream open."""
    model.open(_STREAM, portrait, options)
    try:
        yield
    finally:
        model.close(_STREAM)


def _images(model: AvatarModel, window: AudioWindow) -> NDArray[np.uint8]:
    return model.render({_STREAM: window})[_STREAM].frames
