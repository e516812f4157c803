"""The matrix: cookies of other sites allowed, blocked, all cookies off; by POST and by GET into a frame, a full page, a new tab."""

from __future__ import annotations

import pytest
from playwright.sync_api import Frame, Page

from idp.login.frame_tokens import PREFIX
from tests.browser.stage import PAY, Stage, Window

RIVERBEND = "$84.17"
_ENTRIES = "navigation.entries().map(each => each.url)"


class Watch:
    """Every address that a tab asked for or showed, and every frame token that a page of it carried."""

    def __init__(self, window: Window, token: str) -> None:
        self._token = token
        self._frame_tokens: set[str] = set()
        self._addresses: list[str] = []
        context = window.page.context
        context.on("request", lambda request: self._addresses.append(request.url))
        window.page.on("framenavigated", lambda frame: self._addresses.append(frame.url))

    def look(self, shown: Page | Frame) -> None:
        """At the page that is shown now."""
        self._addresses += [shown.url, *shown.evaluate(_ENTRIES), shown.evaluate("document.referrer")]
        fields = shown.eval_on_selector_all("input[name=frame_token]", "all => all.map(each => each.value)")
        assert all(value.startswith(PREFIX) for value in fields)
        self._frame_tokens |= set(fields)

    def check(self, stage: Stage, *, by_get: bool) -> int:
        """No token in an address, nor in the log of the hub. How many frame tokens there were."""
        allowed = "/sso/connect?" if by_get else "nothing"
        for address in self._addresses:
            assert self._token not in address or allowed in address
            assert PREFIX not in address
        log = stage.log()
        assert log
        assert self._token not in log
        assert PREFIX not in log
        return len(self._frame_tokens)


@pytest.fixture
def cookies(request: pytest.FixtureRequest) -> str:
    """Which browser `every` is."""
    kind: str = request.node.callspec.params["every"]
    return kind


@pytest.fixture
def avery(stage: Stage) -> dict[str, str]:
    return stage.authenticate()


def test_the_browser_without_cookies_really_keeps_none_and_no_storage_either(cookieless: Window, stage: Stage) -> None:
    page = cookieless.page
    page.goto(f"{stage.partner.origin('other')}/control")
    page.reload()
    assert page.inner_text("body") == "came: none"
    assert page.evaluate("(() => { try { sessionStorage.x = 1; return 'kept' } catch (fault) { return fault.name } })()") == (
        "SecurityError"
    )


@pytest.mark.parametrize("method", ["post", "get"])
def test_a_frame_gets_through_whatever_the_browser_does_with_cookies(
    every: Window, cookies: str, stage: Stage, avery: dict[str, str], method: str
) -> None:
    watch = Watch(every, avery["RemoteAuthenticationToken"])
    every.page.goto(stage.frame_page(("hub", avery), method=method))
    frame = every.frame("hub", ".due")
    assert RIVERBEND in frame.inner_text("main")
    watch.look(frame)
    assert frame.evaluate("navigation.entries().length") == 1, "Back from the first page leaves it"
    frame.click(PAY)
    frame.wait_for_selector("h1:has-text('Make a payment')")
    assert frame.url.endswith("/pay")
    watch.look(frame)
    # The second page knows how this browser carries: by cookie there are links from now on, else the buttons stay.
    carries_tokens = frame.locator("input[name=frame_token]").count() > 0
    assert carries_tokens == (cookies == "off")
    frame.click(".account summary")
    frame.click(".account-choice")
    frame.wait_for_selector(".account summary:has-text('1001-02')")
    watch.look(frame)
    every.page.evaluate("history.back()")
    frame.wait_for_selector(".account summary:has-text('1001-01')")
    assert frame.inner_text("h1") == "Make a payment"
    every.page.evaluate("history.back()")
    frame.wait_for_selector("h1:has-text('Recent bills')")
    assert RIVERBEND in every.frame("hub", ".due").inner_text("main")
    every.page.evaluate("history.forward()")
    frame.wait_for_selector("h1:has-text('Make a payment')")
    watch.look(every.frame("hub", ".account"))
    assert every.faults == []
    assert watch.check(stage, by_get=method == "get") >= (4 if cookies == "off" else 1 if method == "post" else 0)


