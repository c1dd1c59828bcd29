"""The choices below "Fine tuning": what they say, what a call is sent, what is kept."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]

DEFAULTS = {
    "Head motion": "100 %",
    "Head speed": "100 %",
    "Expression": "100 %",
    "Blinks": "18 a minute",
}


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    page = open_page()
    page.get_by_text("Fine tuning").click()
    return page


def press(page: Page, slider: str, key: str, *, times: int = 1) -> None:
    for _ in range(times):
        page.get_by_role("slider", name=slider).press(key)


def expect_shown(page: Page, shown: dict[str, str]) -> None:
    for name, text in shown.items():
        slider = page.get_by_role("slider", name=name)
        expect(page.locator(f"output[for={slider.get_attribute('id')}]")).to_have_text(text)
        expect(slider).to_have_attribute("aria-valuetext", text)


def sent_with_a_call(page: Page) -> dict[str, str]:
    """What the next call asks for, its portrait aside."""
    with page.expect_request("**/v1/realtime/calls?*") as asked:
        page.get_by_role("button", name="Start talking").click()
    page.get_by_role("button", name="Stop", exact=True).click()
    query = parse_qs(urlsplit(asked.value.url).query)
    return {name: value for name, (value,) in query.items() if name != "avatar"}


def test_a_call_is_sent_the_defaults(page: Page) -> None:
    expect_shown(page, DEFAULTS)
    defaults = {"motion": "1", "head_speed": "1", "expression": "1", "blinks": "18", "seed": "0"}
    assert sent_with_a_call(page) == defaults


def test_keys_move_the_sliders_and_the_next_call_is_sent_their_values(page: Page) -> None:
    press(page, "Head motion", "Home")
    press(page, "Head speed", "End")
    press(page, "Expression", "ArrowRight", times=3)
    press(page, "Blinks", "End")
    press(page, "Blinks", "ArrowLeft")
    shown = {"Head motion": "0 %", "Head speed": "200 %", "Expression": "130 %"}
    expect_shown(page, {**shown, "Blinks": "39 a minute"})
    page.get_by_role("spinbutton").fill("7")
    wanted = {"motion": "0", "head_speed": "2", "expression": "1.3", "blinks": "39", "seed": "7"}
    assert sent_with_a_call(page) == wanted


def test_choices_are_kept_until_they_are_reset(page: Page) -> None:
    press(page, "Expression", "Home")
    press(page, "Blinks", "Home")
    page.get_by_role("spinbutton").fill("7")
    page.reload()
    page.get_by_text("Fine tuning").click()
    kept = {"Head motion": "100 %", "Expression": "50 %", "Blinks": "0 a minute"}
    expect_shown(page, kept)
    expect(page.get_by_role("spinbutton")).to_have_value("7")
    page.get_by_role("button", name="Reset").press("Enter")
    expect_shown(page, DEFAULTS)
    expect(page.get_by_role("spinbutton")).to_have_value("0")
    page.reload()
    page.get_by_text("Fine tuning").click()
    expect_shown(page, DEFAULTS)


@pytest.mark.parametrize(
    "stored", ["{", "null", '{"expression": "9", "blinks": "often", "seed": "-1", "motion": ""}']
)
def test_choices_the_page_cannot_take_are_its_defaults(page: Page, stored: str) -> None:
    page.evaluate("(stored) => localStorage.setItem('emolive.tuning', stored)", stored)
    page.reload()
    page.get_by_text("Fine tuning").click()
    expect_shown(page, DEFAULTS)
    expect(page.get_by_role("spinbutton")).to_have_value("0")
