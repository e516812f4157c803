"""How often role codes and accounts may be tried, and who hears of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hub.storage.kv_sqlite import SqliteKeyValue
from idp.accounts import code_guesses, look_up_limits
from idp.accounts.code_guesses import CodeGuesses
from idp.accounts.look_up import LookUp
from idp.accounts.look_up_limits import LookUpLimits
from idp.accounts.register import AccountWanted
from idp.actor import Partner
from idp.alarms import AlarmKind, Alarms
from idp.directory.payers import UserNames
from idp.errors import RateLimited
from idp.login.throttle import ROLE_CODES, Throttle
from idp.opaque import new_id
from tests.idp.directory import house as houses
from tests.idp.directory.house import BIRCHWOOD, OAKDALE, House

sql, house = houses.sql, houses.house


def status(house: House, code: str, number: str = "1001-01", key: str = "all", bid: int = OAKDALE) -> str:
    held = house.key(key)
    actor = Partner(held.id, held.partner.id)
    return house.call("pat", AccountWanted(number, role_code=code), key=key, bid=bid, actor=actor).items[0].status


def test_after_five_wrong_codes_the_caller_waits_at_that_account_and_the_right_one_still_works_for_another(house: House) -> None:
    house.set_codes("1001-01", "O100-4821;G500-1")
    house.set_codes("1001-02", "O100-4821")
    assert [status(house, f"O100-{n}") for n in range(7)] == ["RoleCodeInvalid"] * 5 + ["Throttled"] * 2
    assert status(house, "O100-4821") == "Throttled"
    assert house.user("pat") is None
    assert status(house, "O100-4821", "1001-02") == "Registered"
    assert status(house, "O100-4821", key="own of one") == "Registered"
    assert status(house, "O100", key="there all", bid=BIRCHWOOD) == "Registered"


def test_an_account_that_is_not_there_is_throttled_like_any_other(house: House) -> None:
    assert [status(house, "O100-1", "nothing") for _ in range(7)] == ["NotFound"] * 5 + ["Throttled"] * 2


def test_a_right_code_of_less_does_not_pay_for_guesses_at_the_owners(house: House) -> None:
    house.set_codes("1001-01", "O100-4821;G500-1")
    codes = ["O100-1", "G500-1", "O100-2", "G500-1", "O100-3", "G500-1"]
    assert [status(house, code) for code in codes][-1] == "Throttled"


def test_a_right_owner_code_forgets_the_wrong_ones(house: House) -> None:
    house.set_codes("1001-01", "O100-4821;O100-5555")
    words = [status(house, code) for code in ("O100-1", "O100-2", "O100-3", "O100-4821", "O100-4", "O100-5", "O100-6", "O100-7")]
    assert words == ["RoleCodeInvalid"] * 3 + ["Registered"] + ["RoleCodeInvalid"] * 4


def test_a_codeless_call_is_never_throttled(house: House) -> None:
    house.set_codes("1001-01", "O100-4821")
    for n in range(6):
        status(house, f"O100-{n}")
    assert house.call("pat", "1001-01").items[0].status == "Registered"


@pytest.fixture
def standing(house: House, tmp_path: Path) -> SqliteKeyValue:
    """A store whose time stands still until the test moves it, so that no bucket fills up again."""
    return SqliteKeyValue(tmp_path / "standing.db", clock=house.sql.clock)


def test_too_many_wrong_codes_at_a_biller_sound_one_alarm_and_close_the_caller_who_brings_more(
    house: House, standing: SqliteKeyValue
) -> None:
    alarms = Alarms(house.sql.begin, standing, house.sql.clock)
    guesses = CodeGuesses(standing, Throttle(standing), alarms)
    loud, quiet = (Partner(new_id(), new_id()) for _ in range(2))
    guesses.settle(OAKDALE, loud, (), [f"a-{n}" for n in range(code_guesses.MOST_WRONG_AN_HOUR)])
    assert alarms.list_recent(OAKDALE) == []
    guesses.settle(OAKDALE, loud, (), ["one", "more"])
    (alarm,) = alarms.list_recent(OAKDALE)
    assert (alarm.kind, alarm.subject) == (AlarmKind.ROLE_CODES_GUESSED, f"biller:{OAKDALE}")
    assert str(loud.key_id) in alarm.detail
    assert guesses.count(OAKDALE, loud, ["b-1", "b-2"]) == {"b-1", "b-2"}
    assert guesses.count(OAKDALE, quiet, ["b-1"]) == frozenset()
    assert guesses.count(BIRCHWOOD, loud, ["b-1"]) == frozenset()
    assert alarms.list_recent(BIRCHWOOD) == []
    house.sql.clock.advance(code_guesses.CLOSED_FOR)
    assert guesses.count(OAKDALE, loud, ["b-1"]) == frozenset()
    standing.close()


def test_a_clock_that_was_set_back_closes_nobody_until_it_has_caught_up(house: House, standing: SqliteKeyValue) -> None:
    guesses = CodeGuesses(standing, Throttle(standing), Alarms(house.sql.begin, standing, house.sql.clock))
    caller = Partner(new_id(), new_id())
    guesses.settle(OAKDALE, caller, (), [f"a-{n}" for n in range(code_guesses.MOST_WRONG_AN_HOUR + 1)])
    house.sql.clock.advance(timedelta(days=-400))
    assert guesses.count(OAKDALE, caller, ["b-1"]) == {"b-1"}
    house.sql.clock.advance(code_guesses.CLOSED_FOR)
    assert guesses.count(OAKDALE, caller, ["b-1"]) == frozenset()
    standing.close()


def test_a_guess_counts_before_it_is_judged(house: House, standing: SqliteKeyValue) -> None:
    guesses = CodeGuesses(standing, Throttle(standing), house.alarms)
    caller = Partner(new_id(), new_id())
    assert guesses.count(OAKDALE, caller, ["a"] * (ROLE_CODES.free + 1)) == {"a"}
    standing.close()


# --- look-ups ------------------------------------------------------------------------------------------------------------------


def test_a_key_that_asks_about_one_account_without_end_waits_there_and_nowhere_else(house: House, standing: SqliteKeyValue) -> None:
    limits = LookUpLimits(standing, Alarms(house.sql.begin, standing, house.sql.clock))
    look_up = LookUp(house.sql.database.read, limits, house.sql.clock)
    key, biller = house.key("all"), house.biller()
    for _ in range(look_up_limits.MOST_AT_ONCE):
        assert [seen.exists for seen in look_up.by_number(key, biller, ["1001-01"], UserNames())] == [True]
    seen = look_up.by_number(key, biller, ["1001-02", " 1001-01", "nothing", "1001-01"], UserNames())
    assert [(each.exists, each.waits) for each in seen] == [(True, False), (False, True), (False, False), (False, True)]
    with pytest.raises(RateLimited):
        look_up.account_numbered(key, biller, "1001-01")
    assert look_up.account_numbered(house.key("own"), biller, "1001-01").account_number == "1001-01"
    house.sql.clock.advance(timedelta(seconds=2))
    assert look_up.account_numbered(key, biller, "1001-01").account_number == "1001-01"
    standing.close()


def test_many_misses_of_a_key_within_an_hour_sound_an_alarm_and_refuse_nothing(house: House, standing: SqliteKeyValue) -> None:
    alarms = Alarms(house.sql.begin, standing, house.sql.clock)
    look_up = LookUp(house.sql.database.read, LookUpLimits(standing, alarms), house.sql.clock)
    key, biller = house.key("all"), house.biller()
    most = look_up_limits.MOST_MISSES_AN_HOUR
    for start in range(0, most, 100):
        look_up.by_number(key, biller, ["1001-01", *(f"N-{start + n}" for n in range(100))], UserNames())
    assert alarms.list_recent(OAKDALE) == []
    assert [seen.exists for seen in look_up.by_number(key, biller, ["one more", "1001-01"], UserNames())] == [False, True]
    look_up.by_user(key, biller, UserNames(user_name="nobody"))
    (alarm,) = alarms.list_recent(OAKDALE)
    assert (alarm.kind, alarm.subject) == ("look_ups.missed", f"key:{key.id}")
    standing.close()
