import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime_model.contract import RgbImage
from realtime_model.face import FaceLandmarker
from realtime_model.portrait import frame_portrait
from realtime_model.training.portraits.config import (
    Package,
    Plan,
    PortraitsConfig,
    load_config,
)
from realtime_model.training.portraits.crop import crop_square, face_height, square_around
from realtime_model.training.portraits.filters import FILTERS
from realtime_model.training.portraits.manifest import Portrait, load_manifest
from realtime_model.training.portraits.morphs import Sitter, choose_pairs, face_mask, morph, warp_to
from realtime_model.training.portraits.renders import (
    collect_children,
    collect_crowd,
    collect_renders,
    planned_crowd,
)
from realtime_model.training.portraits.sheet import write_sheets
from realtime_model.training.portraits.studio import Origin, Studio, read_rgb, share_outside

SHIPPED = Path("realtime_model/assets/portraits")
PACKAGE = Package("p", "npm", "1", "p.tgz", "0" * 64, "CC0")


@pytest.fixture(scope="module")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker()


@pytest.fixture(scope="module")
def sitters(landmarker: FaceLandmarker) -> list[Sitter]:
    return [
        sitting(landmarker, name, read_rgb((SHIPPED / file).read_bytes()))
        for name, file in (("mira", "mira.jpg"), ("tanguy", "pere-tanguy.jpg"))
    ]


def sitting(landmarker: FaceLandmarker, name: str, image: RgbImage) -> Sitter:
    portrait = Portrait(
        name=name, file=f"train/{name}.png", split="train", style="photo", identity=name,
        face_px=200, mouth_gap=0.0, package="p", version="1", source=name, licence="CC0",
    )  # fmt: skip
    return Sitter(portrait, image, landmarker.detect(image)[0])


@pytest.fixture
def config() -> PortraitsConfig:
    return dataclasses.replace(
        load_config(Path("configs/portraits.yaml")),
        identities={},
        heldout=(),
        exclude=(),
    )


def origin(name: str) -> Origin:
    return Origin(PACKAGE, f"{name}.jpg", "photo", name, "train")


@pytest.mark.parametrize("file", sorted(p.name for p in SHIPPED.glob("*.jpg")))
def test_shipped_portraits_can_become_avatars(file: str, landmarker: FaceLandmarker) -> None:
    content = (SHIPPED / file).read_bytes()
    framed = frame_portrait(read_rgb(content), landmarker)
    assert framed.image.shape == (256, 256, 3)
    assert len(content) < 200_000


def test_square_leaves_room_for_hair() -> None:
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[10], landmarks[152] = (50, 40, 0), (50, 80, 0)
    assert face_height(landmarks) == 40
    left, top, side = square_around(landmarks, factor=2)
    assert (left, side) == (10, 80)
    assert 40 - top > (top + side) - 80


def test_crop_keeps_the_picture_and_continues_its_edge() -> None:
    image = np.full((40, 40, 3), 200, np.uint8)
    image[:20] = 40
    cut = crop_square(image, (-20.0, -20.0, 80.0), size_px=160)
    assert cut.shape == (160, 160, 3)
    assert (cut[50, 80] == 40).all()
    assert (cut[110, 80] == 200).all()
    assert (cut[5, 5] == 40).all()
    assert (cut[155, 155] == 200).all()


def test_share_outside_counts_area() -> None:
    assert share_outside((0.0, 0.0, 10.0), 10, 10) == 0
    assert share_outside((-5.0, 0.0, 10.0), 10, 10) == 0.5
    assert share_outside((50.0, 50.0, 10.0), 10, 10) == 1


def test_transparent_parts_become_white() -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = (0, 0, 255, 255)  # opaque red, as OpenCV orders it
    image = read_rgb(cv2.imencode(".png", pixels)[1].tobytes())
    assert image[0, 0].tolist() == [255, 0, 0]
    assert image[1, 1].tolist() == [255, 255, 255]


