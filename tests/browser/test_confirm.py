"""The confirmation page in Chromium, as the payer opens it from a mail: whole on a phone, and its buttons do what they say.

The secret is out of the address bar before anything else happens; it is in no request but the two posts, and in no history.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, Request, ViewportSize

from idp.accounts.register import AccountWanted, Wanted
from idp.actor import System
from idp.directory.rights import LoginType
from idp.opaque import new_id
from tests.browser.stage import Stage, Window, open_chromium
from tests.mailbox import letters

_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_ASK = "text=Yes, allow it"


def ask(stage: Stage, slug: str = "riverbend") -> tuple[str, str]:
    """A fresh user's mail about another address: its link, and that address."""
    name = f"payer-{new_id()}"
    hub = stage.demo.wire()
    try:
        biller = hub.billers.get(stage.prepared.billers[slug].bid)
        number = hub.customers.list_page(biller.bid)[0].account_number
        wanted = Wanted(name, f"{name}@example.com", (AccountWanted(number, LoginType.GUEST),))
        assert hub.register.register(System("tests"), "r", biller, wanted, stage.prepared.keys[slug]).user is not None
        new = f"new-{name}@example.com"
        stage.clients[slug].call(
            "POST",
            "/remote-authentication/update-email-address",
            {"UserName": name, "EmailAddress": new, "ExpectedEmailAddress": "stale@example.com"},
        )
        return next(letter.link for letter in letters(hub) if new in letter.body), new
    finally:
        hub.close()


def address_of(stage: Stage, new: str, slug: str = "riverbend") -> str:
    """The address that a payer who was asked has now."""
    hub = stage.demo.wire()
    try:
        with hub.database.read() as stores:
            user = stores.users.find_by_user_name(
                stage.prepared.billers[slug].bid, new.removeprefix("new-").removesuffix("@example.com")
            )
        assert user is not None
        return user.email
    finally:
        hub.close()


@pytest.mark.parametrize(("scheme", "slug"), [("light", "riverbend"), ("dark", "prairie")])
def test_a_payer_answers_a_mail_on_a_phone_and_the_link_is_used_up(window: Window, stage: Stage, scheme: str, slug: str) -> None:
    link, new = ask(stage, slug)
    page = window.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size(ViewportSize(width=360, height=740))
    page.goto(link)
    page.wait_for_selector(_ASK)
    assert page.evaluate(_TOO_WIDE) <= 0
    assert page.title() == page.inner_text("h1") == "Is this your new e-mail address?"
    window.shoot(f"confirm {scheme} ask")
    page.click(_ASK)
    page.wait_for_selector("text=Your e-mail address was changed")
    assert new in page.inner_text("main")
    assert page.evaluate(_TOO_WIDE) <= 0
    window.shoot(f"confirm {scheme} done")
    assert window.faults == []
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector("text=expired or was used already")
    window.shoot(f"confirm {scheme} gone")
    # The only thing to say about this one is its status.
    assert [fault for fault in window.faults if "the server responded with a status of" not in fault] == []


def test_the_secret_is_in_no_address_no_referrer_and_no_log_and_only_in_the_bodies_of_the_two_posts(
    window: Window, stage: Stage
) -> None:
    link, _ = ask(stage)
    secret = link.partition("#")[2]
    requests: list[Request] = []
    addresses: list[str] = []
    window.page.on("request", lambda request: requests.append(request))
    window.page.on("framenavigated", lambda frame: addresses.append(frame.url))
    window.page.goto(stage.partner.show("/mail", f'<a href="{link}">Our mail</a>'))
    window.page.click("a")
    window.page.wait_for_selector(_ASK)
    assert secret not in window.page.url
    window.page.click(_ASK)
    window.page.wait_for_selector("text=Your e-mail address was changed")
    bearing = [request for request in requests if secret in (request.post_data or "")]
    assert [request.method for request in bearing] == ["POST", "POST"]
    for request in requests:
        assert secret not in request.url.partition("#")[0]
        assert secret not in request.headers.get("referer", "")
    assert secret not in window.page.url + window.page.evaluate("document.referrer")
    assert secret not in stage.log()
    # Back through the whole history: whatever is there holds no secret.
    for _ in range(3):
        window.page.go_back()
        assert secret not in window.page.url
        if window.page.url == "about:blank":
            break


