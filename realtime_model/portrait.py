"""From any picture to the square the model sees: one face, roughly frontal, with its shoulders."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.errors import PortraitError
from realtime_model.face import Face, FaceLandmarker

FRAME_PX = 256
# The square is this many times the height of the face oval, and its centre lies this much higher.
_SIDE_PER_FACE = 1.75
_RAISE_PER_FACE = 0.04
_MIN_FACE_WIDTH_PX = 48
_MAX_YAW_DEG = 30.0
_MAX_ROLL_DEG = 35.0
# A second face counts when it is at least this share of the first one's width.
RIVAL_WIDTH = 0.4


@dataclass(frozen=True, slots=True)
class PortraitCheck:
    """One question asked of a picture.

    Attributes:
        name: stable word, the ``reason`` of the `PortraitError` it would raise.
        ok: whether the picture passed.
        message: what was found.
        advice: what to do about it; empty when ``ok``.
    """

    name: str
    ok: bool
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class FramedPortrait:
    """A portrait as the model sees it.

    Attributes:
        image: uint8 RGB, (size, size, 3); 256 pixels unless a preset asks for more.
        landmarks: float32 (478, 3), pixels of ``image``.
        box: left, top, right, bottom of the square in the source picture, in pixels; may reach
            outside.
    """

    image: RgbImage
    landmarks: NDArray[np.float32]
    box: tuple[float, float, float, float]


def check_portrait(image: RgbImage, landmarker: FaceLandmarker) -> tuple[PortraitCheck, ...]:
    """Return the answers to every question a picture must pass; the first failed one decides."""
    return inspect_portrait(image, landmarker)[0]


def frame_portrait(
    image: RgbImage, landmarker: FaceLandmarker, size_px: int = FRAME_PX
) -> FramedPortrait:
    """Cut the square around the one face of a picture.

    Args:
        image: uint8 RGB of any size.
        landmarker: finds the face.
        size_px: side of the square that is returned.

    Raises:
        PortraitError: no face, several, too small, turned away or cut off; the text says what to
            do.
    """
    checks, face = inspect_portrait(image, landmarker)
    for check in checks:
        if not check.ok:
            raise PortraitError(check.name, check.message, check.advice)
    assert face is not None
    return frame_face(image, face, size_px)


def frame_face(image: RgbImage, face: Face, size_px: int = FRAME_PX) -> FramedPortrait:
    """Cut the square around a known face."""
    box = square_around(face)
    scale = size_px / (box[2] - box[0])
    landmarks = ((face.landmarks - np.array([box[0], box[1], 0.0])) * scale).astype(np.float32)
    return FramedPortrait(image=cut_square(image, box, size_px), landmarks=landmarks, box=box)


def cut_square(
    image: RgbImage, box: tuple[float, float, float, float], size_px: int = FRAME_PX
) -> RgbImage:
    """Cut a square out of a picture; outside the picture its border goes on, blurred.

    Args:
        image: uint8 RGB of any size.
        box: left, top, right, bottom in its pixels; may reach outside.
        size_px: side of the result.
    """
    left, top, right, _ = box
    scale = size_px / (right - left)
    if scale < 0.5:
        # Area-average first: a large photo must not alias.
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        factor = np.array([small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]])
    else:
        small, factor = image, np.ones(2)
    matrix = np.array(
        [
            [scale / factor[0], 0.0, -left * scale],
            [0.0, scale / factor[1], -top * scale],
        ]
    )
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size = (size_px, size_px)
    framed = cv2.warpAffine(small, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = np.full(small.shape[:2], 255, np.uint8)
    covered = cv2.warpAffine(inside, matrix, size, flags=cv2.INTER_NEAREST)
    if (covered < 255).any():
        soft = cv2.GaussianBlur(framed, (0, 0), size_px * 0.04)
        weight = (
            cv2.GaussianBlur(covered, (0, 0), size_px * 0.01)[..., None].astype(np.float32) / 255
        )
        framed = (framed * weight + soft * (1 - weight)).astype(np.uint8)
    return np.asarray(framed, np.uint8)


def square_around(face: Face) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the square that frames a face with its hair and shoulders."""
    left, top, right, bottom = face.box
    height = max(bottom - top, (right - left) * 1.15)
    x, y = (left + right) / 2, (top + bottom) / 2 - height * _RAISE_PER_FACE
    half = height * _SIDE_PER_FACE / 2
    return x - half, y - half, x + half, y + half


def inspect_portrait(
    image: RgbImage, landmarker: FaceLandmarker
) -> tuple[tuple[PortraitCheck, ...], Face | None]:
    """Answer every question a picture must pass, and return its largest face, if there is one."""
    faces = landmarker.detect(image)
    found = PortraitCheck(
        "no_face",
        bool(faces),
        "One face was found." if faces else "No face was found in this picture.",
        "" if faces else "Use a well-lit picture of one person who looks at the camera.",
    )
    if not faces:
        return (found,), None
    face = faces[0]
    rivals = [f for f in faces[1:] if f.width_px >= RIVAL_WIDTH * face.width_px]
    alone = PortraitCheck(
        "several_faces",
        not rivals,
        "There is exactly one person." if not rivals else f"{len(rivals) + 1} faces were found.",
        "" if not rivals else "Crop the picture to one person.",
    )
    wide = face.width_px >= _MIN_FACE_WIDTH_PX
    large = PortraitCheck(
        "too_small",
        wide,
        f"The face is {face.width_px:.0f} pixels wide.",
        "" if wide else f"Use a picture where it is at least {_MIN_FACE_WIDTH_PX} pixels wide.",
    )
    turned = abs(face.yaw_deg) > _MAX_YAW_DEG or abs(face.roll_deg) > _MAX_ROLL_DEG
    frontal = PortraitCheck(
        "not_frontal",
        not turned,
        f"The head is turned {abs(face.yaw_deg):.0f} degrees and tilted {abs(face.roll_deg):.0f}.",
        "Use a picture that looks straight into the camera." if turned else "",
    )
    whole = PortraitCheck("cut_off", *_wholeness(image, face))
    return (found, alone, large, frontal, whole), face


def _wholeness(image: RgbImage, face: Face) -> tuple[bool, str, str]:
    """Whether the face oval lies inside the picture, up to a small share."""
    height, width = image.shape[:2]
    left, top, right, bottom = face.box
    slack = 0.05 * face.width_px
    if left < -slack or top < -slack or right > width + slack or bottom > height + slack:
        return False, "The face is cut off by the edge.", "Use a picture that shows the whole face."
    return True, "The whole face is visible.", ""
