"""Sessions: which cookie carries which, how long they live, what ends them, and that nobody can plant one."""

from __future__ import annotations

from typing import Any

import pytest

from idp.errors import SessionRequired
from idp.login.sessions import Opening
from idp.opaque import new_id
from tests.flows.visitor import FRAME, FULL, SILENT, Visitor
from tests.flows.world import ACTOR, AMOUNTS, PRAIRIE, RIVERBEND, World

FULL_COOKIE, FRAME_COOKIE, ARRIVING_COOKIE, ARRIVING_FRAME_COOKIE = "__Host-hub", "__Host-hub_f", "__Host-hub_n", "__Host-hub_fn"


def test_a_full_page_hand_off_arrives_with_a_cookie_of_two_minutes_and_its_first_page_lets_it_in(world: World) -> None:
    visitor = world.visitor()
    moved = world.connect(visitor, world.token())
    secret = visitor.cookie(world.url(""), ARRIVING_COOKIE)
    (line,) = moved.headers.getlist("Set-Cookie")
    assert line.startswith(f"{ARRIVING_COOKIE}={secret}; ")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=120"} <= set(line.split("; "))
    page = visitor.get(world.url(moved.location))
    held, dropped = page.headers.getlist("Set-Cookie")
    assert held == f"{FULL_COOKIE}={secret}; Secure; HttpOnly; Path=/; SameSite=Lax"
    assert dropped.startswith(f"{ARRIVING_COOKIE}=; ")
    assert secret is not None
    assert len(secret) == 43
    assert visitor.get(world.url(moved.location)).cookies == {}


def test_a_frames_cookie_is_partitioned_and_counts_once_a_form_of_its_first_page_came_back(world: World) -> None:
    visitor, page = world.first_page()
    secret = visitor.cookie(world.url(""), ARRIVING_FRAME_COOKIE)
    attributes = "Secure; HttpOnly; Path=/; SameSite=None; Partitioned"
    assert page.headers.getlist("Set-Cookie") == [f"{ARRIVING_FRAME_COOKIE}={secret}; {attributes}"]
    assert visitor.get(world.url(page.own_path)).status == SessionRequired.http, "a page that nobody was shown sends no form"
    shown = world.press(visitor, page, page.own_path)
    held, dropped = shown.headers.getlist("Set-Cookie")
    assert held == f"{FRAME_COOKIE}={secret}; {attributes}"
    assert dropped.startswith(f"{ARRIVING_FRAME_COOKIE}=; ")
    assert visitor.get(world.url(page.own_path)).status == 200


def test_a_page_of_a_session_sets_no_cookie(world: World) -> None:
    visitor, url = world.full_page()
    assert visitor.get(url).cookies == {}


def test_a_cookie_of_a_full_page_opens_no_frame_and_the_other_way_round(world: World) -> None:
    visitor, url = world.full_page()
    host = world.biller().host
    full = visitor.jars[host][FULL_COOKIE]
    framing, page = world.frame()
    frame = framing.jars[host][FRAME_COOKIE]
    assert Visitor(world.app, FRAME, jars={host: {FRAME_COOKIE: full}}).get(url).status == SessionRequired.http
    assert Visitor(world.app, FULL, jars={host: {FULL_COOKIE: frame}}).get(url).status == SessionRequired.http
    assert Visitor(world.app, FRAME, jars={host: {FULL_COOKIE: full}}).get(url).status == SessionRequired.http
    assert Visitor(world.app, FULL, jars={host: {FRAME_COOKIE: frame}}).get(url).status == SessionRequired.http
    assert page.status == 200
    assert visitor.get(url).status == framing.get(url).status == 200


def test_a_browser_that_says_nothing_is_known_by_the_full_page_cookie_first(world: World) -> None:
    host = world.biller().host
    visitor, url = world.full_page()
    framing, _ = world.frame("zoe")
    both = visitor.jars[host] | framing.jars[host]
    page = Visitor(world.app, SILENT, jars={host: both}).get(url)
    assert page.status == 200
    assert "Avery Vale" in page.text
    assert page.headers["X-Frame-Options"] == "DENY"


