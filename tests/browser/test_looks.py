"""How the pages of the hand-off look: in light and dark, on a phone and a desktop, plain and with a partner's theme.

Of each state: nothing is wider than the window, and every text stands out from what is behind it (WCAG 2.2, 1.4.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Frame, Page, Playwright, ViewportSize

from hub.cli.demo_site import ACTOR
from idp.opaque import new_id
from sso_connect.themes import Themes
from tests.browser.stage import PAY, Stage, Window, open_chromium

LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in ("phone", "desktop")]
WIDTHS = {"desktop": ViewportSize(width=1280, height=900), "phone": ViewportSize(width=360, height=740)}
CSS_URL = "https://portal.harborlight.example/theme.css"
THEME = b"""
:root { --accent: #6a1b9a; --surface: #fffaf0; --text: #2a1a12; --font: Georgia, serif; --radius: 1.25rem; --space: 1.1 }
@media (prefers-color-scheme: dark) { :root { --accent: #e1a9ff; --surface: #1c1420; --text: #f4ecf7 } }
"""
THEMED = {
    "light": {"--accent": "#6a1b9a", "--surface": "#fffaf0", "--text": "#2a1a12"},
    "dark": {"--accent": "#e1a9ff", "--surface": "#1c1420", "--text": "#f4ecf7"},
}

_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_FAINT = """() => {
    const canvas = document.createElement("canvas"), pen = canvas.getContext("2d", {willReadFrequently: true});
    const read = colour => {
        pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
        return pen.getImageData(0, 0, 1, 1).data;
    };
    const light = ([r, g, b]) => [r, g, b].map(each => each / 255)
        .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
    const behind = part => {
        for (; part; part = part.parentElement) {
            const colour = read(getComputedStyle(part).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return read(getComputedStyle(document.documentElement).colorScheme.includes("dark") ? "#121212" : "#fff");
    };
    const faint = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const part = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
        if (!text || ["SCRIPT", "NOSCRIPT", "STYLE"].includes(part.tagName) || !part.checkVisibility()) continue;
        const [front, back] = [light(read(getComputedStyle(part).color)), light(behind(part))];
        const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
        if (ratio < 4.5) faint.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return faint;
}"""


@pytest.fixture(params=LOOKS, ids=[" ".join(each) for each in LOOKS])
def look(request: pytest.FixtureRequest, window: Window) -> tuple[str, str]:
    scheme, width = request.param
    _dress(window, scheme, width)
    return scheme, width


def _dress(window: Window, scheme: str, width: str) -> None:
    window.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    window.page.set_viewport_size(WIDTHS[width])


def _check(window: Window, shown: Page | Frame, name: str, look: tuple[str, str]) -> None:
    assert shown.evaluate(_TOO_WIDE) <= 0, name
    assert shown.evaluate(_FAINT) == [], name
    window.shoot(f"look {name} {' '.join(look)}")


def _frame(window: Window, stage: Stage, user: str = "avery", **params: str) -> Frame:
    window.page.goto(stage.frame_page(("hub", stage.authenticate(user)), width="100%", **params))
    return window.frame("hub", "main h1")


def _full(window: Window, stage: Stage, user: str = "avery", **params: str) -> None:
    window.page.goto(stage.full_page(stage.authenticate(user), **params))
    window.page.click("button")
    window.page.wait_for_url(f"{stage.origin()}/**")
    window.page.wait_for_selector("main h1")


def test_the_question_who_goes_on(window: Window, stage: Stage, look: tuple[str, str]) -> None:
    _full(window, stage)
    _full(window, stage, "zoe")
    assert "Continue as" in window.page.inner_text("h1")
    _check(window, window.page, "ask full", look)
    _frame(window, stage).click(PAY)
    window.frame().wait_for_selector("h1:has-text('Make a payment')")
    frame = _frame(window, stage, "zoe")
    assert "Continue as" in frame.inner_text("h1")
    _check(window, frame, "ask frame", look)


def test_the_end_of_a_session(window: Window, stage: Stage, look: tuple[str, str]) -> None:
    answer = stage.authenticate()
    window.page.goto(stage.frame_page(("hub", answer), width="100%"))
    frame = window.frame("hub", ".due")
    stage.revoke(answer)
    frame.click(PAY)
    frame.wait_for_selector("[data-relaunch]:visible")
    _check(window, frame, "over frame", look)
    answer = stage.authenticate()
    window.page.goto(stage.full_page(answer))
    window.page.click("button")
    window.page.wait_for_selector(".due")
    stage.revoke(answer)
    window.page.reload()
    assert window.page.inner_text("main a.button") == "Go to Harborlight"
    _check(window, window.page, "over full", look)


def test_the_profile_with_three_sessions_and_a_frame_with_its_way_out(
    window: Window, allowing: BrowserContext, stage: Stage, look: tuple[str, str]
) -> None:
    stage.clients["riverbend"].call("POST", "/remote-authentication/revoke", {"UserName": "avery"})
    for _ in range(2):
        other = Window.open(allowing)
        allowing.clear_cookies()
        _full(other, stage)
        other.page.close()
    frame = _frame(window, stage, RedirectID="4")
    assert frame.locator(".sessions li").count() == 3
    assert frame.locator("form.out button").is_visible()
    for shown in (frame, window.page):
        if shown is window.page:
            _full(window, stage, RedirectID="4")
            assert shown.locator(".sessions li").count() == 4
        # Every place is told about over the same width, whether or not there is a button to end it.
        widths = shown.eval_on_selector_all(".session-when", "all => all.map(each => each.getBoundingClientRect().width)")
        assert min(widths) > 150
        # A button in a line of its own is as wide as its words, by link or by form.
        button = shown.locator(".facts-card .actions .button")
        assert look[1] == "phone" or button.evaluate("part => part.offsetWidth < part.closest('.facts-card').clientWidth * 0.6")
        _check(window, shown, f"profile {'full' if shown is window.page else 'frame'}", look)


@pytest.fixture(scope="module")
def without_script(playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    profile = tmp_path_factory.mktemp("profile")
    with open_chromium(playwright, chromium, profile, "off", java_script_enabled=False) as context:
        yield Window.open(context)


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_page_between_a_redirect_by_get_and_the_first_page_has_a_button_without_script(
    without_script: Window, stage: Stage, scheme: str, width: str
) -> None:
    _dress(without_script, scheme, width)
    answer = stage.authenticate()
    values = {"RemoteAuthenticationToken": answer["RemoteAuthenticationToken"], "ViewMode": "1", "RedirectID": "1"}
    url = f"{answer['ConnectUrl']}?" + "&".join(f"{name}={value}" for name, value in values.items())
    page = f'<iframe name="hub" title="hub" width="100%" height="700" src="{url.replace("&", "&amp;")}"></iframe>'
    without_script.page.goto(stage.partner.show("/get-frame", page))
    frame = without_script.frame("hub", "main h1")
    assert "moment" in frame.inner_text("h1")
    without_script.shoot(f"look post on {scheme} {width}")
    frame.click("button")
    frame.wait_for_selector(".due")
    # Without script and without cookies: every way on is a button that posts.
    frame.click(PAY)
    frame.wait_for_selector("h1:has-text('Make a payment')")


# --- a partner's theme -------------------------------------------------------------------------------------------------------


def _fetch(url: str, *, most_bytes: int, deadline: timedelta) -> bytes:
    assert url == CSS_URL
    return THEME


@pytest.fixture(scope="module")
def themed(stage: Stage) -> str:
    """An approved stylesheet, fetched without a network."""
    hub = stage.demo.wire()
    try:
        themes = Themes(hub.database.begin, hub.database.read, hub.kv, hub.clock, _fetch, hub.alarms)
        themes.request(ACTOR, str(new_id()), stage.prepared.billers["riverbend"].bid, CSS_URL)
        themes.approve(ACTOR, str(new_id()), stage.prepared.billers["riverbend"].bid, CSS_URL)
    finally:
        hub.close()
    return CSS_URL


def _style(shown: Page | Frame, selector: str, name: str) -> str:
    style: str = shown.eval_on_selector(selector, "(part, name) => getComputedStyle(part).getPropertyValue(name).trim()", name)
    return style


def test_a_themed_page_wears_its_colours_and_font_and_only_pages_without_amounts_its_radius_and_space(
    window: Window, stage: Stage, themed: str, look: tuple[str, str]
) -> None:
    for name, number, whole in (("bills", "1", False), ("profile", "4", True)):
        for shown in (_frame(window, stage, CSSUrl=themed, RedirectID=number), None):
            if shown is None:
                _full(window, stage, CSSUrl=themed, RedirectID=number)
            page = shown or window.page
            for property_name, colour in THEMED[look[0]].items():
                assert _style(page, "html", property_name) == colour
            red, green, blue = re.findall("..", THEMED[look[0]]["--text"][1:])
            assert _style(page, "body", "color") == f"rgb({int(red, 16)}, {int(green, 16)}, {int(blue, 16)})"
            assert _style(page, "main h1", "font-family").startswith("Georgia")
            assert _style(page, "html", "--radius") == ("1.25rem" if whole else "0.625rem")
            assert _style(page, "html", "--space") == ("1.1" if whole else "1")
            _check(window, page, f"theme {name} {'full' if shown is None else 'frame'}", look)
    assert window.faults == []
