"""The portal's script in Chromium, under the CSP: what the parent hears, who does not, and that no page needs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idp.web.plain import Mode, PlainPage, SessionOver, SignedOut
from idp.web.templating import View
from sso_connect.portal.views import BillsView
from tools.preview import list_samples, sample_templates

TEMPLATES, STATICS = sample_templates()
HUB = "http://riverbend.hub.localhost"
PARTNER = "http://partner.localhost"
LISTENER = (
    "<script>heard=[];addEventListener('message',e=>heard.push([e.origin,e.data]))</script>"
    f"<iframe src='{HUB}/page' width=400 height=300></iframe>"
)


def bills(mode: Mode = "full", **changes: Any) -> BillsView:
    view = next(view for name, view in list_samples(mode) if name == "bills")
    assert isinstance(view, BillsView)
    return replace(view, page=replace(view.page, **changes))


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def serve(tab: Any, view: View, parent: str = PARTNER) -> None:
    """The page at HUB/page, a partner's page that frames it at parent/, everything else answered with nothing."""
    files = {HUB + file.url: file for file in STATICS.list_all()}
    html = TEMPLATES.render(view)

    def answer(route: Any) -> None:
        url = route.request.url
        if url in files:
            route.fulfill(body=files[url].content, content_type=files[url].media_type)
        elif url == f"{HUB}/page":
            csp = "default-src 'none'; script-src 'nonce-preview'; style-src 'self'; img-src 'self'; base-uri 'none'"
            route.fulfill(body=html, headers={"content-type": "text/html", "content-security-policy": csp})
        else:
            route.fulfill(body=LISTENER if url == f"{parent}/" else "elsewhere", content_type="text/html")

    tab.route("**/*", answer)


def test_a_framed_page_tells_its_parent_ready_where_and_how_high(tab: Any, chromium: Path) -> None:
    serve(tab, bills("frame"))
    tab.goto(f"{PARTNER}/")
    tab.wait_for_function("heard.length >= 3")
    heard = tab.evaluate("heard")
    assert {origin for origin, _ in heard} == {HUB}
    assert [message["type"] for _, message in heard[:3]] == ["ready", "navigated", "resize"]
    assert all(message["hub"] == 1 for _, message in heard)
    assert heard[1][1]["redirectId"] == 1
    before = heard[2][1]["height"]
    tab.frames[1].click("details.bill summary")
    tab.wait_for_function(f"heard.at(-1)[1].height > {before}")


def test_a_page_tells_nothing_to_a_parent_that_is_not_on_its_list(tab: Any, chromium: Path) -> None:
    serve(tab, bills("frame"), parent="http://other.localhost")
    tab.goto("http://other.localhost/")
    tab.frames[1].wait_for_load_state("load")
    tab.frames[1].click("details.bill summary")
    tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert tab.evaluate("heard") == []


def test_continue_asks_the_parent_for_a_relaunch(tab: Any, chromium: Path) -> None:
    page = PlainPage(locale="en", nonce="preview", mode="frame", parent_origins=(PARTNER,))
    serve(tab, SessionOver(page=page))
    tab.goto(f"{PARTNER}/")
    tab.frames[1].click("text=Continue")
    tab.wait_for_function("heard.some(each => each[1].type === 'relaunchNeeded')")


def test_signed_out_tells_the_parent_and_leads_on(tab: Any, chromium: Path) -> None:
    page = PlainPage(locale="en", nonce="preview", mode="frame", parent_origins=(PARTNER,))
    serve(tab, SignedOut(page=page, next_url=f"{PARTNER}/home", session_reference="s-17"))
    tab.goto(f"{PARTNER}/")
    tab.wait_for_function("heard.some(each => each[1].type === 'signedOut' && each[1].sessionReference === 's-17')")
    tab.frames[1].wait_for_url(f"{PARTNER}/home")


def test_the_warning_before_the_end_reaches_the_parent(tab: Any, chromium: Path) -> None:
    serve(tab, bills("frame", expires_in=30))
    tab.goto(f"{PARTNER}/")
    tab.wait_for_function("heard.some(each => each[1].type === 'sessionExpiring')")
    (warning,) = (each for _, each in tab.evaluate("heard") if each["type"] == "sessionExpiring")
    assert warning == {"hub": 1, "type": "sessionExpiring", "seconds": 30}


def test_the_theme_switch_is_remembered_on_full_pages(tab: Any, chromium: Path) -> None:
    serve(tab, bills())
    tab.goto(f"{HUB}/page")
    tab.click("[data-theme-choice=dark]")
    dark = tab.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    tab.reload()
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    assert tab.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark == "rgb(16, 22, 29)"
    assert tab.get_attribute("[data-theme-choice=dark]", "aria-pressed") == "true"


def test_without_script_the_page_is_whole_and_nothing_dead_is_shown(browser: Any, chromium: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    serve(tab, bills())
    tab.goto(f"{HUB}/page")
    assert tab.is_visible(".due-action a")
    assert tab.is_visible("button[name=locale]")
    assert not tab.is_visible("[data-theme-switch]")
    tab.click("details.bill summary")
    assert tab.is_visible(".bill-body")
    context.close()
