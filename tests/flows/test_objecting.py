"""The page behind the mail to the contact on record: GET is static, the secret is posted, only the button does something."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from werkzeug.test import Client

from idp.accounts.register import AccountWanted, Wanted
from idp.actor import Partner, Staff
from idp.errors import ConfirmationGone
from idp.opaque import new_id
from tests.flows.visitor import FRAME, Answer, Visitor
from tests.flows.world import ACTOR, AMOUNTS, HARBORLIGHT, PRAIRIE, RIVERBEND, World
from tests.mailbox import letters

HOLDER = "holder@example.org"
STAFF = Staff("anna", "admin", RIVERBEND)


def registered(world: World, name: str = "mallory", bid: int = RIVERBEND, key: str = "session") -> str:
    """Somebody registers avery's first account, which nobody is on any more, without proof; the link of the mail."""
    held = world.hub.api_keys.find(bid, world.key_id(key))
    assert held is not None
    customer = world.prepared.customers[bid, "1001-01"]
    world.hub.customers.change(ACTOR, "r", world.biller(bid), customer, email=HOLDER)
    for each in ("avery", "oren", "gail"):
        world.hub.unregister.unregister(ACTOR, "r", world.biller(bid), world.user_id(each, bid), ["1001-01"], None)
    wanted = Wanted(name, "mallory@example.net", (AccountWanted("1001-01"),))
    done = world.hub.register.register(Partner(held.id, held.partner.id), str(new_id()), world.biller(bid), wanted, held)
    assert [item.status for item in done.items] == ["Registered"]
    (letter,) = [each for each in letters(world.hub) if each.to == HOLDER and bid_of(each.link, world) == bid]
    return letter.link


def bid_of(link: str, world: World) -> int:
    return next(bid for bid in (RIVERBEND, PRAIRIE) if link.startswith(world.biller(bid).base_url))


def ask(visitor: Visitor, link: str, origin: str) -> Answer:
    """What the script of the page does."""
    address, secret = link.split("#")
    return visitor.post(address, {"Link": secret}, origin=origin)


def press(visitor: Visitor, link: str, page: Answer, origin: str | None, answer: str = "stop") -> Answer:
    """Press the button."""
    (secret,) = re.findall(r'name="link" value="([^"]+)"', page.text)
    form = {"csrf_token": page.csrf, "link": secret, "answer": answer}
    return visitor.post(link.partition("#")[0], form, origin=origin)


def test_the_mail_says_who_where_and_through_whom_and_its_link_has_the_secret_in_the_fragment(world: World) -> None:
    link = registered(world)
    (letter,) = [each for each in letters(world.hub) if each.to == HOLDER]
    for word in ("1001-01", "mallory", "Harborlight", "Riverbend Water & Light"):
        assert word in letter.body, word
    assert re.fullmatch(rf"{re.escape(world.biller().base_url)}/objection#[\w-]{{43}}", link)


def test_whoever_follows_the_link_and_even_runs_its_script_spends_nothing(world: World) -> None:
    link = registered(world)
    visitor, url = world.full_page("mallory")
    for _ in range(3):  # a mail scanner, a preview, the contact
        page = world.visitor().get(link.partition("#")[0])
        assert page.status == 200
        assert "mallory" not in page.text
        assert "1001-01" not in page.text
        assert page.cookies == {}
    for method in ("HEAD", "OPTIONS"):
        Client(world.app).open("/b/riverbend/objection", method=method, base_url=world.biller().origin)
    for _ in range(3):
        asked = ask(world.visitor(), link, world.biller().origin)
        assert asked.status == 200
        assert "mallory" in asked.text
        assert asked.csp["frame-ancestors"] == "'none'"
        assert asked.headers["Cache-Control"] == "no-store"
    assert AMOUNTS[RIVERBEND] in visitor.get(url).text


def test_the_button_ends_sessions_and_tokens_at_once_and_the_payer_waits_from_then_on(world: World) -> None:
    link = registered(world)
    token = world.token("mallory")
    visitor, url = world.full_page("mallory")
    framed, page = world.frame("mallory")
    assert AMOUNTS[RIVERBEND] in page.text
    contact = world.visitor()
    done = press(contact, link, ask(contact, link, world.biller().origin), world.biller().origin)
    assert done.status == 200
    assert "Access is stopped" in done.text
    assert visitor.get(url).status == 401
    assert framed.get(world.url(page.links()[0])).status == 401
    assert world.connect(world.visitor(), token).status == 410
    again, again_url = world.full_page("mallory")
    held = again.get(again_url)
    assert "Your access is on hold" in held.text
    assert AMOUNTS[RIVERBEND] not in held.text
    assert "customer 1001-01" not in held.text
    world.hub.approvals.restore(STAFF, "r", world.biller(), held_id(world), "1001-01")
    assert AMOUNTS[RIVERBEND] in again.get(again_url).text


