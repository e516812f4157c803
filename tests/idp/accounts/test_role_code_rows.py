"""The registration table with role codes: one test per row and ruling, named after it (docs/adr/0013)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from hub.storage.tables.directory import ghosts, registrations, role_codes, users
from hub.storage.tables.jobs import mails, outbox
from hub.storage.tables.log import change_log, change_values
from idp.accounts.register import AccountWanted, Item, Registered
from idp.actor import Staff
from idp.directory.api_keys import KeyPolicies
from idp.directory.ghosts import Ghost
from idp.directory.rights import LoginType
from tests.idp.directory import house as houses
from tests.idp.directory.house import BIRCHWOOD, OAKDALE, House

sql, house = houses.sql, houses.house
OWNER, CO_OWNER, OVERSIGHT, GUEST = LoginType
HOME, OTHER = "1001-01", "1001-02"
SECRETS = {OWNER: "O100-4821-3977", CO_OWNER: "C200-1111", OVERSIGHT: "OS300-2222", GUEST: "G500-3333"}
BARE = {OWNER: "O100", CO_OWNER: "C200", OVERSIGHT: "OS300", GUEST: "G500"}
ALL_CODES = ";".join(SECRETS.values())


def only(answer: Registered) -> Item:
    (item,) = answer.items
    return item


def given(item: Item) -> tuple[str, LoginType | None, bool, str]:
    return item.status, item.login_type, item.pending, item.note


def used(house: House, number: str = HOME, bid: int = OAKDALE) -> int:
    """How many codes of an account were used."""
    with house.sql.database.read() as stores:
        return sum(code.used_at is not None for code in stores.role_codes.list_codes(bid, house.customer(number, bid).id))


def events(house: House, bid: int = OAKDALE) -> list[tuple[str, dict[str, object] | None, dict[str, object] | None]]:
    wanted = select(outbox.c.type, outbox.c.before, outbox.c.after).where(outbox.c.bid == bid).order_by(outbox.c.position)
    with house.sql.single.connect() as connection:
        return [(row.type, row.before, row.after) for row in connection.execute(wanted)]


def nothing_written(house: House) -> tuple[int, ...]:
    return tuple(house.count(table) for table in (users, registrations, outbox, change_log, mails))


# --- row: a valid code -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login_type", LoginType)
@pytest.mark.parametrize("asked", [OWNER, GUEST])
@pytest.mark.parametrize("others", [0, 1])
def test_row_valid_code_with_a_secret_gives_exactly_its_login_type_whatever_was_asked(
    house: House, login_type: LoginType, asked: LoginType, others: int
) -> None:
    house.set_codes(HOME, ALL_CODES)
    if others:
        house.made("kim", HOME, login_type=GUEST)
    item = only(house.call("pat", HOME, role_code=SECRETS[login_type], login_type=asked, key="own"))
    assert (item.status, item.login_type, item.pending) == ("Registered", login_type, False)
    assert item.note == ("" if asked is login_type else "FromRoleCode")
    assert house.seats(HOME, BIRCHWOOD) == []


@pytest.mark.parametrize("login_type", LoginType)
def test_row_valid_bare_code_gives_its_login_type_while_the_account_has_no_registered_user(
    house: House, login_type: LoginType
) -> None:
    assert only(house.call("pat", HOME, role_code=BARE[login_type], key="own")).login_type is login_type


@pytest.mark.parametrize("code", LoginType)
@pytest.mark.parametrize("asked", LoginType)
def test_row_bare_code_on_an_account_with_users_and_no_proof_waits_like_no_code(
    house: House, code: LoginType, asked: LoginType
) -> None:
    house.made("kim", HOME)
    item = only(house.call("pat", HOME, role_code=BARE[code], login_type=asked, key="own"))
    assert given(item) == ("Registered", GUEST, True, "GuestUntilApproved")


@pytest.mark.parametrize("code", LoginType)
@pytest.mark.parametrize("asked", LoginType)
def test_row_bare_code_with_proof_never_lowers_what_would_have_been_given_without_it(
    house: House, code: LoginType, asked: LoginType
) -> None:
    house.made("kim", HOME)
    without = only(house.call("lee", HOME, key="proof", login_type=asked)).login_type
    with_code = only(house.call("pat", HOME, key="proof", login_type=asked, role_code=BARE[code])).login_type
    assert with_code is without
    assert with_code is not OWNER


def test_row_bare_owner_code_never_takes_a_seat_that_is_free_while_there_are_users(house: House) -> None:
    house.made("kim", HOME, login_type=CO_OWNER)
    assert only(house.call("pat", HOME, role_code="O100", key="own")).login_type is GUEST
    assert all(login_type is not OWNER for _, login_type, _ in house.seats(HOME))


def test_row_owner_code_with_a_secret_takes_the_free_seat(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    house.made("kim", HOME, login_type=CO_OWNER)
    assert given(only(house.call("pat", HOME, role_code=SECRETS[OWNER], key="own"))) == ("Registered", OWNER, False, "")
    assert used(house) == 1
    assert house.count(mails) == 0


# --- row: owner code while another is Owner ------------------------------------------------------------------------------------


def test_row_owner_code_takes_over_on_the_newcomer_is_owner_the_old_one_co_owner_and_both_are_mailed(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    kim = house.made("kim", HOME)
    there = house.made("kim", HOME, key="there all", bid=BIRCHWOOD)
    item = only(house.call("pat", HOME, role_code="o100 4821 3977", key="own"))
    pat = house.user("pat")
    assert pat is not None
    assert given(item) == ("Registered", OWNER, False, "OwnerSeatTakenOver")
    assert set(house.seats(HOME)) == {(pat.id, OWNER, False), (kim.id, CO_OWNER, False)}
    assert house.seats(HOME, BIRCHWOOD) == [(there.id, OWNER, False)]
    with house.sql.single.connect() as connection:
        told = {tuple(row) for row in connection.execute(select(mails.c.bid, mails.c.template, mails.c.recipient))}
    assert told == {(OAKDALE, "seat_gained", "pat@example.com"), (OAKDALE, "seat_lost", "kim@example.com")}
    assert events(house)[1:] == [
        (
            "registration.changed",
            {"LoginTypeID": 1, "Pending": False, "State": "active"},
            {"LoginTypeID": 2, "Pending": False, "State": "active"},
        ),
        ("owner.changed", {"LoginGUID": str(kim.id)}, {"LoginGUID": str(pat.id)}),
        ("registration.created", None, {"LoginTypeID": 1, "Pending": False, "State": "active"}),
    ]
    assert house.actions()[-3:] == ["user.create", "registration.change", "registration.create"]


def test_row_owner_code_takes_over_off_the_newcomer_is_co_owner_and_nobody_is_mailed(house: House) -> None:
    house.change_policies(owner_code_takes_over=False)
    house.set_codes(HOME, ALL_CODES)
    kim = house.made("kim", HOME)
    item = only(house.call("pat", HOME, role_code=SECRETS[OWNER], key="own"))
    assert given(item) == ("Registered", CO_OWNER, False, "OwnerSeatTaken")
    assert (kim.id, OWNER, False) in house.seats(HOME)
    assert used(house) == 1
    assert house.count(mails) == 0


def test_row_owner_code_works_once_and_next_months_file_does_not_re_arm_it(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    house.made("kim", HOME, role_code=SECRETS[OWNER])
    house.set_codes(HOME, ALL_CODES)
    before = nothing_written(house)
    assert given(only(house.call("pat", HOME, role_code=SECRETS[OWNER]))) == ("RoleCodeInvalid", None, False, "")
    assert nothing_written(house) == before
    house.set_codes(HOME, "O100-9999")
    assert only(house.call("pat", HOME, role_code="O100-9999")).login_type is OWNER


def test_row_owner_code_is_not_burnt_when_it_changes_nothing(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    house.made("kim", HOME)
    assert given(only(house.call("kim", HOME, role_code=SECRETS[OWNER]))) == ("AlreadyRegistered", OWNER, False, "")
    assert used(house) == 0
    assert only(house.call("pat", HOME, role_code=SECRETS[OWNER])).login_type is OWNER


def test_the_same_call_with_a_used_code_is_no_guess_for_its_owner_and_one_for_everybody_else(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    for _ in range(8):
        house.made("kim", HOME, role_code=SECRETS[OWNER])
    house.made("lee", HOME)
    assert only(house.call("lee", HOME, role_code=SECRETS[OWNER])).status == "RoleCodeInvalid"


@pytest.mark.parametrize("login_type", [CO_OWNER, OVERSIGHT, GUEST])
def test_row_other_codes_with_a_secret_may_be_used_by_several(house: House, login_type: LoginType) -> None:
    house.set_codes(HOME, ALL_CODES)
    for name in ("kim", "pat", "lee"):
        assert only(house.call(name, HOME, role_code=SECRETS[login_type], key="own")).login_type is login_type
    assert used(house) == 0


# --- row: no code ------------------------------------------------------------------------------------------------------------


def test_row_no_code_first_registrant_guest_is_pending_until_a_valid_code_is_shown_and_a_bare_one_counts(house: House) -> None:
    house.change_policies(first_registrant="guest")
    assert given(only(house.call("pat", HOME))) == ("Registered", GUEST, True, "GuestUntilRoleCode")
    assert given(only(house.call("pat", HOME, role_code="O100"))) == ("AlreadyRegistered", OWNER, False, "FromRoleCode")
    assert only(house.call("kim", OTHER, role_code="C200")).login_type is CO_OWNER
    assert only(house.call("kim", HOME, key="there all", bid=BIRCHWOOD)).login_type is OWNER


def test_row_no_code_required_is_role_code_required_and_nothing_is_written(house: House) -> None:
    house.change_policies(role_codes="required")
    house.set_codes(HOME, ALL_CODES)
    before = nothing_written(house)
    for blank in (None, "", "   "):
        assert given(only(house.call("pat", HOME, role_code=blank))) == ("RoleCodeRequired", None, False, "")
    assert nothing_written(house) == before
    assert only(house.call("pat", HOME, role_code=SECRETS[GUEST])).login_type is GUEST
    assert only(house.call("lee", HOME, key=None, login_type=CO_OWNER)).status == "Registered"


# --- row: a wrong code -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["off", "optional", "required"])
def test_row_wrong_code_refuses_that_account_whatever_the_policy_and_writes_nothing_for_it(house: House, policy: str) -> None:
    house.set_codes(HOME, ALL_CODES)
    house.change_policies(role_codes=policy)
    before = nothing_written(house)
    for code in ("O100-4821-3978", "O100", "X999", "-", "O100-4821-3977-0"):
        assert given(only(house.call("pat", HOME, role_code=code, key="proof"))) == ("RoleCodeInvalid", None, False, "")
    staff = Staff("anna", "support", OAKDALE)
    assert given(only(house.call("pat", HOME, role_code="O100", key=None, actor=staff))) == ("RoleCodeInvalid", None, False, "")
    assert nothing_written(house) == before
    house.change_policies(role_codes="optional")
    answer = house.call("pat", AccountWanted(HOME, role_code="X"), OTHER, key="own", actor=staff)
    assert [item.status for item in answer.items] == ["RoleCodeInvalid", "Registered"]


def test_a_right_code_of_another_account_or_another_biller_is_a_wrong_one(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    house.set_codes(OTHER, "O100-7777")
    house.set_codes(HOME, "O100-8888", BIRCHWOOD)
    for code in ("O100-7777", "O100-8888"):
        assert only(house.call("pat", HOME, role_code=code)).status == "RoleCodeInvalid"


def test_role_codes_off_makes_even_a_right_code_a_wrong_one(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    house.change_policies(role_codes="off")
    assert only(house.call("pat", HOME, role_code=SECRETS[OWNER])).status == "RoleCodeInvalid"
    assert only(house.call("pat", OTHER, role_code="O100")).status == "RoleCodeInvalid"


@pytest.mark.parametrize("login_type", LoginType)
def test_bare_codes_off_takes_no_bare_prefix_on_an_account_without_codes_of_its_own(house: House, login_type: LoginType) -> None:
    house.change_policies(bare_codes=False)
    assert only(house.call("pat", HOME, role_code=BARE[login_type])).status == "RoleCodeInvalid"
    assert only(house.call("pat", HOME, role_code=BARE[login_type], key="there all", bid=BIRCHWOOD)).login_type is login_type


def test_an_account_with_codes_of_its_own_takes_no_bare_prefix_but_those_that_are_its_own(house: House) -> None:
    house.set_codes(HOME, "O100-4821;G500")
    assert only(house.call("pat", HOME, role_code="O100")).status == "RoleCodeInvalid"
    assert only(house.call("pat", HOME, role_code="G500")).login_type is GUEST


def test_the_code_of_an_account_goes_before_that_of_the_call_and_a_blank_one_is_none(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    house.set_codes(OTHER, "G500-3333;C200-9")
    answer = house.call(
        "pat", AccountWanted(HOME, role_code=SECRETS[OVERSIGHT]), AccountWanted(OTHER, role_code=" "), role_code=SECRETS[GUEST]
    )
    assert [item.login_type for item in answer.items] == [OVERSIGHT, GUEST]


# --- row: the same user again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", LoginType)
@pytest.mark.parametrize("shown", LoginType)
def test_row_same_user_again_with_a_valid_code_follows_the_code_and_never_downward(
    house: House, held: LoginType, shown: LoginType
) -> None:
    house.set_codes(HOME, ALL_CODES)
    pat = house.made("pat", HOME, login_type=held)
    log = len(house.actions())
    item = only(house.call("pat", HOME, role_code=SECRETS[shown]))
    expected = min(held, shown)
    assert (item.status, item.login_type, item.pending) == ("AlreadyRegistered", expected, False)
    assert house.seats(HOME) == [(pat.id, expected, False)]
    assert house.actions(after=log) == (["registration.change"] if shown < held else [])
    assert ("registration.changed" in [kind for kind, _, _ in events(house)]) == (shown < held)


def test_row_same_user_again_co_owner_with_the_owner_code_takes_over_the_seat(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    kim = house.made("kim", HOME)
    pat = house.made("pat", HOME, role_code=SECRETS[CO_OWNER])
    assert given(only(house.call("pat", HOME, role_code=SECRETS[OWNER]))) == (
        "AlreadyRegistered", OWNER, False, "OwnerSeatTakenOver",
    )  # fmt: skip
    assert set(house.seats(HOME)) == {(pat.id, OWNER, False), (kim.id, CO_OWNER, False)}


def test_row_same_user_again_without_a_code_gets_the_registration_that_stands(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    house.made("pat", HOME, login_type=OVERSIGHT)
    before = nothing_written(house)
    assert given(only(house.call("pat", HOME, login_type=OWNER, role_code=""))) == ("AlreadyRegistered", OVERSIGHT, False, "")
    assert nothing_written(house) == before


def test_row_same_user_again_with_a_bare_code_beside_others_gets_no_more_than_it_has(house: House) -> None:
    house.made("kim", HOME)
    house.made("pat", HOME, key="own")
    lee = house.made("lee", HOME, key="proof", login_type=GUEST)
    for code in BARE.values():
        again = only(house.call("pat", HOME, role_code=code, key="own"))
        assert given(again) == ("AlreadyRegistered", GUEST, True, "GuestUntilApproved")
        assert given(only(house.call("lee", HOME, role_code=code, key="all"))) == ("AlreadyRegistered", GUEST, False, "")
    assert (lee.id, GUEST, False) in house.seats(HOME)


# --- row: a ghost ------------------------------------------------------------------------------------------------------------


def test_row_ghost_the_newcomer_gets_what_the_table_says_and_the_ghost_keeps_what_it_has(house: House) -> None:
    customer, now = house.customer(HOME), house.sql.clock.now()
    ghost = Ghost(OAKDALE, customer.id, "Pat", "pat@example.com", "pat@example.com", "555", now, now)
    with house.sql.begin() as stores:
        stores.ghosts.put_ghost(ghost)
    assert only(house.call("pat", HOME, key="own")).login_type is OWNER
    with house.sql.database.read() as stores:
        assert stores.ghosts.find_ghost(OAKDALE, customer.id) == ghost
    assert house.count(ghosts) == 1


# --- policies beside -----------------------------------------------------------------------------------------------------------


def test_multi_user_off_refuses_a_second_user_whatever_code_it_shows_and_does_not_burn_it(house: House) -> None:
    house.change_policies(multi_user=False)
    house.set_codes(HOME, ALL_CODES)
    house.made("kim", HOME)
    assert only(house.call("pat", HOME, role_code=SECRETS[OWNER])).status == "AccountAlreadyRegistered"
    assert used(house) == 0


def test_a_closed_account_is_not_there_whatever_code_is_shown(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    closed = replace(house.customer(HOME), closed_at=house.sql.clock.now())
    with house.sql.begin() as stores:
        stores.customers.put_customer(closed)
    assert only(house.call("pat", HOME, role_code=SECRETS[OWNER])).status == "NotFound"


# --- secrecy -----------------------------------------------------------------------------------------------------------------


def test_a_code_stands_nowhere_after_it_was_shown(house: House) -> None:
    house.set_codes(HOME, ALL_CODES)
    wanted = AccountWanted(HOME, role_code=SECRETS[OWNER])
    answer = house.call("pat", wanted, role_code="C200-hushhush")
    assert "4821" not in f"{wanted!r} {answer!r}"
    with house.sql.single.connect() as connection:
        for table in (role_codes, registrations, users, outbox, change_log, change_values):
            stored = json.dumps([list(row) for row in connection.execute(select(table))], default=str)
            assert "48213977" not in stored
            assert "4821-3977" not in stored


def test_what_the_key_may_state_as_proof_is_looked_at_per_key(house: House) -> None:
    house.issue("zip", OAKDALE, "two", KeyPolicies(users="all", account_proof=("zip",)))
    house.made("kim", HOME)
    assert only(house.call("pat", HOME, key="zip")).login_type is CO_OWNER
    assert only(house.call("lee", HOME, key="all")).login_type is GUEST
