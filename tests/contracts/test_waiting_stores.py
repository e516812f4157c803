"""Registrations that give nothing, and links that work once, as they are stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from idp.accounts.one_time_links import LinkKind, OneTimeLink
from idp.directory.payers import WaitingAccount
from idp.directory.registrations import WAITS_FOR, Registration, RegistrationState
from idp.directory.rights import LoginType
from idp.errors import Raced
from idp.opaque import Digest, new_id
from tests.contracts.sql_stores import (
    BIRCHWOOD,
    OAKDALE,
    START,
    DirectoryCase,
    later,
    sample_customer,
    sample_registration,
    sample_user,
    stranger,
)

WAITING, OBJECTED = RegistrationState.WAITING, RegistrationState.OBJECTED
GUEST = LoginType.GUEST


def test_those_that_give_nothing_are_listed_apart_from_those_that_stand(directory: DirectoryCase) -> None:
    ann, bea, foreign = sample_user(OAKDALE, "ann"), sample_user(OAKDALE, "bea"), sample_user(BIRCHWOOD, "ann")
    home, barn, other = sample_customer(OAKDALE, "a-1"), sample_customer(OAKDALE, "a-2"), sample_customer(BIRCHWOOD, "a-1")
    waits = sample_registration(ann, home, GUEST, state=WAITING, waits_until=later(9))
    held = sample_registration(ann, barn, GUEST, state=OBJECTED, held_login_type=LoginType.OWNER, registered_at=later(1))
    until = sample_registration(bea, home, GUEST, state=RegistrationState.UNTIL_CODE)
    stands = sample_registration(bea, barn, LoginType.OVERSIGHT)
    theirs = sample_registration(foreign, other, GUEST, state=WAITING, waits_until=later(9))
    directory.add(ann, bea, foreign, home, barn, other, waits, held, until, stands, theirs)
    ids = [home.id, barn.id, other.id, stranger()]
    with directory.database.read() as stores:
        assert stores.registrations.list_of_user(OAKDALE, ann.id) == []
        assert stores.registrations.list_of_customers(OAKDALE, ids) == {home.id: [until], barn.id: [stands]}
        assert stores.waiting.list_waiting_of_user(OAKDALE, ann.id) == [waits, held]
        assert stores.waiting.list_waiting_of_user(BIRCHWOOD, ann.id) == []
        assert stores.waiting.list_waiting_of_customers(OAKDALE, ids) == {home.id: [waits], barn.id: [held]}
        assert stores.waiting.list_waiting_of_customers(BIRCHWOOD, ids) == {other.id: [theirs]}
        payer = stores.payers.find_payer(OAKDALE, ann.id)
    assert payer is not None
    assert payer.accounts == ()
    assert payer.waiting == (
        WaitingAccount(home.id, "A-1", "a-1", WAITING, later(9)),
        WaitingAccount(barn.id, "A-2", "a-2", OBJECTED),
    )


def test_a_state_is_changed_at_its_biller_only_and_ends_with_it(directory: DirectoryCase) -> None:
    ann, home = sample_user(OAKDALE, "ann"), sample_customer(OAKDALE, "a-1")
    waits = sample_registration(ann, home, GUEST, state=WAITING, waits_until=later(9))
    directory.add(ann, home, waits)
    approved = replace(waits, state=RegistrationState.ACTIVE, login_type=LoginType.CO_OWNER, waits_until=None)
    directory.put(lambda stores: stores.registrations.put_registration(replace(approved, bid=BIRCHWOOD)))
    assert directory.get(lambda stores: stores.waiting.list_waiting_of_user(OAKDALE, ann.id)) == [waits]
    directory.put(lambda stores: stores.registrations.put_registration(approved))
    assert directory.get(lambda stores: stores.waiting.list_waiting_of_user(OAKDALE, ann.id)) == []
    assert directory.get(lambda stores: stores.registrations.list_of_user(OAKDALE, ann.id)) == [approved]


def test_a_user_waits_once_for_an_account_or_has_it(directory: DirectoryCase) -> None:
    ann, home = sample_user(OAKDALE, "ann"), sample_customer(OAKDALE, "a-1")
    directory.add(ann, home, sample_registration(ann, home, GUEST, state=WAITING, waits_until=later(9)))
    with pytest.raises(Raced):
        directory.add(sample_registration(ann, home, LoginType.CO_OWNER))


def test_ended_ones_are_listed_by_customer_the_last_one_first(directory: DirectoryCase) -> None:
    ann, bea = sample_user(OAKDALE, "ann"), sample_user(OAKDALE, "bea")
    home, barn = sample_customer(OAKDALE, "a-1"), sample_customer(OAKDALE, "a-2")

    def ended(minutes: int, state: RegistrationState = WAITING, user: object = ann) -> Registration:
        assert user in (ann, bea)
        return sample_registration(ann if user is ann else bea, home, GUEST, state=state, ended_at=later(minutes))

    first, second, objected = ended(1), ended(3), ended(2, OBJECTED, bea)
    stood = sample_registration(bea, home, LoginType.OWNER, ended_at=later(4))
    code = ended(5, RegistrationState.UNTIL_CODE)
    there = sample_registration(bea, barn, GUEST, state=WAITING, ended_at=later(2))
    directory.add(ann, bea, home, barn, first, second, objected, stood, code, there)
    expected = [replace(each, waits_until=_until(each)) for each in (second, objected)]
    with directory.database.read() as stores:
        found = stores.waiting.list_ended_waiting(OAKDALE, [home.id, barn.id], later(1))
        assert found == {home.id: expected, barn.id: [replace(there, waits_until=_until(there))]}
        assert stores.waiting.list_ended_waiting(OAKDALE, [home.id], later(9)) == {}
        assert stores.waiting.list_ended_waiting(BIRCHWOOD, [home.id], later(1)) == {}


def _until(registration: Registration) -> datetime | None:
    return registration.registered_at + WAITS_FOR if registration.state is WAITING else None


def test_what_needs_a_decision_is_paged_by_biller_and_what_is_over_is_found_of_all(directory: DirectoryCase) -> None:
    users = [sample_user(OAKDALE, f"user{n}") for n in range(5)]
    home, foreign, other = sample_customer(OAKDALE, "a-1"), sample_user(BIRCHWOOD, "ann"), sample_customer(BIRCHWOOD, "a-1")
    ties = [
        sample_registration(users[0], home, GUEST, state=WAITING, waits_until=later(1)),
        sample_registration(users[1], home, GUEST, state=WAITING, waits_until=later(60)),
        sample_registration(users[2], home, GUEST, state=OBJECTED, held_login_type=GUEST),
        sample_registration(users[3], home, GUEST, state=RegistrationState.UNTIL_CODE),
        sample_registration(users[4], home, GUEST, state=WAITING, waits_until=later(1), ended_at=later(1)),
    ]
    theirs = sample_registration(foreign, other, GUEST, state=WAITING, waits_until=later(1))
    directory.add(*users, home, foreign, other, *ties, theirs)
    with directory.database.read() as stores:
        assert stores.waiting.list_waiting(OAKDALE, later(2), None, 9) == [ties[1], ties[2]]
        assert stores.waiting.list_waiting(OAKDALE, later(0), None, 2) == [ties[0], ties[1]]
        assert stores.waiting.list_waiting(OAKDALE, later(2), ties[1].id, 9) == [ties[2]]
        assert stores.waiting.list_waiting(BIRCHWOOD, later(0), None, 9) == [theirs]
        assert stores.waiting.list_overdue(later(1), 9) == [ties[0], theirs]
        assert stores.waiting.list_overdue(later(1), 1) == [ties[0]]
        assert stores.waiting.list_overdue(START, 9) == []


# --- links -----------------------------------------------------------------------------------------------------------------------


def link(bid: int, secret: str, subject: str = "registration:1", **changes: object) -> OneTimeLink:
    made = OneTimeLink(bid, new_id(), Digest(secret), LinkKind.OBJECTION, subject, "active:1", START, later(60))
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_link_is_found_by_its_digest_at_its_biller(directory: DirectoryCase) -> None:
    here, there = link(OAKDALE, "a"), link(BIRCHWOOD, "b")
    for each in (here, there):
        directory.put(lambda stores, each=each: stores.one_time_links.add_link(each))  # type: ignore[misc]
    with directory.database.read() as stores:
        assert stores.one_time_links.find_link(OAKDALE, here.digest) == here
        assert stores.one_time_links.find_link(OAKDALE, there.digest) is None
        assert stores.one_time_links.find_link(OAKDALE, Digest("c")) is None


def test_a_link_is_spent_once_in_time_and_only_at_its_biller(directory: DirectoryCase) -> None:
    first, second = link(OAKDALE, "a"), link(OAKDALE, "b", subject="registration:2")
    for each in (first, second):
        directory.put(lambda stores, each=each: stores.one_time_links.add_link(each))  # type: ignore[misc]

    def spend(of: OneTimeLink, bid: int = OAKDALE, minutes: int = 1) -> bool:
        return directory.put(lambda stores: stores.one_time_links.spend_link(bid, of.id, later(minutes)))

    assert not spend(first, BIRCHWOOD)
    assert not spend(first, minutes=60)
    assert Counter(directory.race(*[partial(spend, first)] * 8)) == {True: 1, False: 7}
    found = directory.get(lambda stores: stores.one_time_links.find_link(OAKDALE, first.digest))
    assert found == replace(first, spent_at=later(1))
    assert spend(second)


def test_what_is_void_is_spent_by_nobody_and_voiding_stays_with_its_subject_and_biller(directory: DirectoryCase) -> None:
    rows = [
        link(OAKDALE, "a"), link(OAKDALE, "b"), link(OAKDALE, "c", subject="registration:2"), link(BIRCHWOOD, "d"),
        link(OAKDALE, "e", spent_at=later(0)),
    ]  # fmt: skip
    for each in rows:
        directory.put(lambda stores, each=each: stores.one_time_links.add_link(each))  # type: ignore[misc]
    directory.put(lambda stores: stores.one_time_links.void_links(OAKDALE, LinkKind.OBJECTION, "registration:1", later(1)))
    with directory.database.read() as stores:
        found = [stores.one_time_links.find_link(row.bid, row.digest) for row in rows]
    assert [each is not None and each.void_at is not None for each in found] == [True, True, False, False, False]
    assert not directory.put(lambda stores: stores.one_time_links.spend_link(OAKDALE, rows[0].id, later(2)))


def test_what_is_open_about_a_subject_can_be_bound_anew_and_nothing_else(directory: DirectoryCase) -> None:
    rows = [
        link(OAKDALE, "a"), link(OAKDALE, "b", subject="registration:2"), link(BIRCHWOOD, "c"),
        link(OAKDALE, "d", spent_at=later(0)),
    ]  # fmt: skip
    for each in rows:
        directory.put(lambda stores, each=each: stores.one_time_links.add_link(each))  # type: ignore[misc]
    directory.put(lambda stores: stores.one_time_links.bind_links(OAKDALE, LinkKind.OBJECTION, "registration:1", "active:9"))
    with directory.database.read() as stores:
        found = [stores.one_time_links.find_link(row.bid, row.digest) for row in rows]
    assert [each is not None and each.binding == "active:9" for each in found] == [True, False, False, False]


def test_links_are_purged_the_oldest_first(directory: DirectoryCase) -> None:
    rows = [link(OAKDALE, str(n), expires_at=START + timedelta(minutes=n)) for n in range(4)]
    for each in rows:
        directory.put(lambda stores, each=each: stores.one_time_links.add_link(each))  # type: ignore[misc]
    assert directory.put(lambda stores: stores.one_time_links.purge_links(later(3), 2)) == 2
    assert directory.put(lambda stores: stores.one_time_links.purge_links(later(3), 2)) == 1
    assert directory.get(lambda stores: stores.one_time_links.find_link(OAKDALE, rows[3].digest)) == rows[3]
