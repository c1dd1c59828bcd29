import dataclasses
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from realtime_model.errors import ConfigError
from realtime_model.training.portraits.config import Package, load_config
from realtime_model.training.portraits.manifest import (
    Manifest,
    Portrait,
    SplitError,
    check_split,
    load_manifest,
)
from realtime_model.training.portraits.packages import PackageError, fetch_package, read_members
from realtime_model.training.portraits.photos import portrait_name

RECIPE = Path("configs/portraits.yaml")
ANNA = Portrait(
    name="anna", file="train/anna.png", split="train", style="photo", identity="anna", face_px=80,
    mouth_gap=0.01, package="p", version="1", source="a.jpg", licence="MIT",
)  # fmt: skip


def a_package(registry: str, content: bytes = b"") -> Package:
    return Package(
        name="faces", registry=registry, version="1.0.0", file="faces.tgz",  # type: ignore[arg-type]
        sha256=hashlib.sha256(content).hexdigest(), licence="MIT",
    )  # fmt: skip


def test_shipped_recipe_loads_and_its_split_is_by_identity() -> None:
    config = load_config(RECIPE)
    assert config.identity_of("adminlte-user8-128x128") == "tabler-m-2"
    assert config.split_of("soft-marie") == "heldout"
    assert config.split_of("tabler-m-2") == "train"
    assert not set(config.heldout) & set(config.exclude)


def test_unknown_key_is_named(tmp_path: Path) -> None:
    recipe = yaml.safe_load(RECIPE.read_text("utf-8"))
    recipe["packages"][0]["licens"] = "MIT"
    (tmp_path / "typo.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    with pytest.raises(ConfigError, match=r"packages\[0\].*'licens'"):
        load_config(tmp_path / "typo.yaml")


def test_wrong_type_is_named(tmp_path: Path) -> None:
    recipe = yaml.safe_load(RECIPE.read_text("utf-8")) | {"image_px": "big"}
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    with pytest.raises(ConfigError, match="image_px: 'big'"):
        load_config(tmp_path / "wrong.yaml")


def test_only_what_changes_pixels_changes_the_fingerprint() -> None:
    config = load_config(RECIPE)
    fewer = dataclasses.replace(config, exclude=())
    wider = dataclasses.replace(config, crop_factor=3.0)
    assert fewer.fingerprint() == config.fingerprint() != wider.fingerprint()


def test_more_children_leave_everybody_else_as_they_are() -> None:
    config = load_config(RECIPE)
    assert config.children
    assert dataclasses.replace(config, children=()).fingerprint() == config.fingerprint()
    more = dataclasses.replace(config.crowd, train=config.crowd.train + 1)
    assert dataclasses.replace(config, crowd=more).fingerprint() == config.fingerprint()


def test_a_boy_and_a_girl_of_different_skin_are_held_out() -> None:
    girl, boy = sorted(
        (c for c in load_config(RECIPE).children if c.split == "heldout"), key=lambda c: c.sex
    )
    assert (girl.sex, boy.sex) == ("female", "male")
    assert abs(girl.skin - boy.skin) > 2


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("age_years", 5, "age_years is 5, not 6 to 11"),
        ("age_years", 12, "age_years is 12, not 6 to 11"),
        ("skin", 6.5, "skin is 6.5, not 0 to 6"),
        ("hair", "bald", "hair is 'bald', not one of"),
    ],
)
def test_a_child_that_cannot_be_drawn_is_named(
    tmp_path: Path, key: str, value: object, said: str
) -> None:
    recipe = yaml.safe_load(RECIPE.read_text("utf-8"))
    recipe["children"][0][key] = value
    (tmp_path / "child.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    with pytest.raises(ConfigError, match=f"{recipe['children'][0]['name']}: {said}"):
        load_config(tmp_path / "child.yaml")


def test_a_manifest_from_before_there_were_children_is_read(tmp_path: Path) -> None:
    Manifest("r", (ANNA,)).save(tmp_path)
    before = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    del before["portraits"][0]["age_years"]
    (tmp_path / "manifest.json").write_text(json.dumps(before), "utf-8")
    assert load_manifest(tmp_path).portraits == (ANNA,)


def test_identity_on_both_sides_is_refused() -> None:
    twin = dataclasses.replace(ANNA, name="anna-2", split="heldout")
    with pytest.raises(SplitError, match="'anna'"):
        check_split([ANNA, twin])


def test_child_of_a_training_parent_cannot_be_held_out() -> None:
    child = dataclasses.replace(
        ANNA, name="m", identity="m", split="heldout", style="morph", parents=("bob", "anna")
    )
    with pytest.raises(SplitError, match="'anna'"):
        Manifest("r", (ANNA, child))


def test_manifest_survives_the_disk(tmp_path: Path) -> None:
    manifest = Manifest("r", (dataclasses.replace(ANNA, parents=("a", "b")),))
    manifest.save(tmp_path)
    assert load_manifest(tmp_path) == manifest
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]


def test_without_a_client_the_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackageError, match=r"offline.*put faces\.tgz into"):
        fetch_package(a_package("npm"), tmp_path / "packages")


def test_failing_download_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(PackageError, match=r"cannot download faces 1\.0\.0"):
        fetch_package(a_package("pypi"), tmp_path)


def test_altered_archive_is_refused_and_the_right_one_is_not_downloaded_again(
    tmp_path: Path,
) -> None:
    archive = tmp_path / "faces.tgz"
    archive.write_bytes(b"good")
    assert fetch_package(a_package("npm", b"good"), tmp_path) == archive
    archive.write_bytes(b"evil")
    with pytest.raises(PackageError, match="sha256"):
        fetch_package(a_package("npm", b"good"), tmp_path)


def test_members_come_from_wheels_and_tarballs_alike(tmp_path: Path) -> None:
    files = {"package/b.jpg": b"2", "package/a.jpg": b"1", "package/readme": b"no"}
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    expected = [("package/a.jpg", b"1"), ("package/b.jpg", b"2")]
    assert list(read_members(tmp_path / "x.whl", "package/*.jpg")) == expected
    assert list(read_members(tmp_path / "x.tgz", "package/*.jpg")) == expected


def test_portrait_names_are_plain_and_tell_faces_apart() -> None:
    assert portrait_name("soft", "img/Kal Visuals.JPG", 0) == "soft-kal-visuals"
    assert portrait_name("soft", "img/team.jpg", 2) == "soft-team-face3"
