"""People who do not exist: the face of one portrait, half turned into another's."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator

from realtime_model.contract import RgbImage
from realtime_model.face import FACE_OVAL, Face
from realtime_model.training.portraits.config import SPLITS
from realtime_model.training.portraits.manifest import Portrait
from realtime_model.training.portraits.studio import Origin, Studio, mouth_gap

Floats = NDArray[np.float32]

_MAX_TURN_DEG = 9
_MAX_GAP_DIFFERENCE = 0.04
_MAX_SHARPNESS_RATIO = 1.8
_TIMES_PER_PARENT = 4
_GRID_PX = 128


@dataclass(frozen=True, slots=True)
class Sitter:
    """A portrait with its picture and face, ready to be mixed."""

    portrait: Portrait
    image: RgbImage
    face: Face


def collect_morphs(studio: Studio, packages_folder: Path) -> Iterator[str]:
    """Add the configured number of morphs per split; both parents are of the same split."""
    del packages_folder  # made from portraits, not from packages
    plan = studio.config.morphs
    for split in SPLITS:
        sitters = [_sit(studio, p) for p in studio.portraits(style="photo", split=split)]
        pairs = choose_pairs(sitters, seed=plan.seed)
        usable = ((a, b) for a, b in pairs if morph_name(a, b) not in studio.config.exclude)
        for one, other in itertools.islice(usable, plan.count(split)):
            name = morph_name(one, other)
            if name not in studio:
                _add(studio, name, one, other)
            yield name


def morph_name(one: Sitter, other: Sitter) -> str:
    """Return the name of the morph that has the hair of ``one`` and the face of ``other``."""
    return f"morph-{one.portrait.name}-{other.portrait.name}"


def choose_pairs(sitters: Sequence[Sitter], *, seed: int) -> Iterator[tuple[Sitter, Sitter]]:
    """Yield pairs that look the same way, with lips and sharpness alike; nobody too often."""
    pairs = [(a, b) for a, b in itertools.permutations(sitters, 2) if _fit(a, b)]
    # By name and seed alone, so that leaving one sitter out does not reshuffle all the others.
    pairs.sort(key=lambda pair: random.Random(f"{seed} {morph_name(*pair)}").random())
    used: Counter[str] = Counter()
    met: set[frozenset[str]] = set()
    for one, other in pairs:
        names = (one.portrait.name, other.portrait.name)
        if frozenset(names) not in met and all(used[n] < _TIMES_PER_PARENT for n in names):
            used.update(names)
            met.add(frozenset(names))
            yield one, other


def morph(one: Sitter, other: Sitter, *, share: float) -> RgbImage:
    """Return ``one``, hair and all, with its face moved towards ``other``'s.

    Args:
        one: gives hair, neck and background.
        other: gives its features.
        share: 0 leaves the face as it is; 1 gives it the shape and the features of ``other``.
    """
    points, guest_points = (s.face.landmarks[:, :2] for s in (one, other))
    target = points + share * (_aligned(guest_points, points) - points)
    size_px = one.image.shape[0]
    host = warp_to(one.image, points, target)
    guest = warp_to(other.image, guest_points, target)
    inside = face_mask(target, size_px)
    toned = match_tone(guest, host, inside > 0.5)
    mask = share * inside[..., None]
    mixed = host * (1 - mask) + toned * mask
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def warp_to(image: RgbImage, points: Floats, target: Floats) -> RgbImage:
    """Move ``points`` of a picture to ``target``, both (n, 2) px; its edge stays in place.

    Between the points the movement is interpolated linearly over their Delaunay triangles.
    """
    size_px = image.shape[0]
    edge = np.linspace(0, size_px - 1, 5, dtype=np.float32)
    frame = [(x, y) for x in edge for y in edge if {x, y} & {edge[0], edge[-1]}]
    anchors = np.concatenate([target, np.array(frame, np.float32)])
    moves = np.concatenate([points - target, np.zeros((len(frame), 2), np.float32)])
    axis = np.linspace(0, size_px - 1, _GRID_PX)
    grid_x, grid_y = np.meshgrid(axis, axis)
    coarse = LinearNDInterpolator(anchors, moves, fill_value=0)(grid_x, grid_y)
    dense = cv2.resize(coarse.astype(np.float32), (size_px, size_px))
    rows, columns = np.mgrid[:size_px, :size_px].astype(np.float32)
    moved = cv2.remap(
        image, columns + dense[..., 0], rows + dense[..., 1], cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return moved.astype(np.uint8)


def face_mask(landmarks: Floats, size_px: int) -> Floats:
    """Return 1 inside the face, falling softly to 0 at the face oval, (size_px, size_px)."""
    oval = landmarks[list(FACE_OVAL), :2]
    inner = oval.mean(axis=0) + 0.86 * (oval - oval.mean(axis=0))
    mask = np.zeros((size_px, size_px), np.float32)
    cv2.fillPoly(mask, [np.round(inner).astype(np.int32)], 1.0)
    soft_px = 0.05 * float(np.ptp(oval[:, 1]))
    return cv2.GaussianBlur(mask, (0, 0), soft_px).astype(np.float32)


def match_tone(guest: RgbImage, host: RgbImage, where: NDArray[np.bool_]) -> Floats:
    """Give ``guest`` the mean and spread of ``host``'s colours, taken in CIELAB ``where``."""
    lab_guest, lab_host = (
        cv2.cvtColor(i.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for i in (guest, host)
    )
    mean_guest, mean_host = lab_guest[where].mean(axis=0), lab_host[where].mean(axis=0)
    gain = (lab_host[where].std(axis=0) + 1) / (lab_guest[where].std(axis=0) + 1)
    toned = (lab_guest - mean_guest) * np.clip(gain, 0.6, 1.5) + mean_host
    rgb = cv2.cvtColor(toned.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.asarray(np.clip(rgb * 255, 0, 255), np.float32)


def _sit(studio: Studio, portrait: Portrait) -> Sitter:
    image = studio.read(portrait)
    return Sitter(portrait, image, studio.landmarker.detect(image)[0])


def _fit(one: Sitter, other: Sitter) -> bool:
    turn = abs(one.face.yaw_deg - other.face.yaw_deg)
    gap = abs(mouth_gap(one.face) - mouth_gap(other.face))
    sharpness = one.portrait.face_px / other.portrait.face_px
    return (
        one.portrait.identity != other.portrait.identity
        and turn < _MAX_TURN_DEG
        and gap < _MAX_GAP_DIFFERENCE
        and 1 / _MAX_SHARPNESS_RATIO < sharpness < _MAX_SHARPNESS_RATIO
    )


def _aligned(points: Floats, onto: Floats) -> Floats:
    """Move, turn and scale ``points`` (n, 2) as a whole until they lie best on ``onto``."""
    centre, centre_onto = points.mean(axis=0), onto.mean(axis=0)
    a, b = points - centre, onto - centre_onto
    turn = np.array([[np.sum(a * b), np.sum(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])]])
    cos, sin = (turn / np.sum(a * a))[0]
    return np.asarray(a @ np.array([[cos, sin], [-sin, cos]]) + centre_onto, np.float32)


def _add(studio: Studio, name: str, one: Sitter, other: Sitter) -> None:
    chance = random.Random(f"{studio.config.morphs.seed} {name}")
    image = morph(one, other, share=chance.uniform(0.55, 0.75))
    parents = (one.portrait.identity, other.portrait.identity)
    origin = Origin(
        studio.config.package(one.portrait.package),
        f"morph of {one.portrait.name} ({one.portrait.package}) and "
        f"{other.portrait.name} ({other.portrait.package})",
        "morph",
        name,
        one.portrait.split,
        parents,
    )
    studio.add(name, image, origin, face_px=min(one.portrait.face_px, other.portrait.face_px))
