"""All eleven pages, in frame and full: nothing in the console, nothing stopped by the CSP, nothing wider than the window."""

from __future__ import annotations

import pytest
from playwright.sync_api import ViewportSize

from sso_connect.redirects import DESTINATIONS
from tests.browser.stage import Stage, Window

WIDTHS = {"desktop": ViewportSize(width=1280, height=900), "phone": ViewportSize(width=360, height=740)}
_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_in_the_frame_is_whole(window: Window, stage: Stage, width: str) -> None:
    window.page.set_viewport_size(WIDTHS[width])
    answer = stage.authenticate()
    for number, destination in DESTINATIONS.items():
        window.page.goto(stage.frame_page(("hub", answer), width="100%", RedirectID=str(number)))
        frame = window.frame()
        assert window.heard("navigated")["redirectId"] == number
        assert frame.evaluate(_TOO_WIDE) <= 0, destination.slug
        assert window.faults == [], destination.slug
        window.shoot(f"frame {width} {number} {destination.slug}")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("user", "slug"), [("avery", "riverbend"), ("hollis", "prairie")])
def test_every_full_page_is_whole_and_reached_from_the_navigation(
    window: Window, stage: Stage, width: str, user: str, slug: str
) -> None:
    window.page.set_viewport_size(WIDTHS[width])
    window.page.goto(stage.full_page(stage.authenticate(user, slug)))
    window.page.click("button")
    window.page.wait_for_url("**/bills")
    for number, destination in DESTINATIONS.items():
        if width == "phone" and not window.page.evaluate("document.querySelector('.menu').open"):
            window.page.click(".menu summary")
        part = ".menu" if width == "phone" else ".side"
        window.page.click(f"{part} a[href$='/{destination.slug}']")
        window.page.wait_for_url(f"**/{destination.slug}")
        window.page.wait_for_selector("h1")
        assert window.page.evaluate(_TOO_WIDE) <= 0, destination.slug
        assert window.faults == [], destination.slug
        if slug == "riverbend":
            window.shoot(f"full {width} {number} {destination.slug}")


def test_the_plain_pages_are_whole_too(window: Window, stage: Stage) -> None:
    for path in ("/b/riverbend/a/none/bills", "/nothing", "/b/riverbend/sso/connect"):
        window.page.goto(stage.origin() + path)
        window.page.wait_for_selector("h1")
        window.shoot(f"plain {path}")
    # The only thing to say about these is their status.
    assert [fault for fault in window.faults if "the server responded with a status of" not in fault] == []


def test_the_documentation_of_the_api_works_offline_under_its_csp(window: Window, stage: Stage) -> None:
    elsewhere: list[str] = []
    window.page.on("request", lambda request: None if request.url.startswith(stage.demo.api) else elsewhere.append(request.url))
    window.page.goto(f"{stage.demo.api}/api/v1/docs")
    window.page.wait_for_selector("text=Remote Authentication")
    window.shoot("api docs")
    assert [url for url in elsewhere if not url.startswith(("data:", "blob:"))] == []
    assert window.faults == []
