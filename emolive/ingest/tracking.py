"""The face in every picture of a film, and where the film is cut."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emolive.ingest.shots import LEAST_CHANGE, Bytes, difference, is_other_scene, jumps
from realtime_model.contract import RgbImage
from realtime_model.face import Face, FaceLandmarker
from realtime_model.portrait import RIVAL_WIDTH

_LOOK_ROUND_FRAMES: Final = 12  # how often the whole picture is searched for other faces
_SURE: Final = 0.7
"""Least score of others: a fold of a collar was taken for a face with up to 0.6."""
_SMALL: Final = (64, 36)
_JUMP: Final = 0.1  # of a head from one frame to the next, in widths of the face


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen in a film, one entry a frame.

    Attributes:
        faces: the tracked one.
        starts: whether a new shot begins.
        several: whether there were others of its size.
        size_px: width and height of the picture.
    """

    faces: list[Face | None]
    starts: NDArray[np.bool_]
    several: NDArray[np.bool_]
    size_px: tuple[int, int]

    @property
    def present(self) -> NDArray[np.bool_]:
        return np.array([face is not None for face in self.faces], bool)


def watch(
    frames: Iterable[RgbImage], landmarker: FaceLandmarker, report: Callable[[int], None]
) -> Watched:
    """Look at every frame; ``report`` is told how many were seen."""
    faces: list[Face | None] = []
    cuts: list[bool] = []
    several: list[bool] = []
    size_px = (0, 0)
    changes: list[float] = []
    before: Bytes | None = None
    face: Face | None = None
    for number, image in enumerate(frames):
        size_px = (image.shape[1], image.shape[0])
        now = np.asarray(cv2.resize(image, _SMALL, interpolation=cv2.INTER_AREA), np.uint8)
        cut = before is not None and is_other_scene(before, now)
        changes.append(0.0 if before is None else difference(before, now))
        before = now
        face = landmarker.track(image, None if cut else face)
        crowd = face is not None and (cut or number % _LOOK_ROUND_FRAMES == 0)
        several.append(crowd and _has_rivals(landmarker.detect(image, min_score=_SURE)))
        faces.append(face)
        cuts.append(cut)
        report(number + 1)
    starts = np.array(cuts, bool) | jumps(_moved(faces), _JUMP)
    starts |= jumps(np.array(changes, np.float32), LEAST_CHANGE)
    return Watched(faces, starts, np.array(several, bool), size_px)


def _has_rivals(faces: list[Face]) -> bool:
    return len(faces) > 1 and faces[1].width_px >= RIVAL_WIDTH * faces[0].width_px


def _moved(faces: list[Face | None]) -> NDArray[np.float32]:
    """Mean way of the landmarks since the frame before, in widths of the face, (t,)."""
    out = np.full(len(faces), np.nan, np.float32)
    for number in range(1, len(faces)):
        one, two = faces[number - 1], faces[number]
        if one is not None and two is not None:
            way = np.linalg.norm(two.landmarks[:, :2] - one.landmarks[:, :2], axis=1)
            out[number] = way.mean() / max(one.width_px, 1.0)
    return out
