"""Payers by name: all names must fit one user, the key must speak for it, and a stale cache decides nothing."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from idp.directory.payers import Payers, UserNames
from idp.directory.users import User
from idp.errors import AmbiguousUser, InvalidFields, UserNotFound
from idp.kv import Expect
from idp.opaque import new_id
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

FIELDS = ("login_guid", "partner_user_id", "user_name", "email")
EVERY_COMBINATION = [chosen for size in range(1, 5) for chosen in combinations(FIELDS, size)]


@pytest.fixture
def pat(house: House) -> User:
    return house.made("pat", "1001-01", key="all", partner_user_id="u-pat", email_verified=True)


@pytest.fixture
def kim(house: House) -> User:
    return house.made("kim", "1001-02", key="all", partner_user_id="u-kim", email_verified=True)


def names_of(user: User, partner_user_id: str) -> dict[str, object]:
    return {"login_guid": user.id, "partner_user_id": partner_user_id, "user_name": user.user_name, "email": user.email}


def chosen_from(values: dict[str, object], fields: tuple[str, ...]) -> UserNames:
    return UserNames(**{name: values[name] for name in fields})  # type: ignore[arg-type]


def refusal(house: House, payers: Payers, key: str, names: UserNames) -> type[Exception]:
    with pytest.raises((UserNotFound, AmbiguousUser, InvalidFields)) as refused:
        payers.named(house.key(key), names)
    return refused.type


def checked(house: House, payers: Payers, key: str, names: UserNames) -> User | None:
    """What a caller ends up with: named, and its stamps compared as often as they differ. None: no such user."""
    for _ in range(4):
        try:
            found = payers.named(house.key(key), names)
        except UserNotFound:
            return None
        if house.sql.kv.transact(Expect(found.stamps)).stop is None:
            return found.value.user
        payers.reload(found.value.user.bid, found.value.user.id)
    raise AssertionError("never current")


# --- names -------------------------------------------------------------------------------------------------------------------


def test_every_combination_of_its_names_finds_the_user(house: House, pat: User, kim: User) -> None:
    for key, fields in product(("all", "own of one"), EVERY_COMBINATION):
        found = house.payers.named(house.key(key), chosen_from(names_of(pat, "u-pat"), fields))
        assert found.value.user.id == pat.id, (key, fields)


def test_one_name_of_somebody_else_among_them_finds_nobody(house: House, pat: User, kim: User) -> None:
    ours, others = names_of(pat, "u-pat"), names_of(kim, "u-kim")
    for fields in (each for each in EVERY_COMBINATION if len(each) > 1):
        for wrong in fields:
            mixed = chosen_from(ours | {wrong: others[wrong]}, fields)
            assert refusal(house, house.payers, "all", mixed) is UserNotFound, (fields, wrong)


def test_names_count_in_any_spelling(house: House, pat: User) -> None:
    for names in (UserNames(user_name=" PAT "), UserNames(email="PAT@example.COM"), UserNames(user_name="ＰＡＴ")):
        assert house.payers.named(house.key("all"), names).value.user.id == pat.id


def test_a_partners_own_id_is_compared_as_it_is_and_by_its_partner_only(house: House, pat: User) -> None:
    assert refusal(house, house.payers, "all", UserNames(partner_user_id="U-PAT")) is UserNotFound
    assert refusal(house, house.payers, "own", UserNames(partner_user_id="u-pat")) is UserNotFound


def test_no_name_is_refused_and_so_is_what_is_none(house: House, pat: User) -> None:
    assert refusal(house, house.payers, "all", UserNames()) is InvalidFields
    with pytest.raises(InvalidFields) as refused:
        house.payers.named(house.key("all"), UserNames(user_name="", email="nobody"))
    assert {each.field for each in refused.value.fields} == {"UserName", "EmailAddress"}


def test_another_billers_user_is_nobody_by_any_of_its_names(house: House, pat: User) -> None:
    for fields in EVERY_COMBINATION:
        assert refusal(house, house.payers, "there all", chosen_from(names_of(pat, "u-pat"), fields)) is UserNotFound
    there = house.made("pat", "1001-01", key="there all", bid=BIRCHWOOD, partner_user_id="u-pat")
    assert house.payers.named(house.key("there all"), UserNames(user_name="pat")).value.user.id == there.id
    assert house.payers.named(house.key("all"), UserNames(user_name="pat")).value.user.id == pat.id


# --- who may speak for whom --------------------------------------------------------------------------------------------------


def test_a_key_for_its_own_users_does_not_find_somebody_elses(house: House, pat: User) -> None:
    for fields in (("login_guid",), ("user_name",), ("email",), ("login_guid", "user_name", "email")):
        assert refusal(house, house.payers, "own", chosen_from(names_of(pat, "u-pat"), fields)) is UserNotFound


def test_an_unverified_address_selects_for_a_key_for_all_users_only(house: House) -> None:
    lee = house.made("lee", "1002-01", key="own", email_verified=False)
    assert house.payers.named(house.key("all"), UserNames(email="lee@example.com")).value.user.id == lee.id
    assert refusal(house, house.payers, "own", UserNames(email="lee@example.com")) is UserNotFound
    assert refusal(house, house.payers, "own", UserNames(user_name="lee", email="lee@example.com")) is UserNotFound
    house.users.change(MAKER, "r", OAKDALE, lee.id, email_verified=True)
    found = checked(house, house.payers, "own", UserNames(email="lee@example.com"))
    assert found is not None
    assert found.id == lee.id


# --- shared addresses --------------------------------------------------------------------------------------------------------


def test_a_shared_address_alone_is_ambiguous_and_with_another_name_is_not(house: House, pat: User) -> None:
    sam = house.made("sam", "1001-02", email=pat.email, email_verified=True)
    assert refusal(house, house.payers, "all", UserNames(email=pat.email)) is AmbiguousUser
    for user in (pat, sam):
        assert house.payers.named(house.key("all"), UserNames(user_name=user.user_name, email=pat.email)).value.user.id == user.id


def test_an_address_shared_with_users_of_others_is_not_ambiguous_for_a_key_for_its_own(house: House, pat: User) -> None:
    sam = house.made("sam", "1001-02", key="own", email=pat.email, email_verified=True)
    assert house.payers.named(house.key("own"), UserNames(email=pat.email)).value.user.id == sam.id
    assert refusal(house, house.payers, "all", UserNames(email=pat.email)) is AmbiguousUser


def test_an_address_that_became_shared_in_another_process_is_ambiguous_at_once(house: House, pat: User, kim: User) -> None:
    other = house.other_payers()
    for user in (pat, kim):
        other.named(house.key("all"), UserNames(login_guid=user.id))  # now both are cached there
    house.users.change(MAKER, "r", OAKDALE, kim.id, email=pat.email)
    assert refusal(house, other, "all", UserNames(email=pat.email)) is AmbiguousUser


def test_an_address_that_ceased_to_be_shared_in_another_process_is_not_ambiguous(house: House, pat: User) -> None:
    sam = house.made("sam", "1001-02", email=pat.email, email_verified=True)
    other = house.other_payers()
    assert refusal(house, other, "own of one", UserNames(email=pat.email)) is AmbiguousUser
    house.users.change(MAKER, "r", OAKDALE, sam.id, email_verified=False)  # still the address, but it selects nobody
    found = checked(house, other, "own of one", UserNames(email=pat.email))
    assert found is not None
    assert found.id == pat.id


# --- stale caches ------------------------------------------------------------------------------------------------------------


def test_a_user_who_was_renamed_in_another_process_is_found_by_the_new_name_and_not_by_the_old(house: House, pat: User) -> None:
    other = house.other_payers()
    assert checked(house, other, "all", UserNames(user_name="pat")) == pat
    house.users.change(MAKER, "r", OAKDALE, pat.id, user_name="patricia")
    assert checked(house, other, "all", UserNames(user_name="pat")) is None
    found = checked(house, other, "all", UserNames(user_name="patricia"))
    assert found is not None
    assert found.id == pat.id


def test_a_name_that_went_to_somebody_else_in_another_process_names_that_one(house: House, pat: User, kim: User) -> None:
    other = house.other_payers()
    for name in ("pat", "kim"):
        assert checked(house, other, "all", UserNames(user_name=name)) is not None
    house.users.change(MAKER, "r", OAKDALE, pat.id, user_name="patricia")
    house.users.change(MAKER, "r", OAKDALE, kim.id, user_name="pat")
    for names in (
        UserNames(user_name="pat"),
        UserNames(user_name="pat", email=kim.email),
        UserNames(user_name="pat", login_guid=kim.id),
    ):
        found = checked(house, other, "all", names)
        assert found is not None, names
        assert found.id == kim.id, names
    assert checked(house, other, "all", UserNames(user_name="kim")) is None
    assert checked(house, other, "all", UserNames(user_name="pat", login_guid=pat.id)) is None


@pytest.mark.parametrize("fields", [("user_name",), ("user_name", "email"), ("user_name", "partner_user_id"), FIELDS])
def test_the_first_question_after_a_name_moved_is_answered_right(
    house: House, pat: User, kim: User, fields: tuple[str, ...]
) -> None:
    other = house.other_payers()
    assert checked(house, other, "all", UserNames(user_name="pat")) == pat  # remembered there, and stale from here on
    house.users.change(MAKER, "r", OAKDALE, pat.id, user_name="patricia")
    moved = house.users.change(MAKER, "r", OAKDALE, kim.id, user_name="pat")
    assert checked(house, other, "all", chosen_from(names_of(moved, "u-kim"), fields)) == moved


def test_a_renamed_user_is_told_by_get_named_without_a_stale_word(house: House, pat: User, kim: User) -> None:
    other = house.other_payers()
    for name in ("pat", "kim"):
        other.get_named(house.key("all"), UserNames(user_name=name))
    house.users.change(MAKER, "r", OAKDALE, pat.id, user_name="patricia")
    with pytest.raises(UserNotFound):
        other.get_named(house.key("all"), UserNames(user_name="pat"))
    house.users.change(MAKER, "r", OAKDALE, kim.id, user_name="pat")
    assert other.get_named(house.key("all"), UserNames(user_name="pat", email=kim.email)).user.id == kim.id
    assert other.get_named(house.key("all"), UserNames(user_name="patricia")).user.id == pat.id


def test_an_address_that_was_changed_in_another_process_selects_by_the_new_one_only(house: House, pat: User) -> None:
    other = house.other_payers()
    assert checked(house, other, "all", UserNames(email="pat@example.com")) == pat
    house.users.change(MAKER, "r", OAKDALE, pat.id, email="new@example.com")
    assert checked(house, other, "all", UserNames(email="pat@example.com")) is None
    assert checked(house, other, "all", UserNames(user_name="pat", email="pat@example.com")) is None
    found = checked(house, other, "all", UserNames(email="new@example.com"))
    assert found is not None
    assert found.id == pat.id


def test_a_partner_that_may_speak_from_now_on_may_at_once_in_every_process(house: House, pat: User) -> None:
    house.issue("all of two", OAKDALE, "two", house.key("all").policies)
    other = house.other_payers()
    assert checked(house, other, "all", UserNames(user_name="pat")) == pat
    assert checked(house, other, "own", UserNames(user_name="pat")) is None
    house.made("pat", "1002-01", key="all of two", partner_user_id="u-2")
    for names in (UserNames(user_name="pat"), UserNames(partner_user_id="u-2"), UserNames(user_name="pat", partner_user_id="u-2")):
        found = checked(house, other, "own", names)
        assert found is not None
        assert found.id == pat.id


def test_a_user_made_in_another_process_is_found_though_it_was_not_there_a_moment_ago(house: House) -> None:
    other = house.other_payers()
    guid = new_id()
    assert checked(house, other, "all", UserNames(user_name="pat")) is None
    assert checked(house, other, "all", UserNames(login_guid=guid)) is None
    pat = house.made("pat", "1001-01")
    assert checked(house, other, "all", UserNames(user_name="pat")) == pat


def test_a_record_is_as_of_the_stamps_that_a_session_brought(house: House, pat: User) -> None:
    other = house.other_payers()
    cached = other.cached(OAKDALE, pat.id)
    assert cached is not None
    assert other.as_of(OAKDALE, pat.id, cached.stamps) is cached.value
    house.made("pat", "1001-02")
    fresh = house.other_payers().cached(OAKDALE, pat.id)
    assert fresh is not None
    now = other.as_of(OAKDALE, pat.id, fresh.stamps)
    assert now is not None
    assert [account.account_number for account in now.accounts] == ["1001-01", "1001-02"]
    assert other.as_of(BIRCHWOOD, pat.id, fresh.stamps) is None


# --- the record --------------------------------------------------------------------------------------------------------------


def test_the_default_account_is_the_oldest_until_another_is_picked(house: House, pat: User) -> None:
    house.made("pat", "1001-02")
    payer = house.payers.get_named(house.key("all"), UserNames(login_guid=pat.id))
    assert payer.default_account is not None
    assert payer.default_account.account_number == "1001-01"
    assert payer.account_numbered(house.biller(), " 1001-02 ") == payer.accounts[1]
    assert payer.account(payer.accounts[1].customer_id) == payer.accounts[1]
    assert payer.account_numbered(house.biller(), "1002-01") is None
    assert payer.account_numbered(house.biller(), "\x00") is None
    assert payer.account(new_id()) is None
