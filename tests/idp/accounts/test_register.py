"""Register: which login type a newcomer gets, who may register whom, and that a refusal leaves nothing behind."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from hub.storage.tables.directory import registrations, users
from hub.storage.tables.jobs import outbox
from hub.storage.tables.log import change_log
from hub.storage.tables.partners import partner_users
from idp.accounts.register import AccountWanted, Item, Registered
from idp.actor import Partner, Staff
from idp.directory.api_keys import KeyPolicies
from idp.directory.rights import LoginType
from idp.errors import InvalidFields, PartnerUserIdTaken, UserDisabled
from tests.databases import PATIENCE
from tests.idp.directory import house as houses
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

sql, house = houses.sql, houses.house
OWNER, CO_OWNER, OVERSIGHT, GUEST = LoginType
TABLES = (users, registrations, partner_users, outbox, change_log)


def only(answer: Registered) -> Item:
    (item,) = answer.items
    return item


def given(item: Item) -> tuple[str, LoginType | None, bool, str]:
    return item.status, item.login_type, item.pending, item.note


def counts(house: House) -> list[int]:
    return [house.count(table) for table in TABLES]


def run_together(house: House, *calls: tuple[str, str, dict[str, str]]) -> list[Registered]:
    """Register several at once, each in a thread of its own: user name, account, and the rest of the call."""
    begun = [house.sql.run_beside(house.call, name, number, **more) for name, number, more in calls]  # type: ignore[arg-type]
    return [each.result(PATIENCE) for each in begun]


# --- the table ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", LoginType)
def test_the_first_gets_what_was_asked(house: House, asked: LoginType) -> None:
    assert given(only(house.call("pat", "1001-01", login_type=asked))) == ("Registered", asked, False, "")
    pat = house.user("pat")
    assert pat is not None
    assert house.seats("1001-01") == [(pat.id, asked, False)]
    assert house.seats("1001-01", BIRCHWOOD) == []


def test_owner_is_what_is_asked_where_nothing_is(house: House) -> None:
    assert only(house.call("pat", "1001-01")).login_type is OWNER


@pytest.mark.parametrize("key", ["all", "proof"])
def test_where_the_first_is_a_guest_more_waits_for_a_role_code(house: House, key: str) -> None:
    house.change_policies(first_registrant="guest")
    assert given(only(house.call("pat", "1001-01", key=key))) == ("Registered", GUEST, True, "GuestUntilRoleCode")
    there = house.call("pat", "1001-01", key=f"there {key}", bid=BIRCHWOOD)
    assert only(there).login_type is OWNER


@pytest.mark.parametrize("asked", LoginType)
@pytest.mark.parametrize("key", ["proof", None])
def test_with_proof_a_later_one_gets_what_was_asked_but_not_the_seat(house: House, asked: LoginType, key: str | None) -> None:
    house.made("pat", "1001-01")
    expected = (CO_OWNER, False, "OwnerSeatTaken") if asked is OWNER else (asked, False, "")
    assert given(only(house.call("kim", "1001-01", login_type=asked, key=key))) == ("Registered", *expected)


@pytest.mark.parametrize("asked", LoginType)
@pytest.mark.parametrize("key", ["all", "own"])
def test_without_proof_a_later_one_waits_whatever_was_asked(house: House, asked: LoginType, key: str) -> None:
    house.made("pat", "1001-01")
    expected = (GUEST, True, "GuestUntilApproved")
    assert given(only(house.call("kim", "1001-01", login_type=asked, key=key))) == ("Registered", *expected)


def test_somebody_registered_makes_the_next_a_later_one_though_there_is_no_owner(house: House) -> None:
    house.made("pat", "1001-01", login_type=GUEST)
    assert given(only(house.call("kim", "1001-01"))) == ("Registered", GUEST, True, "GuestUntilApproved")
    assert given(only(house.call("lee", "1001-01", key="proof"))) == ("Registered", CO_OWNER, False, "AccountHasUsers")


def test_a_registration_that_ended_counts_for_nothing(house: House) -> None:
    house.made("pat", "1001-01")
    (tie,) = house.ties("1001-01")
    with house.sql.begin() as stores:
        stores.registrations.put_registration(replace(tie, ended_at=house.sql.clock.now()))
    assert given(only(house.call("kim", "1001-01"))) == ("Registered", OWNER, False, "")


def test_the_same_user_again_gets_the_registration_that_stands(house: House) -> None:
    house.made("pat", "1001-01", login_type=OVERSIGHT)
    before = counts(house)
    for asked in LoginType:
        again = only(house.call("PAT", " 1001-01 ", key="proof", login_type=asked))
        assert given(again) == ("AlreadyRegistered", OVERSIGHT, False, "")
    assert counts(house) == before


def test_a_biller_that_requires_role_codes_refuses_partners_and_not_its_own_staff(house: House) -> None:
    house.change_policies(role_codes="required")
    assert given(only(house.call("pat", "1001-01", key="proof"))) == ("RoleCodeRequired", None, False, "")
    assert only(house.call("pat", "1001-01", key=None)).login_type is OWNER


def test_a_biller_of_single_users_refuses_a_second_and_knows_the_first_again(house: House) -> None:
    house.change_policies(multi_user=False)
    house.made("pat", "1001-01")
    for key in ("all", "proof", None):
        assert given(only(house.call("kim", "1001-01", key=key))) == ("AccountAlreadyRegistered", None, False, "")
    assert only(house.call("pat", "1001-01")).status == "AlreadyRegistered"


def test_a_login_type_of_an_account_goes_before_that_of_the_call(house: House) -> None:
    answer = house.call("pat", AccountWanted("1001-01", OVERSIGHT), "1001-02", AccountWanted("1002-01", OWNER), login_type=GUEST)
    assert [item.login_type for item in answer.items] == [OVERSIGHT, GUEST, OWNER]


# --- accounts ----------------------------------------------------------------------------------------------------------------


def test_an_account_twice_in_one_call_is_tied_once(house: House) -> None:
    answer = house.call("pat", "1001-01", AccountWanted(" 1001-01 ", GUEST))
    assert [(item.account_number, item.status, item.login_type) for item in answer.items] == [
        ("1001-01", "Registered", OWNER),
        (" 1001-01 ", "AlreadyRegistered", OWNER),
    ]
    assert len(house.ties("1001-01")) == house.count(outbox) == 1


@pytest.mark.parametrize("number", ["4004-04", "", "   ", "1" * 51, "1001-01\x00", "1001-1"])
def test_an_account_that_is_not_there_fails_alone(house: House, number: str) -> None:
    answer = house.call("pat", number, "1001-01")
    assert [(item.account_number, item.status) for item in answer.items] == [(number, "NotFound"), ("1001-01", "Registered")]


def test_another_billers_account_is_not_there(house: House) -> None:
    house.customers.create(MAKER, "r", house.biller(BIRCHWOOD), "9009-09")
    assert only(house.call("pat", "9009-09")).status == "NotFound"
    assert only(house.call("pat", "9009-09", key="there all", bid=BIRCHWOOD)).status == "Registered"
    assert house.user("pat") is None


def test_a_closed_account_is_not_there(house: House) -> None:
    closed = replace(house.customer("1001-01"), closed_at=house.sql.clock.now())
    with house.sql.begin() as stores:
        stores.customers.put_customer(closed)
    before = counts(house)
    assert given(only(house.call("pat", "1001-01"))) == ("NotFound", None, False, "")
    assert counts(house) == before


def test_the_billers_profile_says_which_numbers_are_the_same(house: House) -> None:
    house.billers.create(MAKER, "r", bid=303, slug="cedar", dba="Cedar", policies={"account_profile": "digits_only"})
    cedar = house.biller(303)
    house.customers.create(MAKER, "r", cedar, "77-01")
    answer = house.call("pat", "7701", "acct 77/01", key=None, bid=303)
    assert [item.status for item in answer.items] == ["Registered", "AlreadyRegistered"]


# --- nothing is written for a refusal ----------------------------------------------------------------------------------------


def test_a_call_that_ties_nothing_writes_nothing_and_names_nobody(house: House) -> None:
    before = counts(house)
    assert house.call("pat", "4004-04", partner_user_id="u-1").user is None
    house.change_policies(role_codes="required")
    log = house.count(change_log)
    assert house.call("pat", "1001-01", "1001-02").user is None
    assert counts(house) == [*before[:-1], log]


def test_a_known_user_for_whom_nothing_was_tied_does_not_become_the_partners(house: House) -> None:
    house.made("pat", "1001-01", key="own")
    before = counts(house)
    answer = house.call("pat", "4004-04", key="all", partner_user_id="u-1")
    assert (answer.user, only(answer).status) == (None, "NotFound")
    assert counts(house) == before


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"user_name": ""}, {"UserName"}),
        ({"user_name": "p\x00"}, {"UserName"}),
        ({"email": "nobody"}, {"EmailAddress"}),
        ({"user_name": "", "email": ""}, {"UserName", "EmailAddress"}),
    ],
)
def test_wrong_names_are_told_all_at_once_and_nothing_is_written(house: House, change: dict[str, str], fields: set[str]) -> None:
    before = counts(house)
    sent = {"user_name": "pat", "email": "pat@example.com"} | change
    with pytest.raises(InvalidFields) as refused:
        house.call(sent["user_name"], "1001-01", email=sent["email"])
    assert {each.field for each in refused.value.fields} == fields
    assert counts(house) == before


def test_every_registration_has_one_row_in_the_log_and_one_event_in_the_order_of_the_call(house: House) -> None:
    log = len(house.actions())
    actor = Partner(house.key("all").id, house.key("all").partner.id)
    user = house.call("pat", "1001-02", "4004-04", "1001-01", "1001-02", actor=actor, first_name="Pat").user
    assert user is not None
    assert house.actions(after=log) == ["user.create", "registration.create", "registration.create"]
    with house.sql.single.connect() as connection:
        rows = connection.execute(select(change_log).order_by(change_log.c.id.desc()).limit(3)).all()
        events = connection.execute(select(outbox).order_by(outbox.c.position)).all()
    assert {(row.bid, row.actor_kind, row.actor_id, row.request_id, row.user_id) for row in rows} == {
        (OAKDALE, "partner", str(house.key("all").id), "request-1", user.id)
    }
    assert [(event.account_number, event.type, event.level, event.after, event.before) for event in events] == [
        ("1001-02", "registration.created", "user", {"LoginTypeID": 1, "Pending": False, "State": "active"}, None),
        ("1001-01", "registration.created", "user", {"LoginTypeID": 1, "Pending": False, "State": "active"}, None),
    ]
    assert {(event.bid, event.login_guid, event.user_name, event.source_key) for event in events} == {
        (OAKDALE, user.id, "pat", house.key("all").id)
    }
    assert house.actions(BIRCHWOOD).count("registration.create") == 0


def test_an_event_says_what_was_given_and_not_what_was_asked(house: House) -> None:
    house.made("pat", "1001-01")
    house.made("kim", "1001-01")
    with house.sql.single.connect() as connection:
        last = connection.execute(select(outbox.c.after).order_by(outbox.c.position.desc()).limit(1)).scalar_one()
    assert last == {"LoginTypeID": 4, "Pending": True, "State": "waiting"}


# --- who may speak for whom --------------------------------------------------------------------------------------------------


def test_a_key_for_its_own_users_may_not_register_somebody_elses(house: House) -> None:
    house.made("pat", "1001-01", key="all")
    before = counts(house)
    answer = house.call("Pat", "1001-02", "4004-04", key="own")
    assert answer.user is None
    assert [given(item) for item in answer.items] == [("CredentialsMismatch", None, False, "")] * 2
    assert counts(house) == before


def test_a_key_for_all_users_may_and_its_partner_speaks_for_the_user_from_then_on(house: House) -> None:
    pat = house.made("pat", "1001-01", key="own")
    assert only(house.call("pat", "1001-02", key="own of one")).status == "CredentialsMismatch"
    assert house.made("pat", "1001-02", key="all").id == pat.id
    assert only(house.call("pat", "1002-01", key="own of one")).status == "Registered"


def test_a_key_of_the_same_partner_may_go_on_with_its_user(house: House) -> None:
    pat = house.made("pat", "1001-01", key="all")
    assert house.made("pat", "1001-02", key="own of one").id == pat.id


def test_a_user_that_staff_made_is_nobodys_until_a_key_for_all_proves_it(house: House) -> None:
    house.made("pat", "1001-01", key=None)
    assert house.count(partner_users) == 0
    assert only(house.call("pat", "1001-02", key="own")).status == "CredentialsMismatch"


def test_the_same_names_at_another_biller_are_other_users(house: House) -> None:
    here = house.made("pat", "1001-01", key="own", partner_user_id="u-1")
    there = house.made("pat", "1001-01", key="there own", bid=BIRCHWOOD, partner_user_id="u-1")
    assert here.id != there.id
    assert (here.bid, there.bid) == (OAKDALE, BIRCHWOOD)


def test_a_partners_own_id_of_another_user_is_a_mismatch(house: House) -> None:
    house.made("pat", "1001-01", partner_user_id="u-1")
    house.made("kim", "1001-02", partner_user_id="u-2")
    before = counts(house)
    for name in ("kim", "lee"):
        assert only(house.call(name, "1002-01", partner_user_id="u-1")).status == "CredentialsMismatch"
    assert counts(house) == before


def test_a_user_keeps_the_id_that_its_partner_gave_first(house: House) -> None:
    house.made("pat", "1001-01", partner_user_id="u-1")
    assert only(house.call("pat", "1001-02", partner_user_id="u-9")).status == "CredentialsMismatch"
    assert only(house.call("pat", "1001-02", partner_user_id="u-1")).status == "Registered"
    assert only(house.call("pat", "1002-01")).status == "Registered"


def test_a_user_without_one_gets_the_id_that_its_partner_sends_later(house: House) -> None:
    pat = house.made("pat", "1001-01")
    house.made("pat", "1001-01", partner_user_id="u-1")
    with house.sql.database.read() as stores:
        assert stores.partner_users.find_by_partner_user_id(OAKDALE, house.key("all").partner.id, "u-1") == pat.id
    assert house.count(partner_users) == 1


def test_two_partners_may_use_the_same_id_for_different_users(house: House) -> None:
    pat = house.made("pat", "1001-01", key="all", partner_user_id="u-1")
    kim = house.made("kim", "1001-02", key="own", partner_user_id="u-1")
    assert pat.id != kim.id


def test_an_id_that_staff_sends_is_nobodys(house: House) -> None:
    house.made("pat", "1001-01", key=None, partner_user_id="u-1")
    assert house.count(partner_users) == 0


@pytest.mark.parametrize("key", ["all", "own of one", None])
def test_a_disabled_user_is_not_registered(house: House, key: str | None) -> None:
    pat = house.made("pat", "1001-01")
    house.users.change(MAKER, "r", OAKDALE, pat.id, disabled=True)
    before = counts(house)
    with pytest.raises(UserDisabled):
        house.call("pat", "1001-02", key=key)
    assert counts(house) == before


def test_a_disabled_user_of_somebody_else_is_a_mismatch_like_any_other(house: House) -> None:
    pat = house.made("pat", "1001-01")
    house.users.change(MAKER, "r", OAKDALE, pat.id, disabled=True)
    assert only(house.call("pat", "1001-02", key="own")).status == "CredentialsMismatch"


# --- the user that is made ---------------------------------------------------------------------------------------------------


def test_a_user_is_made_with_names_as_they_were_sent_and_keys_to_compare(house: House) -> None:
    house.call(" Pat.Vale ", "1001-01", email="Pat@EXAMPLE.com", first_name="Pat", last_name="Vale", phone="555-0100")
    found = house.user("pat.vale")
    assert found is not None
    assert (found.user_name, found.email, found.email_key) == ("Pat.Vale", "Pat@example.com", "pat@example.com")
    assert (found.first_name, found.last_name, found.phone) == ("Pat", "Vale", "555-0100")
    assert (found.disabled, found.generation, found.created_at) == (False, 0, house.sql.clock.now())


def test_a_known_user_keeps_what_it_has(house: House) -> None:
    house.made("pat", "1001-01", first_name="Pat")
    house.made("pat", "1001-02", email="other@example.com", first_name="Eve", email_verified=True)
    found = house.user("pat")
    assert found is not None
    assert (found.email, found.first_name, found.email_verified) == ("pat@example.com", "Pat", False)


def test_an_address_counts_as_verified_by_the_word_of_trusted_keys_and_staff_only(house: House) -> None:
    house.issue("password", OAKDALE, "two", KeyPolicies(authenticate="password"))
    for name, key in (("pat", "all"), ("kim", None), ("lee", "password")):
        house.made(name, "1001-01", key=key, email_verified=True)
        assert house.made(f"{name}2", "1001-01", key=key).email_verified is False
    verified = {name: user.email_verified for name in ("pat", "kim", "lee") if (user := house.user(name)) is not None}
    assert verified == {"pat": True, "kim": True, "lee": False}


def test_a_registration_says_by_which_key_and_when(house: House) -> None:
    house.made("pat", "1001-01")
    house.sql.clock.advance(timedelta(hours=1))
    house.call("kim", "1001-01", key=None, actor=Staff("anna", "support", OAKDALE))
    first, second = house.ties("1001-01")
    assert (first.key_id, second.key_id) == (house.key("all").id, None)
    assert second.registered_at - first.registered_at == timedelta(hours=1)


# --- races -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "loser"), [("proof", (CO_OWNER, False, "OwnerSeatTaken")), ("all", (GUEST, True, "GuestUntilApproved"))]
)
def test_of_newcomers_who_ask_for_the_seat_at_once_exactly_one_gets_it(
    house: House, key: str, loser: tuple[LoginType, bool, str]
) -> None:
    names = [f"user{number}" for number in range(6)]
    answers = run_together(house, *((name, "1001-01", {"key": key}) for name in names))
    got = Counter((item.login_type, item.pending, item.note) for answer in answers for item in answer.items)
    assert got == {(OWNER, False, ""): 1, loser: 5}
    assert Counter(login_type for _, login_type, _ in house.seats("1001-01")) == {OWNER: 1, loser[0]: 5}
    assert house.count(outbox) == 6
    assert house.actions().count("registration.create") == 6


def test_newcomers_on_different_accounts_with_one_name_are_one_user(house: House) -> None:
    accounts = ("1001-01", "1001-02", "1002-01")
    answers = run_together(house, *(("pat", number, {"key": "all"}) for number in accounts))
    found: set[UUID | None] = {None if answer.user is None else answer.user.id for answer in answers}
    assert len(found) == 1
    assert None not in found
    assert [item.status for answer in answers for item in answer.items] == ["Registered"] * 3
    assert house.count(users) == 1
    assert house.actions().count("user.create") == 1


def test_of_two_partners_that_make_the_same_name_at_once_one_makes_it_and_the_other_is_told_a_mismatch(house: House) -> None:
    answers = run_together(house, ("pat", "1001-01", {"key": "own"}), ("Pat", "1001-02", {"key": "own of one"}))
    assert sorted(only(answer).status for answer in answers) == ["CredentialsMismatch", "Registered"]
    assert house.count(users) == house.count(registrations) == house.count(partner_users) == 1


def test_the_same_call_many_times_at_once_ties_once(house: House) -> None:
    answers = run_together(house, *[("pat", "1001-01", {"key": "all"})] * 6)
    assert Counter(only(answer).status for answer in answers) == {"Registered": 1, "AlreadyRegistered": 5}
    assert {only(answer).login_type for answer in answers} == {OWNER}
    assert house.count(registrations) == house.count(outbox) == house.count(users) == 1


def test_one_partners_id_for_two_newcomers_at_once_names_one_of_them(house: House) -> None:
    begun = [
        house.sql.run_beside(house.call, name, number, key="all", partner_user_id="u-1")
        for name, number in (("pat", "1001-01"), ("kim", "1001-02"))
    ]
    faults = [each.exception(PATIENCE) for each in begun]
    words = [type(fault).__name__ if fault else only(each.result()).status for each, fault in zip(begun, faults, strict=True)]
    assert words.count("Registered") == 1
    assert set(words) <= {"Registered", "CredentialsMismatch", PartnerUserIdTaken.__name__}
    assert house.count(users) == house.count(registrations) == house.count(partner_users) == 1
