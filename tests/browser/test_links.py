"""SSO links in Chromium: the secret is out of the address bar before anything else happens, and in no history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Playwright

from tests.browser.stage import Stage, Window, open_chromium

RIVERBEND = "$84.17"


def make(stage: Stage, **params: Any) -> str:
    """A fresh link for avery."""
    body = {"UserName": "avery", "RedirectID": 1, "ViewMode": 0} | params
    url: str = stage.clients["riverbend"].call("POST", "/sso-connect/links", body)["Url"]
    return url


def test_a_link_leads_to_the_page_and_neither_address_bar_nor_history_hold_its_secret(either: Window, stage: Stage) -> None:
    url = make(stage)
    secret = url.partition("#")[2]
    seen: list[str] = []
    either.page.on("request", lambda request: seen.append(request.url))
    either.page.on("framenavigated", lambda frame: seen.append(frame.url))
    either.page.goto(stage.partner.show("/link", f'<a href="{url}">My bills</a>'))
    either.page.click("a")
    either.page.wait_for_url(f"{stage.origin()}/b/riverbend/a/**")
    assert RIVERBEND in either.page.inner_text("main")
    assert secret not in either.page.url + either.page.content() + either.page.evaluate("document.referrer")
    assert all(secret not in each for each in seen if "/sso/link" not in each)
    either.shoot("link bills")
    # Back through the whole history: whatever stands there holds no secret.
    for _ in range(3):
        either.page.go_back()
        assert secret not in either.page.url
        if either.page.url == "about:blank":
            break
    assert either.faults == []


def test_a_reloaded_or_bare_landing_page_says_what_to_do(window: Window, stage: Stage) -> None:
    window.page.goto(f"{stage.origin()}/b/riverbend/sso/link")
    window.page.wait_for_selector("[data-link-over]:not([hidden])")
    assert window.page.inner_text("h1") == window.page.title() == "This link has expired"
    assert "works once" in window.page.inner_text("main")
    assert "We are opening" not in window.page.inner_text("main")
    window.shoot("link over")
    assert window.faults == []


def test_a_link_that_another_browser_followed_before_shows_the_refusal_page(window: Window, stage: Stage) -> None:
    url = make(stage)
    window.page.goto(url)
    window.page.wait_for_url(f"{stage.origin()}/b/riverbend/a/**")
    window.page.goto(stage.partner.show("/away", "<h1>Away</h1>"))
    window.page.context.clear_cookies()
    window.page.set_extra_http_headers({"User-Agent": "another browser"})
    window.page.goto(url)
    window.page.wait_for_selector("main[data-reference]")
    assert url.partition("#")[2] not in window.page.url
    window.shoot("link used")


def test_a_link_in_a_frame_shows_the_page_in_the_frame(window: Window, stage: Stage) -> None:
    url = make(stage, ViewMode=1)
    window.page.goto(
        stage.partner.show("/framed-link", f'<iframe name="hub" title="hub" width=1000 height=700 src="{url}"></iframe>')
    )
    frame = window.frame("hub", "h1:has-text('Recent')")
    assert RIVERBEND in frame.inner_text("main")
    assert "#" not in frame.url
    window.shoot("link in a frame")
    assert window.faults == []


@pytest.fixture
def without_script(playwright: Playwright, chromium: Path, tmp_path: Path) -> Iterator[Window]:
    with open_chromium(playwright, chromium, tmp_path, "blocked", java_script_enabled=False) as context:
        yield Window.open(context)


def test_the_landing_page_is_calm_and_says_without_script_what_to_do(without_script: Window, stage: Stage) -> None:
    without_script.page.goto(make(stage))
    assert "One moment" in without_script.page.inner_text("h1")
    assert "We are opening" not in without_script.page.inner_text("main")
    assert "needs JavaScript" in without_script.page.inner_text("main")
    without_script.shoot("link without script")
