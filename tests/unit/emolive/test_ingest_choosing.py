"""Which shots are used: faces moved by arithmetic, sound made to measure."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from emolive.ingest.choosing import Rules, choose, square_over
from emolive.ingest.clips import sound_of
from emolive.ingest.tracking import Watched
from realtime_model.contract import RgbImage
from realtime_model.face import Face, FaceLandmarker
from tests.unit.emolive.test_ingest_shots import FRAME, syllables, voice

FRAMES = 150
SIZE = (1280, 720)
_LOWER_LIP = (14, 87, 317)


@pytest.fixture(scope="module")
def face(astronaut: RgbImage) -> Face:
    """A face 200 pixels wide in the middle of the picture."""
    found = FaceLandmarker().detect(astronaut)[0]
    middle = np.array([(found.box[0] + found.box[2]) / 2, (found.box[1] + found.box[3]) / 2, 0])
    scale = 200 / found.width_px
    marks = (found.landmarks - middle) * scale + np.array([SIZE[0] / 2, SIZE[1] / 2, 0])
    return Face(marks.astype(np.float32), 1.0)


def speaking(face: Face, opening: NDArray[np.floating]) -> list[Face]:
    """The face with its mouth opened by so many shares of 40 pixels, one a frame."""
    faces = []
    for share in opening:
        marks = face.landmarks.copy()
        marks[list(_LOWER_LIP), 1] += 40 * share
        faces.append(Face(marks, 1.0))
    return faces


def watched(faces: list[Face | None], several: bool = False) -> Watched:
    flags = np.zeros(len(faces), bool)
    flags[::12] = several
    return Watched(faces, np.zeros(len(faces), bool), flags, SIZE)


def shifted(faces: list[Face], way: NDArray[np.floating]) -> list[Face]:
    """Faces shifted in x, pixels a frame."""
    return [
        Face((f.landmarks + np.array([x, 0, 0])).astype(np.float32), 1.0)
        for f, x in zip(faces, way, strict=True)
    ]


@pytest.fixture
def scene(face: Face) -> tuple[list[Face], NDArray[np.int16]]:
    loudness = syllables(FRAMES)
    return speaking(face, loudness), voice(loudness)


RULES = Rules()


def reasons(faces: list[Face], sound: NDArray[np.int16], rules: Rules = RULES) -> list[str]:
    chosen, left_out = choose(watched(list(faces)), sound, rules)
    assert not chosen
    return [left.reason for left in left_out]


def test_a_face_that_says_what_is_heard_is_used(
    scene: tuple[list[Face], NDArray[np.int16]],
) -> None:
    (one,), left_out = choose(watched(list(scene[0])), scene[1], RULES)
    assert left_out == []
    assert (one.shot.first, one.shot.end) == (0, FRAMES)
    assert (one.lag_frames, one.moved_frames) == (0, 0)
    assert one.face_px == pytest.approx(200, abs=1)
    assert one.box[2] - one.box[0] == pytest.approx(one.box[3] - one.box[1])


@pytest.mark.parametrize("late", [6, -6])
def test_sound_that_is_moved_is_the_sound_of_the_mouth(late: int, face: Face) -> None:
    loudness = syllables(FRAMES)
    sound = voice(loudness)
    (one,), _ = choose(watched(list(speaking(face, np.roll(loudness, late)))), sound, RULES)
    assert one.moved_frames == late
    heard, first = sound_of(one, sound), one.shot.first
    assert len(heard) == len(one.shot) * FRAME
    assert len(one.shot) == FRAMES - 6
    expected = sound[(first - late) * FRAME :][: 50 * FRAME]
    assert np.array_equal(heard[: 50 * FRAME], expected)


def test_what_is_wrong_with_a_face_is_named(scene: tuple[list[Face], NDArray[np.int16]]) -> None:
    faces, sound = scene
    small = [Face(f.landmarks * np.float32(0.4), 1.0) for f in faces]
    assert reasons(small, sound) == ["small"]
    turned = []
    for f in faces:
        marks = f.landmarks.copy()
        marks[:, 2] = 1.5 * marks[:, 0]
        turned.append(Face(marks, 1.0))
    assert reasons(turned, sound) == ["turned"]
    assert reasons(shifted(faces, np.full(FRAMES, 600)), sound) == ["cut_off"]
    assert reasons(shifted(faces, np.linspace(-350, 350, FRAMES)), sound) == ["wanders"]
    _, (crowd,) = choose(watched(list(faces), several=True), sound, RULES)
    assert crowd.reason == "several_faces"


def test_what_is_wrong_with_a_sound_is_named(scene: tuple[list[Face], NDArray[np.int16]]) -> None:
    faces, sound = scene
    assert reasons(faces, sound[: 30 * FRAME]) == ["no_sound"]
    assert reasons(faces, np.zeros_like(sound)) == ["quiet"]
    assert reasons(faces, voice(syllables(FRAMES, 7))) == ["not_this_voice"]


def test_a_clip_ends_with_its_sound(scene: tuple[list[Face], NDArray[np.int16]]) -> None:
    (one,), _ = choose(watched(list(scene[0])), scene[1][: 100 * FRAME], RULES)
    assert len(one.shot) == 100


def test_long_shots_are_divided_and_short_ones_told_together(
    scene: tuple[list[Face], NDArray[np.int16]],
) -> None:
    faces, sound = scene
    chosen, _ = choose(watched(list(faces)), sound, replace(RULES, longest_s=3.0))
    assert [(c.shot.first, c.shot.end) for c in chosen] == [(0, 75), (75, 150)]
    gaps: list[Face | None] = [f if n % 30 else None for n, f in enumerate(faces)]
    _, (short,) = choose(watched(gaps), sound, RULES)
    assert short.reason == "short"
    assert "1.2 s at most" in short.message
    rare: list[Face | None] = [f if n % 30 < 5 else None for n, f in enumerate(faces)]
    _, (nobody,) = choose(watched(rare), sound, RULES)
    assert nobody.reason == "no_face"


def test_the_square_holds_every_place_of_the_face_and_stands_in_the_middle(face: Face) -> None:
    faces = shifted([face] * 11, np.linspace(-100, 100, 11))
    left, top, right, bottom = square_over(faces)
    assert min(f.box[0] for f in faces) > left
    assert max(f.box[2] for f in faces) < right
    assert top < face.box[1] < face.box[3] < bottom
    assert (left + right) / 2 == pytest.approx(SIZE[0] / 2, abs=5)
    one = square_over([face])
    assert one[2] - one[0] <= right - left
