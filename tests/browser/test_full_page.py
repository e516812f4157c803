"""The hub on a full page: what stands in the address bar, tabs and billers side by side, expiry, sign-out, keyboard, no script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Playwright

from tests.browser.stage import PAY, Stage, Window, open_chromium, until

RIVERBEND, PRAIRIE = "$84.17", "$1,833.09"


def sign_in(window: Window, stage: Stage, user: str = "avery", slug: str = "riverbend", **params: str) -> dict[str, Any]:
    """Press the partner's button; the answer of Remote Authentication."""
    answer = stage.authenticate(user, slug)
    window.page.goto(stage.full_page(answer, **params))
    window.page.click("button")
    window.page.wait_for_url(f"{stage.origin(slug)}/**")
    return answer


def by_keyboard(page: Page) -> str:
    """What the next Tab leads to."""
    page.keyboard.press("Tab")
    found: str = page.evaluate("document.activeElement.className + ' ' + document.activeElement.textContent.trim()")
    return found


def test_after_a_hand_off_the_address_bar_and_the_history_hold_no_token(either: Window, stage: Stage) -> None:
    answer = sign_in(either, stage)
    assert RIVERBEND in either.page.inner_text("main")
    assert either.page.url.startswith(f"{stage.origin()}/b/riverbend/a/")
    token = answer["RemoteAuthenticationToken"]
    assert token not in either.page.url
    assert "?" not in either.page.url
    assert token not in either.page.content()
    assert token not in either.page.evaluate("document.referrer")
    either.shoot("full bills")
    assert either.faults == []


def test_a_hand_off_by_get_leaves_no_token_in_the_address_bar_either(window: Window, stage: Stage) -> None:
    answer = stage.authenticate()
    url = f"{answer['ConnectUrl']}?RemoteAuthenticationToken={answer['RemoteAuthenticationToken']}&ViewMode=0&RedirectID=7"
    window.page.goto(stage.partner.show("/get", f'<a href="{url}">Bills</a>'))
    window.page.click("a")
    window.page.wait_for_url("**/history")
    assert "?" not in window.page.url
    window.page.go_back()
    assert window.page.url == f"{stage.demo.partner_origin}/get"


def test_a_new_tab_is_a_full_page(window: Window, stage: Stage) -> None:
    answer = stage.authenticate()
    window.page.goto(stage.partner.show("/tab", stage.form(answer, name="tab", target="_blank", ViewMode="2", RedirectID="9")))
    with window.page.expect_popup() as opened:
        window.page.click("button")
    opened.value.wait_for_url("**/accounts")
    assert opened.value.get_attribute("html", "data-mode") == "full"


def test_two_billers_in_two_tabs_of_one_browser_do_not_mix(either: Window, stage: Stage) -> None:
    sign_in(either, stage)
    other = Window.open(either.page.context)
    sign_in(other, stage, "hollis", "prairie")
    for _ in range(2):
        either.page.reload()
        other.page.reload()
        assert RIVERBEND in either.page.inner_text("main")
        assert PRAIRIE in other.page.inner_text("main")
        assert PRAIRIE not in either.page.inner_text("body")
        assert RIVERBEND not in other.page.inner_text("body")


def test_a_frame_and_a_full_page_of_one_payer_live_side_by_side(either: Window, stage: Stage) -> None:
    sign_in(either, stage)
    framed = Window.open(either.page.context)
    framed.page.goto(stage.frame_page(("hub", stage.authenticate())))
    frame = framed.frame()
    either.page.reload()
    assert either.page.get_attribute("html", "data-mode") == "full"
    frame.click(PAY)
    frame.wait_for_url("**/pay")
    assert frame.get_attribute("html", "data-mode") == "frame"
    # Leaving the full page leaves the frame.
    either.page.click(".sign-out button")
    either.page.wait_for_url(f"{stage.demo.partner_origin}/")
    frame.evaluate("location.reload()")
    until(frame, "performance.getEntriesByType('navigation')[0].type === 'reload'")
    assert RIVERBEND in framed.frame().inner_text("main")


def test_a_session_that_ends_shows_a_readable_page_with_the_way_back(window: Window, stage: Stage) -> None:
    answer = sign_in(window, stage)
    stage.revoke(answer)
    window.page.reload()
    assert window.page.inner_text("h1") == "Your session has ended"
    assert RIVERBEND not in window.page.inner_text("body")
    window.shoot("full session over")
    window.page.click("a.button")
    window.page.wait_for_url(f"{stage.demo.partner_origin}/?*")
    assert window.page.url.endswith("?RedirectID=1"), "the page that it was is named, so that the partner can open it again"