def test_warp_moves_points_and_keeps_the_edge() -> None:
    image = np.zeros((256, 256, 3), np.uint8)
    image[98:103, 98:103] = 255
    image[0] = 77
    points = np.array([[100, 100], [150, 60], [60, 160], [190, 200]], np.float32)
    target = points + np.array([[12, 0]] + 3 * [[0, 0]], np.float32)
    moved = warp_to(image, points, target)
    assert moved[100, 112].min() > 200
    assert (moved[0] == 77).all()


def test_morph_lies_between_its_parents(sitters: list[Sitter], landmarker: FaceLandmarker) -> None:
    mira, tanguy = sitters
    same = morph(mira, tanguy, share=0.0)
    assert np.abs(same.astype(int) - mira.image).mean() < 1.0
    faces = landmarker.detect(morph(mira, tanguy, share=0.6))
    assert len(faces) == 1
    moved = np.linalg.norm(faces[0].landmarks[:, :2] - mira.face.landmarks[:, :2], axis=1)
    assert moved.mean() > 2, "the face did not take on anything of the other"
    assert moved.mean() < 0.15 * mira.face.width_px


def test_morph_leaves_the_background_alone(sitters: list[Sitter]) -> None:
    mixed = morph(*sitters, share=0.6)
    corner = np.s_[:20, :20]
    assert np.abs(mixed[corner].astype(int) - sitters[0].image[corner]).max() < 8
    assert face_mask(sitters[0].face.landmarks, 512)[corner].max() == 0


def test_pairs_do_not_change_when_someone_else_leaves(
    sitters: list[Sitter], landmarker: FaceLandmarker
) -> None:
    mira = sitters[0]
    crowd = [
        dataclasses.replace(
            mira, portrait=dataclasses.replace(mira.portrait, name=f"p{n}", identity=f"p{n}")
        )
        for n in range(4)
    ]
    everyone = [(a.portrait.name, b.portrait.name) for a, b in choose_pairs(crowd, seed=1)]
    without = [(a.portrait.name, b.portrait.name) for a, b in choose_pairs(crowd[:3], seed=1)]
    assert len(everyone) == 6
    assert len(without) == 3
    assert without == [pair for pair in everyone if "p3" not in pair]


def test_one_person_is_never_morphed_with_itself(sitters: list[Sitter]) -> None:
    assert list(choose_pairs([sitters[0], sitters[0]], seed=1)) == []


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_filtered_portrait_keeps_its_face(
    name: str, sitters: list[Sitter], landmarker: FaceLandmarker
) -> None:
    mira = sitters[0]
    drawn = FILTERS[name][1](mira.image)
    assert drawn.shape == mira.image.shape
    assert drawn.dtype == np.uint8
    assert np.abs(drawn.astype(int) - mira.image).mean() > 2
    (face,) = landmarker.detect(drawn)
    drift = np.linalg.norm(face.landmarks[:, :2] - mira.face.landmarks[:, :2], axis=1).mean()
    assert drift < 0.04 * mira.face.width_px


def test_studio_resumes_honours_the_exclude_list_and_forgets_other_recipes(
    tmp_path: Path, config: PortraitsConfig, sitters: list[Sitter]
) -> None:
    studio = Studio(config, tmp_path)
    for sitter in sitters:
        name = sitter.portrait.name
        assert studio.add(name, sitter.image, origin(name), face_px=200)

    again = Studio(config, tmp_path)
    assert "mira" in again
    assert "tanguy" in again

    stricter = Studio(dataclasses.replace(config, exclude=("tanguy",)), tmp_path)
    assert "tanguy" in stricter, "an excluded name counts as dealt with"
    assert [p.name for p in stricter.portraits()] == ["mira"]
    assert sorted(p.name for p in (tmp_path / "train").iterdir()) == ["mira.png"]

    other = Studio(dataclasses.replace(config, crop_factor=3.0), tmp_path)
    assert other.portraits() == []
    assert not list((tmp_path / "train").iterdir())


