"""Skin, eyes and cloth: the light that comes from every visible point of a person."""

import numpy as np
from numpy.typing import NDArray

from realtime_model.training.portraits.anatomy import Anatomy
from realtime_model.training.portraits.head_mesh import HeadMesh
from realtime_model.training.portraits.people import Person, Rgb
from realtime_model.training.portraits.surface import Surface

Floats = NDArray[np.float32]

_WRAP = np.array([0.42, 0.24, 0.18], np.float32)
"""How far light reaches round the skin's edge, by colour: red travels furthest below it."""
_SKY = np.array([0.97, 1.0, 1.05], np.float32)


def shade(
    mesh: HeadMesh,
    person: Person,
    anatomy: Anatomy,
    surface: Surface,
    light: Floats,
    chance: np.random.Generator,
) -> Floats:
    """Return linear light per pixel, (n, 3)."""
    cloth = is_cloth(surface.rest, anatomy, person.neckline) & (surface.part == 0)
    albedo, gloss = _skin(mesh, person, anatomy, surface, chance)
    albedo[cloth] = linear(person.cloth) * _weave(surface.rest[cloth])
    gloss[cloth] = 0.02
    facing = surface.normal @ light
    crease, lit, is_dressed = surface.crease[:, None], surface.lit[:, None], cloth[:, None]
    wrap = np.where(is_dressed, 0.05, _WRAP)
    main = np.clip((facing[:, None] + wrap) / (1 + wrap), 0, 1) ** 1.2
    # The shadow's edge on skin is red for the same reason as the wrap.
    main = main * np.where(is_dressed, lit, lit ** [0.7, 1.0, 1.1]) * (1 - 0.35 * crease)
    sky = 0.5 + 0.25 * surface.normal[:, 1:2] + 0.25 * surface.normal[:, 2:3]
    around = person.fill * sky * (1 - 0.75 * crease) * _SKY
    half = light + np.array([0, 0, 1], np.float32)
    polish = np.clip(surface.normal @ (half / np.linalg.norm(half)), 0, 1)
    shine = gloss * (0.22 * polish**14 + 0.16 * polish**48) * surface.lit * (facing > 0)
    colour = albedo * (0.78 * main + around) + shine[:, None]
    for part, eye in enumerate(anatomy.eyes, start=1):
        chosen = surface.part == part
        colour[chosen] = _eye(person, surface.rest[chosen] - eye, light)
    return np.asarray(colour, np.float32)


