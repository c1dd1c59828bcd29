"""Does a long call wear the face out? One portrait, one looped voice, first against last tenth.

The film is never held: a few frames of either tenth are measured or kept as they pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.generator import Generator
from realtime_model.portrait import FramedPortrait
from realtime_model.training.evaluation import film_chunks
from realtime_model.training.identity import FaceEmbedder
from realtime_model.training.judging.picture import face_box, mean_colour, sharpness
from realtime_model.training.motion import FPS

_SAMPLES = 75  # frames of a tenth whose colour and sharpness are measured
_FACES = 15  # frames of a tenth whose identity is measured


@dataclass(frozen=True, slots=True)
class Tenth:
    """Means over the first or the last tenth of a film.

    Attributes:
        colour: mean red, green, blue of the face, levels of 255.
        sharpness: median Laplacian variance of the face.
        identity: median distance to the portrait; None if not asked.
    """

    colour: tuple[float, float, float]
    sharpness: float
    identity: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """How a long film of one portrait ends, beside how it began."""

    portrait: str
    clip: str
    minutes: float
    first: Tenth
    last: Tenth

    @property
    def summary(self) -> dict[str, float]:
        """Relative changes; that of the identity is a plain difference of distances."""
        before, after = np.array(self.first.colour), np.array(self.last.colour)
        out = {
            "drift_colour": float((np.abs(after - before) / np.maximum(before, 1.0)).max()),
            "drift_sharpness": abs(self.last.sharpness / max(self.first.sharpness, 1e-6) - 1),
        }
        if self.first.identity is not None and self.last.identity is not None:
            out["drift_identity"] = self.last.identity - self.first.identity
        return {name: round(value, 4) for name, value in out.items()}


class DriftMeter:
    """Takes the frames of a film one by one and keeps the figures of its two ends.

    Args:
        portrait: as the model frames it.
        frames: how many the film has.
        embedder: tells who it is; None leaves identity out.
    """

    def __init__(
        self, portrait: FramedPortrait, frames: int, embedder: FaceEmbedder | None
    ) -> None:
        self.frames = frames
        self._tenth = max(1, frames // 10)
        self._box = face_box(portrait)
        self._distances = None if embedder is None else partial(embedder.distances, portrait.image)
        self._colours: tuple[list[NDArray[np.float64]], ...] = ([], [])
        self._sharpness: tuple[list[float], ...] = ([], [])
        self._faces: tuple[list[RgbImage], ...] = ([], [])

    def look(self, number: int, frame: RgbImage) -> None:
        """Measure a frame if it is one of those that count."""
        is_last = number >= self.frames - self._tenth
        place = number - (self.frames - self._tenth if is_last else 0)
        if place >= self._tenth:
            return
        if place % max(1, self._tenth // _SAMPLES) == 0:
            self._colours[is_last].append(mean_colour(frame, self._box))
            self._sharpness[is_last].append(sharpness(frame, self._box))
        if place % max(1, self._tenth // _FACES) == 0:
            self._faces[is_last].append(frame.copy())

    def tenth(self, *, last: bool) -> Tenth:
        """The figures of one end; every frame of it was looked at before."""
        red, green, blue = (float(c) for c in np.mean(self._colours[last], 0))
        identity = None
        if self._distances is not None:
            identity = float(np.median(self._distances(np.stack(self._faces[last]))))
        return Tenth((red, green, blue), float(np.median(self._sharpness[last])), identity)


def film_drift(
    model: Generator, picture: RgbImage, audio: NDArray[np.int16], meter: DriftMeter
) -> Iterator[int]:
    """Film a portrait for long, show every frame to the meter; yields the frames done so far.

    Args:
        model: renders the film.
        picture: who speaks; framed by the model, as the meter's portrait was.
        audio: int16, 16 kHz, said again and again.
        meter: takes the frames.
    """
    done = 0
    for chunk in film_chunks(model, picture, audio, meter.frames, looped=True):
        for frame in chunk:
            meter.look(done, frame)
            done += 1
        yield done


def frames_of(minutes: float) -> int:
    """Frames of a film of that length, at least 20."""
    return max(20, round(minutes * 60 * FPS))
