"""A picture of an invented person: head and shoulders shaded pixel by pixel, hair drawn over."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime_model.contract import RgbImage
from realtime_model.training.portraits.anatomy import enlarged, measure
from realtime_model.training.portraits.head_mesh import HeadMesh
from realtime_model.training.portraits.people import Person
from realtime_model.training.portraits.raster import Camera, Fragments
from realtime_model.training.portraits.shading import linear, shade
from realtime_model.training.portraits.strands import draw, visible
from realtime_model.training.portraits.surface import Pose, look
from realtime_model.training.portraits.wigs import all_strands

Floats = NDArray[np.float32]

_DISTANCE = 13.0
_SPAN = 4.3
_CASTS_SHADOW = 1_500
"""So many strands together darken what lies behind them."""


def paint(mesh: HeadMesh, person: Person, *, size_px: int, chance: np.random.Generator) -> RgbImage:
    """Return a square picture of the person's head and shoulders."""
    vertices = mesh.shaped(person.shapes)
    if person.youth:
        vertices = enlarged(mesh, vertices)
    anatomy = measure(mesh, vertices, youth=person.youth)
    neck = anatomy.chin - np.array([0, 0.1, 0.9], np.float32)
    pose = Pose(neck, person.yaw, person.pitch)
    camera = Camera(
        eye=(0.0, anatomy.eye_height, anatomy.eyes[0, 2] + _DISTANCE),
        centre=(0.0, anatomy.eye_height - 0.15, float(anatomy.eyes[0, 2])),
        span=_SPAN,
        size_px=size_px,
    )
    light = np.array(person.light, np.float32)
    fragments, surface = look(mesh, vertices, pose, camera, light)
    scene = _backdrop(person, size_px, chance)
    scene[fragments.covered] = shade(mesh, person, anatomy, surface, light, chance)
    picture = _tone(scene)
    for grown in all_strands(mesh, vertices, anatomy, person, size_px, chance):
        strands = replace(grown, points=pose.turn(grown.points))
        if len(strands.points) >= _CASTS_SHADOW:
            picture = _shadow_of(strands.points, camera, light, picture, fragments)
        picture = draw(picture, fragments.depth, strands, camera, light)
    return picture


def _shadow_of(
    points: Floats, camera: Camera, light: Floats, picture: RgbImage, fragments: Fragments
) -> RgbImage:
    """Darken the skin behind hair, a little away from the light and softly."""
    spots = camera.project(points.reshape(-1, 3))
    spots = spots[visible(fragments.depth, spots)]
    moved_px = 0.14 * camera.size_px / camera.span * np.array([-light[0], light[1] - 0.2])
    column, row = np.round(spots[:, :2] + moved_px).astype(int).T
    inside = (column >= 0) & (column < camera.size_px) & (row >= 0) & (row < camera.size_px)
    mask = np.zeros(fragments.covered.shape, np.float32)
    mask[row[inside], column[inside]] = 1
    soft = cv2.GaussianBlur(cv2.dilate(mask, np.ones((7, 7))), (0, 0), camera.size_px / 90)
    dark = 1 - 0.42 * np.clip(soft * fragments.covered, 0, 1)[..., None] * [0.8, 1.0, 1.0]
    return np.asarray(picture * dark, np.uint8)


def _backdrop(person: Person, size_px: int, chance: np.random.Generator) -> Floats:
    """Return a studio wall out of focus, in linear light."""
    near, far = (linear(colour) for colour in person.backdrop)
    rows, columns = np.mgrid[:size_px, :size_px].astype(np.float32) / size_px - 0.5
    spread = np.clip(1.2 * np.hypot(columns - 0.15 * person.light[0], rows + 0.1), 0, 1)[..., None]
    seeds = chance.normal(0, 1, (6, 6)).astype(np.float32)
    clouds = cv2.resize(seeds, (size_px, size_px), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.asarray((near * (1 - spread) + far * spread) * (1 + 0.08 * clouds), np.float32)


def _tone(linear: Floats) -> RgbImage:
    """Linear light to sRGB bytes, with highlights that roll off instead of clipping."""
    soft = np.where(linear < 0.75, linear, 0.75 + 0.25 * np.tanh((linear - 0.75) / 0.25))
    return np.clip(np.clip(soft, 0, 1) ** (1 / 2.2) * 255 + 0.5, 0, 255).astype(np.uint8)