@pytest.mark.parametrize("method", ["post", "get"])
@pytest.mark.parametrize("mode", ["0", "2"])
def test_a_full_page_and_a_new_tab_get_through_or_say_what_to_do(
    every: Window, cookies: str, stage: Stage, avery: dict[str, str], mode: str, method: str
) -> None:
    watch = Watch(every, avery["RemoteAuthenticationToken"])
    every.page.goto(stage.full_page(avery, mode=mode, method=method))
    if mode == "2":
        with every.page.expect_popup() as opened:
            every.page.click("button")
        page = opened.value
    else:
        every.page.click("button")
        page = every.page
    page.wait_for_url(f"{stage.origin()}/b/riverbend/a/**/bills")
    page.wait_for_selector("h1")
    watch.look(page)
    if cookies == "off":
        assert page.inner_text("h1") == "You're not signed in"
        told = page.inner_text("main")
        assert f"blocking cookies from {stage.origin().removeprefix('http://')}" in told
        assert "away" not in told
        assert RIVERBEND not in told
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        every.shoot(f"no cookies full page {mode}")
        page.click("main a.button")
        page.wait_for_url(f"{stage.demo.partner_origin}/*")
    else:
        assert RIVERBEND in page.inner_text("main")
        page.click(PAY)
        page.wait_for_url("**/pay")
        watch.look(page)
        page.go_back()
        page.wait_for_url("**/bills")
        page.reload()
        assert RIVERBEND in page.inner_text("main")
    assert watch.check(stage, by_get=method == "get") == 0


def test_without_cookies_a_double_click_opens_the_page_once_and_bills_are_paged(cookieless: Window, stage: Stage) -> None:
    stage.add_old_bills("riverbend", "1001-02")
    cookieless.page.goto(stage.frame_page(("hub", stage.authenticate()), AccountNumber="1001-02"))
    frame = cookieless.frame("hub", ".due")
    assert "OLD-014" not in frame.inner_text(".bills")
    entries = cookieless.page.evaluate("history.length")
    frame.locator("button:has-text('Older')").dblclick()
    frame.wait_for_selector(".bills:has-text('OLD-014')")
    assert "?cursor=" in frame.url
    assert cookieless.page.evaluate("history.length") == entries + 1
    cookieless.page.evaluate("history.back()")
    frame.wait_for_selector(".bills:has-text('OLD-001')")
    assert "?" not in frame.url
    cookieless.page.evaluate("history.forward()")
    frame.wait_for_selector(".bills:has-text('OLD-014')")
    # Two clicks at once without our script, as two posts with one token: the one before is good for 30 seconds more.
    answers = frame.evaluate(
        """async () => {
            const form = document.querySelector("form.go"), fields = () => new URLSearchParams(new FormData(form));
            const all = [fields(), fields()].map(body => fetch(form.action, {method: "POST", body}));
            return (await Promise.all(all)).map(each => each.status);
        }"""
    )
    assert answers == [200, 200]
    assert cookieless.faults == []


def test_without_cookies_a_frame_that_is_reloaded_by_itself_says_what_to_do_and_a_reload_of_the_partners_page_helps(
    cookieless: Window, stage: Stage
) -> None:
    cookieless.page.goto(stage.frame_page(("hub", stage.authenticate())))
    frame = cookieless.frame("hub", ".due")
    frame.click(PAY)
    frame.wait_for_selector("h1:has-text('Make a payment')")
    frame.evaluate("location.reload()")
    frame.wait_for_selector("text=You're not signed in")
    told = frame.inner_text("main")
    assert "reload the page that you came from" in told
    assert "away" not in told
    assert RIVERBEND not in told
    cookieless.page.reload()
    assert RIVERBEND in cookieless.frame("hub", ".due").inner_text("main")
