"""A call, from the button to the last word."""

import re
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.steps import (
    LIVE_MS,
    movement,
    received_in,
    start_talking,
    stop_talking,
    wait_for_sessions,
    wait_until,
    wait_until_voice,
)

OpenPage = Callable[..., Page]

QUIETEST_VOICE = 0.005


def test_a_call_brings_moving_pictures_the_voice_and_its_figures(
    open_page: OpenPage, record_testsuite_property: Callable[[str, object], None]
) -> None:
    page = open_page()
    start_talking(page)
    wait_for_sessions(page, 1)
    expect(page.locator("#fps")).to_have_text(re.compile(r"^[1-9]\d*$"))
    wait_until(page, "Number(document.getElementById('delay').textContent) > 0")
    received = received_in(page, 5)
    record_testsuite_property("e2e fps", received.fps)
    assert received.fps > 0
    assert received.voice_rms > QUIETEST_VOICE
    assert max(movement(page, 50)) > 0.05
    page.get_by_text("All figures").click()
    expect(page.locator("#figures-list dd").first).to_contain_text("ms")
    assert page.locator("#figures-list > div").count() >= 10
    stop_talking(page)
    expect(page.locator("#fps")).not_to_have_text(re.compile(r"\d"))


def test_stopping_gives_all_back_and_a_call_can_start_again(open_page: OpenPage) -> None:
    page = open_page()
    for calls in (1, 2):
        start_talking(page)
        stop_talking(page)
        wait_for_sessions(page, 0)
        assert page.evaluate("window.peers.at(-1).getSenders()[0].track.readyState") == "ended"
        assert page.evaluate("window.peers.length") == calls


def test_what_is_heard_can_be_silenced_while_the_picture_goes_on(open_page: OpenPage) -> None:
    page = open_page()
    start_talking(page)
    mute = page.get_by_role("button", name="Mute me")
    mute.click()
    expect(mute).to_have_attribute("aria-pressed", "true")
    wait_until_voice(page, lambda rms: rms < QUIETEST_VOICE / 5)
    mute.click()
    wait_until_voice(page, lambda rms: rms > QUIETEST_VOICE)
    page.get_by_role("button", name="Interrupt").click()
    expect(page.locator("#status")).to_contain_text("interrupted")
    page.get_by_role("button", name="Sound off").click()
    assert page.evaluate("document.getElementById('video').muted") is True
    assert received_in(page, 3).fps > 0
    stop_talking(page)


def test_a_recording_is_a_file_that_plays(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page()
    start_talking(page)
    record = page.get_by_role("button", name="Record")
    record.click()
    expect(page.locator("#recording")).to_be_visible()
    expect(page.locator("#recording-time")).to_have_text("0:03")
    with page.expect_download() as download:
        record.click()
    expect(page.locator("#recording")).to_be_hidden()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    with av.open(file) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(file) as container:
        voice_s = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert frames > 1
    assert voice_s > 1
    stop_talking(page)


def test_another_microphone_stays_in_the_call_and_another_portrait_starts_one(
    open_page: OpenPage,
) -> None:
    page = open_page()
    start_talking(page)
    choices = page.locator("#microphone option")
    assert choices.count() >= 2
    page.locator("#microphone").select_option(index=choices.count() - 1)
    wait_until_voice(page, lambda rms: rms > 0)
    assert page.evaluate("window.peers[0].getSenders()[0].track.readyState") == "live"
    assert page.evaluate("window.peers.length") == 1
    names = page.locator(".card-name").all_inner_texts()
    page.get_by_text(names[1], exact=True).click()
    expect(page.locator("#name")).to_have_text(names[1])
    wait_until(page, "window.peers.length === 2")
    expect(page.locator("#stage")).to_have_attribute("data-state", "live", timeout=LIVE_MS)
    stop_talking(page)


@pytest.mark.benchmark
def test_twenty_seconds_at_full_rate_without_a_freeze(
    open_page: OpenPage, record_testsuite_property: Callable[[str, object], None]
) -> None:
    page = open_page()
    start_talking(page)
    page.wait_for_timeout(3_000)
    received = received_in(page, 20)
    record_testsuite_property("e2e fps", received.fps)
    assert received.fps >= 24
    assert received.freezes == 0
    assert received.voice_rms > QUIETEST_VOICE
    stop_talking(page)