def test_picture_without_a_face_is_not_stored(tmp_path: Path, config: PortraitsConfig) -> None:
    studio = Studio(config, tmp_path)
    grey = np.full((256, 256, 3), 128, np.uint8)
    assert not studio.add("wall", grey, origin("wall"), face_px=100)
    assert not list((tmp_path / "train").iterdir())


def test_what_the_recipe_no_longer_asks_for_is_removed(
    tmp_path: Path, config: PortraitsConfig, sitters: list[Sitter]
) -> None:
    studio = Studio(config, tmp_path)
    studio.add("mira", sitters[0].image, origin("mira"), face_px=200)
    studio.keep_only(set())
    assert studio.save().portraits == ()
    assert not list((tmp_path / "train").iterdir())


def test_contact_sheet_shows_every_portrait(
    tmp_path: Path, config: PortraitsConfig, sitters: list[Sitter]
) -> None:
    studio = Studio(config, tmp_path)
    studio.add("mira", sitters[0].image, origin("mira"), face_px=200)
    (sheet,) = write_sheets(studio)
    picture = read_rgb(sheet.read_bytes())
    assert picture[:192, :192].mean() > 20
    assert picture[:192, 192:].max() == 0


def test_a_finished_stage_still_names_its_portraits_and_opens_no_package(
    tmp_path: Path, config: PortraitsConfig, sitters: list[Sitter]
) -> None:
    plan = dataclasses.replace(config.renders, train=1, heldout=0)
    studio = Studio(dataclasses.replace(config, renders=plan), tmp_path)
    studio.add("render-train-000", sitters[0].image, origin("render-train-000"), face_px=200)
    assert list(collect_renders(studio, tmp_path / "nowhere")) == ["render-train-000"]


def test_a_larger_crowd_begins_with_the_smaller_one(config: PortraitsConfig) -> None:
    few, more = (set(planned_crowd(Plan(train, 1, seed=4))) for train in (2, 5))
    assert len(few) == 3
    assert few < more
    assert len({seed for _, _, seed in more}) == len({name for _, name, _ in more}) == 6
    # Nobody of the recipe's crowd is one of its other rendered people, on either side.
    others = {config.renders.seed * 10_000 + n for n in range(5_000)}
    assert not others & {seed for _, _, seed in planned_crowd(config.crowd)}


def test_a_finished_crowd_is_named_and_opens_no_package(
    tmp_path: Path, config: PortraitsConfig, sitters: list[Sitter]
) -> None:
    crowd = dataclasses.replace(config.crowd, train=1, heldout=0)
    studio = Studio(dataclasses.replace(config, crowd=crowd), tmp_path)
    studio.add("crowd-train-000", sitters[0].image, origin("crowd-train-000"), face_px=200)
    assert list(collect_crowd(studio, tmp_path / "nowhere")) == ["crowd-train-000"]


def test_finished_children_are_named_and_their_age_is_in_the_manifest(
    tmp_path: Path, config: PortraitsConfig, sitters: list[Sitter]
) -> None:
    child = config.children[0]
    studio = Studio(dataclasses.replace(config, children=(child,)), tmp_path)
    drawn = Origin(PACKAGE, "p", "render", child.name, child.split, age_years=child.age_years)
    studio.add(child.name, sitters[0].image, drawn, face_px=200)
    assert list(collect_children(studio, tmp_path / "nowhere")) == [child.name]
    (portrait,) = load_manifest(tmp_path).portraits
    assert (portrait.split, portrait.age_years) == (child.split, child.age_years)


def test_children_join_a_finished_folder_and_nothing_else_is_made_anew(
    tmp_path: Path, config: PortraitsConfig, sitters: list[Sitter]
) -> None:
    studio = Studio(dataclasses.replace(config, children=()), tmp_path)
    studio.add("mira", sitters[0].image, origin("mira"), face_px=200)
    assert "mira" in Studio(config, tmp_path)
