"""The page behind a confirmation mail: GET shows nothing, a post of the code the question, a post with an answer takes it, once."""

from __future__ import annotations

import html
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from idp import actor as actors
from idp.accounts.update_email import NewAddress
from idp.accounts.update_password import NewPassword
from idp.directory.payers import UserNames
from idp.errors import ConfirmationGone
from idp.opaque import new_id
from tests.flows.visitor import FRAME, Answer, Visitor
from tests.flows.world import ACTOR, HARBORLIGHT, PRAIRIE, RIVERBEND, World
from tests.mailbox import letters

NEW = "avery.new@example.com"


def give_password(world: World, name: str = "avery", bid: int = RIVERBEND, owner: str | None = None) -> None:
    hashed = world.hub.passwords.prepare("correct horse")
    user = world.hub.users.get(bid, world.user_id(name, bid))
    partner = None if owner is None else world.hub.partners.get_by_slug(owner).id
    with world.hub.database.begin() as stores:
        world.hub.passwords.put(stores, ACTOR, "r", user, hashed, partner)


def ask(world: World, kind: str, key: str = "session") -> str:
    """A partner's call that needs the payer's word; the link of the mail."""
    bid, key_id, _ = world.prepared.keys[key]
    found = world.hub.api_keys.find(bid, key_id)
    assert found is not None
    who = actors.Partner(found.id, found.partner.id), str(new_id()), world.biller(bid), found
    if kind == "password":
        give_password(world, bid=bid)
        wanted = NewPassword(UserNames(user_name="avery"), "battery staple")
        assert world.hub.update_password.update(*who, wanted) == "pending"
    else:
        address = NewAddress(NEW, expected="stale@example.com")
        assert (
            world.hub.update_email.of_user(*who, UserNames(login_guid=world.user_id("avery", bid)), address).status
            == "PendingConfirmation"
        )
    return letters(world.hub)[-1].link


def see(visitor: Visitor, link: str, origin: str | None = "own") -> Answer:
    """What the script of the page does: post the secret of the fragment."""
    address, _, code = link.partition("#")
    return visitor.post(address, {"code": code}, origin=address.partition("/b/")[0] if origin == "own" else origin)


def press(visitor: Visitor, link: str, page: Answer, answer: str, origin: str | None) -> Answer:
    """Press a button of the question."""
    (code,) = re.findall(r'name="code" value="([^"]+)"', page.text)
    return visitor.post(link.partition("#")[0], {"csrf_token": page.csrf, "code": code, "answer": answer}, origin=origin)


def words(answer: Answer) -> str:
    return html.unescape(answer.text)


@pytest.mark.parametrize("kind", ["password", "email"])
def test_the_page_says_who_asks_what_for_and_for_whom_and_spends_nothing(world: World, kind: str) -> None:
    link = ask(world, kind)
    assert link.startswith(f"{world.biller().base_url}/confirm#")
    for _ in range(3):  # a mail scanner that runs scripts, a prerendered page, the payer
        page = see(world.visitor(), link)
        assert page.status == 200
        for word in ("Harborlight", "avery", "Riverbend Water & Light", "Yes, allow it", "No, this was not me"):
            assert word in words(page), word
        assert (NEW in page.text) == (kind == "email")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.csp["frame-ancestors"] == "'none'"
    assert page.cookies == {}


def test_a_yes_to_the_password_lets_the_partner_set_it(world: World) -> None:
    link = ask(world, "password")
    visitor = world.visitor()
    done = press(visitor, link, see(visitor, link), "yes", world.biller().origin)
    assert done.status == 200
    assert "Go back to Harborlight" in done.text
    assert world.hub.users.get(RIVERBEND, world.user_id("avery")).password_partner is None
    found = world.hub.api_keys.find(RIVERBEND, world.key_id("session"))
    assert found is not None
    actor = actors.Partner(found.id, found.partner.id)
    wanted = NewPassword(UserNames(user_name="avery"), "battery staple")
    assert world.hub.update_password.update(actor, "r", world.biller(), found, wanted) == "set"
    assert world.hub.users.get(RIVERBEND, world.user_id("avery")).password_partner == found.partner.id


def test_a_yes_to_the_address_changes_it_and_a_session_shows_the_new_one(world: World) -> None:
    link = ask(world, "email")
    visitor = world.visitor()
    done = press(visitor, link, see(visitor, link), "yes", world.biller().origin)
    assert NEW in done.text
    signed_in, url = world.full_page(RedirectID="4")
    assert NEW in signed_in.get(url).text
    assert world.hub.users.get(PRAIRIE, world.user_id("avery", PRAIRIE)).email == "avery@example.com"


