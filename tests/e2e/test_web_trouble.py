"""What the page says and does when something is missing, refused, full or gone."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Playwright, Route, expect

from tests.e2e.chromium import FLAGS
from tests.e2e.live_server import LiveServer
from tests.e2e.steps import LIVE_MS, start_talking, stop_talking, wait_for_sessions

OpenPage = Callable[..., Page]


def notice(page: Page, code: str) -> None:
    """Expect the notice of one kind of problem, with a title and advice."""
    expect(page.locator("#notice")).to_have_attribute("data-code", code, timeout=LIVE_MS)
    expect(page.locator("#notice")).to_be_visible()
    expect(page.locator("#notice-title")).not_to_be_empty()
    expect(page.locator("#notice-advice")).not_to_be_empty()


def test_a_refused_microphone_is_explained_and_can_be_tried_again(open_page: OpenPage) -> None:
    page = open_page(microphone=False)
    page.get_by_role("button", name="Start talking").click()
    notice(page, "microphone_refused")
    expect(page.get_by_role("alert")).to_contain_text("not allowed to use the microphone")
    expect(page.get_by_role("alert")).to_contain_text("site settings")
    expect(page.get_by_role("button", name="Start talking")).to_be_enabled()
    page.context.grant_permissions(["microphone"])
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#status")).to_contain_text("Live", timeout=LIVE_MS)
    stop_talking(page)


def test_a_missing_microphone_is_explained(
    playwright: Playwright, chromium: str, server: LiveServer
) -> None:
    browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS])
    page = browser.new_context(permissions=["microphone"]).new_page()
    page.goto(server.url)
    page.get_by_role("button", name="Start talking").click()
    notice(page, "microphone_missing")
    expect(page.get_by_role("alert")).to_contain_text("No microphone was found")
    browser.close()


def test_a_full_server_is_explained_and_gives_the_place_when_it_is_free(
    open_page: OpenPage,
) -> None:
    first, other, second = open_page(), open_page(), open_page()
    start_talking(first)
    start_talking(other)
    second.get_by_role("button", name="Start talking").click()
    notice(second, "at_capacity")
    expect(second.get_by_role("alert")).to_contain_text("taken")
    expect(second.locator("#status")).to_contain_text("Waiting for a place")
    stop_talking(first)
    wait_for_sessions(first, 1)
    second.get_by_role("button", name="Try now").click()
    expect(second.locator("#status")).to_contain_text("Live", timeout=LIVE_MS)
    expect(second.locator("#notice")).to_be_hidden()
    stop_talking(second)
    stop_talking(other)


def test_waiting_for_a_place_can_be_given_up(open_page: OpenPage) -> None:
    page = open_page()
    page.route(
        "**/v1/realtime/calls?*",
        lambda route: route.fulfill(
            status=503,
            headers={"content-type": "application/problem+json", "retry-after": "60"},
            body='{"code": "at_capacity", "title": "The server is full"}',
        ),
    )
    page.get_by_role("button", name="Start talking").click()
    notice(page, "at_capacity")
    stop_talking(page)
    expect(page.locator("#notice")).to_be_hidden()


def test_a_server_that_is_not_ready_is_waited_for(open_page: OpenPage) -> None:
    """A warming server's answers are given by hand: the real one is warm before a page opens."""
    is_warm = False

    def answer(route: Route) -> None:
        checks = [{"name": "model", "ok": False, "message": "The model is warming up."}]
        if is_warm:
            route.continue_()
        else:
            route.fulfill(status=503, json={"status": "not_ready", "checks": checks})

    page = open_page()
    page.route("**/readyz", answer)
    page.reload()
    expect(page.locator("#status")).to_contain_text("Warming up")
    expect(page.locator("#waiting")).to_contain_text("The model is warming up.")
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("button", name="Start talking")).to_be_disabled()
    is_warm = True
    expect(page.locator("#status")).to_contain_text("Ready")
    expect(page.get_by_role("button", name="Start talking")).to_be_enabled()


def test_a_network_without_udp_is_explained(open_page: OpenPage) -> None:
    page = open_page()

    def strip_candidates(route: Route) -> None:
        answer = route.fetch()
        lines = answer.text().split("\r\n")
        kept = [line for line in lines if not line.startswith("a=candidate")]
        route.fulfill(response=answer, body="\r\n".join(kept))

    page.route("**/v1/realtime/calls?*", strip_candidates)
    page.get_by_role("button", name="Start talking").click()
    notice(page, "connection_failed")
    expect(page.get_by_role("alert")).to_contain_text("firewall")
    page.unroute("**/v1/realtime/calls?*")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Ready")


def test_an_unplugged_microphone_is_missed_and_the_servers_end_is_final(
    open_page: OpenPage,
) -> None:
    page = open_page()
    with page.expect_response("**/v1/realtime/calls?*") as answer:
        start_talking(page)
    page.evaluate("window.peers.at(-1).getSenders()[0].track.dispatchEvent(new Event('ended'))")
    notice(page, "microphone_unplugged")
    page.evaluate("(path) => fetch(path, { method: 'DELETE' })", answer.value.headers["location"])
    notice(page, "ended_deleted")
    expect(page.locator("#status")).to_contain_text("The call ended")
    expect(page.get_by_role("button", name="Start talking")).to_be_enabled()


def test_a_lost_server_is_found_again_without_a_hand(open_page: OpenPage, tmp_path: Path) -> None:
    server = LiveServer(tmp_path)
    try:
        server.start()
        server.wait_ready()
        page = open_page(url=server.url)
        start_talking(page)
        server.kill()
        expect(page.locator("#status")).to_contain_text("Reconnecting", timeout=LIVE_MS)
        expect(page.get_by_role("button", name="Try now")).to_be_visible()
        server.start()
        server.wait_ready()
        expect(page.locator("#status")).to_contain_text("Live", timeout=LIVE_MS)
        expect(page.locator("#notice")).to_be_hidden()
        stop_talking(page)
    finally:
        server.stop()


def test_an_idle_page_notices_that_the_server_is_gone_and_back(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.locator("#status")).to_contain_text("Ready")
    page.context.set_offline(True)
    notice(page, "server_unreachable")
    expect(page.get_by_role("button", name="Start talking")).to_be_disabled()
    page.context.set_offline(False)
    expect(page.locator("#status")).to_contain_text("Ready")
    expect(page.locator("#notice")).to_be_hidden()


def test_sound_that_the_browser_holds_back_is_one_tap_away(open_page: OpenPage) -> None:
    page = open_page()
    page.add_init_script("""
      const play = HTMLMediaElement.prototype.play;
      HTMLMediaElement.prototype.play = function () {
        return navigator.userActivation.isActive && window.tapped
          ? play.call(this) : Promise.reject(new DOMException('held back', 'NotAllowedError'));
      };
      const tap = ({ target }) => { window.tapped = target.closest('#unblock') !== null; };
      addEventListener('click', tap, true);
    """)
    page.reload()
    page.get_by_role("button", name="Start talking").click()
    tap = page.get_by_role("button", name="Tap to see and hear the portrait")
    tap.click(timeout=LIVE_MS)
    expect(page.locator("#stage")).to_have_class("stage has-video")
    expect(tap).to_be_hidden()
    stop_talking(page)
