"""Where a payer is signed in, in a real browser: a row for a browser, whatever is open in it, and a page that stays short."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page

from tests.browser.stage import PAY, Stage, Window, until

_AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
)


def _open_frames(stage: Stage, agent: str, count: int, user: str) -> None:
    """Hand-offs into frames of another browser, which brings its cookie along."""
    answer = stage.authenticate(user)
    there = urlsplit(answer["ConnectUrl"])
    fields = {"RemoteAuthenticationToken": answer["RemoteAuthenticationToken"], "ViewMode": "1", "RedirectID": "1"}
    heads = {"Host": there.netloc, "User-Agent": agent, "Sec-Fetch-Dest": "iframe"}
    for _ in range(count):
        shown = httpx.post(f"http://127.0.0.1:{stage.demo.port}{there.path}", data=fields, headers=heads)
        assert shown.status_code == 200
        heads["Cookie"] = next(each.partition(";")[0] for each in shown.headers.get_list("set-cookie") if "hub_fn=" in each)


def _profile(window: Window, stage: Stage, user: str, *, times: int = 1) -> Page:
    """The page of a full-page session, after so many hand-offs in this browser."""
    for _ in range(times):
        window.page.goto(stage.full_page(stage.authenticate(user), RedirectID="4"))
        window.page.click("button")
        window.page.wait_for_url("**/profile")
    return window.page


def _end_everything_else(page: Page) -> None:
    """So that no test sees the sessions of another one."""
    button = page.locator("button[name=session]").last
    if button.count():
        button.click()
        until(page, "document.querySelectorAll('.session-what').length === 1")


def test_three_hand_offs_in_one_browser_are_one_row_on_full_pages_and_in_frames(either: Window, stage: Stage) -> None:
    page = _profile(either, stage, "marlo")
    _end_everything_else(page)
    page = _profile(either, stage, "marlo", times=3)
    assert page.locator(".session-what").count() == 1
    assert page.locator("text=You are signed in here only").is_visible()
    for _ in range(3):
        page.goto(stage.frame_page(("hub", stage.authenticate("marlo")), RedirectID="4"))
        frame = either.frame("hub", ".session-what")
    # A browser keeps the cookies of frames apart from those of pages of their own, and nothing else may tie them together.
    assert frame.locator(".session-what").count() == 2
    here = frame.locator(".sessions > li").first
    assert "3 sessions" in here.inner_text()
    assert "This browser" in here.inner_text()
    here.locator("button").click()
    until(frame, "!document.querySelector('.session-list')")
    assert frame.locator(".session-what").count() == 2
    frame.click(".sessions form button")
    until(frame, "document.querySelectorAll('.session-what').length === 1")


def test_two_frames_of_one_page_both_go_on(either: Window, stage: Stage) -> None:
    either.page.goto(stage.frame_page(("one", stage.authenticate()), ("two", stage.authenticate())))
    for _ in range(2):
        for name in ("one", "two"):
            frame = either.frame(name, "main h1")
            frame.dispatch_event(f"{PAY}, main a[href$='/bills'], main form[action$='/bills'] button", "click")
            frame.wait_for_selector("main h1")
    assert "not signed in" not in either.frame("one").inner_text("body") + either.frame("two").inner_text("body")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_sixty_sessions_of_three_browsers_are_a_short_page(
    window: Window, stage: Stage, width: int, scheme: Literal["light", "dark"]
) -> None:
    window.page.emulate_media(color_scheme=scheme)
    window.page.set_viewport_size({"width": width, "height": 800})
    page = _profile(window, stage, "marlo")
    _end_everything_else(page)
    for agent in _AGENTS:
        _open_frames(stage, agent, 30, "marlo")
    page.reload()
    assert page.locator(".session-what").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    window.shoot(f"sixty sessions {width} {scheme}")
    section = page.locator("section[aria-labelledby=sessions]").bounding_box()
    assert section is not None
    assert section["height"] < 800, "of 5,376 px that sixty rows took, with everything else on the page"
    assert page.evaluate("document.documentElement.getBoundingClientRect().height") < (2300 if width == 360 else 1700)
    page.click(".session-list summary >> nth=0")
    assert page.locator(".session-list li:visible").count() == 11
    window.shoot(f"sixty sessions open {width} {scheme}")
    page.click("button[value=all]")
    until(page, "document.querySelectorAll('.session-what').length === 1")
