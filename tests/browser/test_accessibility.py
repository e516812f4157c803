"""axe-core finds nothing on any page: the API's pages, every page of the portal, in a frame and full, in light and dark.

All rules of WCAG 2.2 A and AA and axe's best practices. The plain pages that are hard to reach are rendered from the samples of
tools.preview, under the CSP that the hub sends.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Frame, Page, Playwright, Route, ViewportSize

from idp.web.plain import Mode
from sso_connect.redirects import DESTINATIONS
from tests.browser.stage import Stage, Window, open_chromium
from tools.preview import list_samples, sample_templates

(_FILE,) = (file for file in files("axe-playwright-python") or () if file.name == "axe.min.js")
_AXE = Path(str(_FILE.locate())).read_text(encoding="utf-8")
_RUN = """only => axe.run(document, {resultTypes: ["violations"], ...(only ? {runOnly: [only]} : {})}).then(found =>
    found.violations.map(each =>
        `${each.impact} ${each.id}: ${each.nodes.map(node => node.target.join(" ")).slice(0, 5).join(" | ")}`))"""
_PHONE, _DESK = ViewportSize(width=360, height=740), ViewportSize(width=1280, height=900)
_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def context(playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser in which a script of the test may run: axe is no part of the pages, so their CSP must not stop it."""
    profile = tmp_path_factory.mktemp("profile")
    with open_chromium(playwright, chromium, profile, "blocked", bypass_csp=True, reduced_motion="reduce") as opened:
        yield opened


@pytest.fixture
def tab(context: BrowserContext) -> Iterator[Window]:
    context.clear_cookies()
    window = Window.open(context)
    yield window
    window.page.close()


def _in_both_schemes(window: Window, shown: Page | Frame) -> list[str]:
    """What axe finds; of the dark scheme the colours, because nothing else is another there."""
    window.page.emulate_media(color_scheme="light")
    shown.evaluate(_AXE)
    found = [f"light: {each}" for each in shown.evaluate(_RUN, "")]
    window.page.emulate_media(color_scheme="dark")
    return found + [f"dark: {each}" for each in shown.evaluate(_RUN, "color-contrast")]


@pytest.mark.parametrize("size", [_PHONE, _DESK], ids=["phone", "desktop"])
@pytest.mark.parametrize(
    "path", ["docs", "guide", "guide/reference", "guide/flows", "problems", "problems/UserNotFound", "warnings"]
)
def test_the_pages_about_the_api(tab: Window, stage: Stage, path: str, size: ViewportSize) -> None:
    tab.page.set_viewport_size(size)
    tab.page.goto(f"{stage.demo.api}/api/v1/{path}")
    assert tab.page.evaluate(_TOO_WIDE) <= 0
    tab.page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true })")
    assert _in_both_schemes(tab, tab.page) == []
    assert tab.page.evaluate(_TOO_WIDE) <= 0, "with everything open"
    tab.shoot(f"api {path} {size['width']}")


@pytest.mark.parametrize(("user", "number"), [*(("avery", number) for number in DESTINATIONS), ("cedar", 1), ("cedar", 9)])
def test_every_page_of_the_portal_full_and_in_a_frame(tab: Window, stage: Stage, number: int, user: str) -> None:
    found: list[str] = []
    answer = stage.authenticate(user)
    tab.page.goto(stage.full_page(answer, RedirectID=str(number)))
    tab.page.click("button")
    tab.page.wait_for_url(f"{stage.origin()}/b/riverbend/a/**")
    tab.page.wait_for_selector("main h1")
    for size in (_PHONE, _DESK):
        tab.page.set_viewport_size(size)
        found += [f"full {size['width']} {each}" for each in _in_both_schemes(tab, tab.page)]
        tab.page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true })")
    tab.page.goto(stage.frame_page(("hub", answer), width="100%", RedirectID=str(number)))
    frame = tab.frame("hub", "main h1")
    frame.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true })")
    found += [f"frame {each}" for each in _in_both_schemes(tab, frame)]
    assert found == []


def _samples(mode: Mode) -> dict[str, str]:
    templates, _ = sample_templates()
    return {name: templates.render(view) for name, view in list_samples(mode)}


@pytest.mark.parametrize("mode", ["full", "frame"])
def test_every_state_of_every_page(tab: Window, mode: Mode) -> None:
    """From the samples: refusals, problems, sessions that are over, questions from mails, empty pages, credits ..."""
    _, statics = sample_templates()
    pages = _samples(mode)
    files: dict[str, Any] = {file.url: file for file in statics.list_all()}

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix("http://preview.localhost")
        if path in files:
            route.fulfill(body=files[path].content, content_type=files[path].media_type)
        elif path.removeprefix("/") in pages:
            route.fulfill(body=pages[path.removeprefix("/")], content_type="text/html; charset=utf-8")
        else:
            route.abort()

    tab.page.route("http://preview.localhost/**", answer)
    found: list[str] = []
    for name in pages:
        tab.page.set_viewport_size(_PHONE if mode == "frame" else _DESK)
        # Leading on would leave the page before it is looked at.
        pages[name] = pages[name].replace("data-next-url=", "data-not-now=").replace("data-post-on", "data-not-now")
        tab.page.goto(f"http://preview.localhost/{name}")
        tab.page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true })")
        found += [f"{name} {each}" for each in _in_both_schemes(tab, tab.page)]
    assert found == []


def test_the_billers_own_address_and_an_address_that_is_not_there(tab: Window, stage: Stage) -> None:
    tab.page.goto(f"{stage.origin()}/nothing")
    assert _in_both_schemes(tab, tab.page) == []
