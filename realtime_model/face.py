"""Finds faces and their 478 landmarks with Google's face_landmarker networks, on the CPU.

Two small networks (Apache-2.0) run through LiteRT: a detector (896 anchor boxes on a 128x128
picture) and a landmark network (a 256x256 crop, upright, 1.5 times the face). Both files are
shipped and verified by hash.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.errors import CheckpointError

Floats = NDArray[np.float32]

_FOLDER = Path(__file__).parent / "assets" / "face"
_SHA256 = {
    "face_detector.tflite": "b4578f35940bf5a1a655214a1cce5cab13eba73c1297cd78e1a04c2380b0152f",
    "face_landmarks_detector.tflite": (
        "c7d54204ce0448474c7f3fa9af494787c0965cbdd6f20fc72867e43046bd43d5"
    ),
}
_DETECTOR_PX = 128
_CROP_PX = 256
_CROP_SCALE = 1.5
_NMS_IOU = 0.3
# Corners of the eyes, as landmark numbers: the crop is turned until they are level.
_EYE_CORNERS = (33, 263)
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Face:
    """One face in a picture.

    Attributes:
        landmarks: float32 (478, 3), x and y in pixels of the picture, z in pixels, smaller is
            nearer.
        score: the landmark network's confidence that this is a face, 0 to 1.
    """

    landmarks: Floats
    score: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the face oval, in pixels."""
        oval = self.landmarks[list(FACE_OVAL), :2]
        (left, top), (right, bottom) = oval.min(0), oval.max(0)
        return float(left), float(top), float(right), float(bottom)

    @property
    def width_px(self) -> float:
        left, _, right, _ = self.box
        return right - left

    @property
    def yaw_deg(self) -> float:
        """Turn of the head to its left (positive) or right, from the depth of the two cheeks."""
        across = self.landmarks[454] - self.landmarks[234]
        return float(np.degrees(np.arctan2(across[2], np.hypot(across[0], across[1]))))

    @property
    def roll_deg(self) -> float:
        """Tilt of the head: the angle of the line through the eyes, positive clockwise."""
        across = self.landmarks[_EYE_CORNERS[1]] - self.landmarks[_EYE_CORNERS[0]]
        return float(np.degrees(np.arctan2(across[1], across[0])))


class FaceLandmarker:
    """Detects faces. Holds two interpreters, so one instance serves one thread at a time.

    Raises:
        CheckpointError: a network file is missing or altered.
    """

    def __init__(self, *, threads: int = 1) -> None:
        self._detector = _load("face_detector.tflite", threads)
        self._landmarks = _load("face_landmarks_detector.tflite", threads)
        self._anchors = _anchors()

    def detect(
        self, image: RgbImage, *, min_score: float = 0.5, min_presence: float = 0.5
    ) -> list[Face]:
        """Return the faces of a picture, the largest first.

        The whole picture is searched, then four overlapping quarters, so that a small face is found
        too.
        """
        boxes, keypoints, scores = [], [], []
        for left, top, side in _search_squares(image):
            b, k, s = self._detect_in(image, left, top, side, min_score)
            boxes.append(b)
            keypoints.append(k)
            scores.append(s)
        box, points = np.concatenate(boxes), np.concatenate(keypoints)
        faces = []
        for i in _suppress(box, np.concatenate(scores)):
            face = self._landmarks_from(image, *_roi_from_detection(box[i], points[i]))
            face = self._landmarks_from(image, *_roi_from_landmarks(face.landmarks))
            if face.score >= min_presence:
                faces.append(face)
        return sorted(_distinct(faces), key=lambda f: -f.width_px)

    def track(self, image: RgbImage, previous: Face | None) -> Face | None:
        """Return the largest face, looking first where it was: faster and steadier on video."""
        if previous is not None:
            face = self._landmarks_from(image, *_roi_from_landmarks(previous.landmarks))
            if face.score >= 0.5:
                return face
        faces = self.detect(image)
        return faces[0] if faces else None

    def _detect_in(
        self, image: RgbImage, left: float, top: float, side: float, min_score: float
    ) -> tuple[Floats, Floats, Floats]:
        """Boxes (n, 4), key points (n, 6, 2) and scores (n,) of one square, in picture pixels."""
        scale = _DETECTOR_PX / side
        matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
        small = _warp(image, matrix, _DETECTOR_PX)
        regress, score = _run(self._detector, small / 127.5 - 1)
        raw = regress[0].reshape(-1, 8, 2) / _DETECTOR_PX
        keep = _sigmoid(score[0, :, 0]) >= min_score
        raw, anchors = raw[keep], self._anchors[keep]
        centre, size = raw[:, 0] + anchors, raw[:, 1]
        origin = np.array([left, top], np.float32)
        corners = np.concatenate([centre - size / 2, centre + size / 2], 1)
        box = (corners * side + np.tile(origin, 2)).astype(np.float32)
        points = (raw[:, 2:] + anchors[:, None]) * side + origin
        return box, points, _sigmoid(score[0, :, 0])[keep]

    def _landmarks_from(self, image: RgbImage, centre: Floats, side: float, angle: float) -> Face:
        scale = _CROP_PX / side
        cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
        turn = np.array([[cos, sin], [-sin, cos]])
        shift = np.array([_CROP_PX / 2, _CROP_PX / 2]) - turn @ centre
        crop = _warp(image, np.concatenate([turn, shift[:, None]], 1), _CROP_PX)
        outputs = _run(self._landmarks, crop / 255.0)
        points = outputs[0].reshape(478, 3)
        xy = (points[:, :2] - shift) @ np.linalg.inv(turn).T
        landmarks = np.concatenate([xy, points[:, 2:] / scale], 1).astype(np.float32)
        return Face(landmarks=landmarks, score=float(_sigmoid(outputs[1].reshape(()))))


