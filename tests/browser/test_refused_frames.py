"""A frame that was refused, or whose session is over, is as high as what it says: nothing of the message is cut off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Frame

from hub.cli.demo_site import ACTOR
from idp.directory.api_keys import KeyPolicies
from idp.opaque import new_id
from tests.browser.stage import PAY, Stage, Window, until

UNKNOWN = "idht_" + "x" * 43


def _page(stage: Stage, answer: Mapping[str, Any], *, host: str = "partner", head: str = "", **params: str) -> str:
    """A partner's page with our script and an iFrame without any size of its own, handed off at once."""
    script = f'<script src="{answer["ConnectUrl"].removesuffix("connect")}partner.js"></script>'
    listener = "<script>heard=[];addEventListener('message',e=>heard.push(e.data))</script>"
    form = stage.form(answer, name="go", target="hub", **{"ViewMode": "1", **params})
    body = f"{head}{listener}{script}<iframe name=hub title=Bills></iframe>{form}<script>document.forms[0].submit()</script>"
    return stage.partner.show("/small", body, host=host)


def _is_whole(window: Window, frame: Frame, heading: str) -> None:
    """The iFrame has grown: the page in it has nothing to scroll to."""
    frame.wait_for_selector(f"h1:has-text({heading!r})")
    window.page.wait_for_function("document.querySelector('iframe').style.height !== ''")
    until(frame, "innerHeight >= Math.ceil(document.documentElement.getBoundingClientRect().height)")
    assert frame.evaluate("innerHeight") > 154, "higher than an iFrame without a size"


def test_an_unknown_token(every: Window, stage: Stage) -> None:
    answer = stage.authenticate() | {"RemoteAuthenticationToken": UNKNOWN}
    every.page.goto(_page(stage, answer))
    _is_whole(every, every.frame(), "This link has expired")
    every.shoot("refused frame unknown token")


def test_a_token_that_was_revoked(either: Window, stage: Stage) -> None:
    answer = stage.authenticate()
    stage.revoke(answer)
    either.page.goto(_page(stage, answer))
    _is_whole(either, either.frame(), "This link has expired")


@pytest.fixture
def spending(stage: Stage) -> Iterator[None]:
    """Riverbend's key of the demo gives single-use tokens."""
    key = stage.prepared.keys["riverbend"]
    hub = stage.demo.wire()
    once = KeyPolicies(**{name: getattr(key.policies, name) for name in key.policies.__slots__} | {"token": "single_use"})
    try:
        hub.api_keys.change(ACTOR, str(new_id()), key.bid, key.id, policies=once)
        yield
        hub.api_keys.change(ACTOR, str(new_id()), key.bid, key.id, policies=key.policies)
    finally:
        hub.close()


@pytest.mark.usefixtures("spending")
def test_a_token_that_was_spent_in_another_browser(window: Window, stage: Stage) -> None:
    answer = stage.authenticate()
    fields = {"RemoteAuthenticationToken": answer["RemoteAuthenticationToken"], "ViewMode": "1", "RedirectID": "1"}
    there = urlsplit(answer["ConnectUrl"])
    heads = {"Host": there.netloc, "User-Agent": "another browser", "Sec-Fetch-Dest": "iframe"}
    spent = httpx.post(f"http://127.0.0.1:{stage.demo.port}{there.path}", data=fields, headers=heads)
    assert spent.status_code == 200
    window.page.goto(_page(stage, answer))
    _is_whole(window, window.frame(), "This link was used already")


def test_an_account_of_another_payer(either: Window, stage: Stage) -> None:
    either.page.goto(_page(stage, stage.authenticate(), AccountNumber="7001-01"))
    _is_whole(either, either.frame(), "This account is not open to you")


def test_a_malformed_redirect(either: Window, stage: Stage) -> None:
    either.page.goto(_page(stage, stage.authenticate(), RedirectID="99"))
    _is_whole(either, either.frame(), "This link does not work")


def test_a_question_who_goes_on(either: Window, stage: Stage) -> None:
    either.page.goto(_page(stage, stage.authenticate("avery")))
    frame = either.frame("hub", ".due")
    frame.click(PAY)
    frame.wait_for_url("**/pay")
    either.page.goto(_page(stage, stage.authenticate("cedar")))
    _is_whole(either, either.frame(), "Continue as")
    either.frame().click("button[value=no]")
    either.frame("hub", ".due")


def test_a_session_that_is_over(every: Window, stage: Stage) -> None:
    answer = stage.authenticate()
    every.page.goto(_page(stage, answer))
    frame = every.frame("hub", ".due")
    stage.revoke(answer)
    frame.click(PAY)
    _is_whole(every, frame, "Your session has ended")


def test_a_page_that_was_never_signed_in(every: Window, stage: Stage) -> None:
    answer = stage.authenticate()
    script = f'<script src="{answer["ConnectUrl"].removesuffix("connect")}partner.js"></script>'
    address = f"{stage.origin()}/b/riverbend/a/0/bills"
    listener = "<script>heard=[]</script>"
    every.page.goto(stage.partner.show("/never", f'{listener}{script}<iframe name=hub title=Bills src="{address}"></iframe>'))
    _is_whole(every, every.frame(), "You're not signed in")


def test_a_page_that_no_key_of_the_biller_knows_hears_nothing_of_an_unknown_token(window: Window, stage: Stage) -> None:
    answer = stage.authenticate() | {"RemoteAuthenticationToken": UNKNOWN}
    window.page.goto(_page(stage, answer, host="stranger"))
    frame = window.frame()
    assert "This link has expired" in frame.inner_text("main")
    assert frame.get_attribute("body", "data-parents") == "", "and the page names no partner of the biller"
    frame.evaluate("dispatchEvent(new Event('resize'))")
    assert window.page.evaluate("heard") == []
    assert window.page.evaluate("document.querySelector('iframe').style.height") == ""
