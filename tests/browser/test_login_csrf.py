"""A stranger's page pushes the stranger's own sign-in into a browser where nobody is signed in, by every way that a page has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page

from tests.browser.stage import Stage, Window

RIVERBEND = "$84.17"
EVIL = "evil"


def address(answer: dict[str, Any]) -> str:
    """A redirect by GET."""
    form = {"RemoteAuthenticationToken": answer["RemoteAuthenticationToken"], "ViewMode": "0", "RedirectID": "1"}
    return f"{answer['ConnectUrl']}?{urlencode(form)}"


def _form(stage: Stage, answer: dict[str, Any], head: str = "", around: str = "%s") -> str:
    return head + around % stage.form(answer, name="push", ViewMode="0") + "<script>document.forms[0].submit()</script>"


def _sandboxed(stage: Stage, answer: dict[str, Any]) -> str:
    inner = _form(stage, answer).replace("<form ", "<form target=_top ").replace('"', "&quot;")
    return f'<iframe sandbox="allow-scripts allow-forms allow-top-navigation" srcdoc="{inner}"></iframe>'


NO_REFERRER = '<meta name="referrer" content="no-referrer">'
HIDDEN: dict[str, Callable[[Stage, dict[str, Any]], str]] = {
    "a form under no-referrer": lambda stage, answer: _form(stage, answer, NO_REFERRER),
    "a sandboxed frame": _sandboxed,
    "a link without referrer": lambda _s, answer: (
        f'<a referrerpolicy=no-referrer href="{address(answer)}">x</a><script>document.links[0].click()</script>'
    ),
    "meta refresh under no-referrer": lambda _s, answer: (
        f'{NO_REFERRER}<meta http-equiv="refresh" content="0;url={address(answer)}">'
    ),
    "location under no-referrer": lambda _s, answer: f"{NO_REFERRER}<script>location.href = '{address(answer)}'</script>",
}
OPEN: dict[str, Callable[[Stage, dict[str, Any]], str]] = {
    "a form": _form,
    "a link": lambda _s, answer: f'<a href="{address(answer)}">x</a><script>document.links[0].click()</script>',
    "meta refresh": lambda _s, answer: f'<meta http-equiv="refresh" content="0;url={address(answer)}">',
    "location": lambda _s, answer: f"<script>location.href = '{address(answer)}'</script>",
}


def is_asked(page: Page) -> bool:
    page.wait_for_selector("button[value=yes]")
    assert RIVERBEND not in page.content()
    return page.inner_text("h1") == "Continue as Avery Brandt?"


def counting_cookies(window: Window) -> list[str]:
    """Cookies of a session that counts, wherever they are kept."""
    return [str(each["name"]) for each in window.page.context.cookies() if each["name"] in {"__Host-hub", "__Host-hub_f"}]


@pytest.mark.parametrize("way", HIDDEN)
@pytest.mark.parametrize("host", [EVIL, "x.hub"])
def test_a_strangers_page_that_hides_signs_nobody_in_unasked(window: Window, stage: Stage, way: str, host: str) -> None:
    window.page.goto(stage.partner.show("/push", HIDDEN[way](stage, stage.authenticate()), host=host))
    assert is_asked(window.page)
    assert counting_cookies(window) == []
    window.shoot(f"push {way}")
    window.page.click("button[value=no]")
    window.page.wait_for_url(f"{stage.demo.partner_origin}/")
    assert counting_cookies(window) == []


@pytest.mark.parametrize("way", OPEN)
def test_a_strangers_page_that_shows_itself_is_refused(window: Window, stage: Stage, way: str) -> None:
    window.page.goto(stage.partner.show("/push", OPEN[way](stage, stage.authenticate()), host=EVIL))
    window.page.wait_for_selector("main[data-reference]")
    assert counting_cookies(window) == []


@pytest.mark.parametrize("hidden", [True, False])
def test_a_window_that_a_strangers_page_opens_signs_nobody_in_unasked(window: Window, stage: Stage, hidden: bool) -> None:
    features = ", '_blank', 'noreferrer'" if hidden else ""
    script = f"document.querySelector('button').onclick = () => window.open('{address(stage.authenticate())}'{features})"
    window.page.goto(stage.partner.show("/open", f"<button>x</button><script>{script}</script>", host=EVIL))
    with window.page.context.expect_page() as opened:
        window.page.click("button")
    page = opened.value
    if hidden:
        assert is_asked(page)
    else:
        page.wait_for_selector("main[data-reference]")
    assert counting_cookies(window) == []


def test_a_strangers_page_that_frames_a_hand_off_leaves_no_cookie_that_counts(either: Window, stage: Stage) -> None:
    answer = stage.authenticate()
    body = '<iframe name="hub" width=900 height=700></iframe>' + stage.form(answer, name="push", target="hub", ViewMode="1")
    either.page.goto(stage.partner.show("/framing", f"{NO_REFERRER}{body}<script>document.forms[0].submit()</script>", host=EVIL))
    either.wait_for_fault("frame-ancestors")
    assert counting_cookies(either) == []
    # The partner's own page, afterwards: its hand-off of another payer asks about nobody.
    either.page.goto(stage.frame_page(("hub", stage.authenticate("zoe"))))
    assert "Zoë Lindqvist" in either.frame("hub", ".who").inner_text(".who")


WELL_BEHAVED: dict[str, Callable[[Stage, dict[str, Any]], str]] = {
    **OPEN,
    "a form with its origin only": lambda stage, answer: _form(stage, answer, '<meta name="referrer" content="origin">'),
    "the old shared address": lambda stage, answer: _form(
        stage, {**answer, "ConnectUrl": f"{stage.origin().replace('riverbend.', '')}/sso/connect"}
    ),
}


@pytest.mark.parametrize("way", WELL_BEHAVED)
def test_the_partners_page_is_not_asked_about(either: Window, stage: Stage, way: str) -> None:
    either.page.goto(stage.partner.show("/push", WELL_BEHAVED[way](stage, stage.authenticate())))
    either.page.wait_for_url(f"{stage.origin()}/b/riverbend/a/**")
    assert RIVERBEND in either.page.inner_text("main")


def test_an_address_that_is_typed_is_not_asked_about(window: Window, stage: Stage) -> None:
    window.page.goto(address(stage.authenticate()))
    assert RIVERBEND in window.page.inner_text("main")
    assert "?" not in window.page.url


# --- SSO links ---------------------------------------------------------------------------------------------------------------


def make_link(stage: Stage) -> str:
    body = {"UserName": "avery", "RedirectID": 1, "ViewMode": 0}
    url: str = stage.clients["riverbend"].call("POST", "/sso-connect/links", body)["Url"]
    return url


@pytest.mark.parametrize("host", [EVIL, "x.hub"])
def test_a_link_on_a_strangers_page_that_hides_is_asked_about(either: Window, stage: Stage, host: str) -> None:
    either.page.goto(stage.partner.show("/link", f'{NO_REFERRER}<a href="{make_link(stage)}">x</a>', host=host))
    either.page.click("a")
    assert is_asked(either.page)
    assert counting_cookies(either) == []
    either.page.click("button[value=yes]")
    either.page.wait_for_selector(".top-user")


def test_a_link_on_a_strangers_page_that_shows_itself_is_refused(window: Window, stage: Stage) -> None:
    window.page.goto(stage.partner.show("/link", f'<a href="{make_link(stage)}">x</a>', host=EVIL))
    window.page.click("a")
    window.page.wait_for_selector("main[data-reference]")


def test_a_good_landing_page_that_a_stranger_opened_vouches_for_no_link_of_the_stranger(window: Window, stage: Stage) -> None:
    bare = f"{stage.origin()}/b/riverbend/sso/link"
    script = f"""
        let opened;
        document.querySelector('button').onclick = () => {{ opened = window.open('{bare}', 'landing') }};
        window.push = url => {{ opened.location = url }};
    """
    window.page.goto(stage.partner.show("/open", f"{NO_REFERRER}<button>x</button><script>{script}</script>", host=EVIL))
    with window.page.context.expect_page() as opened:
        window.page.click("button")
    page = opened.value
    page.wait_for_selector("[data-link-over]:not([hidden])")
    window.page.evaluate("url => push(url)", make_link(stage))
    page.wait_for_timeout(0)
    assert counting_cookies(window) == []
    assert page.locator("button[value=yes], [data-link-over]:not([hidden])").count() >= 1


@pytest.mark.parametrize("typed", [True, False])
def test_a_link_that_is_typed_or_on_the_partners_page_is_not_asked_about(either: Window, stage: Stage, typed: bool) -> None:
    url = make_link(stage)
    if typed:
        either.page.goto(url)
    else:
        either.page.goto(stage.partner.show("/link", f'<a href="{url}">x</a>'))
        either.page.click("a")
    either.page.wait_for_url(f"{stage.origin()}/b/riverbend/a/**")
    assert RIVERBEND in either.page.inner_text("main")
