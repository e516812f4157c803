"""The table of rights, cell by cell: who may do what, and that nobody else may."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from idp.actor import Actor, Cis, Partner, Payer, Rep, Staff, System
from idp.directory.rights import FULL_ACCESS, AccountAction, LoginType, may
from idp.opaque import new_id

USER = new_id()
ACTORS: tuple[Actor, ...] = (
    Payer(USER),
    Rep("r-7", "Rep", for_user=USER),
    *(Staff("anna", role, bid) for role in ("operator", "admin", "support", "viewer") for bid in (None, 101)),
    Partner(new_id(), new_id()),
    Cis(new_id()),
    System("worker"),
)

OWNER, CO_OWNER, OVERSIGHT, GUEST = LoginType
EVERYBODY = "1234"
TABLE = {
    # what a payer may do, and what a rep may do for that payer, by login type
    AccountAction.SEE_BILLS: (EVERYBODY, EVERYBODY),
    AccountAction.PAY: (EVERYBODY, EVERYBODY),
    AccountAction.OWN_METHODS: (EVERYBODY, EVERYBODY),
    AccountAction.OWN_AUTOPAY: (EVERYBODY, EVERYBODY),
    AccountAction.OWN_PAPERLESS: (EVERYBODY, EVERYBODY),
    AccountAction.OWN_PAY_BY_TEXT: (EVERYBODY, EVERYBODY),
    AccountAction.OWN_PROFILE: (EVERYBODY, ""),
    AccountAction.OWN_ACCOUNTS: (EVERYBODY, ""),
    AccountAction.SEE_USERS: ("12", ""),
    AccountAction.MANAGE_USERS: ("12", ""),
}


@pytest.mark.parametrize("action", AccountAction)
@pytest.mark.parametrize("login_type", LoginType)
def test_the_table_is_the_law(login_type: LoginType, action: AccountAction) -> None:
    payer, rep = TABLE[action]
    assert may(Payer(USER), login_type, action) is (str(login_type.value) in payer)
    assert may(Rep("r-7", "Rep", for_user=USER), login_type, action) is (str(login_type.value) in rep)


def test_every_kind_of_actor_has_an_answer_in_every_cell() -> None:
    assert {type(actor) for actor in ACTORS} == set(get_args(Actor))
    answers = [may(*cell) for cell in product(ACTORS, LoginType, AccountAction)]
    assert all(answer in {True, False} for answer in answers)


@pytest.mark.parametrize(
    "actor", [actor for actor in ACTORS if not isinstance(actor, Payer | Rep)], ids=lambda actor: str(actor.kind)
)
def test_whoever_is_neither_payer_nor_rep_does_nothing_by_this_table(actor: Actor) -> None:
    assert not any(may(actor, login_type, action) for login_type, action in product(LoginType, AccountAction))


@pytest.mark.parametrize("action", AccountAction)
def test_a_rep_never_may_what_the_payer_may_not(action: AccountAction) -> None:
    rep = Rep("r-7", "Rep", for_user=USER)
    assert all(may(Payer(USER), each, action) for each in LoginType if may(rep, each, action))


@pytest.mark.parametrize("action", AccountAction)
def test_owner_and_co_owner_differ_in_nothing_but_the_seat(action: AccountAction) -> None:
    assert frozenset({OWNER, CO_OWNER}) == FULL_ACCESS
    assert may(Payer(USER), OWNER, action) == may(Payer(USER), CO_OWNER, action)


def test_login_types_have_the_numbers_and_words_of_the_wire() -> None:
    assert {each.value: each.wire for each in LoginType} == {1: "Owner", 2: "Co-owner", 3: "Oversight", 4: "Guest"}


@pytest.mark.parametrize("number", [0, 5, -1])
def test_another_number_is_no_login_type(number: int) -> None:
    with pytest.raises(ValueError, match="LoginType"):
        LoginType(number)
