"""Who waits: what a payer's record tells of it, how the wait ends, who hears of it, and who wins when two decide at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, select

from hub.storage.tables.directory import registrations
from hub.storage.tables.jobs import mails, outbox
from idp.accounts.batch import Item
from idp.accounts.register import Registered
from idp.accounts.waiting_list import MOST_OF_A_KEY
from idp.actor import Staff
from idp.directory.payers import PayerRecord, WaitingAccount
from idp.directory.registrations import WAITS_FOR, RegistrationState
from idp.directory.rights import LoginType
from idp.directory.users import User
from idp.errors import CustomerNotFound, RegistrationNotPending, UserNotFound
from idp.opaque import new_id
from tests.databases import PATIENCE, START
from tests.idp.directory import house as houses
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

sql, house = houses.sql, houses.house
OWNER, CO_OWNER, OVERSIGHT, GUEST = LoginType
HOME, OTHER = "1001-01", "1001-02"
STAFF = Staff("anna", "admin", OAKDALE)
WAITS = ("AlreadyRegistered", GUEST, True, "GuestUntilApproved")


@pytest.fixture
def kim(house: House) -> User:
    """The Owner of 1001-01, at both billers."""
    house.made("kim", HOME, key="there all", bid=BIRCHWOOD)
    return house.made("kim", HOME)


def only(answer: Registered) -> Item:
    (item,) = answer.items
    return item


def given(item: Item) -> tuple[str, LoginType | None, bool, str]:
    return item.status, item.login_type, item.pending, item.note


def waiting(house: House, name: str = "pat", number: str = HOME, key: str = "own") -> User:
    """A user who waits."""
    assert given(only(house.call(name, number, key=key))) == ("Registered", GUEST, True, "GuestUntilApproved")
    user = house.user(name)
    assert user is not None
    return user


def record(house: House, user: User) -> PayerRecord:
    """As another process has it."""
    found = house.other_payers().reload(user.bid, user.id)
    assert found is not None
    return found.value


def told(house: House) -> list[tuple[str, str]]:
    """Template and recipient of every mail, in order."""
    with house.sql.single.connect() as connection:
        rows = connection.execute(select(mails.c.template, mails.c.recipient).order_by(mails.c.id))
        return [(row.template, row.recipient) for row in rows]


def events(house: House) -> list[tuple[str, Any, Any]]:
    with house.sql.single.connect() as connection:
        rows = connection.execute(select(outbox.c.type, outbox.c.before, outbox.c.after).order_by(outbox.c.position))
        return [(row.type, row.before, row.after) for row in rows]


def approve(house: House, user: User, number: str = HOME, login_type: LoginType = GUEST) -> Any:
    return house.approvals.approve(STAFF, "r", house.biller(), user.id, number, login_type)


def decline(house: House, user: User, number: str = HOME) -> None:
    house.approvals.decline(STAFF, "r", house.biller(), user.id, number)


# --- what the record says ------------------------------------------------------------------------------------------------------


def test_a_payers_record_has_a_waiting_account_beside_its_accounts_with_nothing_but_the_number(house: House, kim: User) -> None:
    pat = waiting(house)
    house.link(pat, OTHER, key="own")
    found = record(house, pat)
    assert [account.account_number for account in found.accounts] == [OTHER]
    assert found.waiting == (
        WaitingAccount(house.customer(HOME).id, HOME, HOME, RegistrationState.WAITING, house.sql.clock.now() + WAITS_FOR),
    )
    assert found.default_account is found.accounts[0]
    assert found.account(house.customer(HOME).id) is None
    assert found.account_numbered(house.biller(), HOME) is None
    assert found.is_tied_to(house.customer(HOME).id)
    assert found.is_tied_to_number(house.biller(), " 1001-01 ")


def test_whoever_waits_counts_for_nobody_and_nothing(house: House, kim: User) -> None:
    waiting(house)
    house.leave(kim, HOME, key=None)
    assert given(only(house.call("lee", HOME))) == ("Registered", OWNER, False, "")
    assert given(only(house.call("pat", HOME, key="own"))) == WAITS


def test_a_waiting_guest_is_over_for_everybody_at_the_same_instant_though_nobody_has_tidied_up(house: House, kim: User) -> None:
    pat = waiting(house)
    cached = house.payers.cached(OAKDALE, pat.id)
    assert cached is not None
    assert len(cached.value.waiting) == 1
    house.sql.clock.advance(WAITS_FOR - timedelta(seconds=1))
    for entry in (house.payers.cached(OAKDALE, pat.id), house.payers.reload(OAKDALE, pat.id)):
        assert entry is not None
        assert len(entry.value.waiting) == 1
    house.sql.clock.advance(timedelta(seconds=1))
    for payers in (house.payers, house.other_payers()):
        for entry in (payers.cached(OAKDALE, pat.id), payers.reload(OAKDALE, pat.id)):
            assert entry is not None
            assert entry.value.waiting == ()
    with pytest.raises(RegistrationNotPending):
        approve(house, pat)
    assert house.approvals.list_page(OAKDALE) == []


# --- by proof, by code ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", LoginType)
@pytest.mark.parametrize("verb", ["register", "link"])
def test_a_key_that_may_state_proof_lets_somebody_in_by_registering_or_linking_once_more(
    house: House, kim: User, asked: LoginType, verb: str
) -> None:
    pat = waiting(house)
    before = len(told(house))
    again = house.call("pat", HOME, key="proof", login_type=asked) if verb == "register" else None
    item = only(again or house.link(pat, HOME, key="proof", login_type=asked))
    expected = (CO_OWNER, False, "OwnerSeatTaken") if asked is OWNER else (asked, False, "")
    assert given(item) == ("AlreadyRegistered", *expected)
    assert (pat.id, expected[0], False) in house.seats(HOME)
    assert house.actions()[-1] == "registration.approve"
    assert told(house)[before:] == [("registration_approved", "pat@example.com")]
    assert events(house)[-1][0] == "registration.changed"
    assert [account.login_type for account in record(house, pat).accounts] == [expected[0]]
    assert record(house, pat).waiting == ()


def test_a_code_with_a_secret_lets_somebody_in_and_a_bare_or_wrong_one_does_not(house: House, kim: User) -> None:
    house.set_codes(HOME, "O100-4821;OS300-12;G500")
    pat = waiting(house)
    assert given(only(house.call("pat", HOME, role_code="G500", key="own"))) == WAITS
    assert only(house.call("pat", HOME, role_code="OS300-13", key="own")).status == "RoleCodeInvalid"
    assert record(house, pat).accounts == ()
    item = only(house.call("pat", HOME, role_code="OS300-12", key="own"))
    assert given(item) == ("AlreadyRegistered", OVERSIGHT, False, "FromRoleCode")
    item = only(house.call("pat", HOME, role_code="O100-4821", key="own"))
    assert given(item) == ("AlreadyRegistered", OWNER, False, "OwnerSeatTakenOver")
    assert set(house.seats(HOME)) == {(pat.id, OWNER, False), (kim.id, CO_OWNER, False)}


def test_nothing_but_proof_changes_a_waiting_registration_that_is_registered_again(house: House, kim: User) -> None:
    waiting(house)
    before, rows = house.seats(HOME), house.count(registrations)
    for asked in LoginType:
        assert given(only(house.call("pat", HOME, key="own", login_type=asked))) == WAITS
    assert (house.seats(HOME), house.count(registrations)) == (before, rows)


# --- by the biller -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login_type", LoginType)
def test_the_biller_approves_and_gives_what_it_says_but_not_the_seat(house: House, kim: User, login_type: LoginType) -> None:
    pat = waiting(house)
    expected = CO_OWNER if login_type is OWNER else login_type
    assert approve(house, pat, login_type=login_type).login_type is expected
    assert (pat.id, expected, False) in house.seats(HOME)
    assert house.actions()[-1] == "registration.approve"
    assert told(house)[-1] == ("registration_approved", "pat@example.com")
    with pytest.raises(RegistrationNotPending):
        approve(house, pat)


def test_the_biller_declines_and_everything_of_it_is_over(house: House, kim: User) -> None:
    pat = waiting(house)
    decline(house, pat)
    assert record(house, pat).ties == ()
    assert record(house, pat).user.generation == pat.generation + 1
    assert house.actions()[-2:] == ["registration.decline", "user.revoke"]
    assert told(house)[-1] == ("registration_declined", "pat@example.com")
    assert events(house)[-1] == ("registration.ended", {"LoginTypeID": 4, "Pending": True, "State": "waiting"}, None)


def test_what_is_not_there_or_another_billers_is_nothing_to_decide(house: House, kim: User) -> None:
    pat = waiting(house)
    for decide in (house.approvals.approve, house.approvals.decline, house.approvals.restore, house.approvals.end):
        for user_id, number, bid, error in (
            (pat.id, OTHER, OAKDALE, RegistrationNotPending),
            (pat.id, "4004-04", OAKDALE, CustomerNotFound),
            (pat.id, "", OAKDALE, CustomerNotFound),
            (kim.id, HOME, OAKDALE, RegistrationNotPending),
            (new_id(), HOME, OAKDALE, UserNotFound),
            (pat.id, HOME, BIRCHWOOD, UserNotFound),
        ):
            with pytest.raises(error):
                decide(STAFF, "r", house.biller(bid), user_id, number)
    for decide in (house.approvals.restore, house.approvals.end):
        with pytest.raises(RegistrationNotPending):
            decide(STAFF, "r", house.biller(), pat.id, HOME)
    assert [each.user.id for each in house.approvals.list_page(OAKDALE)] == [pat.id]
    assert house.approvals.list_page(BIRCHWOOD) == []


def test_what_waits_is_listed_page_by_page_and_what_is_over_hides_nothing(house: House, kim: User) -> None:
    house.made("lee", OTHER)
    first = [waiting(house, name).id for name in ("a", "b", "c")]
    house.sql.clock.advance(WAITS_FOR)
    second = [waiting(house, name, OTHER).id for name in ("d", "e", "f")]
    assert len(first) == 3
    seen: list[Any] = []
    after = None
    while page := house.approvals.list_page(OAKDALE, after, 2):
        seen += [each.user.id for each in page]
        after = page[-1].registration.id
    assert seen == second


# --- by the clock --------------------------------------------------------------------------------------------------------------


def test_what_waited_in_vain_is_tidied_away_logged_told_and_mailed_once(house: House, kim: User) -> None:
    waiting(house)
    assert house.approvals.expire() == 0
    house.sql.clock.advance(WAITS_FOR)
    assert house.approvals.expire() == 1
    assert house.approvals.expire() == 0
    assert house.actions()[-2:] == ["registration.expire", "user.revoke"]
    assert told(house)[-1] == ("registration_expired", "pat@example.com")
    assert events(house)[-1][0] == "registration.ended"
    assert [user for user, *_ in house.seats(HOME)] == [kim.id]


def test_whoever_registers_again_after_the_time_waits_anew_also_before_it_was_tidied_away(house: House, kim: User) -> None:
    pat = waiting(house)
    house.sql.clock.advance(WAITS_FOR)
    assert only(house.call("pat", HOME, key="own")).status == "Throttled", "it ended in this moment: not so fast"
    house.sql.clock.advance(timedelta(hours=1))
    assert given(only(house.call("pat", HOME, key="own"))) == ("Registered", GUEST, True, "GuestUntilApproved")
    assert house.actions().count("registration.expire") == 1
    assert record(house, pat).waiting[0].until == house.sql.clock.now() + WAITS_FOR


def test_a_clock_that_is_set_back_lets_nobody_in_and_nobody_wait_for_ever(house: House, kim: User) -> None:
    pat = waiting(house)
    house.sql.clock.advance(-timedelta(days=400))
    assert len(record(house, pat).waiting) == 1
    assert record(house, pat).accounts == ()
    decline(house, pat)
    assert record(house, pat).waiting == ()


def test_a_clock_that_is_set_back_makes_nobody_wait_to_ask_again_until_it_has_caught_up(house: House, kim: User) -> None:
    pat = waiting(house)
    house.sql.clock.advance(WAITS_FOR)
    assert only(house.call("pat", HOME, key="own")).status == "Throttled"
    house.sql.clock.advance(-timedelta(days=400))
    assert only(house.call("pat", HOME, key="own")).status != "Throttled"
    assert record(house, pat).accounts == (), "asking is all that it may"


# --- who hears of it, and how often --------------------------------------------------------------------------------------------


def test_those_with_full_access_are_mailed_and_nobody_else(house: House, kim: User) -> None:
    for name, login_type in (("ann", CO_OWNER), ("bob", OVERSIGHT), ("eve", GUEST)):
        house.made(name, HOME, key="proof", login_type=login_type)
    gone = house.made("off", HOME, key="proof", login_type=CO_OWNER)
    house.users.change(MAKER, "r", OAKDALE, gone.id, disabled=True)
    waiting(house)
    assert sorted(told(house)) == [("somebody_waits", "ann@example.com"), ("somebody_waits", "kim@example.com")]
    assert "registration.waits" not in {alarm.kind for alarm in house.alarms.list_recent(OAKDALE)}


def test_where_nobody_has_full_access_the_biller_is_told_by_an_alarm(house: House) -> None:
    house.made("eve", HOME, key="proof", login_type=GUEST)
    waiting(house)
    assert told(house) == []
    assert [alarm.kind for alarm in house.alarms.list_recent(OAKDALE)] == ["registration.waits"]
    assert house.alarms.list_recent(BIRCHWOOD) == []


def test_whoever_was_declined_waits_longer_each_time_before_the_list_is_open_again(house: House, kim: User) -> None:
    pat = waiting(house)
    for hours in (1, 2, 4):
        decline(house, pat)
        for _ in range(3):
            assert only(house.call("pat", HOME, key="own")).status == "Throttled"
        house.sql.clock.advance(timedelta(hours=hours) - timedelta(seconds=1))
        assert only(house.call("pat", HOME, key="own")).status == "Throttled"
        house.sql.clock.advance(timedelta(seconds=1))
        waiting(house)
    assert [template for template, to in told(house) if to == "kim@example.com"] == ["somebody_waits"] * 4


def test_leaving_and_coming_back_is_no_way_round_the_delay(house: House, kim: User) -> None:
    pat = waiting(house)
    house.leave(pat, HOME, key="own")
    assert only(house.call("pat", HOME, key="own")).status == "Throttled"
    assert only(house.call("pat", HOME, key="proof")).login_type is CO_OWNER, "proof needs no patience"


def test_a_key_has_only_so_many_on_one_list_and_others_are_not_in_its_way(house: House, kim: User) -> None:
    names = [f"user{n}" for n in range(MOST_OF_A_KEY)]
    users = [waiting(house, name) for name in names]
    assert only(house.call("more", HOME, key="own")).status == "Throttled"
    assert house.user("more") is None, "nobody is made for a refusal"
    decline(house, users[0])
    assert only(house.call("more", HOME, key="own")).status == "Throttled", "those of the last day count"
    assert only(house.call("more", HOME, key="all")).status == "Registered"
    house.made("lee", OTHER)
    assert only(house.call("others", OTHER, key="own")).status == "Registered"
    house.sql.clock.advance(timedelta(days=1))
    assert only(house.call("late", HOME, key="own")).status == "Registered"


# --- two at once ---------------------------------------------------------------------------------------------------------------


def together(house: House, *calls: Callable[[], object]) -> list[Any]:
    """All at once; what came of each, an exception as a value."""

    def run(call: Callable[[], object]) -> object:
        try:
            return call()
        except RegistrationNotPending as fault:
            return type(fault)

    begun = [house.sql.run_beside(run, call) for call in calls]
    return [each.result(PATIENCE) for each in begun]


def test_of_an_approval_and_a_refusal_at_once_one_counts(house: House, kim: User) -> None:
    for n in range(4):
        pat = waiting(house, f"user{n}", key="all" if n % 2 else "own")
        came = together(house, *[partial(approve, house, pat), partial(decline, house, pat)] * 2)
        assert Counter(each is RegistrationNotPending for each in came) == {True: 3, False: 1}
        held = [login_type for user, login_type, _ in house.seats(HOME) if user == pat.id]
        approved = came[0] is not RegistrationNotPending or came[2] is not RegistrationNotPending
        assert held == ([GUEST] if approved else [])


def test_of_two_who_register_at_once_on_an_empty_account_one_gets_in_and_the_other_waits(house: House) -> None:
    came = together(house, *(partial(house.call, f"user{n}", HOME, key="own") for n in range(2)))
    assert sorted(given(only(each))[1:] for each in came) == [(OWNER, False, ""), (GUEST, True, "GuestUntilApproved")]


def test_the_end_by_the_clock_and_an_approval_at_once_leave_one_of_them(house: House, kim: User) -> None:
    pat = waiting(house)
    house.sql.clock.advance(WAITS_FOR)
    together(house, house.approvals.expire, house.approvals.expire, partial(approve, house, pat))
    assert [user for user, *_ in house.seats(HOME)] == [kim.id]
    assert house.actions().count("registration.expire") == 1


# --- a program one version back ------------------------------------------------------------------------------------------------


def test_a_row_of_a_program_that_knows_no_state_gives_nothing_while_it_is_pending_and_ends_too(house: House, kim: User) -> None:
    pat = house.made("pat", OTHER)
    old = {
        "id": new_id(), "bid": OAKDALE, "user_id": pat.id, "customer_id": house.customer(HOME).id, "login_type": GUEST,
        "pending": True, "registered_at": START, "key_id": None, "ended_at": None,
    }  # fmt: skip
    with house.sql.engine.begin() as connection:
        connection.execute(insert(registrations).values(**old))
    found = record(house, pat)
    assert [account.account_number for account in found.accounts] == [OTHER]
    assert [(each.account_number, each.until) for each in found.waiting] == [(HOME, START + WAITS_FOR)]
    house.sql.clock.advance(WAITS_FOR)
    assert record(house, pat).waiting == ()
    assert house.approvals.expire() == 1


def test_what_a_program_that_knows_no_state_approved_stands(house: House, kim: User) -> None:
    pat = waiting(house)
    with house.sql.engine.begin() as connection:
        this = registrations.c.user_id == pat.id
        connection.execute(registrations.update().where(this).values(pending=False, login_type=OVERSIGHT))
    (account,) = record(house, pat).accounts
    assert (account.login_type, account.pending) == (OVERSIGHT, False)
    assert given(only(house.call("pat", HOME, key="own"))) == ("AlreadyRegistered", OVERSIGHT, False, "")


def test_a_write_keeps_for_a_program_one_version_back_what_it_reads(house: House, kim: User) -> None:
    pat = waiting(house)
    with house.sql.single.connect() as connection:
        row = connection.execute(select(registrations).where(registrations.c.user_id == pat.id)).one()
    assert (row.pending, row.login_type, row.state) == (True, GUEST, "waiting")
    tie = next(each for each in house.ties(HOME) if each.user_id == pat.id)
    with house.sql.begin() as stores:
        stores.registrations.put_registration(replace(tie, state=RegistrationState.ACTIVE))
    with house.sql.single.connect() as connection:
        assert connection.execute(select(registrations.c.pending).where(registrations.c.user_id == pat.id)).scalar_one() is False
