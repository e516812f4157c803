"""The example partner portal as a visitor meets it: register or sign in, see the bills in its frame, go full page, come back."""

from __future__ import annotations

import sys
from typing import Literal

import pytest

from hub.cli import demo_meters
from hub.cli.demo_site import ACTOR
from idp.opaque import new_id
from tests.browser.stage import PAY, Stage, Window
from tests.conftest import StartProcess
from tests.processes import free_port


@pytest.fixture(scope="module")
def portal(stage: Stage, start_module_process: StartProcess) -> str:
    """The origin of the running example. Its keys learn of that origin while the hub serves, as with `idhub origins add`."""
    port = free_port()
    origin = f"http://partner.localhost:{port}"
    hub = stage.demo.wire()
    try:
        for key in (*stage.prepared.keys.values(), stage.prepared.meters.key):
            hub.api_keys.add_place(ACTOR, str(new_id()), key.bid, key.id, "frame", origin)
            hub.api_keys.add_place(ACTOR, str(new_id()), key.bid, key.id, "return", f"{origin}/back")
    finally:
        hub.close()
    config = str(stage.demo.folder / "partner.json")
    command = [sys.executable, "-m", "examples.partner_portal", "--port", str(port), "--config", config]
    start_module_process("partner", command, ready_url=f"http://127.0.0.1:{port}/healthz")
    return origin


@pytest.mark.parametrize(("payer", "amount"), [("Avery Brandt", "$84.17"), ("Hollis Grain Elevator", "$1,833.09")])
def test_a_visitor_signs_in_at_the_partner_and_sees_the_bills_in_its_frame(
    either: Window, portal: str, payer: str, amount: str
) -> None:
    either.page.goto(portal)
    either.shoot("partner home")
    either.page.click(f"button:has-text('{payer}')")
    either.page.wait_for_url(f"{portal}/dashboard/1")
    frame = either.frame(selector=".due")
    assert amount in frame.inner_text("main")
    assert "Token" not in either.page.url
    either.shoot(f"partner dashboard {payer}")
    # The partner's page makes its frame as high as our page says.
    either.page.wait_for_function("document.querySelector('iframe').style.height !== ''")
    assert either.faults == []


def test_on_a_phone_nothing_at_the_partner_or_in_its_frame_scrolls_sideways(window: Window, portal: str) -> None:
    window.page.set_viewport_size({"width": 360, "height": 800})
    window.page.goto(portal)
    window.page.click("button:has-text('Avery Brandt')")
    frame = window.frame(selector=".due")
    for shown in (window.page, frame):
        assert shown.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    window.shoot("partner dashboard on a phone")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/register", "/access", "/link", "/dashboard/1"])
def test_no_page_of_the_partner_scrolls_sideways_on_a_phone_in_light_or_dark(
    window: Window, portal: str, path: str, scheme: Literal["light", "dark"]
) -> None:
    window.page.emulate_media(color_scheme=scheme)
    window.page.set_viewport_size({"width": 360, "height": 800})
    show_password(window, portal, demo_meters.ACCOUNT, demo_meters.USER_NAME, demo_meters.PASSWORD)
    window.page.goto(f"{portal}{path}")
    if path.startswith("/dashboard"):
        window.frame(selector="main")
    assert window.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    window.shoot(f"partner {scheme} on a phone {path}")
    window.page.emulate_media(color_scheme="light")
    assert window.faults == []


def test_from_the_frame_to_a_full_page_and_back_to_the_partner(either: Window, portal: str, stage: Stage) -> None:
    either.page.goto(portal)
    either.page.click("button:has-text('Avery Brandt')")
    either.frame(selector=".due")
    either.page.click("#full button")
    either.page.wait_for_url(f"{stage.origin()}/**")
    assert "?" not in either.page.url
    assert "$84.17" in either.page.inner_text("main")
    either.page.click(".sign-out button")
    either.page.wait_for_url(f"{portal}/back")
    assert "Back at Harborlight" in either.page.inner_text("main")
    assert either.faults == []


