"""Where things are on a shaped head: eyes, brows, lips, hairline, measured rather than assumed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime_model.training.portraits.head_mesh import HeadMesh
from realtime_model.training.portraits.strands import Skull

Floats = NDArray[np.float32]

_EYE_FROM_MIDDLE = 0.29
"""Of the grown-up mesh."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Points and lengths of one head, in the mesh's units.

    Attributes:
        eyes: centres of the two eyeballs, the person's left first, (2, 3).
        eye_radius: of the balls.
        mouth, chin, nose: points on the middle line.
        half_width: from the middle to the temple.
        top: height of the crown.
        youth: as of the person; a child's brows lie level.
    """

    eyes: Floats
    eye_radius: float
    mouth: Floats
    chin: Floats
    nose: Floats
    half_width: float
    top: float
    youth: float = 0.0

    @property
    def eye_height(self) -> float:
        return float(self.eyes[:, 1].mean())

    @property
    def brow_rise(self) -> float:
        """From the eyes up to the crown."""
        return self.top - self.eye_height

    def is_scalp(self, points: Floats, *, hairline: float) -> NDArray[np.bool_]:
        """Tell which points (n, 3) on the head grow hair: beyond the face, above the nape."""
        x, y, z = points.T
        front = self.eyes[0, 2] - 0.75 * self.half_width
        across = x / (0.93 * self.half_width)
        rise = (y - self.eye_height) / (0.64 * self.brow_rise * hairline)
        is_face = (across**2 + rise**2 < 1) & (z > front) | (np.abs(x) < 0.9 * self.half_width) & (
            y < self.eye_height
        ) & (z > front)
        behind = np.clip((front - 0.2 - z) / self.half_width, 0, 1)
        lowest = (
            self.eye_height - 0.12 * self.half_width - behind * (self.eye_height - self.mouth[1])
        )
        return np.asarray(~is_face & (y > lowest))

    def beard(self, points: Floats) -> Floats:
        """Return how thickly a beard grows at points (n, 3): jaw, chin and upper lip, 0 to 1."""
        x, y, z = points.T
        reach = self.nose[1] - self.mouth[1]
        jaw = _smooth(
            y, self.mouth[1] + 0.7 * np.abs(x) - 0.05, self.mouth[1] - 0.12 + 0.7 * np.abs(x)
        )
        jaw = (
            jaw * _smooth(y, self.chin[1] - 0.28, self.chin[1] - 0.02) * (z > self.mouth[2] - 0.75)
        )
        lip_x, lip_y = np.abs(x) / 0.30, (y - self.mouth[1] - 0.48 * reach) / (0.24 * reach + 0.05)
        moustache = np.clip(1.6 - lip_x**2 - lip_y**2, 0, 1) * (z > self.mouth[2] - 0.25)
        lips = ((x / 0.27) ** 2 + ((y - self.mouth[1]) / 0.10) ** 2 < 1) & (z > self.mouth[2] - 0.3)
        return np.asarray(np.where(lips, 0, np.maximum(jaw, moustache)), np.float32)

    def covers_face(self, strands: Floats) -> NDArray[np.bool_]:
        """Tell which strands (n, k, 3) hang into the face."""
        x, y, z = np.moveaxis(strands, -1, 0)
        across = x / (0.86 * self.half_width)
        rise = (y - self.eye_height) / (0.56 * self.brow_rise)
        low = (y < self.eye_height) & (y > self.chin[1] - 0.2) & (np.abs(across) < 1)
        hidden = (z > self.eyes[0, 2] - 0.5 * self.half_width) & ((across**2 + rise**2 < 1) | low)
        return np.asarray(hidden.any(axis=1))

    def brow(self, points: Floats) -> Floats:
        """Return how thickly eyebrows grow at points (n, 3), 0 to 1."""
        x, y, z = points.T
        along = (np.abs(x) - self.eyes[0, 0]) / (0.62 * self.eyes[0, 0])
        arch = self.eye_height + 0.215 + 0.03 * along - 0.055 * along**2
        # Taken off afterwards: a rounding error in a grown-up's brow would draw all hair anew.
        arch = arch - self.youth * (0.018 * along - 0.033 * along**2 - 0.005)
        half_height = 0.030 - 0.012 * along
        inside = np.clip(1.5 - np.abs(y - arch) / np.maximum(half_height, 0.008), 0, 1)
        ends = _smooth(along, -1.05, -0.8) * (1 - _smooth(along, 0.85, 1.1))
        return np.asarray(inside * ends * (z > self.eyes[0, 2]), np.float32)

    def skull(self) -> Skull:
        centre_y = self.eye_height + 0.12
        depth = 1.18 * self.half_width
        centre = np.array([0, centre_y, self.eyes[0, 2] - 0.72 * self.half_width - 0.1], np.float32)
        radii = np.array([self.half_width, self.top - centre_y, depth], np.float32)
        return Skull(centre, radii)


def enlarged(mesh: HeadMesh, vertices: Floats) -> Floats:
    """Return a child's head as large as a grown-up's, by the distance of the eyes.

    Brows, lashes and the camera are made for that size.
    """
    return vertices * np.float32(_EYE_FROM_MIDDLE / measure(mesh, vertices).eyes[0, 0])


def measure(mesh: HeadMesh, vertices: Floats, *, youth: float = 0.0) -> Anatomy:
    """Measure a shaped head."""
    balls = [vertices[np.unique(mesh.parts[f"helper-{side}-eye"].triangles)] for side in "lr"]
    eyes = np.stack([(b.min(axis=0) + b.max(axis=0)) / 2 for b in balls])
    body = vertices[np.unique(mesh.parts["body"].triangles)]
    middle = body[(np.abs(body[:, 0]) < 0.03) & (body[:, 2] > eyes[0, 2] - 0.1)]
    nose = middle[np.argmax(middle[:, 2])]
    lips = mesh.masks["lips"]
    corners = mesh.parts["body"]
    column, row = (corners.uv * (lips.shape[0] - 1)).astype(int).reshape(-1, 2).T
    on_lips = lips[lips.shape[0] - 1 - row, column] > 0.5
    mouth_points = vertices[corners.triangles.reshape(-1)[on_lips]]
    mouth = np.array([0, mouth_points[:, 1].mean(), mouth_points[:, 2].max()], np.float32)
    moved, moves = mesh.shape("chin-prominent-incr")
    chin = vertices[moved[np.argmax(np.linalg.norm(moves, axis=1))]]
    temple = body[(body[:, 1] > eyes[0, 1] + 0.25) & (body[:, 1] < eyes[0, 1] + 0.6)]
    return Anatomy(
        eyes=eyes.astype(np.float32),
        eye_radius=float(np.ptp(balls[0][:, 1]) / 2),
        mouth=mouth,
        chin=chin,
        nose=nose,
        half_width=float(np.abs(temple[:, 0]).max()),
        top=float(body[:, 1].max()),
        youth=youth,
    )


def _smooth(value: NDArray[np.floating], low: float | Floats, high: float | Floats) -> Floats:
    """Rise from 0 at ``low`` to 1 at ``high``, which may be the smaller one."""
    share = np.clip((value - low) / (np.asarray(high) - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
