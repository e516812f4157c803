"""What a newcomer without a role code gets, row by row and under every policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from hub.storage.sql.registrations import state_of
from idp.directory.billers import Policies
from idp.directory.registrations import (
    WAITS_FOR,
    Grant,
    Others,
    Refused,
    Registration,
    RegistrationState,
    approved,
    grant,
    raised,
    settled,
)
from idp.directory.rights import LoginType
from idp.directory.role_codes import ShownCode
from idp.opaque import new_id
from tests.databases import START

OWNER, CO_OWNER, OVERSIGHT, GUEST = LoginType
PENDING_FIRST = Grant(GUEST, RegistrationState.UNTIL_CODE, "GuestUntilRoleCode")
WAITING = Grant(GUEST, RegistrationState.WAITING, "GuestUntilApproved")


def granted(asked: LoginType, others: int, *, proved: bool = False, by_staff: bool = False, **policies: Any) -> Grant | Refused:
    return grant(Policies(**policies), asked, Others(others), proved=proved, by_staff=by_staff)


@pytest.mark.parametrize("proved", [True, False])
@pytest.mark.parametrize("asked", LoginType)
def test_the_first_gets_what_was_asked(asked: LoginType, proved: bool) -> None:
    assert granted(asked, 0, proved=proved) == Grant(asked)


@pytest.mark.parametrize("asked", [OWNER, CO_OWNER, OVERSIGHT])
def test_where_the_first_is_a_guest_more_waits_for_a_role_code(asked: LoginType) -> None:
    assert granted(asked, 0, first_registrant="guest") == PENDING_FIRST
    assert granted(asked, 0, first_registrant="guest", proved=True) == PENDING_FIRST


def test_where_the_first_is_a_guest_one_who_asks_for_that_waits_for_nothing() -> None:
    assert granted(GUEST, 0, first_registrant="guest") == Grant(GUEST)


@pytest.mark.parametrize("others", [1, 2, 7])
@pytest.mark.parametrize("asked", LoginType)
def test_with_proof_a_later_one_gets_what_was_asked_but_not_the_seat(asked: LoginType, others: int) -> None:
    expected = Grant(CO_OWNER, note="AccountHasUsers") if asked is OWNER else Grant(asked)
    assert granted(asked, others, proved=True) == expected
    assert granted(asked, others, proved=True, first_registrant="guest") == expected


@pytest.mark.parametrize("asked", LoginType)
def test_without_proof_a_later_one_waits_whatever_was_asked(asked: LoginType) -> None:
    assert granted(asked, 1) == WAITING
    assert granted(asked, 1, first_registrant="guest") == WAITING


@pytest.mark.parametrize(("asked", "others", "proved"), [*product(LoginType, (0, 1), (True, False))])
def test_a_biller_that_requires_role_codes_grants_nothing_without_one(asked: LoginType, others: int, proved: bool) -> None:
    assert granted(asked, others, proved=proved, role_codes="required") == Refused("RoleCodeRequired")
    assert granted(asked, others, proved=proved, role_codes="required", multi_user=False) == Refused("RoleCodeRequired")


@pytest.mark.parametrize(("asked", "others"), [*product(LoginType, (0, 1))])
def test_the_billers_own_staff_need_no_role_code(asked: LoginType, others: int) -> None:
    required = granted(asked, others, proved=True, by_staff=True, role_codes="required")
    assert required == granted(asked, others, proved=True, role_codes="off")


@pytest.mark.parametrize(("asked", "proved", "by_staff"), [*product(LoginType, (True, False), (True, False))])
def test_a_biller_of_single_users_takes_the_first_and_refuses_every_other(asked: LoginType, proved: bool, by_staff: bool) -> None:
    assert granted(asked, 0, proved=proved, by_staff=by_staff, multi_user=False) == Grant(asked)
    assert granted(asked, 1, proved=proved, by_staff=by_staff, multi_user=False) == Refused("AccountAlreadyRegistered")


@pytest.mark.parametrize(("asked", "others", "proved"), [*product(LoginType, (0, 1), (True, False))])
def test_optional_role_codes_change_nothing_for_one_who_has_none(asked: LoginType, others: int, proved: bool) -> None:
    assert granted(asked, others, proved=proved, role_codes="optional") == granted(asked, others, proved=proved, role_codes="off")


@pytest.mark.parametrize(
    ("asked", "others", "proved", "by_staff", "first", "multi"),
    [*product(LoginType, (0, 1), (True, False), (True, False), ("asked", "guest"), (True, False))],
)
def test_nobody_gets_more_than_was_asked_nor_a_seat_that_may_be_taken(
    asked: LoginType, others: int, proved: bool, by_staff: bool, first: str, multi: bool
) -> None:
    given = granted(asked, others, proved=proved, by_staff=by_staff, first_registrant=first, multi_user=multi)
    if isinstance(given, Grant):
        assert given.login_type >= asked
        assert not (others and given.login_type is OWNER)
        assert given.pending <= (given.login_type is GUEST)
        assert bool(given.note) == (given.login_type is not asked or given.pending)


# --- bare codes, disputes, and what is settled later ---------------------------------------------------------------------------


def shown(login_type: LoginType, *, bare: bool = True) -> ShownCode:
    return ShownCode(login_type, bare, None if bare else "digest")


def tie(state: RegistrationState = RegistrationState.WAITING, login_type: LoginType = GUEST) -> Registration:
    return Registration(new_id(), 101, new_id(), new_id(), login_type, START, state)


@pytest.mark.parametrize(("asked", "code", "proved"), [*product(LoginType, LoginType, (True, False))])
def test_a_bare_code_beside_others_is_worth_what_no_code_is(asked: LoginType, code: LoginType, proved: bool) -> None:
    with_code = grant(Policies(), asked, Others(2), proved=proved, by_staff=False, code=shown(code))
    assert with_code == grant(Policies(), asked, Others(2), proved=proved, by_staff=False)


@pytest.mark.parametrize("code", LoginType)
def test_a_code_with_a_secret_gives_its_login_type_beside_others_and_in_a_dispute(code: LoginType) -> None:
    for others in (Others(2), Others(disputed=True)):
        assert grant(Policies(), GUEST, others, proved=False, by_staff=False, code=shown(code, bare=False)) in (
            Grant(code),
            Grant(code, note="FromRoleCode"),
        )


@pytest.mark.parametrize("asked", LoginType)
def test_while_a_registration_of_the_account_is_disputed_nobody_gets_in_without_proof(asked: LoginType) -> None:
    disputed = Others(disputed=True)
    assert grant(Policies(), asked, disputed, proved=False, by_staff=False) == WAITING
    assert grant(Policies(), asked, disputed, proved=False, by_staff=False, code=shown(OWNER)) == WAITING
    assert grant(Policies(), asked, disputed, proved=True, by_staff=False) == Grant(asked)
    assert grant(Policies(), asked, disputed, proved=True, by_staff=True) == Grant(asked)


@pytest.mark.parametrize("asked", LoginType)
def test_proof_settles_a_waiting_registration_as_the_table_says_and_none_leaves_it(asked: LoginType) -> None:
    expected = Grant(CO_OWNER, note="OwnerSeatTaken") if asked is OWNER else Grant(asked)
    assert settled(Policies(), tie(), asked, Others(1, owner=True), proved=True, code=None) == expected
    assert settled(Policies(), tie(), asked, Others(), proved=True, code=None) == Grant(asked)
    for code in (None, *(shown(each) for each in LoginType)):
        assert settled(Policies(), tie(), asked, Others(1), proved=False, code=code) is None
        assert settled(Policies(), tie(), asked, Others(), proved=False, code=code) is None


@pytest.mark.parametrize("state", [RegistrationState.WAITING, RegistrationState.OBJECTED])
@pytest.mark.parametrize("code", LoginType)
def test_a_code_with_a_secret_settles_a_registration_that_gives_nothing(state: RegistrationState, code: LoginType) -> None:
    given = settled(Policies(), tie(state), OWNER, Others(1), proved=False, code=shown(code, bare=False))
    assert given == Grant(code, note="FromRoleCode")


def test_proof_settles_no_objection_and_nothing_is_settled_where_one_user_is_allowed_and_there_is_one() -> None:
    assert settled(Policies(), tie(RegistrationState.OBJECTED), OWNER, Others(), proved=True, code=None) is None
    single = Policies(multi_user=False)
    assert settled(single, tie(), OWNER, Others(1), proved=True, code=shown(OWNER, bare=False)) is None
    assert settled(single, tie(), OWNER, Others(), proved=True, code=None) == Grant(OWNER)


def test_a_guest_until_a_code_is_shown_is_an_ordinary_guest_after_a_guests_code() -> None:
    held = tie(RegistrationState.UNTIL_CODE)
    assert raised(Policies(), held, Others(), shown(GUEST, bare=False)) == Grant(GUEST, note="FromRoleCode")
    assert raised(Policies(), tie(RegistrationState.ACTIVE), Others(), shown(GUEST, bare=False)) is None
    assert raised(Policies(), held, Others(1), shown(OWNER)) is None


@pytest.mark.parametrize("asked", LoginType)
def test_the_billers_yes_gives_what_it_says_but_no_seat_beside_others(asked: LoginType) -> None:
    assert approved(asked, Others()) == Grant(asked)
    assert approved(asked, Others(1)) == (Grant(CO_OWNER, note="AccountHasUsers") if asked is OWNER else Grant(asked))
    owned = Others(1, owner=True)
    assert approved(asked, owned) == (Grant(CO_OWNER, note="OwnerSeatTaken") if asked is OWNER else Grant(asked))


def test_waiting_is_over_at_its_very_instant_and_an_objection_never_by_itself() -> None:
    waits = replace(tie(), waits_until=START + WAITS_FOR)
    assert not waits.is_over(START + WAITS_FOR - timedelta(microseconds=1))
    assert waits.is_over(START + WAITS_FOR)
    assert not tie(RegistrationState.OBJECTED).is_over(START + timedelta(days=9999))
    assert not replace(tie(RegistrationState.ACTIVE), waits_until=START).is_over(START + timedelta(days=9999))


@pytest.mark.parametrize(
    ("pending", "stored", "state"),
    [
        (False, "active", "active"),
        (False, "waiting", "active"),
        (False, "until_code", "active"),
        (True, "until_code", "until_code"),
        (True, "objected", "objected"),
        (True, "waiting", "waiting"),
        (True, "active", "waiting"),
        (True, "", "waiting"),
        (True, "a word of the next version", "waiting"),
    ],
)
def test_what_a_program_one_version_back_or_forward_wrote_is_read_and_whatever_is_odd_gives_nothing(
    pending: bool, stored: str, state: str
) -> None:
    assert state_of(pending, stored) == state