def test_a_session_slides_with_each_page_and_is_over_after_a_quarter_of_an_hour_without_one(world: World) -> None:
    visitor, url = world.full_page()
    for _ in range(4):
        world.later(minutes=14, seconds=59)
        assert visitor.get(url).status == 200
    world.later(minutes=15, seconds=1)
    over = visitor.get(url)
    assert over.status == 401
    assert "away for a while" in over.text
    assert AMOUNTS[RIVERBEND] not in over.text


def test_a_session_is_over_after_eight_hours_however_busy_it_is(world: World) -> None:
    visitor, url = world.full_page()
    for _ in range(8 * 5 - 1):
        world.later(minutes=12)
        assert visitor.get(url).status == 200
    world.later(minutes=12, seconds=1)
    assert visitor.get(url).status == SessionRequired.http


def test_idle_and_absolute_times_are_each_billers_own(world: World) -> None:
    world.change_biller(RIVERBEND, policies={"session_idle_minutes": 2, "session_absolute_minutes": 5})
    short, short_url = world.full_page()
    other, other_url = world.full_page(key="prairie")
    for _ in range(2):
        world.later(minutes=1, seconds=59)
        assert short.get(short_url).status == 200
    world.later(minutes=1, seconds=3)
    assert short.get(short_url).status == 401
    assert other.get(other_url).status == 200


def test_the_page_of_an_ended_session_in_a_frame_may_be_shown_and_holds_nothing_of_the_payer(world: World) -> None:
    visitor, page = world.frame()
    world.later(minutes=16)
    over = visitor.get(world.url(page.links()[0]))
    assert over.status == 401
    assert over.csp["frame-ancestors"] == "*"
    assert "X-Frame-Options" not in over.headers
    for private in ("Avery", "1001", AMOUNTS[RIVERBEND]):
        assert private not in over.text
    assert "password" not in over.text.lower()


