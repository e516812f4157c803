"""Unregister and Link: what goes with a registration, what stays, and that coming back revives nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from hub.storage.tables.directory import registrations
from hub.storage.tables.jobs import outbox
from hub.storage.tables.log import change_log
from idp.accounts.batch import AccountWanted
from idp.accounts.departures import Departures
from idp.accounts.leaving import Ended, LeavingStores
from idp.accounts.unregister import Unregister
from idp.directory.rights import LoginType
from idp.directory.users import User
from idp.errors import RolledBack, UserDisabled, UserNotFound
from tests.idp.directory import house as houses
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

sql, house = houses.sql, houses.house
OWNER, CO_OWNER, OVERSIGHT, GUEST = LoginType


def statuses(answer: Any) -> list[str]:
    return [item.status for item in answer.items]


def stored(house: House, user: User) -> User:
    return house.users.get(user.bid, user.id)


def test_each_account_says_what_became_of_it_and_foreign_ones_are_not_there(house: House) -> None:
    house.customers.create(MAKER, "r", house.biller(BIRCHWOOD), "9009-09")
    pat = house.made("pat", "1001-01", "1001-02")
    there = house.made("pat", "1001-01", key="there all", bid=BIRCHWOOD)
    answer = house.leave(pat, "1001-01", "1002-01", "nothing", "9009-09", " 1001-01 ", "")
    assert statuses(answer) == ["Unregistered", "NotRegistered", "NotFound", "NotFound", "NotRegistered", "NotFound"]
    assert house.seats("1001-01") == []
    assert house.seats("1001-02") == [(pat.id, OWNER, False)]
    assert house.seats("1001-01", BIRCHWOOD) == [(there.id, OWNER, False)]


def test_another_billers_user_or_one_that_the_key_may_not_speak_for_is_no_user(house: House) -> None:
    pat = house.made("pat", "1001-01")
    there = house.made("kim", "1001-01", key="there all", bid=BIRCHWOOD)
    for user, key in ((there, "all"), (there, None), (pat, "own")):
        with pytest.raises(UserNotFound):
            house.leave(replace(user, bid=OAKDALE), "1001-01", key=key)
        with pytest.raises(UserNotFound):
            house.link(user, "1001-02", key=key)
    assert len(house.ties("1001-01")) == len(house.ties("1001-01", BIRCHWOOD)) == 1


def test_an_end_is_logged_and_told_and_an_account_whose_owner_leaves_has_none(house: House) -> None:
    pat, kim = house.made("pat", "1001-01", "1001-02"), house.made("kim", "1001-01", key="proof")
    log, events = len(house.actions()), house.count(outbox)
    house.leave(pat, "1001-01")
    assert house.actions(after=log) == ["registration.end"]
    with house.sql.single.connect() as connection:
        told = connection.execute(select(outbox).order_by(outbox.c.position)).all()[events:]
    assert [(each.type, each.level, each.account_number, each.before, each.after) for each in told] == [
        ("registration.ended", "user", "1001-01", {"LoginTypeID": 1, "Pending": False, "State": "active"}, None),
        ("owner.changed", "account", "1001-01", {"LoginGUID": str(pat.id)}, None),
    ]
    assert house.seats("1001-01") == [(kim.id, CO_OWNER, False)]


def test_the_default_account_falls_back_and_is_not_taken_up_again_later(house: House) -> None:
    pat = house.made("pat", "1001-01", "1001-02")
    second = house.customer("1001-02").id
    with house.sql.begin() as stores:
        stores.users.put_user(replace(pat, default_customer_id=second))
    house.leave(pat, "1001-02")
    assert stored(house, pat).default_customer_id is None
    house.link(pat, "1001-02")
    record = house.payers.reload(OAKDALE, pat.id)
    assert record is not None
    assert record.value.default_account is not None
    assert record.value.default_account.account_number == "1001-01"


def test_the_last_account_ends_every_token_and_session_and_an_earlier_one_does_not(house: House) -> None:
    pat = house.made("pat", "1001-01", "1001-02")
    house.leave(pat, "1001-01")
    assert stored(house, pat).generation == pat.generation
    house.leave(pat, "1001-02")
    assert stored(house, pat).generation == pat.generation + 1
    assert house.actions()[-2:] == ["registration.end", "user.revoke"]
    house.leave(pat, "1001-02")
    assert stored(house, pat).generation == pat.generation + 1


def test_coming_back_makes_a_fresh_registration_and_revives_nothing(house: House) -> None:
    pat = house.made("pat", "1001-01", "1001-02")
    house.made("lee", "1001-01", key="proof")
    house.leave(pat, "1001-01")
    assert statuses(house.link(pat, "1002-01")) == ["Linked"]
    assert stored(house, pat).generation == pat.generation
    assert statuses(house.call("pat", "1001-01")) == ["Registered"]
    assert stored(house, pat).generation == pat.generation + 1
    assert (pat.id, GUEST, True) in house.seats("1001-01")
    assert house.count(registrations) == 5


def test_what_hangs_on_a_registration_hears_of_its_end_in_the_same_transaction(house: House) -> None:
    pat = house.made("pat", "1001-01", "1001-02")
    heard: list[tuple[str, bool]] = []

    def listen(stores: LeavingStores, ended: Ended) -> None:
        still = stores.registrations.list_of_user(ended.user.bid, ended.user.id)
        heard.append((ended.customer.account_number, any(tie.id == ended.registration.id for tie in still)))
        if ended.customer.account_number == "1001-02":
            raise RuntimeError("the listener failed")

    unregister = Unregister(house.sql.begin, house.sql.clock, Departures(house.sql.kv), [listen])
    with pytest.raises(RuntimeError):
        unregister.unregister(MAKER, "r", house.biller(), pat.id, ["1001-01", "1001-02"], None)
    assert heard == [("1001-01", False), ("1001-02", False)]
    assert len(house.ties("1001-01")) == len(house.ties("1001-02")) == 1


def test_a_closed_account_may_be_left(house: House) -> None:
    pat = house.made("pat", "1001-01")
    closed = replace(house.customer("1001-01"), closed_at=house.sql.clock.now())
    with house.sql.begin() as stores:
        stores.customers.put_customer(closed)
    assert statuses(house.leave(pat, "1001-01")) == ["Unregistered"]


# --- link --------------------------------------------------------------------------------------------------------------------


def test_linking_follows_the_registration_table_and_says_linked(house: House) -> None:
    pat = house.made("pat", "1001-01")
    house.made("kim", "1001-02")
    house.set_codes("1002-01", "OS300-2222")
    house.customers.create(MAKER, "r", house.biller(), "2002-02")
    answer = house.link(pat, "1001-01", "1001-02", "2002-02", "nothing", AccountWanted("1002-01", role_code="os300 2222"))
    assert [(item.status, item.login_type, item.pending) for item in answer.items] == [
        ("AlreadyRegistered", OWNER, False),
        ("Linked", GUEST, True),
        ("Linked", OWNER, False),
        ("NotFound", None, False),
        ("Linked", OVERSIGHT, False),
    ]


def test_a_disabled_user_is_not_linked(house: House) -> None:
    pat = house.made("pat", "1001-01")
    house.users.change(MAKER, "r", OAKDALE, pat.id, disabled=True)
    with pytest.raises(UserDisabled):
        house.link(pat, "1001-02")
    assert house.seats("1001-02") == []


# --- all or nothing ----------------------------------------------------------------------------------------------------------


def test_an_atomic_batch_with_one_failing_item_writes_nothing_no_user_no_used_code(house: House) -> None:
    house.set_codes("1001-01", "O100-4821")
    before = [house.count(table) for table in (registrations, outbox, change_log)]
    with pytest.raises(RolledBack) as refused:
        house.call("pat", AccountWanted("1001-01", role_code="O100-4821"), "nothing", "1002-01", atomic=True)
    assert [(each.account_number, each.status) for each in refused.value.items] == [
        ("1001-01", "RolledBack"), ("nothing", "NotFound"), ("1002-01", "RolledBack"),
    ]  # fmt: skip
    assert house.user("pat") is None
    assert [house.count(table) for table in (registrations, outbox, change_log)] == before
    answer = house.call("pat", AccountWanted("1001-01", role_code="O100-4821"), "1002-01", atomic=True)
    assert statuses(answer) == ["Registered", "Registered"]
    with pytest.raises(RolledBack):
        house.leave(stored(house, answer.user), "1001-01", "nothing", atomic=True)  # type: ignore[arg-type]
    with pytest.raises(RolledBack):
        house.link(stored(house, answer.user), "1001-02", "nothing", atomic=True)  # type: ignore[arg-type]
    assert (len(house.ties("1001-01")), len(house.ties("1001-02"))) == (1, 0)