def test_back_after_sign_out_shows_nothing_of_the_payer(window: Window, stage: Stage) -> None:
    sign_in(window, stage, ReturnUrl=f"{stage.demo.partner_origin}/back")
    page_url = window.page.url
    window.page.click(".sign-out button")
    window.page.wait_for_url(f"{stage.demo.partner_origin}/back")
    window.page.goto(page_url)
    told = window.page.inner_text("main")
    assert "You're not signed in" in told
    assert "away" not in told, "the payer signed out a moment ago"
    assert "blocking cookies" not in told, "an address that was typed is not the first page after a hand-off"
    window.page.go_back()
    window.page.go_back()
    assert RIVERBEND not in window.page.inner_text("body")


def test_sign_out_leads_to_the_return_url_at_the_partner(either: Window, stage: Stage) -> None:
    sign_in(either, stage, ReturnUrl=f"{stage.demo.partner_origin}/back", CustomReturnSiteName="Harborlight")
    assert either.page.get_attribute(".sign-out button", "title") == "Sign out and Return to Harborlight"
    either.page.click(".sign-out button")
    either.page.wait_for_url(f"{stage.demo.partner_origin}/back")
    assert either.page.inner_text("h1") == "At the partner"
    assert either.faults == []


def test_a_form_of_a_siblings_page_cannot_sign_the_payer_out(window: Window, stage: Stage) -> None:
    sign_in(window, stage)
    page_url = window.page.url
    # Same site as every biller, another origin: SameSite=Lax lets the cookie through, the Origin does not.
    action = f"{stage.origin()}/b/riverbend/sign-out"
    other = Window.open(window.page.context)
    other.page.goto(stage.partner.show("/csrf", f'<form method=post action="{action}"><button>x</button></form>', host="x.hub"))
    other.page.click("button")
    other.page.wait_for_url(action)
    assert "from a page that may not send it" in other.page.inner_text("main")
    window.page.goto(page_url)
    assert RIVERBEND in window.page.inner_text("main")


def test_the_language_that_is_picked_holds_on_every_page(window: Window, stage: Stage) -> None:
    sign_in(window, stage)
    window.page.click("button[name=locale][value=es]")
    until(window.page, "document.documentElement.lang === 'es'")
    window.page.click(".side a[href$='/profile']")
    window.page.wait_for_url("**/profile")
    assert window.page.get_attribute("html", "lang") == "es"
    assert window.faults == []


def test_light_and_dark_are_remembered_without_a_flash(window: Window, stage: Stage) -> None:
    sign_in(window, stage)
    for theme in ("dark", "light"):
        window.page.click(f"[data-theme-choice={theme}]")
        window.page.reload(wait_until="commit")
        window.page.wait_for_selector("h1")
        assert window.page.get_attribute("html", "data-theme") == theme
        window.shoot(f"full bills {theme}")
    window.page.click("[data-theme-choice=auto]")
    assert window.faults == []


def test_the_first_tab_leads_past_the_navigation_and_focus_is_visible(window: Window, stage: Stage) -> None:
    sign_in(window, stage)
    window.page.reload()
    assert by_keyboard(window.page).startswith("skip ")
    assert window.page.locator(".skip").bounding_box()
    box = window.page.locator(".skip").bounding_box()
    assert box is not None
    assert box["y"] >= 0
    window.page.keyboard.press("Enter")
    assert window.page.evaluate("document.activeElement.id") == "main"
    by_keyboard(window.page)
    assert window.page.evaluate("document.querySelector('main').contains(document.activeElement)")
    style = window.page.evaluate(
        "(() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth, s.boxShadow] })()"
    )
    assert style[0] != "none" or style[2] != "none"


def test_a_bill_opens_by_keyboard_and_the_switcher_too(window: Window, stage: Stage) -> None:
    sign_in(window, stage)
    for selector in ("details.bill > summary", ".account > details > summary"):
        window.page.focus(selector)
        window.page.keyboard.press("Enter")
        assert window.page.evaluate("document.activeElement.parentElement.open")
    window.shoot("full bill open")


@pytest.fixture(scope="module")
def without_script(playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    profile = tmp_path_factory.mktemp("profile")
    with open_chromium(playwright, chromium, profile, "blocked", java_script_enabled=False) as context:
        yield Window.open(context)


def test_without_script_a_payer_comes_in_moves_about_and_signs_out(without_script: Window, stage: Stage) -> None:
    window = without_script
    sign_in(window, stage, ReturnUrl=f"{stage.demo.partner_origin}/back")
    assert RIVERBEND in window.page.inner_text("main")
    window.page.click(".side a[href$='/accounts']")
    window.page.wait_for_url("**/accounts")
    window.page.click(".sign-out button")
    window.page.wait_for_url("**/sign-out")
    window.page.click("a.button")
    window.page.wait_for_url(f"{stage.demo.partner_origin}/back")
