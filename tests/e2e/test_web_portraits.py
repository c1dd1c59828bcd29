"""Choosing, adding and removing portraits."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

PORTRAITS = Path(__file__).parents[2] / "realtime_model/assets/portraits"

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    """A picture with one good face: the first of the shipped ones."""
    files = sorted(path for path in PORTRAITS.iterdir() if path.suffix in (".png", ".jpg"))
    with Image.open(files[0]) as image:
        return image.convert("RGB").resize((512, 512))


def as_file(image: Image.Image, name: str) -> FilePayload:
    content = io.BytesIO()
    image.save(content, "PNG")
    return FilePayload(name=name, mimeType="image/png", buffer=content.getvalue())


def offer(page: Page, file: FilePayload) -> None:
    """Open the dialog and choose a file."""
    page.get_by_role("button", name="Add a portrait").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.locator("#file").set_input_files(file)


def test_the_shipped_portraits_hang_on_the_wall_and_stay(open_page: OpenPage) -> None:
    page = open_page()
    radios = page.get_by_role("radio")
    expect(radios.first).to_be_checked()
    assert radios.count() >= 2
    expect(page.locator("#remove")).to_be_hidden()
    expect(page.locator("#still")).to_be_visible()
    assert page.evaluate("document.getElementById('still').decode().then(() => true)")


def test_the_choice_is_remembered(open_page: OpenPage) -> None:
    page = open_page()
    page.locator(".card").nth(1).click()
    name = page.locator(".card-name").nth(1).inner_text()
    expect(page.locator("#name")).to_have_text(name)
    page.reload()
    expect(page.locator("#name")).to_have_text(name)


def test_an_address_can_name_the_portrait(open_page: OpenPage) -> None:
    page = open_page()
    wanted = page.get_by_role("radio").nth(1).get_attribute("value")
    page = open_page(f"?avatar={wanted}")
    expect(page.get_by_role("radio").nth(1)).to_be_checked()


def test_a_good_picture_shows_its_crop_and_becomes_a_portrait(
    open_page: OpenPage, portrait: Image.Image
) -> None:
    page = open_page()
    offer(page, as_file(portrait, "Aunt Ada.png"))
    expect(page.locator("#upload-status")).to_have_text("This picture works.", timeout=20_000)
    expect(page.locator("#preview")).to_be_visible()
    assert page.locator("#checks .check-yes").count() >= 2
    assert page.locator("#checks .check-no").count() == 0
    expect(page.get_by_label("Name", exact=True)).to_have_value("Aunt Ada")
    page.get_by_role("button", name="Use this portrait").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#name")).to_have_text("Aunt Ada")
    expect(page.get_by_role("radio", name="Aunt Ada")).to_be_checked()

    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Remove Aunt Ada").click()
    expect(page.get_by_role("radio", name="Aunt Ada")).to_have_count(0)
    expect(page.get_by_role("radio").first).to_be_checked()


def test_a_picture_without_a_face_is_refused_with_reason_and_advice(open_page: OpenPage) -> None:
    page = open_page()
    offer(page, as_file(Image.radial_gradient("L").convert("RGB").resize((400, 400)), "moon.png"))
    expect(page.locator("#upload-status")).to_have_text("This picture does not work.")
    refusal = page.locator("#checks .check-no").first
    expect(refusal).to_contain_text("face")
    expect(refusal.locator("em")).not_to_be_empty()
    expect(page.get_by_role("button", name="Use this portrait")).to_be_disabled()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_picture_with_two_faces_is_refused(open_page: OpenPage, portrait: Image.Image) -> None:
    couple = Image.new("RGB", (1_024, 512))
    couple.paste(portrait, (0, 0))
    couple.paste(portrait, (512, 0))
    page = open_page()
    offer(page, as_file(couple, "couple.png"))
    expect(page.locator("#checks .check-no")).to_have_count(1)
    expect(page.get_by_role("button", name="Use this portrait")).to_be_disabled()


def test_a_broken_picture_is_refused_by_the_server(open_page: OpenPage) -> None:
    page = open_page()
    offer(page, FilePayload(name="broken.png", mimeType="image/png", buffer=b"\x89PNG\r\n\x1a\nno"))
    expect(page.locator("#checks .check-no")).to_have_count(1)
    expect(page.locator("#preview")).to_be_hidden()
    expect(page.get_by_role("button", name="Use this portrait")).to_be_disabled()


@pytest.mark.parametrize(
    ("name", "kind", "size_bytes", "words"),
    [
        ("notes.txt", "text/plain", 100, "PNG, JPEG or WebP"),
        ("huge.png", "image/png", 10 * 1024 * 1024 + 1, "larger than 10 MB"),
    ],
)
def test_a_file_that_cannot_do_is_refused_without_sending_it(
    open_page: OpenPage, name: str, kind: str, size_bytes: int, words: str
) -> None:
    page = open_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    offer(page, FilePayload(name=name, mimeType=kind, buffer=bytes(size_bytes)))
    expect(page.locator("#checks .check-no")).to_contain_text(words)
    assert not [url for url in sent if "preflight" in url]


def test_choosing_a_second_picture_forgets_the_first(
    open_page: OpenPage, portrait: Image.Image
) -> None:
    page = open_page()
    offer(page, as_file(Image.new("RGB", (300, 300), "teal"), "teal.png"))
    expect(page.locator("#upload-status")).to_have_text("This picture does not work.")
    page.locator("#file").set_input_files(as_file(portrait, "better.png"))
    expect(page.locator("#upload-status")).to_have_text("This picture works.", timeout=20_000)
    assert page.locator("#checks .check-no").count() == 0