def held_id(world: World) -> UUID:
    return world.hub.approvals.list_page(RIVERBEND)[0].user.id


def test_a_link_works_once_and_says_so_afterwards(world: World) -> None:
    link = registered(world)
    contact, origin = world.visitor(), world.biller().origin
    page = ask(contact, link, origin)
    assert press(contact, link, page, origin).status == 200
    for again in (press(contact, link, page, origin), ask(world.visitor(), link, origin)):
        assert again.status == ConfirmationGone.http
        assert "This link is no longer valid" in again.text
        assert "mallory" not in again.text


def test_of_many_presses_at_once_one_counts(world: World) -> None:
    link, origin = registered(world), world.biller().origin
    page = ask(world.visitor(), link, origin)
    with ThreadPoolExecutor(6) as threads:
        begun = [threads.submit(press, world.visitor(), link, page, origin) for _ in range(6)]
        answers = [each.result(60) for each in begun]
    assert sorted(answer.status for answer in answers) == [200, 410, 410, 410, 410, 410]


@pytest.mark.parametrize(
    "origin", [None, "null", HARBORLIGHT, "https://prairie.hub.example.com", "http://riverbend.hub.example.com"]
)
def test_a_form_from_anywhere_but_our_own_page_is_refused_and_spends_nothing(world: World, origin: str | None) -> None:
    link, own = registered(world), world.biller().origin
    contact = world.visitor()
    address, secret = link.split("#")
    assert contact.post(address, {"Link": secret}, origin=origin).status == 403
    page = ask(contact, link, own)
    assert press(contact, link, page, origin).status == 403
    assert ask(contact, link, own).status == 200


def test_a_form_without_its_token_or_with_another_button_spends_nothing(world: World) -> None:
    link, own = registered(world), world.biller().origin
    address, secret = link.split("#")
    contact = world.visitor()
    csrf = ask(contact, link, own).csrf
    for form, status in (
        ({"link": secret, "answer": "stop"}, 403),
        ({"link": secret, "answer": "stop", "csrf_token": "0" * 64}, 403),
        ({"link": "x" * 43, "answer": "stop", "csrf_token": csrf}, 403),
        ({"link": secret, "answer": "yes", "csrf_token": csrf}, 400),
        ({"link": secret, "answer": "", "csrf_token": csrf}, 400),
        ([("link", secret), ("csrf_token", csrf), ("answer", "stop"), ("answer", "stop")], 400),
        ([("link", secret), ("link", secret), ("csrf_token", csrf), ("answer", "stop")], 403),
    ):
        assert contact.post(address, form, origin=own).status == status, form
    assert contact.post(f"{address}?link={secret}", {"answer": "stop", "csrf_token": csrf}, origin=own).status == 403
    assert ask(contact, link, own).status == 200


@pytest.mark.parametrize("secret", ["", "x", "x" * 5000, "\x00", "' OR 1=1", "é"])
def test_a_secret_that_is_nobodys_is_told_like_an_old_one(world: World, secret: str) -> None:
    answer = world.visitor().post(f"{world.biller().base_url}/objection", {"Link": secret}, origin=world.biller().origin)
    assert answer.status == ConfirmationGone.http
    assert "ask Riverbend Water &amp; Light" in answer.text


def test_a_link_of_one_biller_is_worth_nothing_at_the_other(world: World) -> None:
    link, there = registered(world), registered(world, bid=PRAIRIE, key="prairie")
    swapped = f"{there.partition('#')[0]}#{link.partition('#')[2]}"
    assert ask(world.visitor(), swapped, world.biller(PRAIRIE).origin).status == ConfirmationGone.http
    assert ask(world.visitor(), link, world.biller().origin).status == 200


def test_the_page_speaks_the_language_of_the_browser_and_nobody_may_frame_it(world: World) -> None:
    link = registered(world)
    address, secret = link.split("#")
    spanish = world.visitor().post(address, {"Link": secret}, origin=world.biller().origin, headers={"Accept-Language": "es-MX"})
    assert "¿Conoce usted este registro?" in spanish.text
    assert world.visitor(FRAME).get(address).csp["frame-ancestors"] == "'none'"


def test_a_name_that_a_partner_wrote_is_shown_and_never_run(world: World) -> None:
    link = registered(world, "<b>mallory</b>")
    page = ask(world.visitor(), link, world.biller().origin)
    assert "<b>mallory" not in page.text
    assert "&lt;b&gt;mallory" in page.text
