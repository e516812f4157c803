"""Lists (idp.kv.Enlist, Roll), on every key-value store: who stands on them, for how long, and how many."""

from __future__ import annotations

from datetime import timedelta

import pytest

from idp.kv import MOST_MEMBERS, Done, Drop, Enlist, KeyValue, Listed, Read, Roll
from tests.contracts.kv_stores import Case, race, went_through
from tests.contracts.test_kv import HOUR, SOON, put


def members(kv: KeyValue, key: str = "list") -> tuple[str, ...]:
    found = went_through(kv.transact(Roll(key))).results[0]
    assert isinstance(found, Listed)
    return found.members


def test_a_list_that_was_never_written_is_empty(case: Case) -> None:
    assert members(case.kv) == ()


def test_members_stand_in_the_order_in_which_they_came_and_once_each(case: Case) -> None:
    for name in ("b", "a", "c", "b"):
        assert went_through(case.kv.transact(Enlist("list", name, HOUR))).results == (Done(),)
    assert members(case.kv) == ("a", "c", "b")
    assert members(case.kv, "other") == ()


def test_a_member_leaves_when_its_time_is_over_and_the_others_stay(case: Case) -> None:
    case.kv.transact(Enlist("list", "short", SOON), Enlist("list", "long", HOUR))
    case.until(lambda: members(case.kv) == ("long",), SOON)


def test_enlisting_again_prolongs(case: Case) -> None:
    case.kv.transact(Enlist("list", "a", SOON), Enlist("list", "a", HOUR))
    case.until(lambda: members(case.kv) == ("a",), SOON)


def test_the_oldest_make_room(case: Case) -> None:
    case.kv.transact(*(Enlist("list", str(number), HOUR) for number in range(MOST_MEMBERS + 3)))
    assert members(case.kv) == tuple(str(number) for number in range(3, MOST_MEMBERS + 3))


def test_a_member_without_any_lifetime_is_not_on_the_list(case: Case) -> None:
    case.kv.transact(Enlist("list", "a", timedelta(0)))
    assert members(case.kv) == ()


def test_a_transaction_that_stops_enlists_nobody(case: Case) -> None:
    assert case.kv.transact(Enlist("list", "a", HOUR), Read("nothing")).stopped_at == 1
    assert members(case.kv) == ()


def test_a_list_and_a_record_of_one_name_stay_apart(case: Case) -> None:
    case.kv.transact(put("list"), Enlist("list", "a", HOUR), Drop("list"))
    assert members(case.kv) == ("a",)


def test_odd_members_come_back_as_they_went_in(case: Case) -> None:
    odd = ("ü\x00", '"},', "~1 2", "a" * 500)
    case.kv.transact(*(Enlist("list", name, HOUR) for name in odd))
    assert members(case.kv) == odd


def test_no_member_of_two_processes_is_lost(case: Case) -> None:
    race(case.place, Enlist("list", "same", HOUR), processes=2, threads=8)
    assert members(case.kv) == ("same",)


# --- lists that were cut -------------------------------------------------------------------------------------------------------


def is_cut(kv: KeyValue, key: str = "list") -> bool:
    found = went_through(kv.transact(Roll(key))).results[0]
    assert isinstance(found, Listed)
    return found.cut


def test_a_list_says_when_members_had_to_make_room_whose_time_is_not_over(case: Case) -> None:
    case.kv.transact(*(Enlist("list", str(number), HOUR) for number in range(MOST_MEMBERS)))
    assert not is_cut(case.kv)
    case.kv.transact(Enlist("list", "one more", HOUR))
    assert is_cut(case.kv)
    assert len(members(case.kv)) == MOST_MEMBERS
    assert not is_cut(case.kv, "other")


def test_a_list_is_whole_again_once_the_time_of_those_that_made_room_is_over(case: Case) -> None:
    short = 4 * SOON
    case.kv.transact(Enlist("list", "short", short), *(Enlist("list", str(number), HOUR) for number in range(MOST_MEMBERS)))
    assert is_cut(case.kv)
    case.until(lambda: not is_cut(case.kv), short)
    assert len(members(case.kv)) == MOST_MEMBERS


def test_a_member_that_only_comes_again_cuts_nothing(case: Case) -> None:
    case.kv.transact(*(Enlist("list", str(number), HOUR) for number in range(MOST_MEMBERS)), Enlist("list", "0", HOUR))
    assert not is_cut(case.kv)
    assert len(members(case.kv)) == MOST_MEMBERS


def test_a_list_stays_cut_however_many_come_after(case: Case) -> None:
    for batch in range(3):
        case.kv.transact(*(Enlist("list", f"{batch}-{number}", HOUR) for number in range(MOST_MEMBERS)))
    assert is_cut(case.kv)
    assert members(case.kv) == tuple(f"2-{number}" for number in range(MOST_MEMBERS))


def test_a_member_has_a_name(case: Case) -> None:
    with pytest.raises(ValueError, match="member"):
        case.kv.transact(Enlist("list", "", HOUR))
