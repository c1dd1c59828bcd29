"""The page itself: loads clean, needs no mouse, is readable in any light and at any width."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.steps import LIVE_MS, wait_until

OpenPage = Callable[..., Page]

CONTRAST = (Path(__file__).parent / "probes/contrast.js").read_text()

_NEED_NAMES = {"button", "combobox", "textbox", "slider", "spinbutton", "radio", "meter", "image"}


def test_the_page_loads_clean_and_from_this_server_alone(open_page: OpenPage) -> None:
    page = open_page("?blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.locator("#status")).to_contain_text("Ready")
    origin = page.evaluate("location.origin")
    assert asked
    assert [url for url in asked if not url.startswith(origin)] == []
    expect(page).to_have_title("emolive: a portrait that says it back")
    assert page.evaluate("document.documentElement.lang") == "en"
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    for landmark in ("banner", "main", "complementary"):
        expect(page.get_by_role(landmark)).to_have_count(1)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(({ id }) => id)")
    assert len(ids) == len(set(ids))


def test_everything_that_can_be_used_has_a_name(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.get_by_role("radio").first).to_be_checked()
    page.get_by_text("Fine tuning").click()
    names = _accessible_names(page)
    assert {role for role, _ in names} >= {"button", "combobox", "slider", "spinbutton", "radio"}
    assert [role for role, name in names if not name] == []
    page.get_by_role("button", name="Add a portrait").click()
    expect(page.get_by_role("dialog", name="Add a portrait")).to_be_visible()
    assert [role for role, name in _accessible_names(page) if not name] == []


def _accessible_names(page: Page) -> list[tuple[str, str]]:
    session = page.context.new_cdp_session(page)
    nodes: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
    seen = [node for node in nodes if not node["ignored"]]
    pairs = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in seen]
    return [(role, name) for role, name in pairs if role in _NEED_NAMES]


def test_a_call_can_be_made_with_the_keyboard_alone_and_is_announced(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.get_by_role("status").first).to_have_attribute("aria-live", "polite")
    expect(page.locator("#notice")).to_have_attribute("role", "alert")
    expect(page.get_by_role("button", name="Start talking")).to_be_enabled()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "talk":
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Live", timeout=LIVE_MS)
    wait_until(page, "Number(document.getElementById('level').ariaValueNow) > 0")
    assert page.evaluate("document.activeElement.id") == "talk"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "mute"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Ready")


def test_arrow_keys_choose_the_portrait_and_escape_closes_the_dialog(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("radio").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio").nth(1)).to_be_checked()
    page.get_by_role("button", name="Add a portrait").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("document.activeElement.id") == "add"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(open_page: OpenPage, scheme: str) -> None:
    page = open_page(color_scheme=scheme, microphone=False)
    page.get_by_text("Fine tuning").click()
    page.get_by_text("All figures").click()
    page.get_by_role("button", name="Start talking").click()
    expect(page.locator("#notice")).to_be_visible()
    _expect_contrast(page)
    page.get_by_role("button", name="Add a portrait").click()
    page.locator("#file").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    )
    expect(page.locator("#checks .check-no")).to_be_visible()
    _expect_contrast(page)


def _expect_contrast(page: Page) -> None:
    page.wait_for_timeout(300)  # colours fade
    found = page.evaluate(CONTRAST)
    assert len(found) > 15
    assert [pair for pair in found if pair["ratio"] < pair["needed"]] == []


def test_the_lamp_turns_the_room_dark_and_is_remembered(open_page: OpenPage) -> None:
    page = open_page(color_scheme="light")
    wall = "getComputedStyle(document.body).backgroundColor"
    day = page.evaluate(wall)
    lamp = page.get_by_role("button", name="Dark room")
    expect(lamp).to_have_attribute("aria-pressed", "false")
    lamp.click()
    night = page.evaluate(wall)
    assert day != night
    page.reload()
    assert page.evaluate(wall) == night
    expect(lamp).to_have_attribute("aria-pressed", "true")


def test_the_page_fits_every_width(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.get_by_role("radio").first).to_be_checked()
    for width in (320, 390, 820, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect(page.get_by_role("button", name="Start talking")).to_be_in_viewport(ratio=1)
        box = page.locator(".picture").bounding_box()
        assert box is not None
        assert box["width"] == pytest.approx(box["height"], abs=1)
        assert box["width"] > 0.38 * width


def test_everything_is_large_enough_for_a_finger(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True)
    expect(page.get_by_role("radio").first).to_be_checked()
    sizes = page.evaluate(
        """[...document.querySelectorAll('button, select, summary, .card')]
            .filter((element) => element.checkVisibility())
            .map((element) => element.getBoundingClientRect())
            .map(({ width, height }) => Math.min(width, height))"""
    )
    assert len(sizes) > 10
    assert min(sizes) >= 43.5


def test_nothing_moves_by_itself_for_those_who_asked(open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    durations = page.evaluate(
        """[...document.querySelectorAll('.status-dot, .spinner, .primary')]
            .map((element) => getComputedStyle(element))
            .flatMap((style) => [style.animationDuration, style.transitionDuration])"""
    )
    assert {float(text.removesuffix("s")) for text in durations} <= {0.0, 1e-05}


def test_the_compact_page_shows_the_portrait_and_its_controls_alone(open_page: OpenPage) -> None:
    page = open_page("?embed", viewport={"width": 480, "height": 560})
    expect(page.get_by_role("banner")).to_be_hidden()
    expect(page.get_by_role("complementary")).to_be_hidden()
    expect(page.get_by_role("button", name="Start talking")).to_be_in_viewport(ratio=1)
    expect(page.locator(".picture")).to_be_in_viewport(ratio=1)
