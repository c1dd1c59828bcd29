"""What a person does on the page, and what they would see and hear, as functions."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect

LIVE_MS = 40_000  # for a busy machine; an idle one needs one or two seconds
_PROBES = Path(__file__).parent / "probes"
_STATISTICS = (_PROBES / "statistics.js").read_text()
_MOVEMENT = (_PROBES / "movement.js").read_text()


@dataclass(frozen=True, slots=True)
class Received:
    """What arrived in the browser between two moments.

    Attributes:
        fps: frames decoded per second.
        freezes: since the connection opened.
        voice_rms: root mean square of the sound played, full scale is 1.
    """

    fps: float
    freezes: int
    voice_rms: float


def start_talking(page: Page) -> None:
    """Press the button and wait until the portrait moves."""
    page.get_by_role("button", name="Start talking").click()
    expect(page.locator("#stage")).to_have_class("stage has-video", timeout=LIVE_MS)
    expect(page.locator("#status")).to_contain_text("Live")


def stop_talking(page: Page) -> None:
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Ready")


def wait_until(page: Page, expression: str) -> None:
    """Wait until an expression holds. Asked from outside: the page's own policy forbids eval."""
    deadline_s = time.monotonic() + LIVE_MS / 1_000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline_s, f"never came true: {expression}"
        page.wait_for_timeout(100)


def wait_for_sessions(page: Page, count: int) -> None:
    """Wait until the server holds that many calls."""
    metrics = "fetch('/metrics').then((answer) => answer.text())"
    wait_until(page, f"{metrics}.then((text) => /^emolive_sessions_active {count}\\b/m.test(text))")


def received_in(page: Page, seconds: float) -> Received:
    before = page.evaluate(_STATISTICS)
    page.wait_for_timeout(seconds * 1_000)
    after = page.evaluate(_STATISTICS)
    voice_s = after["voice_s"] - before["voice_s"]
    return Received(
        fps=(after["frames"] - before["frames"]) * 1_000 / (after["at_ms"] - before["at_ms"]),
        freezes=after["freezes"],
        voice_rms=((after["energy"] - before["energy"]) / voice_s) ** 0.5 if voice_s > 0 else 0.0,
    )


def wait_until_voice(page: Page, is_so: Callable[[float], bool]) -> None:
    """Wait until two seconds sound as wanted: what was said before is still on its way."""
    heard = [received_in(page, 2).voice_rms]
    while not is_so(heard[-1]):
        assert len(heard) < LIVE_MS / 2_000, f"never as wanted: {heard}"
        heard.append(received_in(page, 2).voice_rms)


def movement(page: Page, pictures: int) -> list[float]:
    differences: list[float] = page.evaluate(_MOVEMENT, pictures)
    return differences
