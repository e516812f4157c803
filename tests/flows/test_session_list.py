"""Where a payer is signed in, under Account Profile: seen, ended one by one or all, and nobody else's."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from admin.history import ChangeEntry, ChangeFilter
from idp.opaque import new_id
from tests.flows.visitor import FRAME, FULL, Answer, Visitor
from tests.flows.world import ACTOR, HARBORLIGHT, MEADOWLINE, PRAIRIE, RIVERBEND, World

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/604.1"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"


@dataclass(frozen=True, slots=True)
class Place:
    """One place where somebody is signed in: the browser, its page, the token that began it."""

    visitor: Visitor
    url: str
    token: str

    @property
    def profile(self) -> Answer:
        return self.visitor.get(re.sub(r"/\w+$", "/profile", self.url))

    @property
    def is_in(self) -> bool:
        return self.visitor.get(self.url).status == 200


def sign_in(
    world: World, user: str = "avery", key: str = "session", agent: str = "", token: str = "", origin: str = HARBORLIGHT
) -> Place:
    """A full page in a browser of its own."""
    bid = world.prepared.keys[key][0]
    token = token or world.token(user, key)
    visitor = world.visitor()
    form = world.form(token)
    moved = visitor.post(f"{world.biller(bid).base_url}/sso/connect", form, origin=origin, headers={"User-Agent": agent})
    assert moved.status == 303, moved.text
    url = world.url(moved.location, bid)
    assert visitor.get(url).status == 200
    return Place(visitor, url, token)


def entries(page: Answer) -> list[str]:
    """What the list says of each place, in words."""
    found = re.search(r'<ul class="sessions">(.*?)</ul>', page.text, re.DOTALL)
    assert found, page.text
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", each)).strip() for each in found[1].split("<li>")[1:]]


def ids(page: Answer) -> list[str]:
    """The ids that the list's buttons name, "all" among them."""
    return re.findall(r'name="session" value="([^"]+)"', page.text)


def end(world: World, place: Place, which: str, *, origin: str | None = "own", **fields: str) -> Answer:
    """Press a button of the list."""
    biller = world.biller()
    page = place.profile
    form = {
        "csrf_token": page.csrf,
        "session": which,
        "back": re.sub(r"^https://[^/]+", "", re.sub(r"/\w+$", "/profile", place.url)),
    }
    sender = biller.origin if origin == "own" else origin
    return place.visitor.post(f"{biller.base_url}/sessions/end", form | fields, origin=sender)


def test_a_payer_sees_each_place_with_partner_browser_and_times_this_one_first(world: World) -> None:
    sign_in(world, agent=IPHONE)
    world.later(minutes=3)
    sign_in(world, key="meadowline", agent=FIREFOX, origin=MEADOWLINE)
    sign_in(world, "zoe")
    world.later(minutes=3)
    here = sign_in(world)
    mine, oldest, middle = entries(here.profile)
    assert "This" in mine or "this" in mine
    assert all(word in oldest for word in ("Safari", "iPhone", "Harborlight"))
    assert all(word in middle for word in ("Firefox", "Linux", "Meadowline"))
    assert len(ids(here.profile)) == 3, "two that can be ended, and all of them"


def test_a_frame_and_a_page_that_came_out_of_it_are_one_place(world: World) -> None:
    visitor, page = world.frame()
    (ticket,) = re.findall(r'name="ticket" value="([^"]+)"', page.text)
    path = re.findall(r'name="path" value="([^"]+)"', page.text)[0]
    top = Visitor(world.app, FULL)
    moved = top.post(f"{world.biller().base_url}/out", {"ticket": ticket, "path": path}, origin=world.biller().origin)
    assert moved.status == 303
    here = Place(top, world.url(moved.location), "")
    assert here.is_in
    assert len(entries(here.profile)) == 1
    assert ids(here.profile) == []
    assert visitor.dest == FRAME


def test_ending_one_ends_it_and_the_token_that_began_it_and_no_other(world: World) -> None:
    phone = sign_in(world, agent=IPHONE)
    world.later(minutes=1)
    desk = sign_in(world, agent=FIREFOX)
    world.later(minutes=1)
    here = sign_in(world)
    assert (phone.is_in, desk.is_in) == (True, True)
    first = ids(here.profile)[0]
    done = end(world, here, first)
    assert (done.status, done.location.rpartition("/")[2]) == (303, "profile")
    assert (phone.is_in, desk.is_in, here.is_in) == (False, True, True)
    assert len(entries(here.profile)) == 2
    again = world.connect(world.visitor(), phone.token)
    assert again.status == 410
    assert world.connect(world.visitor(), desk.token).status == 303
    (row,) = [each.row for each in changes(world) if each.row.action == "session.end"]
    assert (row.user_id, row.subject) == (world.user_id("avery"), f"session:{first}")


def test_ending_all_others_leaves_this_one_and_every_other_payer(world: World) -> None:
    others = [sign_in(world, agent=agent) for agent in (IPHONE, FIREFOX)]
    frame, page = world.frame()
    zoe, prairie = sign_in(world, "zoe"), sign_in(world, key="prairie", origin="https://prairie.harborlight.example")
    here = sign_in(world)
    assert end(world, here, "all").status == 303
    assert [each.is_in for each in others] == [False, False]
    assert frame.post(world.url(page.links()[0]), {"csrf_token": page.csrf}, origin=world.biller().origin).status == 401
    assert (here.is_in, zoe.is_in, prairie.is_in) == (True, True, True)
    assert "session-what" in here.profile.text
    assert ids(here.profile) == []
    assert [world.connect(world.visitor(), each.token).status for each in others] == [410, 410]


