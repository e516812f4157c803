"""How long at most: a session ends 8 hours after its token's issue, and whatever comes of it ends with it, however it was made."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from tests.flows.partner import PartnerProgram
from tests.flows.test_arriving import answer
from tests.flows.test_links import follow
from tests.flows.visitor import FRAME, Answer, Visitor
from tests.flows.world import BEGIN, HARBORLIGHT, World

EIGHT = timedelta(hours=8)
Click = Callable[[], Answer]


def until(world: World, moment: timedelta, click: Click) -> None:
    """Click every ten minutes up to a moment after the beginning of the world."""
    while (left := BEGIN + moment - world.clock.now()) > timedelta(0):
        world.clock.advance(min(timedelta(minutes=10), left))
        assert click().status == 200, world.clock.now()


def ends_with_the_eighth_hour(world: World, click: Click) -> None:
    until(world, EIGHT - timedelta(seconds=1), click)
    world.later(seconds=1)
    assert click().status == 401


def out(world: World, page: Answer) -> Click:
    """Open a page of its own from a frame, and click there."""
    (ticket,) = re.findall(r'name="ticket" value="([^"]+)"', page.text)
    top = world.visitor()
    moved = top.post(f"{world.biller().base_url}/out", {"ticket": ticket, "path": page.own_path}, origin=world.biller().origin)
    assert moved.status == 303
    return lambda: top.get(world.url(moved.location))


def test_a_page_that_comes_out_of_a_frame_after_seven_hours_and_fifty_minutes_ends_with_the_frame(world: World) -> None:
    frame, page = world.frame()
    until(world, timedelta(hours=7, minutes=50), lambda: frame.get(world.url(page.own_path)))
    click = out(world, frame.get(world.url(page.own_path)))
    assert click().status == 200
    ends_with_the_eighth_hour(world, click)


def test_a_redemption_after_seven_hours_and_fifty_nine_minutes_opens_a_minute(world: World) -> None:
    token, visitor = world.token(), world.visitor()
    for _ in range(9):
        world.later(minutes=53)
        assert world.connect(world.visitor(), token).status == 303
    world.later(minutes=2)
    moved = world.connect(visitor, token)
    ends_with_the_eighth_hour(world, lambda: visitor.get(world.url(moved.location)))


def test_a_single_use_hand_off_ends_eight_hours_after_the_issue_and_not_after_the_use(world: World) -> None:
    token, visitor = world.token(key="single"), world.visitor()
    world.later(minutes=19)
    moved = world.connect(visitor, token)
    ends_with_the_eighth_hour(world, lambda: visitor.get(world.url(moved.location)))


def test_the_fresh_session_of_a_double_click_keeps_the_end_of_the_first(world: World) -> None:
    token, browsers = world.token(key="single"), [world.visitor(), world.visitor()]
    world.later(minutes=19)
    for browser in browsers:
        moved = browser.post(
            f"{world.biller().base_url}/sso/connect", world.form(token), origin=HARBORLIGHT, headers={"User-Agent": "Firefox/144"}
        )
        world.later(seconds=2)
    ends_with_the_eighth_hour(world, lambda: browsers[1].get(world.url(moved.location)))


def test_a_link_ends_eight_hours_after_it_was_made(world: World) -> None:
    url, visitor = PartnerProgram(world).link(), world.visitor()
    world.later(seconds=59)
    moved = follow(world, url, visitor)
    ends_with_the_eighth_hour(world, lambda: visitor.get(world.url(moved.location)))


def test_a_continue_that_waited_keeps_the_end(world: World) -> None:
    token, visitor = world.token(), world.visitor()
    world.later(minutes=30)
    moved = visitor.post(f"{world.biller().base_url}/sso/connect", world.form(token), origin="null")
    asked = visitor.get(world.url(moved.location))
    world.later(minutes=14)
    on = answer(world, visitor, asked, "yes")
    ends_with_the_eighth_hour(world, lambda: visitor.get(world.url(on.location)))


def test_a_frame_without_cookies_ends_with_the_eighth_hour_however_its_tokens_turn(world: World) -> None:
    held = [world.first_page()[1]]

    def click() -> Answer:
        page = world.press(world.visitor(FRAME), held[-1], held[-1].own_path)
        if page.status == 200:
            held.append(page)
        return page

    # Its tokens live for five minutes, so it is clicked more often.
    while world.clock.now() < BEGIN + EIGHT - timedelta(minutes=4):
        world.later(minutes=4)
        assert click().status == 200
    world.later(minutes=3, seconds=59)
    assert click().status == 200
    world.later(seconds=1)
    assert click().status == 401


def test_a_billers_own_limit_counts_from_the_beginning_of_the_session_and_holds_for_what_comes_of_it(world: World) -> None:
    world.change_biller(policies={"session_absolute_minutes": 60})
    token = world.token()
    world.later(minutes=20)
    visitor = Visitor(world.app, FRAME)
    first = world.connect(visitor, token)
    page = world.press(visitor, first, first.own_path)
    until(world, timedelta(minutes=75), lambda: visitor.get(world.url(page.own_path)))
    click = out(world, visitor.get(world.url(page.own_path)))
    until(world, timedelta(minutes=79, seconds=59), click)
    world.later(seconds=1)
    assert click().status == 401


def test_the_partners_page_hears_how_long_is_left_and_not_how_long_it_was(world: World) -> None:
    visitor, page = world.frame()
    path = page.own_path

    def left() -> int:
        found = re.search(r'data-expires-in="(\d+)"', visitor.get(world.url(path)).text)
        assert found
        return int(found[1])

    for _ in range(3):
        world.later(minutes=10)
        assert left() == 15 * 60
    until(world, EIGHT - timedelta(minutes=2), lambda: visitor.get(world.url(path)))
    assert left() == 120


def test_a_session_says_when_it_was_last_used_and_never_a_time_before_it_began(world: World) -> None:
    token = world.token()
    for _ in range(9):
        world.later(minutes=53)
        assert world.connect(world.visitor(), token).status == 303
    visitor = world.visitor()
    moved = world.connect(visitor, token, RedirectID="4")
    page = visitor.get(world.url(moved.location))
    since = re.search(r"since ([^,<]+, [^,<]+, [^,<]+), last used ([^<]+)", page.text)
    assert since
    assert since[1].strip() == since[2].strip()