def _skin(
    mesh: HeadMesh,
    person: Person,
    anatomy: Anatomy,
    surface: Surface,
    chance: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return the skin's own colour, linear (n, 3), and how much it shines, (n,)."""
    position, body = surface.rest, surface.part == 0
    on = {name: np.where(body, _texture(mask, surface.uv), 0) for name, mask in mesh.masks.items()}
    blotch = _noise(position, 2.2, chance) * 0.04 + _noise(position, 7, chance) * 0.02
    pores = chance.normal(0, 0.035, len(position)).astype(np.float32)
    skin = linear(person.skin) * (1 + blotch + pores)[:, None]
    blood = _near(position, anatomy.nose, 0.16) * 0.8 + on["ears"] * 0.6
    for side in (-1, 1):
        cheek = anatomy.nose + np.array([side * 0.36, -0.02, -0.25], np.float32)
        blood = blood + _near(position, cheek, 0.2) * 0.9
    skin = skin * (1 - person.redness * np.clip(blood, 0, 1.2)[:, None] * [0.02, 0.26, 0.24])
    spots = np.clip(_noise(position, 45, chance) - 0.4, 0, 1) * person.freckles * on["face"]
    skin = skin * (1 - spots[:, None] * [0.4, 0.55, 0.6])
    skin = skin * (1 - on["eyelids"][:, None] * [0.12, 0.2, 0.16])
    stubble = anatomy.beard(position) * min(person.beard * 2.2, 0.62)
    stubble = stubble * (0.85 + 4 * pores)
    hair = linear(person.hair)
    skin = skin * (1 - stubble[:, None]) + (0.5 * hair + 0.15 * skin) * stubble[:, None]
    if person.cut != "bald":
        scalp = anatomy.is_scalp(position, hairline=person.hairline + 0.02) & body
        skin = np.where(scalp[:, None], hair * 0.55, skin)
    brow = anatomy.brow(position) * (0.3 + 0.3 * person.youth) * person.brows * body
    skin = skin * (1 - brow[:, None]) + 0.6 * hair * brow[:, None]
    lips = np.clip(1.3 * on["lips"], 0, 1)[:, None]
    skin = skin * (1 - lips) + linear(person.lips) * lips
    gloss = np.where(lips[:, 0] > 0.4, 0.9, 0.55) * (1 + 2.5 * pores)
    return skin.astype(np.float32), gloss.astype(np.float32)


def _eye(person: Person, offset: Floats, light: Floats) -> Floats:
    """Return linear light of an eyeball that looks into the camera, at offsets from its centre."""
    normal = offset / np.linalg.norm(offset, axis=1, keepdims=True)
    gaze = np.array([-person.yaw, person.pitch, 1], np.float32)
    gaze = gaze / np.linalg.norm(gaze)
    # Sine of the angle to the line of sight: 0 is the middle of the pupil.
    away = np.linalg.norm(normal - gaze * (normal @ gaze)[:, None], axis=1)
    white = np.array([0.72, 0.68, 0.66], np.float32) * (1 - 0.25 * away[:, None])
    angle = np.arctan2(normal[:, 1], normal[:, 0])
    rays = 1 + 0.25 * np.sin(23 * angle + 2 * np.sin(7 * angle)) * np.clip(away / 0.2, 0, 1)
    iris = linear(person.iris) * (rays * (0.6 + 2.2 * away))[:, None]
    is_iris = _ramp(away, 0.44, 0.36)[:, None]
    dark_rim = 1 - 0.7 * np.exp(-(((away - 0.41) / 0.045) ** 2))[:, None]
    pupil = _ramp(away, 0.15, 0.19)[:, None]
    colour = (white * (1 - is_iris) + iris * is_iris) * dark_rim * pupil
    under_lid = 0.35 + 0.65 * _ramp(normal[:, 1], 0.42, 0.05)[:, None]
    bright = 0.45 * person.fill + 0.75 * np.clip(normal @ light, 0, 1)[:, None]
    # A cornea bulges, so its highlight sits nearer to the middle than on the ball.
    mirror = (light + np.array([0, 0, 1], np.float32)) * [0.6, 0.6, 1]
    glint = _ramp(normal @ (mirror / np.linalg.norm(mirror)), 0.9935, 0.9965)[:, None]
    return np.asarray(colour * under_lid * bright + 0.9 * glint, np.float32)


def is_cloth(position: Floats, anatomy: Anatomy, neckline: float) -> NDArray[np.bool_]:
    """Tell which points of the body are dressed: below a collar that rises to the sides."""
    collar = anatomy.chin[1] - 0.62 - neckline + 0.75 * np.minimum(np.abs(position[:, 0]), 0.7)
    return np.asarray(position[:, 1] < collar)


def linear(srgb: Rgb) -> Floats:
    """Return linear light of an sRGB colour, (3,)."""
    return np.asarray(srgb, np.float32) ** np.float32(2.2)


def _texture(mask: Floats, uv: Floats) -> Floats:
    last = mask.shape[0] - 1
    column, row = (
        np.clip(np.round(v * last).astype(int), 0, last) for v in (uv[:, 0], 1 - uv[:, 1])
    )
    return np.asarray(mask[row, column], np.float32)


def _near(position: Floats, point: Floats, radius: float) -> Floats:
    return np.asarray(np.exp(-(((position - point) / radius) ** 2).sum(axis=1)), np.float32)


def _ramp(value: Floats, low: float, high: float) -> Floats:
    return np.asarray(np.clip((value - low) / (high - low), 0, 1), np.float32)


def _weave(position: Floats) -> Floats:
    threads = np.sin(110 * position[:, 0]) * np.sin(110 * position[:, 1])
    return np.asarray(1 + 0.07 * threads, np.float32)[:, None]


def _noise(position: Floats, frequency: float, chance: np.random.Generator) -> Floats:
    """Return smooth noise in space, about -1 to 1: random waves of about one length."""
    waves = chance.normal(0, frequency, (8, 3)).astype(np.float32)
    phases = chance.uniform(0, 2 * np.pi, 8).astype(np.float32)
    return np.asarray(np.sin(position @ waves.T + phases).sum(axis=1) / 2.8, np.float32)
