"""One payer in two places, and two payers in one: the way out of a frame, "Continue as Zoë?", sessions ended from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Frame, Page

from tests.browser.stage import PAY, Stage, Window

RIVERBEND = "$84.17"
_OVER = "text=Your session has ended"


def open_frame(window: Window, stage: Stage, user: str = "avery", **params: str) -> Frame:
    window.page.goto(stage.frame_page(("hub", stage.authenticate(user)), **params))
    return window.frame("hub", "main h1")


def step_out(window: Window, frame: Frame) -> Page:
    """Press "Open in a new window"."""
    with window.page.expect_popup() as opened:
        frame.click("form.out button")
    page = opened.value
    page.wait_for_selector("main h1")
    return page


def open_full(window: Window, stage: Stage, user: str) -> None:
    window.page.goto(stage.full_page(stage.authenticate(user)))
    window.page.click("button")
    window.page.wait_for_url(f"{stage.origin()}/**")


def _session(window: Window, stage: Stage) -> str:
    """The cookie of the session on full pages."""
    return next(str(each["value"]) for each in window.page.context.cookies(stage.origin()) if each["name"] == "__Host-hub")


def test_the_way_out_of_a_frame_leads_to_the_same_page_on_a_page_of_its_own(either: Window, stage: Stage) -> None:
    frame = open_frame(either, stage, RedirectID="7")
    page = step_out(either, frame)
    assert page.url.startswith(f"{stage.origin()}/b/riverbend/a/")
    assert page.url.endswith("/history")
    assert page.get_attribute("html", "data-mode") == "full"
    assert "Signed in as Avery Brandt" in page.inner_text("header")
    assert page.evaluate("window.opener") is None
    page.click(".side a[href$='/bills']")
    page.wait_for_url("**/bills")
    assert RIVERBEND in page.inner_text("main")
    frame.click("text=See your recent bills")
    frame.wait_for_selector(".due")
    assert either.faults == []


def test_signing_out_on_the_page_of_its_own_ends_the_frame(either: Window, stage: Stage) -> None:
    frame = open_frame(either, stage)
    page = step_out(either, frame)
    page.click(".sign-out button")
    page.wait_for_url(f"{stage.demo.partner_origin}/**")
    frame.click(PAY)
    frame.wait_for_selector(_OVER)
    assert RIVERBEND not in frame.inner_text("body")


def test_signing_out_in_the_frame_ends_the_page_of_its_own(either: Window, stage: Stage) -> None:
    frame = open_frame(either, stage, ReturnUrl=f"{stage.demo.partner_origin}/back")
    page = step_out(either, frame)
    frame.click(".sign-out button")
    either.heard("signedOut")
    page.reload()
    assert page.inner_text("h1") == "Your session has ended"
    assert RIVERBEND not in page.inner_text("body")


def test_a_ticket_opens_one_session_and_a_second_press_leads_to_the_page_that_is_open(either: Window, stage: Stage) -> None:
    frame = open_frame(either, stage)
    ticket = frame.input_value("form.out input[name=ticket]")
    first = step_out(either, frame)
    before = _session(either, stage)
    again = step_out(either, frame)
    assert RIVERBEND in again.inner_text("main")
    assert _session(either, stage) == before
    assert ticket not in first.url + again.url + first.content() + again.content()
    # The same ticket in a browser where nobody is signed in opens nothing.
    either.page.context.clear_cookies()
    nobody = step_out(either, frame)
    assert nobody.inner_text("h1") == "You're not signed in"
    assert RIVERBEND not in nobody.inner_text("body")


def test_without_cookies_the_way_out_says_what_to_do(cookieless: Window, stage: Stage) -> None:
    page = step_out(cookieless, open_frame(cookieless, stage))
    assert "blocking cookies from" in page.inner_text("main")
    assert RIVERBEND not in page.inner_text("body")


# --- another payer is signed in ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_on_a_full_page_another_payers_hand_off_asks_first(either: Window, stage: Stage, answer: str) -> None:
    open_full(either, stage, "avery")
    open_full(either, stage, "zoe")
    page = either.page
    assert page.inner_text("h1") == "Continue as Zoë Lindqvist?"
    assert "Avery Brandt is signed in on this browser" in page.inner_text("main")
    assert RIVERBEND not in page.inner_text("body")
    either.shoot("ask full")
    page.click(f"button[value={answer}]")
    page.wait_for_selector(".top-user")
    now = "Zoë Lindqvist" if answer == "yes" else "Avery Brandt"
    assert page.inner_text(".top-user").endswith(now)
    page.reload()
    assert page.inner_text(".top-user").endswith(now)
    assert either.faults == []


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_in_a_frame_another_payers_hand_off_asks_first(either: Window, stage: Stage, answer: str) -> None:
    open_frame(either, stage).click(PAY)
    either.frame().wait_for_selector("h1:has-text('Make a payment')")
    frame = open_frame(either, stage, "zoe")
    assert frame.inner_text("h1") == "Continue as Zoë Lindqvist?"
    assert RIVERBEND not in frame.inner_text("body")
    either.shoot("ask frame")
    frame.click(f"button[value={answer}]")
    frame.wait_for_selector(".who")
    now = "Zoë Lindqvist" if answer == "yes" else "Avery Brandt"
    assert f"Signed in as {now}" in frame.inner_text(".who")
    frame.click(PAY)
    frame.wait_for_selector("h1:has-text('Make a payment')")
    assert f"Signed in as {now}" in frame.inner_text(".who")
    assert either.faults == []


def test_the_same_payers_next_hand_off_asks_nothing(either: Window, stage: Stage) -> None:
    for _ in range(2):
        open_full(either, stage, "avery")
        assert RIVERBEND in either.page.inner_text("main")


# --- sessions of other browsers ----------------------------------------------------------------------------------------------


@pytest.fixture
def other(allowing: BrowserContext) -> Iterator[Window]:
    """A tab of another browser than `window`."""
    allowing.clear_cookies()
    window = Window.open(allowing)
    yield window
    window.page.close()


@pytest.mark.parametrize("place", ["full page", "frame"])
def test_ending_a_session_in_the_profile_ends_it_in_the_other_browser_at_its_next_click(
    window: Window, other: Window, stage: Stage, place: str
) -> None:
    # Whatever earlier tests left open ends first: the list then holds these two.
    stage.clients["riverbend"].call("POST", "/remote-authentication/revoke", {"UserName": "avery"})
    open_full(other, stage, "avery")
    shown: Page | Frame
    if place == "frame":
        shown = open_frame(window, stage, RedirectID="4")
    else:
        window.page.goto(stage.full_page(stage.authenticate(), RedirectID="4"))
        window.page.click("button")
        window.page.wait_for_url("**/profile")
        shown = window.page
    assert shown.locator(".sessions li").count() == 2
    assert "This browser" in shown.inner_text(".sessions li >> nth=0")
    window.shoot(f"sessions {place}")
    shown.click(".sessions li >> nth=1 >> button")
    shown.wait_for_selector("text=You are signed in here only")
    other.page.click(PAY)
    other.page.wait_for_selector(_OVER)
    assert RIVERBEND not in other.page.inner_text("body")
    assert window.faults == []


def test_ending_another_session_works_in_a_frame_without_cookies_too(cookieless: Window, other: Window, stage: Stage) -> None:
    stage.clients["riverbend"].call("POST", "/remote-authentication/revoke", {"UserName": "avery"})
    open_full(other, stage, "avery")
    frame = open_frame(cookieless, stage, RedirectID="4")
    frame.click(".sessions li >> nth=1 >> button")
    frame.wait_for_selector("text=You are signed in here only")
    assert frame.url.endswith("/profile")
    other.page.reload()
    other.page.wait_for_selector(_OVER)
    assert cookieless.faults == []
