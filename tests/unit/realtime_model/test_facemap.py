"""The map says where lips, lids and surface are."""

import numpy as np
from numpy.typing import NDArray

from realtime_model.facemap import (
    CHANNELS,
    LIP_LINE,
    MAP_SIDE,
    UPPER_LIDS,
    draw_face_map,
    lips_at_rest,
)
from realtime_model.portrait import FramedPortrait


def channel(drawn: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    return np.asarray(drawn[CHANNELS.index(name)])


def at(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    cells = (points[:, :2] / 2).astype(int)
    return cells[:, 1], cells[:, 0]


def test_every_part_lies_where_its_landmarks_are(framed: FramedPortrait) -> None:
    drawn = draw_face_map(framed.landmarks, 256)
    assert drawn.shape == (len(CHANNELS), MAP_SIDE, MAP_SIDE)
    assert drawn.dtype == np.float32
    assert drawn.flags.c_contiguous
    marks = framed.landmarks
    assert channel(drawn, "lip_line")[at(marks[list(LIP_LINE)])].min() > 0.5
    assert channel(drawn, "upper_lids")[at(marks[list(UPPER_LIDS[0])])].min() > 0.5
    assert channel(drawn, "eyes")[at(marks[[468, 473]])].min() > 0.9
    assert channel(drawn, "face")[at(marks[[1]])].min() == 1
    for name in ("face", "lips", "eyes", "upper_lids"):
        assert channel(drawn, name)[:4, :4].max() < 0.01


def test_the_surface_runs_across_and_along_the_face(framed: FramedPortrait) -> None:
    drawn = draw_face_map(framed.landmarks, 256)
    right, left = (channel(drawn, "across")[at(framed.landmarks[[i]])][0] for i in (234, 454))
    brow, chin = (channel(drawn, "along")[at(framed.landmarks[[i]])][0] for i in (9, 175))
    assert right * left < 0
    assert brow * chin < 0


def test_size_of_the_picture_does_not_matter(framed: FramedPortrait) -> None:
    small = draw_face_map(framed.landmarks, 256)
    large = draw_face_map(framed.landmarks * 2, 512)
    assert np.abs(small - large).mean() < 0.01


def test_the_mouth_is_measured_in_widths_of_the_face(framed: FramedPortrait) -> None:
    gap, width = lips_at_rest(framed.landmarks)
    assert 0.06 < gap < 0.11  # this astronaut smiles
    assert 0.3 < width < 0.6
    assert np.allclose(lips_at_rest(framed.landmarks * 3), [gap, width])
    opened = framed.landmarks.copy()
    face = np.linalg.norm(opened[234] - opened[454])
    opened[14] += (opened[14] - opened[13]) / np.linalg.norm(opened[14] - opened[13]) * face * 0.05
    assert np.allclose(lips_at_rest(opened), [gap + 0.05, width], atol=1e-5)
