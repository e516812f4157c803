"""The list of browsers under Account Profile: one row for what is open in one browser, and a hand-off ends what it replaces."""

from __future__ import annotations

import re

from tests.flows.test_session_list import FIREFOX, IPHONE, Place, blind, end, ids, sign_in
from tests.flows.visitor import FRAME, FULL, Answer, Visitor
from tests.flows.world import World


def rows(page: Answer) -> list[str]:
    """What the list says of each browser, in words."""
    found = re.findall(r'<p class="session-what">(.*?)(?=<p class="session-what">|</section>)', page.text, re.DOTALL)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", each)).strip() for each in found]


def hand_off(world: World, visitor: Visitor, user: str = "avery") -> str:
    """Another full page in a browser, and its address."""
    moved = world.connect(visitor, world.token(user))
    assert moved.status == 303
    return world.url(moved.location)


def frames(world: World, visitor: Visitor, count: int) -> list[Answer]:
    """First pages of frames in one browser; nobody has clicked in any of them."""
    token = world.token()
    pages = [world.connect(visitor, token) for _ in range(count)]
    assert {page.status for page in pages} == {200}
    return pages


def test_three_full_pages_in_one_browser_are_one_session(world: World) -> None:
    visitor = world.visitor()
    host = world.biller().host
    copies = []
    for _ in range(3):
        url = re.sub(r"/\w+$", "/profile", hand_off(world, visitor))
        assert len(rows(visitor.get(url))) == 1, "also on the very page that replaces it"
        copies.append(dict(visitor.jars[host]))
    (row,) = rows(Place(visitor, url, "").profile)
    assert "This browser" in row
    assert "sessions" not in row
    assert [Visitor(world.app, FULL, jars={host: copy}).get(url).status for copy in copies] == [401, 401, 200]


def test_three_hand_offs_into_a_frame_are_one_row_that_ends_all_of_them(world: World) -> None:
    visitor = world.visitor(FRAME)
    pages = frames(world, visitor, 3)
    world.later(minutes=1)
    phone = sign_in(world, agent=IPHONE)
    here = sign_in(world, agent=FIREFOX)
    assert len(rows(here.profile)) == 3
    row = next(each for each in rows(here.profile) if "3 sessions" in each)
    assert "On a page of Harborlight" in row
    framed = ids(here.profile)[0]
    assert end(world, here, framed).status == 303
    assert [world.press(blind(world), page, page.own_path).status for page in pages] == [401] * 3
    assert (phone.is_in, here.is_in) == (True, True)
    assert len(rows(here.profile)) == 2


def test_frames_without_cookies_are_rows_of_their_own(world: World) -> None:
    for _ in range(3):
        frames(world, blind(world), 1)
    assert len(rows(sign_in(world).profile)) == 4


def test_another_browser_that_calls_itself_the_same_is_a_row_of_its_own(world: World) -> None:
    token = world.token()
    sign_in(world, agent=FIREFOX, token=token)
    here = sign_in(world, agent=FIREFOX, token=token)
    assert len(rows(here.profile)) == 2, "not even the same token hides it"


def test_in_this_browser_the_others_can_be_ended_and_this_one_lives(world: World) -> None:
    visitor = world.visitor(FRAME)
    first = frames(world, visitor, 2)
    page = world.connect(visitor, world.token(), RedirectID="4")
    (row,) = rows(page)
    assert "3 sessions" in row
    assert "This page" in row
    (rest,) = ids(page)
    form = {"csrf_token": page.csrf, "frame_token": page.frame_token, "session": rest, "back": page.own_path}
    done = visitor.post(f"{world.biller().base_url}/sessions/end", form, origin=world.biller().origin)
    assert done.status in {200, 303}
    assert visitor.get(world.url(page.own_path)).status == 200
    assert [world.press(blind(world), each, each.own_path).status for each in first] == [401, 401]
    (row,) = rows(visitor.get(world.url(page.own_path)))
    assert "sessions" not in row


def test_a_hand_off_ends_the_page_it_replaces_and_not_the_frame_that_this_came_out_of(world: World) -> None:
    frame, page = world.frame()
    (ticket,) = re.findall(r'name="ticket" value="([^"]+)"', page.text)
    top = world.visitor()
    moved = top.post(f"{world.biller().base_url}/out", {"ticket": ticket, "path": page.own_path}, origin=world.biller().origin)
    assert top.get(world.url(moved.location)).status == 200
    host = world.biller().host
    before = dict(top.jars[host])
    assert top.get(hand_off(world, top)).status == 200
    assert Visitor(world.app, FULL, jars={host: before}).get(world.url(page.own_path)).status == 401
    assert frame.get(world.url(page.own_path)).status == 200


def test_who_says_no_to_another_payer_keeps_the_session_and_who_says_yes_replaces_it_alone(world: World) -> None:
    elsewhere = sign_in(world, agent=IPHONE)
    visitor = world.visitor()
    url = hand_off(world, visitor)
    visitor.get(url)
    host = world.biller().host
    before = dict(visitor.jars[host])
    copy = Visitor(world.app, FULL, jars={host: dict(before)})
    for answer, lives in (("no", True), ("yes", False)):
        asked = visitor.get(hand_off(world, visitor, "zoe"))
        assert "Continue as" in asked.text
        form = asked.fields | {"answer": answer}
        visitor.post(f"{world.biller().base_url}/sso/continue", form, origin=world.biller().origin)
        assert (copy.get(url).status == 200) == lives
    assert elsewhere.is_in
    assert len(rows(elsewhere.profile)) == 1


def test_a_session_that_timed_out_says_nothing_about_the_browser_any_more(world: World) -> None:
    visitor = world.visitor(FRAME)
    frames(world, visitor, 1)
    world.later(minutes=16)
    frames(world, visitor, 1)
    (row,) = (each for each in rows(sign_in(world).profile) if "This browser" not in each)
    assert "sessions" not in row


def test_a_row_ends_also_what_the_list_is_too_short_for(world: World) -> None:
    visitor = world.visitor(FRAME)
    pages = frames(world, visitor, 65) + frames(world, visitor, 65)
    here = sign_in(world)
    assert len(rows(here.profile)) == 2
    assert end(world, here, ids(here.profile)[0]).status == 303
    assert {world.press(blind(world), page, page.own_path).status for page in (pages[0], pages[64], pages[-1])} == {401}
    assert here.is_in
    assert len(rows(here.profile)) == 1


def test_sixty_sessions_of_three_browsers_are_three_rows(world: World) -> None:
    for _ in range(2):
        frames(world, world.visitor(FRAME), 30)
    page = sign_in(world).profile
    assert len(rows(page)) == 3
    assert "and 20 more" in page.text
    assert ids(page).count("all") == 1