@pytest.mark.parametrize("word", ["yes", "no"])
def test_a_link_works_once_and_says_so_afterwards(world: World, word: str) -> None:
    link = ask(world, "email")
    visitor = world.visitor()
    page = see(visitor, link)
    first = press(visitor, link, page, word, world.biller().origin)
    assert first.status == 200
    assert ("Nothing was changed" in first.text) == (word == "no")
    for again in (press(visitor, link, page, "yes", world.biller().origin), see(visitor, link)):
        assert again.status == ConfirmationGone.http
        assert "expired or was used already" in again.text
        assert "Go back to Harborlight" in again.text
    changed = world.hub.users.get(RIVERBEND, world.user_id("avery")).email == NEW
    assert changed == (word == "yes")


def test_of_many_answers_at_once_one_counts(world: World) -> None:
    link = ask(world, "email")
    page = see(world.visitor(), link)
    with ThreadPoolExecutor(6) as threads:
        begun = [threads.submit(press, world.visitor(), link, page, word, world.biller().origin) for word in ("yes", "no") * 3]
        answers = [each.result(60) for each in begun]
    assert sorted(answer.status for answer in answers) == [200, 410, 410, 410, 410, 410]


@pytest.mark.parametrize(
    "origin", [None, "null", "", HARBORLIGHT, "https://prairie.hub.example.com", "https://api.hub.example.com", "http://riverbend.hub.example.com"]
)  # fmt: skip
def test_an_answer_from_anywhere_but_our_own_page_is_refused_and_spends_nothing(world: World, origin: str | None) -> None:
    link = ask(world, "email")
    visitor = world.visitor()
    page = see(visitor, link)
    assert press(visitor, link, page, "yes", origin).status == 403
    assert see(visitor, link, origin).status == 403
    assert see(visitor, link).status == 200


def test_an_answer_without_the_forms_token_or_without_a_word_spends_nothing(world: World) -> None:
    link = ask(world, "email")
    address, code = link.split("#")
    visitor, origin = world.visitor(), world.biller().origin
    csrf = see(visitor, link).csrf
    for form, status in (
        ({"code": code, "answer": "yes"}, 403),
        ({"code": code, "answer": "yes", "csrf_token": "0" * 64}, 403),
        ({"code": code, "csrf_token": csrf}, 400),
        ({"code": code, "csrf_token": ""}, 403),
        ({"code": code, "csrf_token": csrf, "answer": "YES"}, 400),
        ({"code": code, "csrf_token": csrf, "answer": ""}, 400),
        ([("code", code), ("csrf_token", csrf), ("answer", "no"), ("answer", "yes")], 400),
        ([("code", code), ("code", code), ("csrf_token", csrf), ("answer", "yes")], 403),
    ):
        assert visitor.post(address, form, origin=origin).status == status, form
    there = f"{address}?code={code}"
    assert visitor.post(there, {"csrf_token": csrf, "answer": "yes"}, origin=origin).status == 403, "the code in the query"
    assert visitor.post(there, {}, origin=origin).status == ConfirmationGone.http
    assert see(visitor, link).status == 200


@pytest.mark.parametrize("code", ["", "x", "x" * 5000, "\0", "' OR 1=1", "é"])
def test_a_code_that_is_nobodys_is_told_like_an_old_one(world: World, code: str) -> None:
    address, origin = f"{world.biller().base_url}/confirm", world.biller().origin
    answer = world.visitor().post(address, {"code": code}, origin=origin)
    assert answer.status == ConfirmationGone.http
    assert "Go back to where you began" in answer.text
    assert world.visitor().post(address, {}, origin=origin).status == ConfirmationGone.http


def test_a_code_given_twice_is_nobodys(world: World) -> None:
    link = ask(world, "email")
    address, _, code = link.partition("#")
    twice = [("code", code), ("code", code)]
    assert world.visitor().post(address, twice, origin=world.biller().origin).status == ConfirmationGone.http
    assert see(world.visitor(), link).status == 200


# --- the page that a link leads to ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_page_of_a_link_is_the_same_for_everybody_and_holds_and_spends_nothing(world: World, method: str) -> None:
    link = ask(world, "email")
    visitor = world.visitor()
    address = link.partition("#")[0]
    page = visitor.get(address) if method == "GET" else visitor.head(address)
    assert page.status == 200
    assert page.cookies == {}
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.csp["frame-ancestors"] == "'none'"
    if method == "GET":
        for word in ("avery", "Harborlight", NEW, link.partition("#")[2]):
            assert word not in page.text, word
        assert "This link needs JavaScript" in words(page)
        assert "Riverbend Water & Light" in words(page)
    assert see(visitor, link).status == 200


def test_a_link_of_a_mail_from_before_leads_to_the_same_page_with_its_secret_moved_out_of_sight(world: World) -> None:
    link = ask(world, "email")
    address, _, code = link.partition("#")
    for visitor in (world.visitor(), world.visitor()):
        moved = visitor.get(f"{address}?code={code}")
        assert (moved.status, moved.location) == (303, link)
        assert moved.headers["Referrer-Policy"] == "no-referrer"
        assert moved.headers["Cache-Control"] == "no-store"
        assert moved.text == ""
    asked_by_head = visitor.head(f"{address}?code={code}")
    assert (asked_by_head.status, asked_by_head.location) == (200, "")
    done = press(visitor, link, see(visitor, link), "yes", world.biller().origin)
    assert NEW in done.text


