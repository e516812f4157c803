"""What a newcomer without a role code gets, row by row and under every policy."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from idp.directory.billers import Policies
from idp.directory.registrations import Grant, Others, Refused, RegistrationState, grant
from idp.directory.rights import LoginType

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
    expected = Grant(CO_OWNER, note="OwnerSeatTaken") if asked is OWNER else Grant(asked)
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