def test_a_full_page_whose_session_is_over_leads_to_setting_3_and_may_not_be_framed(world: World) -> None:
    visitor, url = world.full_page()
    world.later(minutes=16)
    over = visitor.get(url)
    # The session is over, but it is still known that its payer wanted the bills.
    assert 'href="https://pay.harborlight.example/sign-in?RedirectID=1"' in over.text
    assert over.csp["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("what", ["token", "user", "key", "partner", "biller", "user disabled"])
def test_whatever_a_session_rests_on_ends_it_with_the_next_click(world: World, what: str) -> None:
    token = world.token()
    framing = world.visitor(FRAME)
    page = world.connect(framing, token)
    visitor = world.visitor()
    url = world.url(world.connect(visitor, token).location)
    bystander, bystander_url = world.full_page(key="prairie")
    assert visitor.get(url).status == 200
    request_id = str(new_id())
    match what:
        case "token":
            key = world.hub.api_keys.find(RIVERBEND, world.key_id("session"))
            assert key is not None
            world.hub.tokens.revoke(key, token, request_id)
        case "user":
            world.hub.users.revoke(ACTOR, request_id, RIVERBEND, world.user_id("avery"))
        case "user disabled":
            world.hub.users.change(ACTOR, request_id, RIVERBEND, world.user_id("avery"), disabled=True)
        case "key":
            world.hub.api_keys.revoke(ACTOR, request_id, RIVERBEND, world.key_id("session"))
        case "partner":
            world.hub.partners.change(ACTOR, request_id, "harborlight", disabled=True)
        case "biller":
            world.change_biller(disabled=True)
    assert visitor.get(url).status == SessionRequired.http
    assert framing.get(world.url(page.links()[0])).status == 401
    assert bystander.get(bystander_url).status == (401 if what == "partner" else 200)


def test_a_user_who_is_disabled_and_enabled_again_stays_signed_out(world: World) -> None:
    visitor, url = world.full_page()
    for disabled in (True, False):
        world.hub.users.change(ACTOR, str(new_id()), RIVERBEND, world.user_id("avery"), disabled=disabled)
    assert visitor.get(url).status == SessionRequired.http


def test_a_cookie_that_was_planted_is_never_adopted(world: World) -> None:
    host = world.biller().host
    planted = "A" * 43
    victim = Visitor(world.app, FULL, jars={host: {FULL_COOKIE: planted}})
    moved = world.connect(victim, world.token())
    assert moved.status == 303
    assert victim.get(world.url(moved.location)).status == 200
    assert victim.jars[host][FULL_COOKIE] != planted
    attacker = Visitor(world.app, FULL, jars={host: {FULL_COOKIE: planted}})
    assert attacker.get(world.url(moved.location)).status == 401


def test_each_hand_off_gets_a_secret_of_its_own_even_over_a_live_session(world: World) -> None:
    host = world.biller().host
    visitor, _ = world.full_page("zoe")
    mine = visitor.jars[host][FULL_COOKIE]
    moved = world.connect(visitor, world.token("zoe"))
    assert visitor.get(world.url(moved.location)).status == 200
    assert visitor.jars[host][FULL_COOKIE] != mine


def test_a_session_that_was_planted_does_not_see_what_comes_after_it(world: World) -> None:
    host = world.biller().host
    visitor, url = world.full_page("zoe")
    mine = visitor.jars[host][FULL_COOKIE]
    moved = world.connect(visitor, world.token("avery"))
    # Whoever planted zoe's session in this browser does not get to see avery's pages with it.
    old = Visitor(world.app, FULL, jars={host: {FULL_COOKIE: mine}})
    assert old.get(world.url(moved.location)).status == 404
    assert "Zoe Vale" in old.get(url).text


@pytest.mark.parametrize("value", ["", "x", "A" * 43, "A" * 5000, "Ж" * 30, "a b c", '"quoted"'])
def test_a_damaged_cookie_is_no_session_and_no_fault(shared: World, value: str) -> None:
    _, url = shared.full_page()
    for dest in (FULL, FRAME):
        visitor = shared.visitor(dest)
        name = FRAME_COOKIE if dest == FRAME else FULL_COOKIE
        assert visitor.get(url, headers={"Cookie": f"{name}={value}"}).status == 401


def test_the_cookie_of_one_biller_opens_nothing_at_another(world: World) -> None:
    visitor, url = world.full_page()
    there, there_url = world.full_page(key="prairie")
    secret = visitor.jars[world.biller().host][FULL_COOKIE]
    prairie = world.biller(PRAIRIE)
    stray = Visitor(world.app, FULL, jars={prairie.host: {FULL_COOKIE: secret}})
    assert stray.get(there_url).status == 401
    assert stray.get(url.replace("riverbend", "prairie")).status == 401
    assert AMOUNTS[PRAIRIE] in there.get(there_url).text


@pytest.mark.parametrize("params", [{"AccountNumber": "1002-01"}, {"ReturnUrl": "https://elsewhere.example/"}, {"ViewMode": "1"}])
def test_a_hand_off_that_a_rule_refuses_leaves_no_session_behind(
    world: World, monkeypatch: pytest.MonkeyPatch, params: dict[str, Any]
) -> None:
    made: list[Opening] = []
    opening = world.hub.sessions.opening

    def noted(*arguments: Any, **more: Any) -> Opening:
        made.append(opening(*arguments, **more))
        return made[-1]

    monkeypatch.setattr(world.hub.sessions, "opening", noted)
    assert world.connect(world.visitor(), world.token(), **params).status == 403
    assert world.connect(world.visitor(), world.token()).status == 303
    refused, good = made
    assert world.hub.sessions.find(refused.secret) is None
    assert world.hub.sessions.find(good.secret) is not None
