"""The life of a frame, with the page's timers and the hub's clock moved by hand: renewal, expiry, messages, "Continue", no loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Playwright

from tests.browser.moving import MovingStage, open_moving_stage
from tests.browser.stage import PAY, Window, open_chromium

RIVERBEND = "$84.17"
_FIELD = "document.querySelector('input[name=frame_token]').value"


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MovingStage]:
    with open_moving_stage(tmp_path_factory.mktemp("moving")) as stage:
        yield stage


@pytest.fixture(scope="module", params=["allowed", "off"])
def timed(
    request: pytest.FixtureRequest, playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    """A browser whose pages' timers stand still until they are moved; once with cookies and storage, once without any."""
    with open_chromium(playwright, chromium, tmp_path_factory.mktemp("profile"), request.param) as context:
        context.clock.install()
        yield context


@pytest.fixture
def window(timed: BrowserContext) -> Iterator[Window]:
    timed.clear_cookies()
    window = Window.open(timed)
    yield window
    window.page.close()


def _heard(window: Window, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [each for each in window.page.evaluate("heard") if each["type"] == kind]
    return found


def test_the_script_renews_the_frame_token_before_its_five_minutes_are_over_and_the_next_click_works(
    window: Window, moving: MovingStage
) -> None:
    window.page.goto(moving.stage.frame_page(("hub", moving.stage.authenticate())))
    frame = window.frame("hub", ".due")
    seen = {frame.evaluate(_FIELD)}
    for _ in range(2):
        moving.later(seconds=240)
        with window.page.expect_response("**/frame/token") as renewed:
            window.page.clock.run_for(240_000)
        assert renewed.value.status == 200
        frame.wait_for_selector(f'input[name="frame_token"]:not([value="{list(seen)[-1]}"])', state="attached")
        seen.add(frame.evaluate(_FIELD))
    assert len(seen) == 3, "each time another token"
    moving.later(seconds=200)
    frame.click(PAY)
    frame.wait_for_selector("h1:has-text('Make a payment')")
    assert RIVERBEND in frame.inner_text("main")
    assert window.faults == []


def test_without_a_renewal_for_five_minutes_a_frame_without_cookies_shows_the_page_about_it(
    window: Window, moving: MovingStage, request: pytest.FixtureRequest
) -> None:
    cookieless = request.node.callspec.params["timed"] == "off"
    window.page.goto(moving.stage.frame_page(("hub", moving.stage.authenticate())))
    frame = window.frame("hub", ".due")
    moving.later(minutes=5, seconds=1)  # the page's timers stood still: a computer that slept
    frame.click(PAY)
    if not cookieless:
        frame.wait_for_selector("h1:has-text('Make a payment')")
        return
    frame.wait_for_selector("text=This page has expired")
    assert RIVERBEND not in frame.inner_text("body")
    assert frame.locator("[data-relaunch]").is_visible()
    window.shoot("frame token over")


def test_continue_asks_the_partners_page_once_and_its_data_relaunch_url_is_followed(window: Window, moving: MovingStage) -> None:
    again = moving.stage.partner.show("/again", "<h1>Once more</h1>")
    window.page.goto(moving.stage.frame_page(("hub", moving.stage.authenticate()), relaunch=again))
    frame = window.frame("hub", ".due")
    moving.later(minutes=16)
    frame.click(PAY)
    frame.wait_for_selector("text=You were away for a while")
    assert _heard(window, "relaunchNeeded") == [], "nothing is asked for before the payer wants it"
    frame.click("[data-relaunch]")
    window.page.wait_for_url(again)


def test_a_second_failure_in_a_row_explains_itself_and_where_storage_is_blocked_each_click_asks_once(
    window: Window, moving: MovingStage, request: pytest.FixtureRequest
) -> None:
    cookieless = request.node.callspec.params["timed"] == "off"
    # A partner that has nothing better than the same dead token: the worst that can answer.
    script = "addEventListener('hub:relaunchNeeded', e => { e.preventDefault(); document.forms[0].submit() })"
    answer = moving.stage.authenticate()
    window.page.goto(moving.stage.frame_page(("hub", answer), script=script))
    frame = window.frame("hub", ".due")
    for turn in (1, 2):
        moving.later(minutes=16)
        frame.click(PAY)
        frame.wait_for_selector("text=You were away for a while")
        asks = frame.locator("[data-relaunch]").is_visible()
        assert asks == (turn == 1 or cookieless)
        assert frame.locator("[data-again]").is_visible() != asks
        assert len(_heard(window, "relaunchNeeded")) == (turn - 1)
        if turn == 2:
            window.shoot("frame again")
            break
        frame.click("[data-relaunch]")
        window.page.wait_for_function("() => heard.filter(each => each.type === 'relaunchNeeded').length === 1")
        frame.wait_for_selector(".due")
    # Minutes later it is no failure in a row any more.
    if not cookieless:
        window.page.clock.run_for(61_000)
        window.page.goto(moving.stage.frame_page(("hub", moving.stage.authenticate())))
        frame = window.frame("hub", ".due")
        moving.later(minutes=16)
        frame.click(PAY)
        frame.wait_for_selector("[data-relaunch]:visible")


def test_the_partners_page_hears_a_minute_before_the_session_ends(window: Window, moving: MovingStage) -> None:
    window.page.goto(moving.stage.frame_page(("hub", moving.stage.authenticate())))
    window.frame("hub", ".due")
    window.page.clock.run_for(13 * 60_000)
    assert _heard(window, "sessionExpiring") == []
    window.page.clock.run_for(61_000)
    assert window.heard("sessionExpiring")["seconds"] == 60
    assert {each["origin"] for each in window.page.evaluate("heard")} == {moving.stage.origin()}


def test_relaunch_needed_goes_to_the_registered_origins_of_the_ended_sessions_key_and_to_nobody_else(
    window: Window, moving: MovingStage
) -> None:
    window.page.goto(moving.stage.frame_page(("hub", moving.stage.authenticate())))
    frame = window.frame("hub", ".due")
    moving.later(minutes=16)
    frame.click(PAY)
    frame.wait_for_selector("[data-relaunch]:visible")
    assert frame.get_attribute("body", "data-parents") == moving.stage.demo.partner_origin
    # The page of a session that is over may be framed by anybody; a stranger's page hears nothing of it, whatever is clicked.
    stranger = (
        f'<script>heard=[];addEventListener("message",e=>heard.push(e.data))</script><iframe name=hub src="{frame.url}"></iframe>'
    )
    window.page.goto(moving.stage.partner.show("/stranger", stranger, host="stranger"))
    there = window.frame()
    assert there.inner_text("h1") == "You're not signed in", "a stranger's page is told nothing about the session"
    for button in there.locator("button:visible").all():
        button.click()
    window.page.clock.run_for(1000)
    assert window.page.evaluate("heard") == []