def revoke(stage: Stage, name: str) -> None:
    """End everything of a user, as an operator does."""
    hub = stage.demo.wire()
    try:
        biller = stage.prepared.billers["riverbend"]
        user = next(each for each in hub.users.list_page(biller.bid) if each.user_name == name)
        hub.users.revoke(ACTOR, str(new_id()), biller.bid, user.id)
    finally:
        hub.close()


def test_a_session_that_ended_in_the_frame_begins_anew_with_a_reload_of_the_partners_page(
    window: Window, portal: str, stage: Stage
) -> None:
    window.page.goto(portal)
    window.page.click("button:has-text('Avery Brandt')")
    frame = window.frame(selector=".due")
    revoke(stage, "avery")
    frame.click(PAY)
    frame.wait_for_selector("text=Your session has ended")
    window.page.reload()
    assert "$84.17" in window.frame(selector=".due").inner_text("main")


def test_continue_in_a_frame_whose_session_ended_asks_the_partner_for_a_new_hand_off_to_the_page_that_was_shown(
    either: Window, portal: str, stage: Stage
) -> None:
    either.page.goto(portal)
    either.page.click("button:has-text('Zoë Lindqvist')")
    frame = either.frame(selector=".due")
    frame.click(PAY)
    frame.wait_for_selector("h1:has-text('Make a payment')")
    either.page.wait_for_selector("[aria-current=page]:has-text('Make a payment')")  # the partner's tabs follow
    revoke(stage, "zoe")
    frame.click("main :is(a, button)")
    frame.wait_for_selector("text=Your session has ended")
    frame.click("[data-relaunch]")
    either.page.wait_for_url(f"{portal}/dashboard/6")
    assert "$132.60" in either.frame(selector=".due").inner_text("main")


@pytest.mark.parametrize("page", [1, 2, 3, 4, 5, 6, 11])
def test_each_page_of_the_dashboard_is_shown_in_a_frame_as_high_as_the_page(window: Window, portal: str, page: int) -> None:
    window.page.goto(portal)
    window.page.click("button:has-text('June Takahashi')")
    window.frame(selector="main h1")
    window.page.goto(f"{portal}/dashboard/{page}")
    frame = window.frame(selector="main h1")
    window.page.wait_for_function("document.querySelector('iframe').style.height !== ''")
    assert frame.evaluate("document.documentElement.scrollHeight - window.innerHeight") <= 0
    assert window.page.get_attribute("[aria-current=page]", "href") == f"/dashboard/{page}"
    window.shoot(f"partner dashboard page {page}")
    assert window.faults == []


# --- registration, as Util360 does ---------------------------------------------------------------------------------------------


def register(window: Window, portal: str, **given: str) -> None:
    window.page.goto(f"{portal}/register")
    for name, value in given.items():
        window.page.fill(f"[name={name}]", value)
    with window.page.expect_navigation():
        window.page.click("button:has-text('Register this account')")


def test_a_payer_registers_with_the_code_of_the_bill_and_sees_the_bills(window: Window, portal: str) -> None:
    mistaken = {"account": "1007-01", "user_name": "kenji", "email": "kenji@example.com", "role_code": "O100-8123-4411"}
    register(window, portal, **mistaken)
    assert "does not fit this account" in window.page.inner_text("[role=alert]")
    assert window.page.input_value("[name=account]") == "1007-01"
    window.faults.clear()  # Chromium notes the 422
    window.page.fill("[name=role_code]", "O100-8123-4410")
    with window.page.expect_navigation():
        window.page.click("button:has-text('Register this account')")
    assert "You are registered" in window.page.inner_text("h1")
    window.shoot("partner registered")
    window.page.click("text=Show my bills")
    assert "1007-01" in window.frame(selector="main").inner_text("body")
    assert window.faults == []


def test_an_account_that_the_utility_does_not_have_yet_is_made_with_its_registration(window: Window, portal: str) -> None:
    register(window, portal, account="8888-01", user_name="robin", email="robin@example.com", name="Robin Vale")
    asked = window.page.text_content("details")
    assert asked is not None
    assert "POST /customers" in asked
    window.page.click("text=Show my bills")
    assert "8888-01" in window.frame(selector="main").inner_text("body")