def _load(name: str, threads: int) -> Interpreter:
    path = _FOLDER / name
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: reinstall emolive to restore it")
    if hashlib.sha256(path.read_bytes()).hexdigest() != _SHA256[name]:
        raise CheckpointError(
            f"{path} is altered: its sha256 differs; reinstall emolive to restore it"
        )
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def _run(interpreter: Interpreter, picture: NDArray[np.floating]) -> list[Floats]:
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], picture[None].astype(np.float32)
    )
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def _warp(image: RgbImage, matrix: NDArray[np.floating], side_px: int) -> Floats:
    """Cut a square out; a strong reduction is done by area first, so that nothing aliases."""
    scale = float(np.hypot(matrix[0, 0], matrix[0, 1]))
    if scale < 0.5:
        height, width = (max(1, round(n * scale)) for n in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        image = np.asarray(small, np.uint8)
        matrix = np.concatenate([matrix[:, :2] / scale, matrix[:, 2:]], 1)
    out = cv2.warpAffine(image, matrix, (side_px, side_px), flags=cv2.INTER_LINEAR)
    return out.astype(np.float32)


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))), np.float32)


def _anchors() -> Floats:
    """Centres of the detector's 896 anchors in [0, 1]: 16x16 cells twice, 8x8 six times."""
    centres = []
    for cells, repeats in ((16, 2), (8, 6)):
        axis = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(axis, axis, indexing="ij")
        centres.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2), repeats, axis=0))
    return np.concatenate(centres)


def _search_squares(image: RgbImage) -> list[tuple[float, float, float]]:
    height, width = image.shape[:2]
    side = float(max(height, width))
    squares = [((width - side) / 2, (height - side) / 2, side)]
    part = side * 0.6
    for x in (0.0, max(0.0, width - part)):
        for y in (0.0, max(0.0, height - part)):
            squares.append((x, y, part))
    return squares


def _overlap(one: Floats, others: Floats) -> Floats:
    """Intersection over union of one box (4,) with others (n, 4)."""
    inner = np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2])
    shared = np.prod(np.clip(inner, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(one[2:] - one[:2])
    return np.asarray(shared / np.maximum(areas - shared, 1e-6), np.float32)


def _suppress(boxes: Floats, scores: Floats) -> list[int]:
    """Greedy non-maximum suppression: indices of the boxes to keep, best score first."""
    order, keep = list(np.argsort(-scores)), []
    while order:
        best = order.pop(0)
        keep.append(int(best))
        order = [i for i in order if _overlap(boxes[best], boxes[[i]])[0] < _NMS_IOU]
    return keep


def _distinct(faces: list[Face]) -> list[Face]:
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: -f.score):
        box = np.array(face.box, np.float32)
        if all(_overlap(box, np.array([k.box], np.float32))[0] < _NMS_IOU for k in kept):
            kept.append(face)
    return kept


def _roi_from_detection(box: Floats, keypoints: Floats) -> tuple[Floats, float, float]:
    """Centre, side and tilt of the landmark crop; key points 0 and 1 are the eyes."""
    across = keypoints[1] - keypoints[0]
    side = float(np.max(box[2:] - box[:2])) * _CROP_SCALE
    centre = np.asarray((box[:2] + box[2:]) / 2, np.float32)
    return centre, side, float(np.arctan2(across[1], across[0]))


def _roi_from_landmarks(landmarks: Floats) -> tuple[Floats, float, float]:
    across = landmarks[_EYE_CORNERS[1], :2] - landmarks[_EYE_CORNERS[0], :2]
    angle = float(np.arctan2(across[1], across[0]))
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]], np.float32)
    upright = landmarks[:, :2] @ turn.T
    low, high = upright.min(0), upright.max(0)
    centre = turn.T @ ((low + high) / 2)
    return centre, float((high - low).max()) * _CROP_SCALE, angle
