"""A landlord with thirty accounts finds one: by typing in the switcher, by keyboard alone, in a frame, and without script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright

from hub.cli.demo_people import COURT, CREDIT
from sso_connect.portal.finding import finds
from tests.browser.stage import Stage, Window, open_chromium

_ENTRIES = ".account li .account-facts"


def _open(window: Window, stage: Stage, **params: str) -> Page:
    window.page.goto(stage.full_page(stage.authenticate("cedar"), **params))
    window.page.click("button")
    window.page.wait_for_url(f"{stage.origin()}/b/riverbend/a/**")
    window.page.wait_for_selector("main h1")
    return window.page


def test_the_switcher_shows_what_is_found_while_the_payer_types_and_all_again_without_a_word(window: Window, stage: Stage) -> None:
    page = _open(window, stage)
    page.click(".account summary")
    assert page.locator(_ENTRIES).count() == 6
    assert "See all 30 accounts" in page.inner_text(".account")
    page.fill("#find-account", "apt 17")
    assert page.locator(_ENTRIES).count() == 1
    assert "2017-01" in page.inner_text(_ENTRIES)
    assert page.inner_text("[data-found]") == "1 account found"
    window.shoot("switcher found")
    page.fill("#find-account", "no such street")
    assert page.locator(_ENTRIES).count() == 0
    assert "No account found" in page.inner_text("[data-found]")
    page.fill("#find-account", "")
    assert page.locator(_ENTRIES).count() == 6
    assert page.inner_text("[data-found]") == ""
    assert window.faults == []


def test_the_script_finds_what_the_server_finds(window: Window, stage: Stage) -> None:
    page = _open(window, stage)
    accounts = page.eval_on_selector("[data-accounts]", "list => JSON.parse(list.dataset.accounts)")
    page.click(".account summary")
    for query in ("20", "2017-01", "201701", "CEDAR 2009", "apt 1", "cedár court", "riverbend 30", "ＡＰＴ", "-", "apt17", "zz"):
        page.fill("#find-account", query)
        found = [each["number"] for each in accounts if finds(query, each["words"])]
        shown = [text.split("·")[0].strip() for text in page.locator(_ENTRIES).all_inner_texts()]
        assert [each.removeprefix("Account ")[:7] for each in shown] == [each.removeprefix("Account ") for each in found], query


def test_by_keyboard_alone_one_account_is_found_and_opened_on_the_same_page(window: Window, stage: Stage) -> None:
    page = _open(window, stage)
    page.focus(".account summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "find-account"
    page.keyboard.type(CREDIT)
    page.keyboard.press("Enter")
    page.wait_for_selector(".due-title:has-text('Credit $12.00, nothing to pay')")
    assert page.url.endswith("/bills")
    assert CREDIT in page.inner_text(".account summary")
    window.shoot("landlord credit")
    assert window.faults == []


def test_enter_with_several_found_leads_to_manage_accounts_with_these(window: Window, stage: Stage) -> None:
    page = _open(window, stage)
    page.click(".account summary")
    page.fill("#find-account", "apt 3")
    page.keyboard.press("Enter")
    page.wait_for_url("**/accounts")
    page.wait_for_selector(".rows")
    expected = [number for unit, number in enumerate(COURT, start=1) if finds("apt 3", f"{number} Apt {unit}, Riverbend")]
    assert page.locator(".row").count() == len(expected) < len(COURT)
    assert "apt" not in page.url, "what was looked for is in no address"
    page.click(".found a")
    page.wait_for_selector(".row >> nth=29")


def test_manage_accounts_filters_its_rows_in_place(window: Window, stage: Stage) -> None:
    page = _open(window, stage, RedirectID="9")
    assert page.locator(".row:visible").count() == 30
    page.fill("#find-here", "2030")
    assert page.locator(".row:visible").count() == 1
    assert page.inner_text("[data-found-here]") == "1 account found"
    page.fill("#find-here", "")
    assert page.locator(".row:visible").count() == 30
    assert window.faults == []


def test_in_a_frame_it_works_with_cookies_and_without_any(every: Window, stage: Stage) -> None:
    every.page.goto(stage.frame_page(("hub", stage.authenticate("cedar"))))
    frame = every.frame("hub", ".due")
    for account in (COURT[16], COURT[28]):
        frame.click(".account summary")
        frame.fill("#find-account", account)
        frame.click(".account li .account-choice")
        frame.wait_for_selector(f".account summary:has-text('{account}')")
        assert "Recent bills" in frame.inner_text("h1")
    frame.click(".account summary")
    frame.fill("#find-account", "apt 3")
    frame.press("#find-account", "Enter")
    frame.wait_for_selector("h1:has-text('Manage accounts')")
    assert 1 < frame.locator(".row").count() < 30
    frame.click(".row :is(a, button).button")
    frame.wait_for_selector("h1:has-text('Recent bills')")
    assert every.faults == []


@pytest.fixture(scope="module")
def without_script(playwright: Playwright, chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    with open_chromium(playwright, chromium, tmp_path_factory.mktemp("profile"), "blocked", java_script_enabled=False) as context:
        yield Window.open(context)


def test_without_script_the_search_is_a_form_that_manage_accounts_answers(without_script: Window, stage: Stage) -> None:
    page = _open(without_script, stage)
    page.click(".account summary")
    page.fill("#find-account", "201701")
    page.click(".account .find button")
    page.wait_for_selector(".rows")
    assert page.locator(".row").count() == 1
    assert "1 account found for “201701”." in page.inner_text("main")
    page.click(".row a.button")
    page.wait_for_url("**/bills")
    assert COURT[16] in page.inner_text(".account summary")


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_open_switcher_of_a_landlord_fits(window: Window, stage: Stage, scheme: str, width: int) -> None:
    window.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    window.page.set_viewport_size({"width": width, "height": 900})
    page = _open(window, stage)
    page.click(".account summary")
    page.fill("#find-account", "apt 3")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    window.shoot(f"landlord switcher {scheme} {width}")
