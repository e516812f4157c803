"""A page without a live session says what is known to have happened, to the browser that was signed in, and nothing to others."""

from __future__ import annotations

import re

import pytest

from idp.opaque import new_id
from tests.flows.visitor import FRAME, FULL, Answer, Visitor
from tests.flows.world import ACTOR, BACK, RIVERBEND, World

NOT_SIGNED_IN, TIMED_OUT = "You&#39;re not signed in", "Your session timed out"
ENDED, EXPIRED = "Your session has ended", "This page has expired"
HOST = "riverbend.hub.example.com"


def h1(answer: Answer) -> str:
    assert answer.status == 401
    found = re.search(r"<h1>([^<]*)</h1>", answer.text)
    return found[1] if found else ""


def lede(answer: Answer) -> str:
    found = re.search(r'<p class="lede">([^<]*)</p>', answer.text)
    return found[1] if found else ""


@pytest.mark.parametrize("params", [{}, {"ReturnUrl": BACK}])
def test_after_the_payers_own_sign_out_nobody_was_away(world: World, params: dict[str, str]) -> None:
    visitor, url = world.full_page(**params)
    world.sign_out(visitor, visitor.get(url))
    over = visitor.get(url, headers={"Sec-Fetch-Site": "none"})
    assert h1(over) == NOT_SIGNED_IN
    assert "away" not in over.text
    assert "cookies" not in over.text


def test_a_session_that_never_was_is_not_said_to_be_over(shared: World) -> None:
    nobody = shared.visitor().get(shared.url("/b/riverbend/a/none/bills"))
    assert h1(nobody) == NOT_SIGNED_IN
    assert "away" not in nobody.text
    assert "session" not in lede(nobody)


def test_whoever_was_idle_or_signed_in_for_hours_is_told_that_it_timed_out(world: World) -> None:
    visitor, url = world.full_page()
    world.later(minutes=15, seconds=1)
    over = visitor.get(url)
    assert h1(over) == TIMED_OUT
    assert "You were away for a while, or signed in for a long time" in lede(over)
    busy, url = world.full_page()
    for _ in range(8 * 5 - 1):
        world.later(minutes=12)
        assert busy.get(url).status == 200
    world.later(minutes=12, seconds=1)
    assert h1(busy.get(url)) == TIMED_OUT


def test_a_session_that_was_ended_elsewhere_says_so(world: World) -> None:
    visitor, url = world.full_page()
    other, other_url = world.full_page()
    page = other.get(other_url.replace("/bills", "/profile"))
    (place,) = re.findall(r'name="session" value="([^"]+)" aria-label', page.text)
    form = {"csrf_token": page.csrf, "session": place, "back": other_url.removeprefix(world.biller().origin)}
    assert other.post(f"{world.biller().base_url}/sessions/end", form, origin=world.biller().origin).status == 303
    assert h1(visitor.get(url)) == ENDED
    assert "away" not in visitor.get(url).text


@pytest.mark.parametrize("how", ["token", "user", "key", "disabled"])
def test_a_session_that_the_partner_or_the_biller_ended_says_no_more_than_that(world: World, how: str) -> None:
    token = world.token()
    visitor = world.visitor()
    url = world.url(world.connect(visitor, token).location)
    visitor.get(url)
    framing = world.visitor(FRAME)
    framed = world.connect(framing, token)
    match how:
        case "token":
            key = world.hub.api_keys.find(RIVERBEND, world.key_id("session"))
            assert key is not None
            world.hub.tokens.revoke(key, token, str(new_id()))
        case "user":
            world.hub.users.revoke(ACTOR, str(new_id()), RIVERBEND, world.user_id("avery"))
        case "key":
            world.hub.api_keys.revoke(ACTOR, str(new_id()), RIVERBEND, world.key_id("session"))
        case "disabled":
            world.hub.users.change(ACTOR, str(new_id()), RIVERBEND, world.user_id("avery"), disabled=True)
    over = visitor.get(url)
    assert h1(over) == ENDED
    assert "disabled" not in over.text
    by_token = {"frame_token": framed.frame_token, "csrf_token": framed.csrf}
    bare = Visitor(world.app, FRAME).post(world.url(framed.links()[0]), by_token, origin=world.biller().origin)
    assert h1(bare) == ENDED


def test_a_frame_token_that_is_too_old_is_a_page_that_has_expired_and_no_session_that_is_over(world: World) -> None:
    _, page = world.first_page()
    form = {"frame_token": page.frame_token, "csrf_token": page.csrf}
    world.later(minutes=5, seconds=1)
    answer = Visitor(world.app, FRAME).post(world.url(page.links()[0]), form, origin=world.biller().origin)
    assert h1(answer) == EXPIRED


def test_a_stranger_learns_nothing_from_the_page(world: World) -> None:
    """Not whether a session was, is, or how it ended: whatever does not hold the session's own secret is told one and the same."""
    visitor, url = world.full_page()
    secret = visitor.cookie(url, "__Host-hub")
    assert secret is not None

    made_up = {"__Host-hub": "x" * len(secret)}
    other_place = {"__Host-hub_f": secret}

    def told() -> list[str]:
        answers = [Visitor(world.app, FULL, jars={HOST: dict(jar)}).get(url) for jar in (made_up, other_place, {})]
        return [re.sub(r"nonce=\S+", "", each.text) for each in answers]

    while_live = told()
    world.sign_out(visitor, visitor.get(url))
    assert told() == while_live
    assert h1(Visitor(world.app, FULL, jars={HOST: made_up}).get(url)) == NOT_SIGNED_IN


def test_a_secret_of_one_biller_tells_nothing_at_another(world: World) -> None:
    visitor, url = world.full_page(key="prairie")
    secret = visitor.cookie(url, "__Host-hub")
    assert secret is not None
    world.later(minutes=16)
    here = Visitor(world.app, FULL, jars={HOST: {"__Host-hub": secret}}).get(world.url("/b/riverbend/a/none/bills"))
    assert h1(here) == NOT_SIGNED_IN
    assert "Harborlight" not in here.text.replace("harborlight", "")


@pytest.mark.parametrize(("site", "hinted"), [("cross-site", True), (None, True), ("same-origin", True), ("none", False)])
def test_blocked_cookies_are_suspected_only_where_a_page_led_here_and_no_cookie_came(
    shared: World, site: str | None, hinted: bool
) -> None:
    headers = {"Sec-Fetch-Site": site or ""}
    page = shared.visitor().get(shared.url("/b/riverbend/a/none/bills"), headers=headers)
    assert ("blocking cookies from" in page.text) == hinted
    keeps_some = Visitor(shared.app, FULL, jars={HOST: {"__Host-hub_lang": "en"}})
    assert "blocking cookies from" not in keeps_some.get(shared.url("/b/riverbend/a/none/bills"), headers=headers).text
