"""A copied frame token, on the wire: the payer and the thief cannot both go on, and the biller's staff hear of it."""

from __future__ import annotations

import pytest

from idp.alarms import Alarm
from tests.flows.visitor import FRAME, Answer
from tests.flows.world import AMOUNTS, PRAIRIE, RIVERBEND, World


def go_on(world: World, page: Answer, bid: int = RIVERBEND) -> Answer:
    """The next click, in a browser that keeps no cookies."""
    return world.press(world.visitor(FRAME), page, page.own_path, bid=bid)


def alarms(world: World, bid: int = RIVERBEND) -> list[Alarm]:
    return [each for each in world.hub.alarms.list_recent(bid) if each.kind == "frame_token.copied"]


@pytest.mark.parametrize("first", ["payer", "thief"])
def test_a_copy_of_a_page_makes_no_second_chain(world: World, first: str) -> None:
    copied = go_on(world, world.first_page()[1])
    one, other = go_on(world, copied), go_on(world, copied)
    payers, thiefs = (one, other) if first == "payer" else (other, one)
    there = go_on(world, world.first_page()[1])
    assert AMOUNTS[RIVERBEND] in payers.text
    assert AMOUNTS[RIVERBEND] in thiefs.text, "within its 30 seconds it is good, for whoever has it"
    started = go_on(world, one)
    assert started.status == 200
    assert go_on(world, other).status == 401
    assert go_on(world, started).status == 401, "nobody knows which of the two is the payer"
    assert go_on(world, there).status == 200
    (alarm,) = alarms(world)
    assert alarm.subject == f"user:{world.user_id('avery')}"
    assert str(world.key_id("session")) in alarm.detail
    for page in (copied, one, other):
        assert page.frame_token not in str(alarm)
    assert alarms(world, PRAIRIE) == []
    assert go_on(world, world.first_page()[1]).status == 200, "a new hand-off goes on"


def test_a_copy_that_waits_until_the_payer_has_gone_on_for_half_a_minute_is_refused_and_ends_nothing(world: World) -> None:
    copied = go_on(world, world.first_page()[1])
    page = go_on(world, copied)
    world.later(seconds=31)
    assert go_on(world, copied).status == 401
    assert go_on(world, page).status == 200
    assert alarms(world) == []


def test_a_second_click_and_a_page_asked_for_twice_sound_nothing(world: World) -> None:
    page = world.first_page()[1]
    for _ in range(5):
        page = [go_on(world, page) for _ in range(3)][1]
        assert AMOUNTS[RIVERBEND] in page.text
    assert alarms(world) == []


def test_the_scripts_renewal_counts_as_a_use(world: World) -> None:
    copied = go_on(world, world.first_page()[1])
    payers, thiefs = go_on(world, copied), go_on(world, copied)
    headers = {"X-Hub-Frame-Token": payers.frame_token}
    renew = f"{world.biller().base_url}/frame/token"
    assert world.visitor("empty").post(renew, {}, origin=world.biller().origin, headers=headers).status == 200
    assert go_on(world, thiefs).status == 401
    assert len(alarms(world)) == 1
    assert world.visitor("empty").post(renew, {}, origin=world.biller().origin, headers=headers).status == 401


def test_a_copy_of_a_first_page_is_worth_nothing_once_the_payers_cookie_came_back(world: World) -> None:
    visitor, first = world.first_page()
    thiefs = go_on(world, first)
    assert AMOUNTS[RIVERBEND] in thiefs.text
    shown = world.press(visitor, first, first.own_path)
    assert shown.frame_token == "", "by cookie"
    assert go_on(world, thiefs).status == 401
    assert go_on(world, first).status == 401
    assert visitor.get(world.url(first.own_path)).status == 200


def test_a_page_that_came_out_of_the_frame_ends_with_the_fork(world: World) -> None:
    visitor, first = world.first_page()
    tickets = [part.split('"')[0] for part in first.text.split('name="ticket" value="')[1:]]
    moved = visitor.post(
        f"{world.biller().base_url}/out", {"ticket": tickets[0], "path": first.own_path}, origin=world.biller().origin
    )
    top = world.visitor()
    top.jars = visitor.jars
    assert top.get(world.url(moved.location)).status == 200
    one, other = go_on(world, first), go_on(world, first)
    go_on(world, one)
    go_on(world, other)
    assert top.get(world.url(moved.location)).status == 401
