"""The way out of a frame, on the wire: a ticket in a form, good once, for a session of the same family on a page of its own."""

from __future__ import annotations

import re

from tests.flows.visitor import Answer, Visitor
from tests.flows.world import AMOUNTS, PRAIRIE, RIVERBEND, World


def _press(world: World, visitor: Visitor, page: Answer, *, origin: str | None = "own", bid: int = RIVERBEND) -> Answer:
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
    path = re.search(r'name="path" value="([^"]+)"', page.text)
    assert ticket
    assert path
    sender = world.biller(bid).origin if origin == "own" else origin
    slug = world.biller(bid).slug
    return visitor.post(world.url(f"/b/{slug}/out", bid), {"ticket": ticket[1], "path": path[1]}, origin=sender)


def test_a_ticket_opens_a_session_on_a_page_of_its_own_and_a_second_use_opens_none(world: World) -> None:
    _, page = world.frame()
    tab = world.visitor()
    moved = _press(world, tab, page)
    assert moved.status == 303
    url = world.url(moved.location)
    assert AMOUNTS[RIVERBEND] in tab.get(url).text
    again = _press(world, tab, page)
    assert (again.status, again.location) == (303, moved.location)
    assert not again.cookies, "it opened nothing"
    assert AMOUNTS[RIVERBEND] in tab.get(url).text, "and took nothing away"
    stranger = world.visitor()
    assert not _press(world, stranger, page).cookies
    assert stranger.get(url).status == 401


def test_a_ticket_is_too_old_after_half_an_hour_and_nothing_once_its_session_is_over(world: World) -> None:
    frame, page = world.frame()
    world.later(minutes=10)
    frame.get(world.url(page.links()[0]))
    world.later(minutes=10)
    frame.get(world.url(page.links()[0]))
    world.later(minutes=10, seconds=1)
    assert not _press(world, world.visitor(), page).cookies
    _, page = world.frame()
    world.later(minutes=16)
    assert not _press(world, world.visitor(), page).cookies


def test_a_ticket_is_nothing_at_another_biller_from_another_origin_or_changed(world: World) -> None:
    _, page = world.frame()
    changed = Answer(page.status, page.headers, re.sub(r'(name="ticket" value=")[^.]+', r"\g<1>" + "0" * 64, page.text), {})
    assert _press(world, world.visitor(), changed).status == 400
    assert _press(world, world.visitor(), page, origin="https://prairie.hub.example.com").status == 403
    elsewhere = Answer(page.status, page.headers, page.text.replace("/b/riverbend/", "/b/prairie/"), {})
    assert _press(world, world.visitor(), elsewhere, bid=PRAIRIE).status == 400
