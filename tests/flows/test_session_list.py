"""Where a payer is signed in, under Account Profile: seen, ended one by one or all, and nobody else's."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from admin.history import ChangeEntry, ChangeFilter
from hub.wiring import wire
from hub.wsgi import application
from idp.kv import MOST_MEMBERS
from idp.opaque import new_id
from tests.flows.partner import PartnerProgram
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
    assert frame.get(world.url(page.links()[0])).status == 401
    assert (here.is_in, zoe.is_in, prairie.is_in) == (True, True, True)
    assert "session-what" in here.profile.text
    assert ids(here.profile) == []
    assert [world.connect(world.visitor(), each.token).status for each in others] == [410, 410]


def test_ending_all_others_ends_the_token_of_the_session_at_hand_too_which_could_open_another(world: World) -> None:
    token = world.token()
    other = sign_in(world, agent=IPHONE, token=token)
    here = sign_in(world, token=token)
    assert end(world, here, "all").status == 303
    assert (other.is_in, here.is_in) == (False, True)
    refused = world.connect(world.visitor(), token)
    assert (refused.status, world.refusal(refused).code) == (410, "TokenExpired")
    assert world.refusal(refused).checks[-1].name == "not revoked", "the partner is told why"
    assert sign_in(world).is_in, "a new token is good at once"
    assert here.is_in


def test_ending_one_lets_its_token_open_nothing_more_and_ends_no_other_session_of_that_token(world: World) -> None:
    token = world.token()
    phone = sign_in(world, agent=IPHONE, token=token)
    world.later(minutes=1)
    desk = sign_in(world, agent=FIREFOX, token=token)
    world.later(minutes=1)
    here = sign_in(world)
    assert end(world, here, ids(here.profile)[0]).status == 303
    assert (phone.is_in, desk.is_in, here.is_in) == (False, True, True)
    refused = world.connect(world.visitor(), token)
    assert (refused.status, world.refusal(refused).code) == (410, "TokenExpired")
    assert world.refusal(refused).checks[-1].came == "closed: the payer ended the session that it began"
    partner = PartnerProgram(world)
    assert not partner.told("/remote-authentication/introspect", {"RemoteAuthenticationToken": token})["Active"]
    assert partner.ask("/remote-authentication/revoke", {"RemoteAuthenticationToken": token}).status_code == 204
    assert not desk.is_in, "its partner can still end what it began"


def test_ending_one_closes_the_token_that_also_began_the_session_at_hand_and_keeps_this_session(world: World) -> None:
    token = world.token()
    other = sign_in(world, agent=IPHONE, token=token)
    world.later(minutes=1)
    here = sign_in(world, token=token)
    assert end(world, here, ids(here.profile)[0]).status == 303
    assert (other.is_in, here.is_in) == (False, True)
    assert world.connect(world.visitor(), token).status == 410


def test_a_single_use_hand_off_whose_session_the_payer_ended_is_not_opened_again_by_a_double_click(world: World) -> None:
    token, visitor = world.token(key="single"), world.visitor()
    moved = world.connect(visitor, token)
    visitor.get(world.url(moved.location))
    here = sign_in(world)
    assert end(world, here, ids(here.profile)[0]).status == 303
    again = world.connect(visitor, token)
    assert world.refusal(again).code == "TokenSpent"
    assert visitor.get(world.url(moved.location)).status == 401


# --- "all" asks no list ---------------------------------------------------------------------------------------------------------


def test_ending_all_others_ends_sessions_that_no_list_names_any_more(world: World) -> None:
    hidden = sign_in(world, agent=IPHONE)
    waiting = world.token()
    ask_for_many_tokens(world)
    here = sign_in(world)
    assert hidden.is_in
    assert len(entries(here.profile)) == 1, "the list has lost it"
    assert "may not be complete" in here.profile.text
    assert ids(here.profile) == ["all"]
    assert end(world, here, "all").status == 303
    assert (hidden.is_in, here.is_in) == (False, True)
    assert world.connect(world.visitor(), waiting).status == 410, "and a token that nobody has used yet"


def test_ending_all_others_ends_sso_links_that_nobody_has_followed_yet(world: World) -> None:
    url = PartnerProgram(world).link()
    here = sign_in(world)
    assert end(world, here, "all").status == 303
    form = {"Link": url.partition("#")[2]}
    refused = world.visitor().post(f"{world.biller().base_url}/sso/link", form, origin=world.biller().origin)
    assert (refused.status, world.refusal(refused).code) == (410, "TokenExpired")


def test_the_session_at_hand_is_listed_also_when_the_lists_have_lost_it(world: World) -> None:
    here = sign_in(world)
    ask_for_many_tokens(world)
    (mine,) = entries(here.profile)
    assert "This browser" in mine
    assert "signed in here only" not in here.profile.text


def test_many_places_are_counted_and_not_all_shown(world: World) -> None:
    others = [sign_in(world, token=world.token()) for _ in range(24)]
    here = sign_in(world)
    page = here.profile
    assert len(entries(page)) == 5
    assert "This browser" in entries(page)[0]
    assert "15 more browsers" in page.text, "folded"
    assert len(ids(page)) == 19 + 1, "each of those on the page can be ended, and all"
    assert "And 5 more browsers" in page.text
    assert end(world, here, "all").status == 303
    assert not any(each.is_in for each in others)


def test_ending_all_others_gives_the_session_at_hand_a_new_secret_and_an_old_copy_is_worth_nothing(world: World) -> None:
    here = sign_in(world)
    host = world.biller().host
    copied = dict(here.visitor.jars[host])
    was = session_id(world, here)
    answered = end(world, here, "all")
    assert list(answered.cookies) == ["__Host-hub"]
    assert here.is_in
    assert here.visitor.jars[host] != copied
    assert session_id(world, here) != was
    assert Visitor(world.app, FULL, jars={host: copied}).get(here.url).status == 401


def test_ending_all_others_from_a_page_that_came_out_of_a_frame_ends_the_frame_too(world: World) -> None:
    frame, page = world.frame()
    (ticket,) = re.findall(r'name="ticket" value="([^"]+)"', page.text)
    top = world.visitor()
    moved = top.post(f"{world.biller().base_url}/out", {"ticket": ticket, "path": page.own_path}, origin=world.biller().origin)
    here = Place(top, world.url(moved.location), "")
    assert here.is_in
    assert end(world, here, "all").status == 303
    assert here.is_in
    assert frame.get(world.url(page.own_path)).status == 401
    assert world.press(world.visitor(FRAME), world.first_page()[1], page.own_path).status == 200


@pytest.mark.parametrize("keeps", ["cookies", "nothing"])
def test_in_a_frame_ending_all_others_leaves_the_frame_with_a_new_cookie_and_a_new_frame_token(world: World, keeps: str) -> None:
    phone = sign_in(world, agent=IPHONE)
    world.later(minutes=1)
    sign_in(world, agent=FIREFOX)
    visitor, page = world.first_page(RedirectID="4")
    if keeps == "cookies":
        page = world.press(visitor, page, page.own_path)
    host, old = world.biller().host, dict(visitor.jars[world.biller().host])
    carried_now = {"csrf_token": page.csrf} | ({} if keeps == "cookies" else {"frame_token": page.frame_token})
    browser = visitor if keeps == "cookies" else blind(world)
    form = carried_now | {"session": "all", "back": page.own_path}
    done = browser.post(f"{world.biller().base_url}/sessions/end", form, origin=world.biller().origin)
    assert done.status == 200, "a page that posts itself on: a redirect would lose the frame token"
    assert done.csp["frame-ancestors"] == HARBORLIGHT
    assert not phone.is_in
    browser = visitor if keeps == "cookies" else blind(world)
    after = world.press(browser, done, page.own_path)
    assert after.status == 200
    assert len(entries(after)) == 1
    assert bool(after.frame_token) == (keeps == "nothing")
    if keeps == "cookies":
        assert visitor.get(world.url(page.own_path)).status == 200
        assert Visitor(world.app, FRAME, jars={host: old}).get(world.url(page.own_path)).status == 401
    assert world.press(blind(world), page, page.own_path).status == 401, "an old frame token is worth nothing"


def test_ending_all_others_does_not_prolong_the_session_at_hand(world: World) -> None:
    here = sign_in(world)
    for _ in range(47):
        world.later(minutes=10)
        assert here.is_in
    assert end(world, here, "all").status == 303
    world.later(minutes=9)
    assert here.is_in
    world.later(minutes=1, seconds=1)
    assert not here.is_in


def test_of_two_places_that_end_all_others_at_once_one_is_left(world: World) -> None:
    """Two workers over the same stores, each asked by another browser at the same moment."""
    for _ in range(4):
        one, other = sign_in(world, agent=IPHONE), sign_in(world, agent=FIREFOX)
        hub = wire(world.hub.settings, world.clock)
        try:
            second = Place(Visitor(application(hub), FULL, jars=other.visitor.jars), other.url, "")
            pages = [(place, place.profile) for place in (one, second)]
            together = threading.Barrier(2)
            with ThreadPoolExecutor(2) as threads:
                pressed = [threads.submit(press_all, world, place, page, together) for place, page in pages]
                answers = [each.result(60) for each in pressed]
        finally:
            hub.close()
        assert sorted(answer.status for answer in answers) == [303, 401]
        assert [one.is_in, other.is_in].count(True) == 1
        assert world.hub.users.get(RIVERBEND, world.user_id("avery")).generation >= 1


def press_all(world: World, place: Place, page: Answer, together: threading.Barrier) -> Answer:
    """The button "End all others", when the other one is ready, too."""
    form = {"csrf_token": page.csrf, "session": "all", "back": "/b/riverbend/a/x/profile"}
    together.wait(30)
    return place.visitor.post(f"{world.biller().base_url}/sessions/end", form, origin=world.biller().origin)


def test_a_hand_off_at_the_moment_of_the_end_is_either_refused_or_over_with_the_next_click(world: World) -> None:
    for _ in range(6):
        here, token = sign_in(world), world.token()
        arriving = world.visitor()
        hub = wire(world.hub.settings, world.clock)
        second = Visitor(application(hub), FULL, jars=arriving.jars)
        together = threading.Barrier(2)
        page = here.profile

        def hand_off(second: Visitor = second, token: str = token, together: threading.Barrier = together) -> Answer:
            together.wait(30)
            return world.connect(second, token)

        try:
            with ThreadPoolExecutor(2) as threads:
                moved = threads.submit(hand_off)
                ended = threads.submit(press_all, world, here, page, together)
                answered, done = moved.result(60), ended.result(60)
        finally:
            hub.close()
        assert done.status == 303
        assert answered.status in {303, 410}
        if answered.status == 303:
            assert arriving.get(world.url(answered.location)).status == 401
        assert here.is_in
        assert world.connect(world.visitor(), token).status == 410


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


def ask_for_many_tokens(world: World) -> None:
    """More than a list holds, at a pace that the key may go."""
    for number in range(MOST_MEMBERS + 5):
        world.token()
        if number % 20 == 0:
            world.later(seconds=1)


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
    return [session.facts.id for session in world.hub.tokens.list_sessions(bid, world.user_id(user, bid)).sessions]


def session_id(world: World, place: Place) -> str:
    """The id of a place's own session."""
    secret = place.visitor.cookie(place.url, "__Host-hub")
    found = world.hub.sessions.find(secret or "")
    assert found is not None
    return found.facts.id
