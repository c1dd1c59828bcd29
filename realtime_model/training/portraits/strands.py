"""Hair as strands: curves that grow from the surface, bend, fall, and stay outside the skull."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.training.portraits.raster import Camera

Floats = NDArray[np.float32]

_DEPTH_SLACK = 0.05
"""A strand this far behind the surface is still drawn: roots lie in the skin."""


@dataclass(frozen=True, slots=True)
class Strands:
    """Curves of one colour and thickness.

    Attributes:
        points: (n, k, 3).
        colour: sRGB in [0, 1] per strand, (n, 3).
        width_px: thickness in the picture.
        shine: strength of the highlight.
    """

    points: Floats
    colour: Floats
    width_px: int
    shine: float = 0.35


@dataclass(frozen=True, slots=True)
class Skull:
    """An ellipsoid that hair cannot enter."""

    centre: Floats
    radii: Floats

    def outwards(self, points: Floats) -> Floats:
        """Return the unit directions straight off the surface below points."""
        gradient = (points - self.centre) / self.radii**2
        length = np.linalg.norm(gradient, axis=1, keepdims=True)
        return np.asarray(gradient / np.maximum(length, 1e-9), np.float32)

    def push_out(self, points: Floats, margin: Floats) -> Floats:
        """Move points out from the centre until they lie ``margin`` (n,) radii outside."""
        distance = np.linalg.norm((points - self.centre) / self.radii, axis=1)
        growth = np.maximum((1 + margin) / np.maximum(distance, 1e-6), 1)
        return np.asarray(self.centre + (points - self.centre) * growth[:, None], np.float32)


def sample_surface(
    vertices: Floats, triangles: NDArray[np.int32], count: int, chance: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return (points, unit normals), both (count, 3), spread evenly over some triangles."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1)
    chosen = chance.choice(len(triangles), count, p=area / area.sum())
    u, v = np.sqrt(chance.random(count)), chance.random(count)
    weights = np.stack([1 - u, u * (1 - v), u * v], 1)[..., None]
    points = np.stack([a[chosen], b[chosen], c[chosen]], 1)
    unit = normal[chosen] / area[chosen, None]
    return (weights * points).sum(axis=1).astype(np.float32), unit.astype(np.float32)


def grow(
    roots: Floats,
    directions: Floats,
    lengths: Floats,
    *,
    steps: int,
    fall: float,
    curl: float,
    skull: Skull,
    margin: Floats,
    chance: np.random.Generator,
) -> Floats:
    """Let strands grow step by step, (n, steps + 1, 3).

    Args:
        roots: (n, 3) on the skin.
        directions: (n, 3) in which they start.
        lengths: (n,).
        steps: segments per strand.
        fall: how soon gravity wins over the way the hair was combed; 0 never.
        curl: how much each step wanders.
        skull: what the strands slide along.
        margin: (n,) how far above the skull each strand lies, in its radii.
        chance: source of the curls; neighbours curl together.
    """
    points, heading = [roots], directions / np.linalg.norm(directions, axis=1, keepdims=True)
    phase = 3.0 * roots.sum(axis=1) + chance.normal(0, 0.5, len(roots))
    for step in range(steps):
        angle = phase + 1.9 * step
        wander = np.stack([np.cos(angle), 0.3 * np.sin(2 * angle), np.sin(angle)], 1)
        heading = heading + curl * wander + np.array([0, -fall * (0.3 + 0.7 * step / steps), 0])
        heading = heading / np.linalg.norm(heading, axis=1, keepdims=True)
        free = points[-1] + heading * (lengths / steps)[:, None]
        landed = skull.push_out(free, margin)
        touching = np.abs(landed - free).max(axis=1, keepdims=True) > 1e-6
        outwards = skull.outwards(landed)
        rising = (heading * outwards).sum(axis=1, keepdims=True)
        heading = heading - touching * rising * outwards  # slide on, do not bounce off
        points.append(landed.astype(np.float32))
    return np.stack(points, 1).astype(np.float32)


def cut_below(points: Floats, ends: NDArray[np.floating]) -> Floats:
    """Return strands (n, k, 3) that go no further once they are below a height, (n,)."""
    below = np.maximum.accumulate(points[..., 1] < ends[:, None], axis=1)
    last = np.where(below.any(axis=1), below.argmax(axis=1), points.shape[1]) - 1
    steps = np.minimum(np.arange(points.shape[1]), np.maximum(last, 0)[:, None])
    return np.take_along_axis(points, steps[..., None], axis=1)


def draw(
    picture: RgbImage, depth: Floats, strands: Strands, camera: Camera, light: Floats
) -> RgbImage:
    """Draw strands over a picture, from far to near, where the surface does not hide them.

    Shading follows Kajiya and Kay (1989): a strand is bright where light meets it across.
    """
    picture = picture.copy()
    screen = camera.project(strands.points)
    tangent = np.diff(strands.points, axis=1)
    tangent = tangent / np.maximum(np.linalg.norm(tangent, axis=2, keepdims=True), 1e-9)
    half = light + np.array([0, 0, 1], np.float32)
    half = half / np.linalg.norm(half)
    across = np.sqrt(np.clip(1 - (tangent @ light) ** 2, 0, 1))
    gleam = np.clip(1 - (tangent @ half) ** 2, 0, 1) ** 24
    rise = np.linspace(0.72, 1.0, tangent.shape[1], dtype=np.float32)
    tone = strands.colour[:, None] * ((0.4 + 0.6 * across) * rise)[..., None]
    tone = tone + strands.shine * gleam[..., None] * (0.5 * strands.colour[:, None] + 0.12)
    colours = np.clip(tone * 255, 0, 255).reshape(-1, 3)
    starts, ends = screen[:, :-1].reshape(-1, 3), screen[:, 1:].reshape(-1, 3)
    shown = visible(depth, (starts + ends) * np.float32(0.5))
    order = np.flatnonzero(shown)[np.argsort(-starts[shown, 2])]
    lines = np.round(np.concatenate([starts[order, :2], ends[order, :2]], 1)).astype(int).tolist()
    for (x0, y0, x1, y1), colour in zip(lines, colours[order].tolist(), strict=True):
        cv2.line(picture, (x0, y0), (x1, y1), colour, strands.width_px, cv2.LINE_AA)
    return picture


def visible(depth: Floats, middles: Floats) -> NDArray[np.bool_]:
    """Tell which projected points (n, 3) lie in the picture and not behind the surface."""
    size_px = depth.shape[0]
    column, row = (np.clip(np.round(middles[:, k]).astype(int), 0, size_px - 1) for k in (0, 1))
    inside = ((middles[:, :2] >= 0) & (middles[:, :2] < size_px)).all(axis=1)
    return np.asarray(inside & (middles[:, 2] < depth[row, column] + _DEPTH_SLACK))
