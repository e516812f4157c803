"""Users: what may be changed about one, what ends its sessions, and that a change stays at its biller."""

from __future__ import annotations

from typing import Any

import pytest

from idp.directory.users import User
from idp.errors import InvalidFields, UserNameTaken, UserNotFound
from idp.opaque import new_id
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House


@pytest.fixture
def pat(house: House) -> User:
    return house.made("pat", "1001-01")


def test_a_change_is_kept_compared_by_its_new_form_and_logged_once(house: House, pat: User) -> None:
    log = len(house.actions())
    changed = house.users.change(MAKER, "r", OAKDALE, pat.id, user_name="Pat.Vale", email="Vale@EXAMPLE.com", locale="es")
    assert (changed.user_name_key, changed.email, changed.email_key) == ("pat.vale", "Vale@example.com", "vale@example.com")
    assert house.users.get(OAKDALE, pat.id) == changed
    house.users.change(MAKER, "r", OAKDALE, pat.id, user_name="Pat.Vale", email="Vale@example.com")
    assert house.actions(after=log) == ["user.change"]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"user_name": ""}, {"UserName"}),
        ({"user_name": "", "email": "x"}, {"UserName", "EmailAddress"}),
        ({"generation": 7, "id": "x", "email": "x"}, {"generation", "id", "EmailAddress"}),
    ],
)
def test_wrong_changes_are_named_all_at_once_and_change_nothing(
    house: House, pat: User, change: dict[str, Any], fields: set[str]
) -> None:
    with pytest.raises(InvalidFields) as refused:
        house.users.change(MAKER, "r", OAKDALE, pat.id, **change)
    assert {each.field for each in refused.value.fields} == fields
    assert house.users.get(OAKDALE, pat.id) == pat


def test_a_name_that_somebody_else_has_cannot_be_taken_in_any_spelling(house: House, pat: User) -> None:
    kim = house.made("kim", "1001-02")
    log = house.actions()
    with pytest.raises(UserNameTaken):
        house.users.change(MAKER, "r", OAKDALE, kim.id, user_name="PAT")
    assert (house.users.get(OAKDALE, kim.id), house.actions()) == (kim, log)


def test_disabling_ends_what_was_begun_and_enabling_revives_none_of_it(house: House, pat: User) -> None:
    assert house.users.change(MAKER, "r", OAKDALE, pat.id, disabled=True).generation == 1
    assert house.users.change(MAKER, "r", OAKDALE, pat.id, disabled=True).generation == 1
    assert house.users.change(MAKER, "r", OAKDALE, pat.id, disabled=False).generation == 1


def test_every_revocation_ends_what_was_begun_before_it(house: House, pat: User) -> None:
    for _ in range(2):
        house.users.revoke(MAKER, "r", OAKDALE, pat.id)
    assert house.users.get(OAKDALE, pat.id).generation == 2
    assert house.actions().count("user.revoke") == 2


def test_another_billers_user_is_not_there(house: House, pat: User) -> None:
    for bid, user_id in ((BIRCHWOOD, pat.id), (OAKDALE, new_id())):
        with pytest.raises(UserNotFound):
            house.users.get(bid, user_id)
        with pytest.raises(UserNotFound):
            house.users.change(MAKER, "r", bid, user_id, disabled=True)
        with pytest.raises(UserNotFound):
            house.users.revoke(MAKER, "r", bid, user_id)
    assert house.users.get(OAKDALE, pat.id) == pat
    assert house.users.list_page(BIRCHWOOD) == []


@pytest.mark.parametrize(
    ("first", "last", "shown"), [("Pat", "Vale", "Pat Vale"), ("Pat", "", "Pat"), ("", "Vale", "Vale"), ("", "", "pat")]
)
def test_a_page_calls_a_user_by_its_names_or_else_its_user_name(house: House, first: str, last: str, shown: str) -> None:
    assert house.made("pat", "1001-01", first_name=first, last_name=last).shown_name == shown