def test_reload_and_back_say_to_open_the_link_again_and_it_still_works(window: Window, stage: Stage) -> None:
    link, new = ask(stage)
    page = window.page
    page.goto(link)
    page.wait_for_selector(_ASK)
    page.reload()
    page.wait_for_selector("text=Open the link in your email again")
    assert page.title() == "Open the link in your email again"
    window.shoot("confirm reloaded")
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(_ASK)
    page.goto(stage.partner.show("/away", "<h1>Away</h1>"))
    page.go_back()
    page.wait_for_selector("text=Open the link in your email again")
    page.goto("about:blank")
    page.goto(link)
    page.click(_ASK)
    page.wait_for_selector("text=Your e-mail address was changed")
    page.go_back()
    page.wait_for_selector("text=Open the link in your email again")
    assert page.locator(_ASK).count() == 0
    assert address_of(stage, new) == new
    assert window.faults == []


def test_a_double_click_is_one_answer_and_shows_what_became_of_it(window: Window, stage: Stage) -> None:
    page = window.page
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 100, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    for _ in range(3):
        link, new = ask(stage)
        page.goto("about:blank")
        page.goto(link)
        page.wait_for_selector(_ASK)
        page.dblclick(_ASK, delay=30)
        page.wait_for_selector("text=Your e-mail address was changed")
        assert address_of(stage, new) == new
    session.detach()
    assert window.faults == []


def test_yes_and_no_in_quick_succession_are_the_first_of_the_two(window: Window, stage: Stage) -> None:
    link, new = ask(stage)
    window.page.goto(link)
    window.page.wait_for_selector(_ASK)
    window.page.evaluate("document.querySelectorAll('main button').forEach((button) => button.click())")
    window.page.wait_for_selector("text=Your e-mail address was changed")
    assert address_of(stage, new) == new


def test_a_no_changes_nothing(window: Window, stage: Stage) -> None:
    link, new = ask(stage)
    window.page.goto(link)
    window.page.click("text=No, this was not me")
    window.page.wait_for_selector("text=Nothing was changed")
    assert address_of(stage, new) == new.removeprefix("new-")
    assert window.faults == []


def test_a_link_of_a_mail_from_before_works_and_its_secret_is_out_of_the_address(window: Window, stage: Stage) -> None:
    link, new = ask(stage)
    old = link.replace("#", "?code=")
    requests: list[Request] = []
    window.page.on("request", lambda request: requests.append(request))
    window.page.goto(old)
    window.page.wait_for_selector(_ASK)
    secret = link.partition("#")[2]
    assert secret not in window.page.url
    assert all(secret not in request.headers.get("referer", "") for request in requests)
    window.page.click(_ASK)
    window.page.wait_for_selector("text=Your e-mail address was changed")
    assert address_of(stage, new) == new
    assert window.faults == []


def test_a_hub_that_does_not_answer_is_said_and_the_link_stays_good(window: Window, stage: Stage) -> None:
    link, _ = ask(stage)
    page = window.page
    page.route("**/confirm", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    page.goto(link)
    page.wait_for_selector("text=Check your connection")
    window.shoot("confirm failed")
    page.unroute("**/confirm")
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(_ASK)


@pytest.fixture
def without_script(playwright: Playwright, chromium: Path, tmp_path: Path) -> Iterator[Window]:
    with open_chromium(playwright, chromium, tmp_path, "blocked", java_script_enabled=False) as context:
        yield Window.open(context)


def test_without_script_the_page_says_what_to_do(without_script: Window, stage: Stage) -> None:
    link, _ = ask(stage)
    for address in (link, link.replace("#", "?code=")):
        without_script.page.goto(address)
        assert "This link needs JavaScript" in without_script.page.inner_text("main")
        assert "We're opening" not in without_script.page.inner_text("main")
    without_script.shoot("confirm without script")
