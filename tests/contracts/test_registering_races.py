"""Who wins when many register at once: one-time codes and the Owner's seat, on both databases, and alarms as they are stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from idp.accounts.batch import AccountWanted, Item
from idp.actor import Staff
from idp.alarms import KEPT_FOR, QUIET_FOR, Alarm, AlarmKind, Alarms
from idp.directory.rights import LoginType
from idp.directory.role_codes import RoleCode
from idp.opaque import new_id
from tests.contracts.sql_stores import DirectoryCase, sample_customer
from tests.databases import PATIENCE, START
from tests.idp.directory import house as houses
from tests.idp.directory.house import BIRCHWOOD, OAKDALE, House

sql, house = houses.sql, houses.house
OWNER, CO_OWNER, _, GUEST = LoginType
THREADS = 32
CODE = "O100-4821-3977"


def together(house: House, *calls: Callable[[], object]) -> list[Any]:
    """All at once, each in a thread of its own."""
    with ThreadPoolExecutor(THREADS) as threads:
        begun = [threads.submit(call) for call in calls]
        return [each.result(PATIENCE) for each in begun]


def newcomer(house: House, name: str, code: str | None = CODE) -> Item:
    """Register, as a caller of its own, so that nobody's guesses are another's."""
    return house.call(name, AccountWanted("1001-01", role_code=code), actor=Staff(name, "support", OAKDALE)).items[0]


@pytest.mark.parametrize("owned", [True, False])
def test_of_32_newcomers_with_the_one_time_owner_code_exactly_one_takes_the_seat_and_the_others_are_refused(
    house: House, owned: bool
) -> None:
    house.set_codes("1001-01", CODE)
    house.set_codes("1001-01", CODE, BIRCHWOOD)
    first = house.made("first", "1001-01", login_type=OWNER if owned else CO_OWNER)
    came = together(house, *(partial(newcomer, house, f"user{n}") for n in range(THREADS)))
    assert Counter(item.status for item in came) == {"Registered": 1, "RoleCodeInvalid": THREADS - 1}
    seats = house.seats("1001-01")
    assert len(seats) == 2
    assert [(user, login_type) for user, login_type, _ in seats if user == first.id] == [(first.id, CO_OWNER)]
    assert house.call("pat", AccountWanted("1001-01", role_code=CODE), key="there all", bid=BIRCHWOOD).items[0].login_type is OWNER


def test_of_32_who_ask_for_the_seat_at_once_one_gets_it(house: House) -> None:
    together(house, *(partial(house.call, f"user{n}", "1001-01", key="proof") for n in range(THREADS)))
    assert Counter(login_type for _, login_type, _ in house.seats("1001-01")) == {OWNER: 1, CO_OWNER: THREADS - 1}


def test_a_takeover_and_the_leaving_of_the_owner_at_once_leave_one_owner_and_no_ghost_of_the_other(house: House) -> None:
    for round_ in range(6):
        house.set_codes("1001-01", f"O100-{round_}")
        before = [tie for tie in house.ties("1001-01") if tie.login_type is OWNER]
        owner = house.users.get(OAKDALE, before[0].user_id) if before else house.made("first", "1001-01")
        came = together(
            house, partial(newcomer, house, f"user{round_}", f"O100-{round_}"), partial(house.leave, owner, "1001-01", key=None)
        )
        taken = house.user(f"user{round_}")
        assert taken is not None
        assert came[0].login_type is OWNER
        held = {user: login_type for user, login_type, _ in house.seats("1001-01")}
        assert [user for user, login_type in held.items() if login_type is OWNER] == [taken.id]
        assert owner.id not in held


def test_leaving_and_coming_back_at_once_end_as_one_or_the_other(house: House) -> None:
    pat = house.made("pat", "1001-01")
    for _ in range(6):
        together(house, partial(house.leave, pat, "1001-01"), partial(house.link, pat, "1001-01"))
        assert len(house.ties("1001-01")) in (0, 1)
        house.link(pat, "1001-01")
        assert [(user, login_type) for user, login_type, _ in house.seats("1001-01")] == [(pat.id, OWNER)]


# --- stores ------------------------------------------------------------------------------------------------------------------


def test_a_code_is_used_once_by_whoever_is_first_and_only_at_its_biller(directory: DirectoryCase) -> None:
    home, there = sample_customer(OAKDALE, "a-1"), sample_customer(BIRCHWOOD, "a-1")
    directory.add(home, there)
    for customer in (home, there):
        codes = [RoleCode(customer.bid, customer.id, OWNER, False, 1, digest) for digest in ("one", "two")]
        directory.put(lambda stores, customer=customer, codes=codes: stores.role_codes.set_codes(customer.bid, customer.id, codes))  # type: ignore[misc]

    def use(bid: int, digest: str = "one") -> bool:
        return directory.put(lambda stores: stores.role_codes.use_code(bid, home.id, digest, START))

    assert not use(BIRCHWOOD)
    assert not use(OAKDALE, "three")
    assert Counter(directory.race(*[partial(use, OAKDALE)] * 8)) == {True: 1, False: 7}
    found = directory.get(lambda stores: stores.role_codes.list_codes_of(OAKDALE, [home.id, there.id]))
    assert {code.digest: code.used_at for code in found[home.id]} == {"one": START, "two": None}
    assert set(found) == {home.id}


def test_alarms_are_listed_newest_first_at_their_biller_and_purged_the_oldest_first(directory: DirectoryCase) -> None:
    alarms = [
        Alarm(bid, new_id(), START + timedelta(minutes=minutes), "role_codes.guessed", f"biller:{bid}", "détail | <b>")
        for minutes in (1, 3, 2)
        for bid in (OAKDALE, BIRCHWOOD)
    ]
    for alarm in alarms:
        directory.put(lambda stores, alarm=alarm: stores.alarms.add_alarm(alarm))  # type: ignore[misc]
    ours = sorted((each for each in alarms if each.bid == OAKDALE), key=lambda each: each.at, reverse=True)
    assert directory.get(lambda stores: stores.alarms.list_alarms(OAKDALE, 10)) == ours
    assert directory.get(lambda stores: stores.alarms.list_alarms(OAKDALE, 1)) == ours[:1]
    purge = START + timedelta(minutes=3)
    assert directory.put(lambda stores: stores.alarms.purge_alarms(purge, 3)) == 3
    assert directory.put(lambda stores: stores.alarms.purge_alarms(purge, 3)) == 1
    assert directory.get(lambda stores: stores.alarms.list_alarms(OAKDALE, 10)) == ours[:1]


def test_an_alarm_of_one_kind_and_subject_sounds_once_an_hour_and_is_kept_for_90_days(house: House) -> None:
    kv = house.sql.kv
    alarms = Alarms(house.sql.begin, kv, house.sql.clock)
    came = together(house, *[partial(alarms.sound, OAKDALE, AlarmKind.LOOK_UPS_MISSED, "key:1", "many")] * THREADS)
    assert came == [None] * THREADS
    alarms.sound(OAKDALE, AlarmKind.LOOK_UPS_MISSED, "key:2", "many")
    alarms.sound(OAKDALE, AlarmKind.ROLE_CODES_GUESSED, "key:1", "many")
    alarms.sound(BIRCHWOOD, AlarmKind.LOOK_UPS_MISSED, "key:1", "many")
    assert (len(alarms.list_recent(OAKDALE)), len(alarms.list_recent(BIRCHWOOD))) == (3, 1)
    assert timedelta(hours=1) == QUIET_FOR
    house.sql.clock.advance(KEPT_FOR)
    assert alarms.purge() == 0
    house.sql.clock.advance(timedelta(seconds=1))
    assert alarms.purge(limit=3) == 3
    assert alarms.purge() == 1
    assert alarms.list_recent(OAKDALE) == alarms.list_recent(BIRCHWOOD) == []