def test_whoever_types_the_account_number_of_somebody_else_waits_and_sees_nothing_of_it(window: Window, portal: str) -> None:
    register(window, portal, account="1001-01", user_name="mallory", email="mallory@example.com", name="Mallory Moss")
    assert "Waiting for approval" in window.page.inner_text("h1")
    window.shoot("partner registration waits")
    window.page.click("text=Look again")
    shown = window.frame(selector="main h1").inner_text("body")
    assert "Waiting for approval" in shown
    assert not [word for word in ("$", "Brandt", "Mill Race") if word in shown]
    window.shoot("partner waiting page in the frame")


# --- access, as MyMeter has it -------------------------------------------------------------------------------------------------


def show_password(window: Window, portal: str, account: str, user_name: str, password: str, email: str = "") -> None:
    window.page.goto(f"{portal}/access")
    given = {"account": account, "user_name": user_name, "password": password, "email": email}
    for name, value in given.items():
        window.page.fill(f"[name={name}]", value)
    with window.page.expect_navigation():
        window.page.click("button:has-text('Show my accounts')")


def test_a_payer_shows_the_password_and_sees_the_synced_accounts_and_the_bills_in_the_partners_colours(
    either: Window, portal: str
) -> None:
    show_password(either, portal, demo_meters.ACCOUNT, demo_meters.USER_NAME, demo_meters.PASSWORD)
    assert either.page.inner_text("h1") == "1 account synced"
    assert demo_meters.ACCOUNT in either.page.inner_text("table")
    either.shoot("partner accounts synced")
    either.page.click("text=Show my bills")
    frame = either.frame(selector="main")
    assert demo_meters.ACCOUNT in frame.inner_text("body")
    assert frame.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--accent').trim()") == "#0b6b61"
    either.shoot("partner dashboard in its own colours")
    assert either.faults == []


def test_a_wrong_password_shows_no_account_and_says_no_more_than_that(window: Window, portal: str) -> None:
    show_password(window, portal, demo_meters.ACCOUNT, demo_meters.USER_NAME, "not it")
    assert "User name or password is not right" in window.page.inner_text("[role=alert]")
    assert window.page.query_selector("table") is None
    assert window.page.input_value("[name=password]") == ""


def test_a_payer_who_is_new_to_the_hub_is_registered_by_the_access_page(window: Window, portal: str) -> None:
    show_password(window, portal, "1008-01", "brett", "spillway 9", "brett@example.com")
    assert "1008-01" in window.page.inner_text("table")
    asked = window.page.text_content("details")
    assert asked is not None
    assert asked.count("/authenticate") == 2
    show_password(window, portal, "1008-01", "brett", "spillway 9")
    assert "1008-01" in window.page.inner_text("table")


def test_the_access_page_shows_nobody_the_account_of_somebody_else(window: Window, portal: str) -> None:
    show_password(window, portal, "1001-02", "trudy", "spillway 10", "trudy@example.com")
    assert "Waiting for approval" in window.page.inner_text("h1")
    window.page.click("text=Look again")
    shown = window.frame(selector="main h1").inner_text("body")
    assert "Waiting for approval" in shown
    assert not [word for word in ("$", "Brandt", "Mill Race") if word in shown]


# --- a link, and the end ---------------------------------------------------------------------------------------------------------


def test_a_link_opens_the_page_in_a_new_tab_and_sign_out_at_the_partner_ends_what_it_began(
    either: Window, portal: str, stage: Stage
) -> None:
    either.page.goto(portal)
    either.page.click("button:has-text('Harbor View Rentals')")
    either.frame(selector=".due")
    either.page.click("text=In a new tab")
    either.page.select_option("[name=page]", "2")
    with either.page.expect_popup() as opened:
        either.page.click("button:has-text('Open it in a new tab')")
    tab = opened.value
    tab.wait_for_url(f"{stage.origin()}/b/riverbend/a/*/paperless")
    assert "#" not in tab.url
    either.page.goto(f"{portal}/dashboard/1")
    frame = either.frame(selector=".due")
    second = either.page.context.new_page()
    second.goto(portal)
    second.click("button:has-text('Sign out')")
    frame.click(PAY)
    frame.wait_for_selector("text=Your session has ended")
