"""One clip on disk: a film to look at and learn pictures from, and numbers beside it.

NAME.mp4  the square around the face, 25 frames a second, with its sound
NAME.npz  what `realtime_model.training.speech.corpus.read_clip` reads, and per frame: landmarks
          (t, 478, 3) in pixels of the square, opening and width of the mouth over the width of the
          face (t,), angular speed of the head in degrees a frame (t,); then the square, (4,)

The numbers are written last: a clip without them is not there.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from emolive.ingest.choosing import Box, Chosen
from emolive.ingest.judging import span_of
from emolive.ingest.reading import FPS, FRAME_SAMPLES, RATE_HZ
from realtime_model.contract import RgbImage
from realtime_model.face import Face
from realtime_model.portrait import cut_square
from realtime_model.rig import arkit_labels
from realtime_model.training.evaluation import head_turn, mouth_opening, mouth_width
from realtime_model.training.speech.corpus import SpeechClip, write_clip

FRAME_BYTES = 40_000
"""More than a frame of either size takes, with its numbers."""


class ClipFilm:
    """An MP4 that takes pictures one by one; the sound comes at its end."""

    def __init__(self, path: Path, size_px: int) -> None:
        self._container = av.open(str(path), "w", format="mp4")
        video = self._container.add_stream("libx264", rate=FPS)
        video.width = video.height = size_px
        video.pix_fmt = "yuv420p"
        video.options = {"crf": "14", "preset": "fast"}
        self._video, self._frames = video, 0
        self._audio = self._container.add_stream("aac", rate=RATE_HZ, layout="mono")

    def add(self, image: RgbImage) -> None:
        """Append a picture, uint8 RGB."""
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = self._frames, Fraction(1, FPS)
        self._frames += 1
        self._container.mux(self._video.encode(frame))

    def finish(self, samples: NDArray[np.int16]) -> None:
        """Append the whole sound and close the file."""
        self._container.mux(self._video.encode(None))
        for at in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, at : at + 1024], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, at, Fraction(1, RATE_HZ)
            self._container.mux(self._audio.encode(frame))
        self._container.mux(self._audio.encode(None))
        self.close()

    def close(self) -> None:
        self._container.close()


@contextmanager
def whole_or_not(path: Path) -> Iterator[Path]:
    """Give a name to write to; the file appears at ``path`` when the block ends well."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def write_pictures(
    path: Path, chosen: Chosen, frames: Iterator[RgbImage], sound: NDArray[np.int16], size_px: int
) -> None:
    """Take a shot's pictures from ``frames``, cut them and write the film."""
    with whole_or_not(path) as part:
        film = ClipFilm(part, size_px)
        try:
            for _ in range(len(chosen.shot)):
                film.add(cut_square(next(frames), chosen.box, size_px))
            film.finish(sound)
        finally:
            film.close()


def write_numbers(
    path: Path, faces: list[Face], box: Box, sound: NDArray[np.int16], size_px: int, *, who: str,
    split: str,
) -> None:  # fmt: skip
    """Write all that is known of a clip besides its pictures."""
    scale = size_px / (box[2] - box[0])
    marks = np.stack([face.landmarks for face in faces]) - np.array([box[0], box[1], 0.0])
    turns = np.array([head_turn(faces[0].landmarks, face.landmarks) for face in faces])
    clip = SpeechClip(
        audio=sound,
        curves=np.full((len(faces), len(arkit_labels())), np.nan, np.float16),
        phones=[],
        voice=who,
        engine="filmed",
        language="",
        text="",
        split=split,
    )
    write_clip(
        path,
        clip,
        landmarks=(marks * scale).astype(np.float32),
        opening=np.array([mouth_opening(face) for face in faces], np.float32),
        width=np.array([mouth_width(face) for face in faces], np.float32),
        speed_deg=_speed(turns),
        square=np.array(box, np.float32),
    )


def sound_of(chosen: Chosen, samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """The sound of a clip, 640 samples a frame, moved as was decided."""
    shot = chosen.shot
    heard = span_of(samples, shot.first, shot.end, chosen.moved_frames)
    return np.pad(heard, (0, len(shot) * FRAME_SAMPLES - len(heard)))


def _speed(turns_deg: NDArray[np.float64]) -> NDArray[np.float32]:
    """Degrees a frame, (t,); the first frame stands still."""
    step = np.diff(turns_deg, axis=0, prepend=turns_deg[:1])
    return np.asarray(np.linalg.norm(step, axis=1), np.float32)
