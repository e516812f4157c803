"""The example partner portal as a visitor meets it: sign in there, see the bills in its frame, go full page, come back."""

from __future__ import annotations

import sys

import pytest

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
        for key in stage.prepared.keys.values():
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


def test_a_session_that_ended_in_the_frame_begins_anew_with_a_reload_of_the_partners_page(
    window: Window, portal: str, stage: Stage
) -> None:
    window.page.goto(portal)
    window.page.click("button:has-text('Avery Brandt')")
    frame = window.frame(selector=".due")
    hub = stage.demo.wire()
    try:
        biller = stage.prepared.billers["riverbend"]
        user = next(each for each in hub.users.list_page(biller.bid) if each.user_name == "avery")
        hub.users.revoke(ACTOR, str(new_id()), biller.bid, user.id)
    finally:
        hub.close()
    frame.click(PAY)
    frame.wait_for_selector("text=You were away for a while")
    window.page.reload()
    assert "$84.17" in window.frame(selector=".due").inner_text("main")
