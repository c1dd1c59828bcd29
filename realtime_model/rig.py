"""The rig of a face: where every pixel of a portrait goes when its 52 ARKit shapes or head move.

The portrait is cut along the 898 triangles of the face mesh; each triangle is drawn where its three
landmarks go. Eyeballs lie in a layer of their own behind the lids, and rings around the face carry
hair, neck and shoulders along with falling weight, so that the background stays still. A mouth that
is open in the portrait is closed when nothing is asked. Training paints what this uncovers
(`realtime_model.training.rig`); a running model asks how the mouth of its portrait closes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.face import FACE_OVAL
from realtime_model.mesh import (
    FACE_POINTS,
    LIDS,
    LOWER_INNER_LIP,
    UPPER_INNER_LIP,
    PortraitMesh,
)

Floats = NDArray[np.float32]

_FOLDER = Path(__file__).parent / "assets" / "face"


@dataclass(frozen=True, slots=True)
class Pose:
    """What the rig is asked to show.

    Attributes:
        shapes: ARKit activations in the order of `arkit_labels`, (52,), 0 to 1.
        rotation_rad: pitch, yaw, roll.
        shift: sideways and downwards, in face widths.
        gaze: eyes to the right and down, in iris diameters.
    """

    shapes: Floats
    rotation_rad: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift: tuple[float, float] = (0.0, 0.0)
    gaze: tuple[float, float] = (0.0, 0.0)


@cache
def arkit_labels() -> tuple[str, ...]:
    """Names of the 52 activations, in the order of `Pose.shapes`."""
    with np.load(_FOLDER / "arkit.npz") as file:
        return tuple(str(name) for name in file["labels"])


@cache
def lip_gains() -> Floats:
    """How much one unit of each activation opens and widens a mouth, (52, 2), in face widths.

    On the head that the shapes come from: what anybody sees of a mouth is about this sum.
    """
    with np.load(_FOLDER / "arkit.npz") as file:  # x to the right, z up
        moved, still = file["displacement"], file["neutral"]
    opening = (moved[:, 13] - moved[:, 14])[:, 2]
    wider = (moved[:, 291] - moved[:, 61])[:, 0]
    face_width = np.linalg.norm(still[454] - still[234])
    return np.asarray(np.stack([opening, wider], 1) / face_width, np.float32)


def at_rest() -> Pose:
    """A face that does nothing: its mouth closed, its eyes open, looking ahead."""
    return Pose(np.zeros(len(arkit_labels()), np.float32))


def shapes_from(activations: Mapping[str, float]) -> Floats:
    """Return the (52,) vector of a few named activations."""
    index = {name: i for i, name in enumerate(arkit_labels())}
    out = np.zeros(len(index), np.float32)
    for name, value in activations.items():
        out[index[name]] = value
    return out


class FaceRig:
    """Moves one face. Pure: the same pose gives the same motion.

    Args:
        landmarks: of the portrait, (478, 3) pixels.
        size_px: its side.
    """

    def __init__(self, landmarks: NDArray[np.floating], size_px: int) -> None:
        self.size_px = size_px
        self.rest = landmarks.astype(np.float64)
        oval = self.rest[list(FACE_OVAL)]
        self.face_width_px = float(np.linalg.norm(self.rest[454] - self.rest[234]))
        height = float(np.linalg.norm(self.rest[10] - self.rest[152]))
        self._shapes = _fit_shapes(self.rest)
        self._index = {name: i for i, name in enumerate(arkit_labels())}
        self._close = self._closing_activation()
        self._seal = self._sealing_shift()
        depth = self.face_width_px
        self._pivot = oval.mean(0) + np.array([0.0, height * 0.62, depth * 0.45])
        self._mesh = PortraitMesh.around(self.rest, self.size_px)
        self._iris_px = float(np.linalg.norm(self.rest[469, :2] - self.rest[471, :2]))

    def _closing_activation(self) -> float:
        """How far the jaw must rise to close a mouth that is open in the photo; at most 0."""
        gap = self.rest[14, 1] - self.rest[13, 1]
        jaw = self._shapes[self._index["jawOpen"]]
        reach = jaw[14, 1] - jaw[13, 1]
        return float(-np.clip(gap / max(reach, 1e-3), 0.0, 0.6))

    def _sealing_shift(self) -> NDArray[np.float64]:
        """What closing the jaw leaves open is shared by the two lips: (478, 3)."""
        points = self.rest + self._close * self._shapes[self._index["jawOpen"]]
        shift: NDArray[np.float64] = np.zeros_like(points)
        for up, low in zip(UPPER_INNER_LIP[1:-1], LOWER_INNER_LIP[1:-1], strict=True):
            gap = points[low] - points[up]
            shift[up] += 0.35 * gap
            shift[low] -= 0.65 * gap
        return shift

    def _expressed(self, asked: Floats) -> NDArray[np.float64]:
        """Landmarks after the expression, before the head turns; lids close exactly."""
        shapes = asked.astype(np.float64)
        blink = {side: float(shapes[self._index[f"eyeBlink{side}"]]) for side in LIDS}
        for side in LIDS:
            shapes[self._index[f"eyeBlink{side}"]] = 0.0
        shapes[self._index["jawOpen"]] += self._close
        points = self.rest + self._seal + np.tensordot(shapes, self._shapes, 1)
        self._keep_lips_apart(points)
        for side, (upper, lower, crease, _) in LIDS.items():
            amount = np.clip(blink[side], 0, 1)
            up, low = list(upper), list(lower)
            gap = points[low] - points[up]
            points[up] += gap * amount * 0.9
            points[low] -= gap * amount * 0.08
            points[list(crease)] += gap[1:-1] * amount * 0.35
        return points

    @staticmethod
    def _keep_lips_apart(points: NDArray[np.float64]) -> None:
        """Lips press, they do not pass through each other: the crossing is shared between them."""
        for up, low in zip(UPPER_INNER_LIP[1:-1], LOWER_INNER_LIP[1:-1], strict=True):
            crossing = points[up, 1] - points[low, 1]
            if crossing > 0:
                points[up, 1] -= crossing / 2
                points[low, 1] += crossing / 2

    def landmarks(self, pose: Pose) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Moved landmarks (478, 3), and the same without the expression."""
        pitch, yaw, roll = pose.rotation_rad
        turn = np.eye(3)
        for axis, angle in enumerate((pitch, yaw, roll)):
            vector = np.zeros(3)
            vector[axis] = angle
            turn = turn @ cv2.Rodrigues(vector)[0]
        shift = np.array([*pose.shift, 0.0]) * self.face_width_px

        def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray((points - self._pivot) @ turn.T + self._pivot + shift)

        return move(self._expressed(pose.shapes)), move(self.rest)

    def source_of(self, pose: Pose) -> Floats:
        """For each pixel of a frame the portrait pixel (x, y) it shows, (h, w, 2)."""
        return self.source_between(*self.landmarks(pose), pose.gaze)

    def lips_of(self, pose: Pose) -> tuple[float, float]:
        """Gap between the inner lips and how much wider the mouth is than in the portrait.

        Both over the width of the face; rounded lips are narrower, below 0.
        """
        moved, _ = self.landmarks(pose)
        wider = distance(moved, 61, 291) - distance(self.rest, 61, 291)
        return distance(moved, 13, 14) / self.face_width_px, wider / self.face_width_px

    def source_between(
        self,
        moved: NDArray[np.float64],
        rigid: NDArray[np.float64],
        gaze: tuple[float, float],
    ) -> Floats:
        mesh = self._mesh
        pulled = (rigid - self.rest)[mesh.ring_parent, :2] * mesh.ring_weight[:, None]
        flat = mesh.base[-mesh.border :]
        target = np.concatenate([moved[:FACE_POINTS, :2], mesh.ring + pulled, flat])
        depth = np.concatenate([moved[:FACE_POINTS, 2], np.full(len(target) - FACE_POINTS, 1e3)])
        eyes_at = rigid[:FACE_POINTS, :2]
        order = mesh.skin[np.argsort(-depth[mesh.skin].mean(1))]
        source = self._map(np.concatenate([mesh.eyeball, order]), eyes_at, target)
        return self._look(source, gaze)

    def _map(
        self,
        triangles: NDArray[np.int64],
        eyes_at: NDArray[np.float64],
        target: NDArray[np.float64],
    ) -> Floats:
        """Backward map (h, w, 2): later triangles cover earlier ones; the first are eyeballs."""
        size, eyeballs = self.size_px, len(self._mesh.eyeball)
        corners = target[triangles]
        corners[:eyeballs] = eyes_at[triangles[:eyeballs]]
        number = np.zeros((size, size), np.int32)
        fixed = np.round(corners * 16).astype(np.int32)
        for i, corner in enumerate(fixed):
            cv2.fillConvexPoly(number, corner, i + 1, cv2.LINE_8, 4)
        linear, offset = _affine(corners, self._mesh.base[triangles])
        at = np.maximum(number - 1, 0)
        y, x = np.mgrid[:size, :size].astype(np.float64)
        source = np.einsum("hwij,hwj->hwi", linear[at], np.stack([x, y], -1)) + offset[at]
        hole = number == 0
        source[hole] = np.stack([x, y], -1)[hole]
        return np.asarray(source, np.float32)

    def _look(self, source: Floats, gaze: tuple[float, float]) -> Floats:
        """Turn the eyes: inside the lids the picture slides, most at the iris."""
        if gaze == (0.0, 0.0):
            return source
        slide = np.zeros(source.shape[:2], np.float32)
        for upper, lower, _, iris in LIDS.values():
            eye = self.rest[[*upper, *lower[::-1]], :2].astype(np.float32)
            half = np.ptp(eye[:, 0]) / 2
            away = (source - self.rest[iris, :2]) / np.array([half, half], np.float32)
            bump = np.exp(-2.2 * (away**2).sum(-1))
            mask = np.zeros(source.shape[:2], np.uint8)
            cv2.fillPoly(mask, [np.round(eye * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
            soft = cv2.GaussianBlur(mask, (0, 0), 0.7).astype(np.float32) / 255
            inside = cv2.remap(soft, source[..., 0], source[..., 1], cv2.INTER_LINEAR)
            slide += bump * inside
        shift = np.array(gaze, np.float32) * self._iris_px
        return source - slide[..., None] * shift


def displacement(source: NDArray[np.float32], cells: int) -> NDArray[np.float16]:
    """Backward map in pixels (h, w, 2) -> displacement (2, cells, cells) in [-1, 1] units."""
    size = source.shape[0]
    y, x = np.mgrid[:size, :size].astype(np.float32)
    moved = (source - np.stack([x, y], -1)) * (2 / size)
    small = cv2.resize(moved, (cells, cells), interpolation=cv2.INTER_AREA)
    return np.asarray(small.transpose(2, 0, 1), np.float16)


def distance(points: NDArray[np.float64], one: int, other: int) -> float:
    """Pixels between two landmarks of (478, 3)."""
    return float(np.linalg.norm(points[one] - points[other]))


def _affine(
    target: NDArray[np.float64], base: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Map target -> base per triangle: linear (n, 2, 2), offset (n, 2); empty ones: a corner."""
    edges = np.stack([target[:, 1] - target[:, 0], target[:, 2] - target[:, 0]], -1)
    # Slivers cover next to nothing, and would fetch it from far outside.
    flat = np.abs(np.linalg.det(edges)) < 0.5
    edges[flat] = np.eye(2)
    goal = np.stack([base[:, 1] - base[:, 0], base[:, 2] - base[:, 0]], -1)
    goal[flat] = 0
    linear = goal @ np.linalg.inv(edges)
    return linear, base[:, 0] - np.einsum("tij,tj->ti", linear, target[:, 0])


def _fit_shapes(rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn and scale the 52 shapes (52, 478, 3) onto a portrait: similarity fit of the landmarks.

    Source: Umeyama 1991, closed-form similarity from point pairs.
    """
    with np.load(_FOLDER / "arkit.npz") as file:
        neutral, shapes = (
            file["neutral"].astype(np.float64),
            file["displacement"].astype(np.float64),
        )
    to_picture = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # x right, y down, z away
    model, picture = neutral @ to_picture.T, rest - rest.mean(0)
    model = model - model.mean(0)
    u, s, vt = np.linalg.svd(picture.T @ model)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale = float((s * np.diag(sign)).sum() / (model**2).sum())
    return np.asarray(shapes @ to_picture.T @ (u @ sign @ vt).T * scale)
