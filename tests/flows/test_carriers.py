"""By which way the browsers of frames come back: found out with the second page, remembered, counted once per framed session."""

from __future__ import annotations

import pytest

from tests.flows.visitor import FRAME, Answer, Visitor
from tests.flows.world import BACK, HARBORLIGHT, PRAIRIE, RIVERBEND, World

SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/604.1"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"


def first_page(world: World, visitor: Visitor, agent: str, key: str = "session") -> Answer:
    """A hand-off into a frame."""
    bid = world.prepared.keys[key][0]
    form = world.form(world.token(key=key), ViewMode="1")
    origin = HARBORLIGHT if bid == RIVERBEND else "https://prairie.harborlight.example"
    page = visitor.post(f"{world.biller(bid).base_url}/sso/connect", form, origin=origin, headers={"User-Agent": agent})
    assert page.status == 200
    return page


def press(world: World, visitor: Visitor, page: Answer, bid: int = RIVERBEND) -> Answer:
    """The first button of a page."""
    form = {"csrf_token": page.csrf, "frame_token": page.frame_token}
    return visitor.post(world.url(page.links()[0], bid), form, origin=world.biller(bid).origin)


def counted(world: World, bid: int = RIVERBEND) -> dict[tuple[str, str], int]:
    """Sessions by browser and carrier."""
    return {(each.browser, each.carrier): each.times for each in world.hub.carrier_counts.list_recent(bid)}


def test_a_frame_whose_cookie_comes_back_is_counted_once_and_has_links_from_then_on(world: World) -> None:
    visitor = world.visitor(FRAME)
    page = first_page(world, visitor, CHROME)
    assert page.frame_token
    assert counted(world) == {}, "the first page does not know yet"
    second = press(world, visitor, page)
    assert (second.status, second.frame_token) == (200, "")
    assert counted(world) == {("chrome", "cookie"): 1}
    for path in second.links():
        assert visitor.get(world.url(path)).status == 200
    assert counted(world) == {("chrome", "cookie"): 1}


def test_a_frame_whose_cookie_is_dropped_is_counted_once_and_goes_on_by_token(world: World) -> None:
    page = first_page(world, world.visitor(FRAME), SAFARI)
    for _ in range(3):
        page = press(world, world.visitor(FRAME), page)
        assert page.status == 200
        assert page.frame_token
        assert page.cookies == {}
    assert counted(world) == {("safari", "token"): 1}


def test_a_double_click_on_the_first_page_counts_once(world: World) -> None:
    page = first_page(world, world.visitor(FRAME), SAFARI)
    assert [press(world, world.visitor(FRAME), page).status for _ in range(2)] == [200, 200]
    assert counted(world) == {("safari", "token"): 1}


def test_each_framed_session_counts_at_its_biller_and_under_its_key(world: World) -> None:
    for key, bid in (("session", RIVERBEND), ("prairie", PRAIRIE), ("session", RIVERBEND)):
        visitor = world.visitor(FRAME)
        press(world, visitor, first_page(world, visitor, CHROME, key), bid)
    (here,) = world.hub.carrier_counts.list_recent(RIVERBEND)
    (there,) = world.hub.carrier_counts.list_recent(PRAIRIE)
    assert (here.key_id, here.times) == (world.key_id("session"), 2)
    assert (there.key_id, there.times) == (world.key_id("prairie"), 1)


def test_a_frame_that_nobody_goes_on_in_and_a_full_page_are_not_counted(world: World) -> None:
    first_page(world, world.visitor(FRAME), CHROME)
    visitor, url = world.full_page()
    visitor.get(url)
    assert counted(world) == {}


@pytest.mark.parametrize("other", ["zoe", "prairie"])
def test_a_frame_token_counts_before_the_cookie_of_another_session(world: World, other: str) -> None:
    """Two frames in one browser: each page goes on as who it is."""
    visitor = world.visitor(FRAME)
    page = first_page(world, visitor, CHROME)
    if other == "zoe":
        jar = world.frame("zoe")[0].jars[world.biller().host]
        visitor.jars[world.biller().host] = dict(jar)
    else:
        first_page(world, visitor, CHROME, "prairie")
    following = press(world, visitor, page)
    assert following.status == 200
    assert "Avery Vale" in following.text
    assert bool(following.frame_token) == (other == "zoe"), "another's cookie is not how this session comes back"


def test_a_first_page_that_stayed_open_past_its_frame_token_goes_on_by_cookie_and_without_one_it_does_not(world: World) -> None:
    visitor, first = world.first_page()
    world.later(minutes=5, seconds=1)
    assert world.press(world.visitor(FRAME), first, first.own_path).status == 401
    shown = world.press(visitor, first, first.own_path)
    assert (shown.status, shown.frame_token) == (200, "")
    assert visitor.get(world.url(first.own_path)).status == 200


def test_an_old_frame_token_of_another_session_proves_nothing_for_a_cookie_that_does_not_count_yet(world: World) -> None:
    visitor, first = world.first_page()
    _, other = world.first_page()
    world.later(minutes=5, seconds=1)
    form = {"csrf_token": first.csrf, "frame_token": other.frame_token}
    assert visitor.post(world.url(first.own_path), form, origin=world.biller().origin).status == 401
    assert visitor.get(world.url(first.own_path)).status == 401


def test_a_form_on_the_first_page_that_is_answered_by_a_redirect_lets_the_cookie_count(world: World) -> None:
    visitor, first = world.first_page(RedirectID="4")
    form = {"csrf_token": first.csrf, "frame_token": first.frame_token, "session": "nobodys", "back": first.own_path}
    moved = visitor.post(f"{world.biller().base_url}/sessions/end", form, origin=world.biller().origin)
    assert (moved.status, moved.location) == (303, first.own_path)
    assert visitor.get(world.url(first.own_path)).status == 200


def test_signing_out_on_the_first_page_takes_the_waiting_cookie_back_too(world: World) -> None:
    visitor, first = world.first_page(ReturnUrl=BACK)
    assert world.sign_out(visitor, first).status == 200
    assert {name for name in visitor.jars[world.biller().host] if name.startswith("__Host-hub_f")} == set()
