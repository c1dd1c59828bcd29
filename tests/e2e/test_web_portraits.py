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


def test_the_choice_is_remembered_unless_the_address_names_another(open_page: OpenPage) -> None:
    page = open_page()
    first = page.get_by_role("radio").first.get_attribute("value")
    page.locator(".card").nth(1).click()
    name = page.locator(".card-name").nth(1).inner_text()
    expect(page.locator("#name")).to_have_text(name)
    page.reload()
    expect(page.locator("#name")).to_have_text(name)
    page.goto(f"{page.url}?avatar={first}")
    expect(page.get_by_role("radio").first).to_be_checked()


def test_a_good_picture_shows_its_crop_and_becomes_a_portrait(
    open_page: OpenPage, portrait: Image.Image
) -> None:
    page = open_page()
    offer(page, as_file(portrait, "Aunt Ada.png"))
    expect(page.locator("#upload-status")).to_have_text("This picture works.")
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


def test_a_file_that_cannot_do_is_refused_without_sending_it(
    open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    offer(page, FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"no picture"))
    expect(page.locator("#checks .check-no")).to_contain_text("PNG, JPEG or WebP")
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(10 * 1024 * 1024 + 1)
    page.locator("#file").set_input_files(huge)
    expect(page.locator("#checks .check-no")).to_contain_text("larger than 10 MB")
    assert not [url for url in sent if "preflight" in url]


def test_choosing_a_second_picture_forgets_the_first(
    open_page: OpenPage, portrait: Image.Image
) -> None:
    page = open_page()
    offer(page, as_file(Image.new("RGB", (300, 300), "teal"), "teal.png"))
    expect(page.locator("#upload-status")).to_have_text("This picture does not work.")
    page.locator("#file").set_input_files(as_file(portrait, "better.png"))
    expect(page.locator("#upload-status")).to_have_text("This picture works.")
    assert page.locator("#checks .check-no").count() == 0
