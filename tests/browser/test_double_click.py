"""A double click on a single-use hand-off over a slow network: Chromium throws the first answer away, and the payer comes in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Frame, Page

from examples.partner_client import PartnerClient
from hub.cli.demo_site import ACTOR
from idp.directory.api_keys import KeyPolicies
from idp.opaque import new_id
from tests.browser.stage import PAY, Stage, Window

RIVERBEND = "$84.17"
ROUNDS = 8
APART = (60, 75, 90, 130)
"""Milliseconds between the two clicks: the first post is on its way, its answer is not here yet."""


@pytest.fixture(scope="module")
def once(stage: Stage) -> Iterator[PartnerClient]:
    """A key whose tokens are good once."""
    hub = stage.demo.wire()
    try:
        policies = KeyPolicies(token="single_use", users="all")
        partner = stage.demo.partner_origin
        issued = hub.api_keys.issue(
            ACTOR, str(new_id()), bid=9001, partner_slug="harborlight", policies=policies, frame_origins=[partner]
        )
    finally:
        hub.close()
    client = PartnerClient(stage.demo.api, issued.secret)
    yield client
    client.close()


@pytest.fixture
def slow(window: Window) -> Iterator[Window]:
    """A tab whose network takes 100 ms each way."""
    session: CDPSession = window.page.context.new_cdp_session(window.page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions", {"offline": False, "latency": 100, "downloadThroughput": -1, "uploadThroughput": -1}
    )
    yield window
    session.detach()


def authenticate(client: PartnerClient) -> dict[str, Any]:
    return client.call("POST", "/remote-authentication/authenticate", {"UserName": "avery"})


def click_twice(page: Page, selector: str, apart: int) -> None:
    """Two clicks of a mouse that does not move."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(x, y)
    page.wait_for_timeout(apart)  # what is tested: people do not wait for anything between two clicks
    page.mouse.click(x, y)


def test_on_a_full_page_a_double_click_leads_to_the_page(slow: Window, once: PartnerClient, stage: Stage) -> None:
    for number in range(ROUNDS):
        slow.page.context.clear_cookies()
        slow.page.goto(stage.full_page(authenticate(once)))
        click_twice(slow.page, "button", APART[number % len(APART)])
        slow.page.wait_for_selector(".top-user, main[data-reference]")
        assert RIVERBEND in slow.page.inner_text("main"), f"round {number}"
        slow.page.click(".side a[href$='/pay']")
        slow.page.wait_for_url("**/pay")


def test_in_a_frame_a_double_click_shows_the_page(slow: Window, once: PartnerClient, stage: Stage) -> None:
    for number in range(ROUNDS):
        slow.page.context.clear_cookies()
        form = stage.form(authenticate(once), name="frame", target="hub", ViewMode="1")
        slow.page.goto(stage.partner.show("/twice", f'<iframe name="hub" title="hub" width=900 height=600></iframe>{form}'))
        click_twice(slow.page, "button", APART[number % len(APART)])
        frame: Frame = slow.frame("hub", ".due, main[data-reference]")
        slow.page.wait_for_load_state("networkidle")
        frame = slow.frame("hub", ".due, main[data-reference]")
        assert RIVERBEND in frame.inner_text("main"), f"round {number}"
        frame.click(PAY)
        frame.wait_for_selector("h1:has-text('Make a payment')")


def test_a_link_that_is_clicked_twice_leads_to_the_page(slow: Window, stage: Stage) -> None:
    for number in range(ROUNDS):
        slow.page.context.clear_cookies()
        url = stage.clients["riverbend"].call("POST", "/sso-connect/links", {"UserName": "avery", "RedirectID": 1, "ViewMode": 0})
        slow.page.goto(stage.partner.show("/link", f'<a href="{url["Url"]}">My bills</a>'))
        click_twice(slow.page, "a", APART[number % len(APART)])
        slow.page.wait_for_selector(".top-user, main[data-reference]")
        assert RIVERBEND in slow.page.inner_text("main"), f"round {number}"


def test_the_partners_script_sends_a_double_click_once(slow: Window, once: PartnerClient, stage: Stage) -> None:
    sent: list[str] = []
    slow.page.on("request", lambda request: sent.append(request.method) if request.url.endswith("/sso/connect") else None)
    answer = authenticate(once)
    script = answer["ConnectUrl"].removesuffix("connect") + "partner.js"
    form = stage.form(answer, name="full", ViewMode="0")
    slow.page.goto(stage.partner.show("/guarded", f'<script src="{script}"></script>{form}'))
    click_twice(slow.page, "button", 60)
    slow.page.wait_for_selector(".top-user")
    assert sent == ["POST"]


def test_the_partners_script_lets_other_forms_and_a_later_click_through(window: Window, once: PartnerClient, stage: Stage) -> None:
    answer = authenticate(once)
    script = answer["ConnectUrl"].removesuffix("connect") + "partner.js"
    other = '<form id=other method=post action="/other"><input name=action value=x><button>Other</button></form>'
    body = f'<script src="{script}"></script>{other}{stage.form(answer, name="full", ViewMode="0")}'
    counted = """<script>
        passed = {};
        addEventListener('submit', e => {
            passed[e.target.id] = (passed[e.target.id] || 0) + !e.defaultPrevented;
            e.preventDefault();
        });
    </script>"""
    window.page.clock.install()
    window.page.goto(stage.partner.show("/guarded", body + counted))
    for _ in range(2):
        window.page.click("#other button")
        window.page.click("#full button")
    assert window.page.evaluate("passed") == {"other": 2, "full": 1}
    window.page.clock.run_for(5000)
    window.page.click("#full button")
    assert window.page.evaluate("passed") == {"other": 2, "full": 2}