def test_the_token_that_also_began_the_session_at_hand_stays(world: World) -> None:
    token = world.token()
    other = sign_in(world, agent=IPHONE, token=token)
    here = sign_in(world, token=token)
    assert end(world, here, "all").status == 303
    assert (other.is_in, here.is_in) == (False, True)
    assert world.connect(world.visitor(), token).status == 303


@pytest.mark.parametrize("whose", ["another payer's", "of another biller", "nobody's", "one's own"])
def test_an_id_that_is_not_of_another_place_of_this_payer_ends_nothing(world: World, whose: str) -> None:
    here, phone, zoe = sign_in(world), sign_in(world, agent=IPHONE), sign_in(world, "zoe")
    there = sign_in(world, key="prairie", origin="https://prairie.harborlight.example")
    places = {
        "another payer's": ids_of(world, "zoe", RIVERBEND),
        "of another biller": ids_of(world, "avery", PRAIRIE),
        "nobody's": [str(new_id())],
        "one's own": [session_id(world, here)],
    }
    assert end(world, here, places[whose][0]).status == 303
    assert (here.is_in, phone.is_in, zoe.is_in, there.is_in) == (True, True, True, True)
    assert [each for each in changes(world) if each.row.action == "session.end"] == []


@pytest.mark.parametrize("origin", ["https://prairie.hub.example.com", HARBORLIGHT, "null", None])
def test_nobody_else_can_end_a_session(world: World, origin: str | None) -> None:
    here, phone = sign_in(world), sign_in(world, agent=IPHONE)
    assert end(world, here, "all", origin=origin).status == 403
    assert end(world, here, "all", csrf_token="0" * 64).status == 403
    assert phone.is_in


@pytest.mark.parametrize(
    "fields", [{"session": ""}, {"back": "https://elsewhere.example/"}, {"back": "//elsewhere.example/"}, {"back": ""}]
)
def test_a_form_that_names_no_session_or_leads_elsewhere_is_refused_and_ends_nothing(world: World, fields: dict[str, str]) -> None:
    here, phone = sign_in(world), sign_in(world, agent=IPHONE)
    assert end(world, here, "all", origin="own", **fields).status == 400
    assert phone.is_in


def test_without_a_session_there_is_nothing_to_end(world: World) -> None:
    form = {"session": "all", "back": "/b/riverbend/a/x/profile"}
    assert world.visitor().post(f"{world.biller().base_url}/sessions/end", form, origin=world.biller().origin).status == 401


def test_a_session_whose_key_or_user_was_revoked_is_not_on_the_list(world: World) -> None:
    sign_in(world, key="meadowline", agent=FIREFOX, origin=MEADOWLINE)
    here = sign_in(world)
    assert len(entries(here.profile)) == 2
    world.hub.api_keys.revoke(ACTOR, str(new_id()), RIVERBEND, world.key_id("meadowline"))
    assert len(entries(here.profile)) == 1
    world.hub.users.revoke(ACTOR, str(new_id()), RIVERBEND, world.user_id("avery"))
    assert len(entries(sign_in(world).profile)) == 1


def test_a_session_for_an_account_that_the_payer_left_is_over_and_not_on_the_list(world: World) -> None:
    left = world.visitor()
    moved = world.connect(left, world.token(), AccountNumber="1001-02")
    assert left.get(world.url(moved.location)).status == 200
    here = sign_in(world)
    assert len(entries(here.profile)) == 2
    world.hub.unregister.unregister(ACTOR, str(new_id()), world.biller(), world.user_id("avery"), ["1001-02"], None)
    assert left.get(world.url(moved.location)).status == 401
    assert len(entries(here.profile)) == 1


def test_a_look_at_the_list_keeps_no_session_alive(world: World) -> None:
    phone, here = sign_in(world, agent=IPHONE), sign_in(world)
    for _ in range(2):
        world.later(minutes=8)
        profile = here.profile
    assert len(entries(profile)) == 1
    assert not phone.is_in


def test_in_a_frame_without_cookies_the_list_goes_on_by_token(world: World) -> None:
    phone = sign_in(world, agent=IPHONE)
    page = world.connect(world.visitor(FRAME), world.token())
    profile_path = re.sub(r"/\w+$", "/profile", page.links()[0])
    shown = blind(world).post(world.url(profile_path), carried(page), origin=world.biller().origin)
    assert shown.status == 200
    which = ids(shown)[0]
    form = carried(shown) | {"session": which, "back": profile_path}
    done = blind(world).post(f"{world.biller().base_url}/sessions/end", form, origin=world.biller().origin)
    assert done.status == 200, "a 303 would lose the token"
    assert done.csp["frame-ancestors"] == HARBORLIGHT
    assert not phone.is_in
    assert done.links() == [profile_path]
    after = blind(world).post(world.url(profile_path), carried(done), origin=world.biller().origin)
    assert len(entries(after)) == 1


def blind(world: World) -> Visitor:
    """A frame of a browser that has kept nothing."""
    return world.visitor(FRAME)


def carried(page: Answer) -> dict[str, str]:
    """What the forms of a page carry."""
    return {"csrf_token": page.csrf, "frame_token": page.frame_token}


def changes(world: World) -> list[ChangeEntry]:
    with world.hub.database.read() as stores:
        return stores.change_history.list_changes(ChangeFilter(RIVERBEND), 200)


def ids_of(world: World, user: str, bid: int) -> list[str]:
    """The ids of a user's live sessions, as only that user sees them."""
    return [session.facts.id for session in world.hub.tokens.list_sessions(bid, world.user_id(user, bid))]


def session_id(world: World, place: Place) -> str:
    """The id of a place's own session."""
    secret = place.visitor.cookie(place.url, "__Host-hub")
    found = world.hub.sessions.find(secret or "")
    assert found is not None
    return found.facts.id
