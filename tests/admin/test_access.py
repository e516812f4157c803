"""Who among the staff may do what (admin.access)."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from admin.access import ROLES, Permission, check_may, is_allowed
from idp.actor import Staff, StaffRole
from idp.errors import PermissionMissing

BILLER, OTHER = 9001, 9002
OF_BILLERS = [each for each in Permission if not each.of_platform]
OF_PLATFORM = [each for each in Permission if each.of_platform]
_WRITES = ("create", "change", "remove", "rotate", "revoke", "approve")


def test_every_role_of_staff_has_its_row_and_there_is_no_other() -> None:
    assert set(ROLES) == set(get_args(StaffRole))


@pytest.mark.parametrize("permission", Permission)
def test_every_permission_is_held_by_somebody_and_named_by_the_law(permission: Permission) -> None:
    assert any(permission in held for held in ROLES.values())
    assert re.fullmatch(
        r"(platform|biller):[a-z]+:(read|create|change|remove|rotate|revoke|verify|approve|erase|retry)", permission.value
    )
    assert permission.name == permission.value.replace(":", "_").upper()


def test_a_role_holds_all_that_the_next_smaller_one_holds() -> None:
    assert ROLES["viewer"] < ROLES["support"] < ROLES["admin"] < ROLES["operator"]


@pytest.mark.parametrize("permission", [each for each in Permission if each.value.endswith(_WRITES)])
def test_a_viewer_changes_nothing(permission: Permission) -> None:
    assert not is_allowed(Staff("vera", "viewer", BILLER), permission, BILLER)


@pytest.mark.parametrize(
    "permission",
    [each for each in OF_BILLERS if any(f":{noun}:" in each for noun in ("keys", "settings", "origins", "themes"))],
)
def test_support_does_not_see_or_touch_keys_origins_themes_and_settings(permission: Permission) -> None:
    assert not is_allowed(Staff("sam", "support", BILLER), permission, BILLER)


@pytest.mark.parametrize("permission", OF_BILLERS)
def test_a_billers_own_staff_reach_no_other_biller(permission: Permission) -> None:
    for role in get_args(StaffRole):
        assert not is_allowed(Staff("ada", role, BILLER), permission, OTHER)
    assert is_allowed(Staff("ada", "admin", BILLER), permission, BILLER)


@pytest.mark.parametrize("permission", OF_PLATFORM)
def test_what_belongs_to_no_biller_is_for_the_operators_staff_only(permission: Permission) -> None:
    assert is_allowed(Staff("olga", "operator"), permission)
    for role in get_args(StaffRole):
        assert not is_allowed(Staff("ada", role, BILLER), permission)
        assert not is_allowed(Staff("ada", role, BILLER), permission, BILLER)


@pytest.mark.parametrize("permission", OF_BILLERS)
def test_a_permission_at_a_biller_is_not_held_when_no_biller_is_named(permission: Permission) -> None:
    assert not is_allowed(Staff("olga", "operator"), permission)


def test_a_billers_admin_sees_asks_for_and_approves_its_themes() -> None:
    for permission in (Permission.BILLER_THEMES_READ, Permission.BILLER_THEMES_CREATE, Permission.BILLER_THEMES_APPROVE):
        assert is_allowed(Staff("ada", "admin", BILLER), permission, BILLER)
        assert not is_allowed(Staff("vera", "viewer", BILLER), permission, BILLER)


def test_a_refusal_names_who_and_what_for_the_log_and_nothing_for_the_caller() -> None:
    with pytest.raises(PermissionMissing) as refused:
        check_may(Staff("vera", "viewer", BILLER), Permission.BILLER_KEYS_ROTATE, OTHER)
    assert refused.value.detail == "viewer vera: biller:keys:rotate at BID 9002"
    assert refused.value.public == "You may not do that."


def test_who_may_is_let_through_in_silence() -> None:
    check_may(Staff("ada", "admin", BILLER), Permission.BILLER_KEYS_ROTATE, BILLER)
