"""Objections: who is asked about a registration without proof, what a no does, and that it can be said once."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from hub.storage.tables.credentials import one_time_links
from hub.storage.tables.jobs import mails
from idp.accounts.objections import Question
from idp.actor import Staff
from idp.directory.api_keys import KeyPolicies
from idp.directory.payers import PayerRecord
from idp.directory.registrations import RegistrationState
from idp.directory.rights import LoginType
from idp.directory.users import User
from idp.errors import RegistrationNotPending
from idp.secrets import Place
from tests.databases import PATIENCE
from tests.idp.accounts.test_waiting import given, only
from tests.idp.directory import house as houses
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

sql, house = houses.sql, houses.house
OWNER, CO_OWNER, OVERSIGHT, GUEST = LoginType
HOME = "1001-01"
HOLDER = "holder@example.org"
STAFF = Staff("anna", "admin", OAKDALE)


@pytest.fixture(autouse=True)
def on_record(house: House) -> None:
    """The biller has an address of the holder of 1001-01, at both billers."""
    for bid in (OAKDALE, BIRCHWOOD):
        house.customers.change(MAKER, "r", house.biller(bid), house.customer(HOME, bid).id, email=HOLDER)


def asked(house: House, template: str = "registered_unproved", bid: int = OAKDALE) -> list[tuple[str, str]]:
    """Recipient and secret of each mail that asks the contact."""
    with house.sql.single.connect() as connection:
        rows = connection.execute(select(mails).where(mails.c.template == template, mails.c.bid == bid).order_by(mails.c.id)).all()
    found = []
    for row in rows:
        body = house.secrets.open(Place(row.bid, "mails", str(row.id), "body"), row.body)
        (link,) = re.findall(r"^https://\S+/objection#(\S+)$", body, re.MULTILINE)
        found.append((row.recipient, link))
    return found


def secret_of(house: House) -> str:
    return asked(house)[-1][1]


def record(house: House, user: User) -> PayerRecord:
    found = house.other_payers().reload(user.bid, user.id)
    assert found is not None
    return found.value


def kinds(house: House) -> list[str]:
    return [alarm.kind for alarm in house.alarms.list_recent(OAKDALE)]


def object_(house: House, secret: str, bid: int = OAKDALE) -> Question | None:
    return house.objections.object("r", house.biller(bid), secret)


# --- who is asked --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login_type", LoginType)
@pytest.mark.parametrize("code", [None, "O100", "G500"])
def test_whoever_registers_an_empty_account_without_proof_gets_in_and_the_contact_on_record_is_asked(
    house: House, login_type: LoginType, code: str | None
) -> None:
    item = only(house.call("pat", HOME, key="own", login_type=login_type, role_code=code))
    assert (item.status, item.pending) == ("Registered", False)
    assert [recipient for recipient, _ in asked(house)] == [HOLDER]
    assert kinds(house) == []
    assert asked(house, bid=BIRCHWOOD) == []


def test_a_guest_until_a_code_is_shown_is_asked_about_too(house: House) -> None:
    house.change_policies(first_registrant="guest")
    assert given(only(house.call("pat", HOME, key="own"))) == ("Registered", GUEST, True, "GuestUntilRoleCode")
    assert len(asked(house)) == 1


def test_proof_a_code_with_a_secret_and_staff_are_asked_about_by_nobody(house: House) -> None:
    house.set_codes(HOME, "O100-4821")
    for name, key, code in (("pat", "proof", None), ("kim", "own", "O100-4821"), ("sam", None, None)):
        user = house.made(name, HOME, key=key, role_code=code)
        house.leave(user, HOME, key=None)
    house.made("lee", HOME, key="proof")
    assert asked(house) == []
    assert kinds(house) == []


def test_a_second_user_is_not_asked_about_because_it_gets_nothing(house: House) -> None:
    house.made("kim", HOME, key="proof")
    house.call("pat", HOME, key="own")
    assert asked(house) == []


def test_without_a_contact_on_record_an_alarm_sounds(house: House) -> None:
    house.call("pat", "1001-02", key="own")
    assert asked(house) == []
    assert kinds(house) == ["registration.unasked"]


def test_an_address_that_the_registering_partner_wrote_is_no_contact_but_the_one_before_it_is(house: House) -> None:
    home, own = house.customer(HOME), house.key("own")
    for address in ("mallory@example.net", "mallory@example.com"):
        house.customers.change(MAKER, "r", house.biller(), home.id, key=own, email=address)
    house.call("pat", HOME, key="own")
    assert [recipient for recipient, _ in asked(house)] == [HOLDER]
    empty = house.customer("1001-02")
    house.customers.change(MAKER, "r", house.biller(), empty.id, key=own, email="mallory@example.net")
    house.call("pat", "1001-02", key="own")
    assert len(asked(house)) == 1
    assert kinds(house) == ["registration.unasked"]


def test_an_address_that_was_taken_away_by_the_registering_partner_is_asked_all_the_same(house: House) -> None:
    house.customers.change(MAKER, "r", house.biller(), house.customer(HOME).id, key=house.key("own"), email="")
    house.call("pat", HOME, key="own")
    assert [recipient for recipient, _ in asked(house)] == [HOLDER]


def test_an_address_of_a_key_that_states_cis_is_a_contact_and_one_of_another_partner_where_there_is_no_other(house: House) -> None:
    cis = house.issue("cis of two", OAKDALE, "two", KeyPolicies(account_proof=("cis",)))
    for name, number, key, address, contact in (
        ("pat", HOME, house.key("all"), "by.one@example.org", HOLDER),
        ("pat", HOME, cis, "by.cis@example.org", "by.cis@example.org"),
        ("kim", "1001-02", house.key("all"), "by.one@example.org", "by.one@example.org"),
    ):
        house.customers.change(MAKER, "r", house.biller(), house.customer(number).id, key=key, email=address)
        user = house.made(name, number, key="own")
        assert asked(house)[-1][0] == contact
        house.leave(user, number, key="own")


def test_the_address_of_the_registration_itself_is_mailed_and_the_biller_told_as_if_there_were_no_contact(house: House) -> None:
    house.call("pat", HOME, key="own", email=HOLDER.upper())
    assert [recipient for recipient, _ in asked(house)] == [HOLDER]
    assert kinds(house) == ["registration.unasked"]


# --- a no ----------------------------------------------------------------------------------------------------------------------


def test_a_no_puts_the_registration_on_hold_and_ends_everything_of_its_user(house: House) -> None:
    pat = house.made("pat", HOME, "1001-02", key="own")
    lee = house.made("lee", HOME, key="proof")
    log = len(house.actions())
    secret = secret_of(house)
    assert house.objections.find(house.biller(), secret) == Question("pat", HOME)
    assert len(house.actions()) == log, "looking spends nothing"
    assert object_(house, secret) == Question("pat", HOME)
    found = record(house, pat)
    assert found.user.generation == pat.generation + 1
    assert [account.account_number for account in found.accounts] == ["1001-02"]
    assert [(each.account_number, each.state, each.until) for each in found.waiting] == [(HOME, RegistrationState.OBJECTED, None)]
    assert house.actions(after=log) == ["registration.object", "user.revoke"]
    assert kinds(house)[0] == "registration.objected"
    with house.sql.single.connect() as connection:
        told = connection.execute(select(mails.c.recipient).where(mails.c.template == "somebody_objected")).scalars().all()
    assert told == ["lee@example.com"]
    assert (lee.id, CO_OWNER, False) in house.seats(HOME)
    assert (pat.id, GUEST, True) in house.seats(HOME)


def test_a_no_can_be_said_once_and_only_with_the_right_link_of_the_right_biller(house: House) -> None:
    house.made("pat", HOME, key="own")
    house.made("pat", HOME, key="there own", bid=BIRCHWOOD)
    here, there = secret_of(house), asked(house, bid=BIRCHWOOD)[0][1]
    for secret, bid in (
        (there, OAKDALE),
        (here, BIRCHWOOD),
        ("", OAKDALE),
        ("x" * 43, OAKDALE),
        ("x" * 5000, OAKDALE),
        ("é", OAKDALE),
    ):
        assert house.objections.find(house.biller(bid), secret) is None
        assert object_(house, secret, bid) is None
    assert object_(house, here) is not None
    assert house.objections.find(house.biller(), here) is None
    assert object_(house, here) is None
    assert [login_type for _, login_type, _ in house.seats(HOME, BIRCHWOOD)] == [OWNER]


def test_of_many_at_once_one_counts(house: House) -> None:
    house.made("pat", HOME, key="own")
    secret = secret_of(house)
    begun = [house.sql.run_beside(partial(object_, house, secret)) for _ in range(6)]
    assert Counter(each.result(PATIENCE) is None for each in begun) == {True: 5, False: 1}
    assert house.actions().count("registration.object") == 1


def test_a_link_is_good_for_thirty_days(house: House) -> None:
    house.made("pat", HOME, key="own")
    house.sql.clock.advance(timedelta(days=30) - timedelta(seconds=1))
    assert house.objections.find(house.biller(), secret_of(house)) is not None
    house.sql.clock.advance(timedelta(seconds=1))
    assert object_(house, secret_of(house)) is None


@pytest.mark.parametrize("what", ["left", "raised by a code", "came back", "biller disabled"])
def test_a_link_is_void_once_the_registration_is_another(house: House, what: str) -> None:
    house.set_codes(HOME, "OS300-1;G500-2")
    pat = house.made("pat", HOME, key="own", login_type=GUEST)
    secret = secret_of(house)
    match what:
        case "left":
            house.leave(pat, HOME, key="own")
        case "came back":
            house.leave(pat, HOME, key="own")
            house.made("pat", HOME, key="proof")
        case "raised by a code":
            assert only(house.call("pat", HOME, role_code="OS300-1", key="own")).login_type is OVERSIGHT
        case _:
            house.billers.change(MAKER, "r", OAKDALE, disabled=True)
    assert house.objections.find(house.biller(), secret) is None
    assert object_(house, secret) is None


@pytest.mark.parametrize("code", ["O100", "C200", "OS300"])
def test_a_prefix_that_anybody_can_write_raises_the_registration_and_takes_the_no_from_nobody(house: House, code: str) -> None:
    pat = house.made("pat", HOME, key="own", login_type=GUEST)
    secret = secret_of(house)
    assert only(house.call("pat", HOME, role_code=code, key="own")).login_type is not GUEST
    assert house.objections.find(house.biller(), secret) == Question("pat", HOME)
    assert object_(house, secret) == Question("pat", HOME)
    assert record(house, pat).accounts == ()
    assert object_(house, secret) is None


def test_nothing_of_the_secret_can_be_read_in_the_table(house: House) -> None:
    house.made("pat", HOME, key="own")
    with house.sql.single.connect() as connection:
        (row,) = connection.execute(select(one_time_links)).all()
    assert secret_of(house) not in str(tuple(row))


# --- what is decided then ------------------------------------------------------------------------------------------------------


def objected(house: House, login_type: LoginType = OWNER) -> User:
    user = house.made("pat", HOME, key="own", login_type=login_type)
    assert object_(house, secret_of(house)) is not None
    return user


@pytest.mark.parametrize("login_type", LoginType)
def test_restoring_gives_back_what_was_taken_and_ending_ends_it(house: House, login_type: LoginType) -> None:
    pat = objected(house, login_type)
    assert house.approvals.restore(STAFF, "r", house.biller(), pat.id, HOME).login_type is login_type
    assert house.seats(HOME) == [(pat.id, login_type, False)]
    assert house.actions()[-1] == "registration.restore"
    assert object_(house, secret_of(house)) is None, "the biller has decided"
    for decide in (house.approvals.restore, house.approvals.end):
        with pytest.raises(RegistrationNotPending):
            decide(STAFF, "r", house.biller(), pat.id, HOME)


def test_ending_ends_it_and_the_user_is_told(house: House) -> None:
    pat = objected(house)
    house.approvals.end(STAFF, "r", house.biller(), pat.id, HOME)
    assert house.seats(HOME) == []
    assert record(house, pat).ties == ()
    with house.sql.single.connect() as connection:
        last = connection.execute(select(mails.c.template, mails.c.recipient).order_by(mails.c.id.desc()).limit(1)).one()
    assert tuple(last) == ("registration_ended", "pat@example.com")


def test_the_seat_is_free_while_somebody_is_on_hold_and_not_given_back_where_it_was_taken(house: House) -> None:
    house.set_codes(HOME, "O100-4821")
    pat = objected(house)
    kim = house.made("kim", HOME, key="own", role_code="O100-4821")
    assert house.seats(HOME) == [(kim.id, OWNER, False), (pat.id, GUEST, True)]
    restored = house.approvals.restore(STAFF, "r", house.biller(), pat.id, HOME)
    assert (restored.login_type, restored.note) == (CO_OWNER, "OwnerSeatTaken")
    assert set(house.seats(HOME)) == {(kim.id, OWNER, False), (pat.id, CO_OWNER, False)}


def test_an_objection_is_lifted_by_the_biller_or_a_code_with_a_secret_and_by_no_key(house: House) -> None:
    house.set_codes(HOME, "O100-4821;OS300-7")
    objected(house)
    on_hold = ("AlreadyRegistered", GUEST, True, "OnHold")
    for key, code in (("own", None), ("proof", None), ("all", None)):
        assert given(only(house.call("pat", HOME, key=key, role_code=code))) == on_hold
    item = only(house.call("pat", HOME, key="own", role_code="OS300-7"))
    assert given(item) == ("AlreadyRegistered", OVERSIGHT, False, "FromRoleCode")


@pytest.mark.parametrize("after", ["on hold", "ended", "left"])
def test_after_an_objection_the_account_is_open_to_nobody_without_proof_for_thirty_days(house: House, after: str) -> None:
    pat = objected(house)
    match after:
        case "ended":
            house.approvals.end(STAFF, "r", house.biller(), pat.id, HOME)
        case "left":
            house.leave(pat, HOME, key="own")
        case _:
            pass
    for name, code in (("pat2", None), ("pat3", "O100")):
        item = only(house.call(name, HOME, key="own", role_code=code))
        assert given(item) == ("Registered", GUEST, True, "GuestUntilApproved")
    assert only(house.call("kim", HOME, key="proof")).login_type is OWNER
    assert given(only(house.call("there", HOME, key="there own", bid=BIRCHWOOD)))[1:3] == (OWNER, False)


def test_thirty_days_after_the_biller_has_ended_it_the_account_is_open_again(house: House) -> None:
    pat = objected(house)
    house.approvals.end(STAFF, "r", house.biller(), pat.id, HOME)
    house.sql.clock.advance(timedelta(days=30))
    assert only(house.call("lee", HOME, key="own")).login_type is OWNER
    assert len(asked(house)) == 2


def test_of_a_restoring_and_an_ending_at_once_one_counts(house: House) -> None:
    pat = objected(house)

    def run(decide: Any) -> object:
        try:
            return decide(STAFF, "r", house.biller(), pat.id, HOME)
        except RegistrationNotPending as fault:
            return type(fault)

    begun = [house.sql.run_beside(run, decide) for decide in (house.approvals.restore, house.approvals.end) * 2]
    came = [each.result(PATIENCE) for each in begun]
    assert Counter(each is RegistrationNotPending for each in came) == {True: 3, False: 1}
    restored = came[0] is not RegistrationNotPending or came[2] is not RegistrationNotPending
    assert house.seats(HOME) == ([(pat.id, OWNER, False)] if restored else [])


def test_of_an_objection_and_the_leaving_of_the_user_at_once_nothing_odd_stays(house: House) -> None:
    pat = house.made("pat", HOME, key="own")
    secret = secret_of(house)
    said = house.sql.run_beside(partial(object_, house, secret))
    left = house.sql.run_beside(partial(house.leave, pat, HOME, key="own"))
    said.result(PATIENCE)
    left.result(PATIENCE)
    assert house.seats(HOME) == []


def test_a_row_of_the_next_version_is_no_link_here(house: House) -> None:
    house.made("pat", HOME, key="own")
    with house.sql.engine.begin() as connection:
        connection.execute(one_time_links.update().values(kind="something new"))
    assert house.objections.find(house.biller(), secret_of(house)) is None


def test_links_that_are_over_are_purged_a_week_later(house: House) -> None:
    house.made("pat", HOME, key="own")
    house.sql.clock.advance(timedelta(days=37))
    assert house.links.purge() == 0
    house.sql.clock.advance(timedelta(seconds=1))
    assert house.links.purge() == 1
    assert house.count(one_time_links) == 0
