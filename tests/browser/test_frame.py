"""The hub in a partner's iFrame, on another site, with third-party cookies allowed and blocked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.stage import PAY, Stage, Window, until

RIVERBEND, PRAIRIE = "$84.17", "$1,833.09"


def test_the_two_browsers_really_allow_and_block_third_party_cookies(
    either: Window, stage: Stage, request: pytest.FixtureRequest
) -> None:
    frame = f'<iframe name="other" src="{stage.partner.origin("other")}/control"></iframe>'
    either.page.goto(stage.partner.show("/control-frame", frame))
    either.page.reload()
    text = either.frame("other", "body").inner_text("body")
    blocked = "blocked" in request.node.name
    assert text == ("came: none" if blocked else "came: cookie")


def test_a_hand_off_by_post_shows_the_bills_in_the_frame_and_the_session_holds_on_every_next_page(
    either: Window, stage: Stage
) -> None:
    either.page.goto(stage.frame_page(("hub", stage.authenticate())))
    frame = either.frame()
    assert RIVERBEND in frame.inner_text("main")
    assert frame.url == stage.authenticate()["ConnectUrl"]
    either.shoot("frame bills")
    frame.click(PAY)
    frame.wait_for_url("**/pay")
    assert RIVERBEND in frame.inner_text("main")
    assert "Token" not in frame.url
    # A reload of a page is a GET that the cookie carries.
    frame.evaluate("location.reload()")
    until(frame, "performance.getEntriesByType('navigation')[0].type === 'reload'")
    assert RIVERBEND in either.frame().inner_text("main")
    assert either.faults == []


def test_the_account_switcher_works_in_the_frame(either: Window, stage: Stage) -> None:
    either.page.goto(stage.frame_page(("hub", stage.authenticate())))
    frame = either.frame()
    assert "1001-01" in frame.inner_text(".account summary")
    frame.click(".account summary")
    either.shoot("frame account switcher")
    frame.click(".account-choice")
    frame.wait_for_url("**/bills")
    assert "1001-02" in frame.inner_text(".account summary")
    frame.click(".account summary")
    frame.click(".account-choice")
    until(frame, "document.querySelector('.account summary').innerText.includes('1001-01')")
    assert RIVERBEND in frame.inner_text("main")
    assert either.faults == []


def test_two_billers_side_by_side_on_one_page_do_not_mix(either: Window, stage: Stage) -> None:
    both = (("river", stage.authenticate()), ("prairie", stage.authenticate("hollis", "prairie")))
    either.page.goto(stage.frame_page(*both))
    for page in ("connect", "pay"):
        river, prairie = either.frame("river", ".due"), either.frame("prairie", ".due")
        assert river.url.endswith(page)
        assert prairie.url.endswith(page)
        assert RIVERBEND in river.inner_text("main")
        assert PRAIRIE in prairie.inner_text("main")
        assert PRAIRIE not in river.inner_text("main")
        assert RIVERBEND not in prairie.inner_text("main")
        if page == "connect":
            for frame in (river, prairie):
                # To the link itself: one frame is out of sight, and a click by place may be lost while the page scrolls there.
                frame.dispatch_event(PAY, "click")
                frame.wait_for_url("**/pay")
    either.shoot("frame two billers")
    assert either.faults == []


def test_two_tabs_of_one_browser_show_two_accounts_and_stay_apart(window: Window, stage: Stage) -> None:
    window.page.goto(stage.frame_page(("hub", stage.authenticate()), AccountNumber="1001-01"))
    first = window.frame()
    second_window = Window.open(window.page.context)
    second_window.page.goto(stage.frame_page(("hub", stage.authenticate()), AccountNumber="1001-02"))
    second = second_window.frame()
    for _ in range(2):
        assert "1001-01" in first.inner_text(".account summary")
        assert "1001-02" in second.inner_text(".account summary")
        for frame in (first, second):
            frame.evaluate("location.reload()")
            until(frame, "performance.getEntriesByType('navigation')[0].type === 'reload'")
            frame.wait_for_selector(".account summary")


def test_the_partners_page_hears_ready_navigated_and_resize_from_the_billers_exact_origin(either: Window, stage: Stage) -> None:
    either.page.goto(stage.frame_page(("hub", stage.authenticate()), RedirectID="7"))
    for kind in ("ready", "navigated", "resize"):
        message = either.heard(kind)
        assert message["origin"] == stage.origin()
        assert message["hub"] == 1
    assert either.heard("navigated")["redirectId"] == 7
    frame = either.frame()
    height = frame.evaluate("Math.ceil(document.documentElement.getBoundingClientRect().height)")
    assert either.heard("resize")["height"] == pytest.approx(height, abs=2)
    told = str(either.page.evaluate("heard"))
    for private in ("Avery", "avery", "1001", "example.com", RIVERBEND):
        assert private not in told


def test_a_site_that_is_not_registered_is_refused_readably_and_where_it_hides_its_name_it_sees_no_page(
    window: Window, stage: Stage
) -> None:
    window.page.goto(stage.frame_page(("hub", stage.authenticate()), host="evil"))
    frame = window.frame()
    assert "does not work from here" in frame.inner_text("h1")
    assert RIVERBEND not in frame.content()
    nameless = '<meta name="referrer" content="no-referrer">'
    window.page.goto(stage.frame_page(("hub", stage.authenticate()), host="evil", head=nameless))
    window.wait_for_fault("frame-ancestors")
    hidden = window.page.frame(name="hub")
    assert hidden is not None
    # The browser's own page, which it shows in place of ours. The complaint comes before that page does.
    until(hidden, "location.protocol === 'chrome-error:' && document.readyState === 'complete'")
    assert RIVERBEND not in hidden.content()
    assert window.page.evaluate("heard") == []


def _no_such_token(stage: Stage) -> dict[str, str]:
    return stage.authenticate() | {"RemoteAuthenticationToken": "idht_" + "A" * 43}


def _revoked_token(stage: Stage) -> dict[str, str]:
    answer = stage.authenticate()
    stage.revoke(answer)
    return answer


@pytest.mark.parametrize("make", [_no_such_token, _revoked_token])
def test_a_refused_token_shows_a_readable_page_in_the_frame_and_not_a_blank_box(
    either: Window, stage: Stage, make: Callable[[Stage], dict[str, str]]
) -> None:
    either.page.goto(stage.frame_page(("hub", make(stage))))
    frame = either.frame()
    text = frame.inner_text("main")
    assert "expired" in text.lower()
    reference = frame.get_attribute("main", "data-reference")
    assert reference
    assert reference in text
    box = frame.locator("main").bounding_box()
    assert box is not None
    assert box["height"] > 100
    assert frame.evaluate("getComputedStyle(document.querySelector('h1')).fontSize") != "32px", "our style sheet is there"
    either.shoot("frame refused")
    way_back = frame.locator("a.button")
    assert way_back.get_attribute("target") == "_top"
    way_back.click()
    either.page.wait_for_url(f"{stage.demo.partner_origin}/")


def test_a_session_that_ends_shows_a_readable_page_in_the_frame_without_a_sign_in_form(either: Window, stage: Stage) -> None:
    answer = stage.authenticate()
    either.page.goto(stage.frame_page(("hub", answer)))
    frame = either.frame()
    stage.revoke(answer)
    frame.click(PAY)
    frame.wait_for_selector("text=Your session has ended")
    assert RIVERBEND not in frame.inner_text("body")
    assert "Avery" not in frame.inner_text("body")
    assert frame.query_selector("input") is None
    assert frame.locator("a.button").get_attribute("target") == "_blank"
    either.shoot("frame session over")
    stopped = [fault for fault in either.faults if "CSP" in fault or "frame-ancestors" in fault or "script:" in fault]
    assert stopped == []


def test_sign_out_in_the_frame_tells_the_partners_page_and_goes_to_the_return_url(every: Window, stage: Stage) -> None:
    back = f"{stage.demo.partner_origin}/back"
    every.page.goto(stage.frame_page(("hub", stage.authenticate()), ReturnUrl=back, CustomReturnSiteName="Harborlight"))
    frame = every.frame()
    button = frame.locator(".sign-out button")
    assert button.get_attribute("title") == "Sign out and Return to Harborlight"
    button.click()
    assert every.heard("signedOut")["origin"] == stage.origin()
    frame.wait_for_url(back)
    # By the partner's page: the frame moves to a process of its own meanwhile, which a command to the frame itself may not survive.
    every.page.evaluate("url => { document.querySelector('iframe').src = url }", stage.origin() + "/b/riverbend/a/none/bills")
    every.page.frame_locator("iframe").locator("main:has-text('not signed in')").wait_for()
