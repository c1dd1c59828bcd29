import json
from pathlib import Path

import numpy as np
import pytest

from realtime_model.contract import RgbImage
from stream_server.avatars.catalogue import AvatarCatalogue
from stream_server.avatars.errors import (
    AvatarLimitError,
    ShippedAvatarError,
    StorageError,
    UnknownAvatarError,
)
from stream_server.settings import SettingsError
from tests.fakes.pictures import encoded, picture

PORTRAIT: RgbImage = np.asarray(picture())


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "ada.png").write_bytes(encoded(picture()))
    entry = "- {id: avtr_ada, file: ada.png, name: Ada, source: drawn here, licence: CC0}\n"
    (folder / "portraits.yaml").write_text(entry, encoding="utf-8")
    return folder


def catalogue(folder: Path, shipped: Path | None = None, max_stored: int = 10) -> AvatarCatalogue:
    return AvatarCatalogue(directory=folder / "uploads", shipped_dir=shipped, max_stored=max_stored)


async def test_upload_survives_a_restart_pixel_for_pixel(tmp_path: Path, shipped: Path) -> None:
    added = await catalogue(tmp_path, shipped).add(PORTRAIT, "Grace")
    later = catalogue(tmp_path, shipped)
    assert [a.name for a in later.all()] == ["Ada", "Grace"]
    assert later.get(added.id) == added
    np.testing.assert_array_equal(await later.portrait(added.id), PORTRAIT)


async def test_default_is_the_first_demo_portrait(tmp_path: Path, shipped: Path) -> None:
    avatars = catalogue(tmp_path, shipped)
    await avatars.add(PORTRAIT, None)
    assert avatars.get(None).id == "avtr_ada"


async def test_newest_upload_comes_first(tmp_path: Path) -> None:
    avatars = catalogue(tmp_path)
    first = await avatars.add(PORTRAIT, "first")
    second = await avatars.add(PORTRAIT, "second")
    expected = sorted([first, second], key=lambda a: a.created_at or "", reverse=True)
    assert avatars.all() == expected


async def test_demo_portrait_cannot_be_deleted(tmp_path: Path, shipped: Path) -> None:
    avatars = catalogue(tmp_path, shipped)
    with pytest.raises(ShippedAvatarError):
        await avatars.remove("avtr_ada")
    assert (shipped / "ada.png").exists()


async def test_deleted_upload_leaves_no_file(tmp_path: Path) -> None:
    avatars = catalogue(tmp_path)
    added = await avatars.add(PORTRAIT, "Grace")
    await avatars.remove(added.id)
    assert not list((tmp_path / "uploads").iterdir())
    with pytest.raises(UnknownAvatarError):
        avatars.get(added.id)


@pytest.mark.parametrize("avatar_id", ["", "../secret", "avtr_../../x", "/etc/passwd", "avtr_x\0"])
async def test_ids_from_outside_never_become_paths(tmp_path: Path, avatar_id: str) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(picture()))
    avatars = catalogue(tmp_path)
    with pytest.raises(UnknownAvatarError):
        await avatars.portrait(avatar_id)
    with pytest.raises(UnknownAvatarError):
        await avatars.remove(avatar_id)
    assert (tmp_path / "secret.png").exists()


async def test_places_are_limited(tmp_path: Path) -> None:
    avatars = catalogue(tmp_path, max_stored=1)
    added = await avatars.add(PORTRAIT, None)
    with pytest.raises(AvatarLimitError):
        await avatars.add(PORTRAIT, None)
    await avatars.remove(added.id)
    await avatars.add(PORTRAIT, None)


async def test_names_become_one_short_printable_line(tmp_path: Path) -> None:
    added = await catalogue(tmp_path).add(PORTRAIT, "  A\n\x00\u202eb  " + "x" * 200)
    assert added.name.startswith("A b x")
    assert len(added.name) <= 80
    assert added.name.isprintable()


async def test_disk_that_refuses_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "uploads").write_text("a file where the folder should be")
    avatars = catalogue(tmp_path)
    with pytest.raises(StorageError):
        await avatars.add(PORTRAIT, None)
    assert avatars.all() == []


async def test_start_removes_leftovers_and_skips_damaged_entries(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    kept = await catalogue(tmp_path).add(PORTRAIT, "kept")
    (folder / "avtr_crashed.png").write_bytes(encoded(picture()))
    (folder / "avtr_crashed.part").write_bytes(b"half")
    (folder / "avtr_0123456789abcdef.json").write_text("{", encoding="utf-8")
    (folder / "avtr_0123456789abcdef.png").write_bytes(encoded(picture()))
    (folder / "avtr_00000000000000aa.json").write_text(json.dumps({"name": "x", "created_at": "y"}))
    assert [a.id for a in catalogue(tmp_path).all()] == [kept.id]
    assert not (folder / "avtr_crashed.png").exists()
    assert not (folder / "avtr_crashed.part").exists()


async def test_picture_that_vanished_is_an_unknown_avatar(tmp_path: Path) -> None:
    avatars = catalogue(tmp_path)
    added = await avatars.add(PORTRAIT, None)
    added.picture.unlink()
    with pytest.raises(UnknownAvatarError):
        await avatars.portrait(added.id)


@pytest.mark.parametrize(
    "listing",
    [
        "- {id: ada",
        "- {id: ada}",
        "- 3",
        "- {id: ada, name: A, file: none.png}",
        "- {id: ../ada, name: A, file: ada.png}",
    ],
)
def test_damaged_list_of_demo_portraits_stops_the_start(shipped: Path, listing: str) -> None:
    (shipped / "portraits.yaml").write_text(listing, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"portraits\.yaml"):
        catalogue(shipped, shipped)