@pytest.mark.parametrize("code", ["x" * 200, "a%23b", "%22%3E%3Cscript%3E", "%0d%0aSet-Cookie:%20x=1", "https://evil.example"])
def test_an_odd_code_in_the_query_leads_nowhere_else(world: World, code: str) -> None:
    address = f"{world.biller().base_url}/confirm"
    moved = world.visitor().get(f"{address}?code={code}")
    assert moved.status in (200, 303)
    if moved.status == 303:
        assert re.fullmatch(re.escape(address) + r"#[A-Za-z0-9_.~%-]*", moved.location)
    assert moved.cookies == {}


def test_two_codes_in_the_query_are_none(world: World) -> None:
    link = ask(world, "email")
    address, _, code = link.partition("#")
    assert world.visitor().get(f"{address}?code={code}&code={code}").status == 200


def test_a_link_of_one_biller_is_worth_nothing_at_the_other(world: World) -> None:
    link = ask(world, "email")
    there = link.replace("riverbend", "prairie")
    assert see(world.visitor(), there).status == ConfirmationGone.http
    assert see(world.visitor(), link.replace("/b/riverbend/", "/b/prairie/")).status == 404
    assert see(world.visitor(), link).status == 200


@pytest.mark.parametrize("what", ["user", "partner", "key", "biller"])
def test_a_void_link_says_plainly_that_it_no_longer_counts(world: World, what: str) -> None:
    link = ask(world, "password")
    visitor = world.visitor()
    page = see(visitor, link)
    match what:
        case "user":
            world.hub.users.change(ACTOR, "r", RIVERBEND, world.user_id("avery"), disabled=True)
        case "partner":
            world.hub.partners.change(ACTOR, "r", "harborlight", disabled=True)
        case "key":
            world.hub.api_keys.revoke(ACTOR, "r", RIVERBEND, world.key_id("session"))
        case _:
            world.change_biller(disabled=True)
    for answer in (see(visitor, link), press(visitor, link, page, "yes", world.biller().origin)):
        assert answer.status == ConfirmationGone.http
        assert "This request no longer counts" in answer.text
        assert "ask Riverbend Water & Light" in words(answer)


def test_the_page_speaks_the_language_of_the_browser_and_else_of_the_payer(world: World) -> None:
    world.hub.users.change(ACTOR, "r", RIVERBEND, world.user_id("avery"), locale="es")
    link = ask(world, "email")
    assert letters(world.hub)[-1].subject == "Riverbend Water & Light: ¿tiene una nueva dirección de correo?"
    assert "Sí, lo permito" in see(world.visitor(), link).text
    address, _, code = link.partition("#")
    english = world.visitor().post(address, {"code": code}, origin=world.biller().origin, headers={"Accept-Language": "en-GB"})
    assert "Yes, allow it" in english.text


def test_the_page_in_a_frame_may_not_be_framed_by_anybody(world: World) -> None:
    link = ask(world, "email")
    for page in (world.visitor(FRAME).get(link.partition("#")[0]), see(world.visitor(FRAME), link)):
        assert page.csp["frame-ancestors"] == "'none'"
        assert page.headers["X-Frame-Options"] == "DENY"


def test_names_that_partners_and_payers_wrote_are_shown_and_never_run(world: World) -> None:
    nasty = "<script>alert(1)</script>"
    world.hub.partners.change(ACTOR, "r", "harborlight", name=nasty)
    page = see(world.visitor(), ask(world, "email"))
    assert nasty not in page.text
    assert nasty in words(page)


# --- the profile ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("owner", "name"), [("harborlight", "Harborlight"), ("meadowline", "Meadowline"), (None, None)])
def test_the_profile_says_who_manages_the_password(world: World, owner: str | None, name: str | None) -> None:
    give_password(world, owner=owner)
    visitor, url = world.full_page(RedirectID="4")
    text = words(visitor.get(url))
    assert ("Your password is managed by" in text) == (name is not None)
    if name is not None:
        assert f"Your password is managed by {name}. Change it there." in text


def test_the_profile_says_that_the_biller_keeps_the_address_at_once_when_setting_6_says_so(world: World) -> None:
    visitor, url = world.full_page(RedirectID="4")
    hint = "To change it, ask Riverbend Water & Light."
    assert hint not in words(visitor.get(url))
    world.hub.advanced_settings.put(ACTOR, "r", PRAIRIE, 6, "1")
    assert hint not in words(visitor.get(url))
    world.hub.advanced_settings.put(ACTOR, "r", RIVERBEND, 6, "1")
    assert hint in words(visitor.get(url))


def test_setting_a_password_ends_the_sessions_of_the_user_and_of_nobody_else(world: World) -> None:
    (visitor, url), (there, there_url) = world.full_page(), world.full_page(key="prairie")
    give_password(world)
    assert visitor.get(url).status == 401
    assert there.get(there_url).status == 200
