"""The confirmation page in Chromium, as the payer opens it from a mail: whole on a phone, and its buttons do what they say."""

from __future__ import annotations

import pytest
from playwright.sync_api import ViewportSize

from tests.browser.stage import Stage, Window
from tests.mailbox import letters

_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_payer_answers_a_mail_on_a_phone_and_the_link_is_used_up(window: Window, stage: Stage, scheme: str) -> None:
    user = {"light": "avery", "dark": "hollis"}[scheme]
    slug = {"avery": "riverbend", "hollis": "prairie"}[user]
    new = f"{user}.new@example.com"
    stage.clients[slug].call(
        "POST",
        "/remote-authentication/update-email-address",
        {"UserName": user, "EmailAddress": new, "ExpectedEmailAddress": "stale@example.com"},
    )
    hub = stage.demo.wire()
    try:
        link = next(letter.link for letter in letters(hub) if new in letter.body)
    finally:
        hub.close()
    page = window.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size(ViewportSize(width=360, height=740))
    page.goto(link)
    assert page.evaluate(_TOO_WIDE) <= 0
    window.shoot(f"confirm {scheme} ask")
    page.click("text=Yes, allow it")
    page.wait_for_selector("text=Your e-mail address was changed")
    assert "code=" not in page.url
    assert new in page.inner_text("main")
    assert page.evaluate(_TOO_WIDE) <= 0
    window.shoot(f"confirm {scheme} done")
    assert window.faults == []
    page.goto(link)
    page.wait_for_selector("text=expired or was used already")
    window.shoot(f"confirm {scheme} gone")
    # The only thing to say about this one is its status.
    assert [fault for fault in window.faults if "the server responded with a status of" not in fault] == []
