"""The key-value contract (idp.kv), on every store: records, marks, limits, counters, transactions, races, tenants, odd text."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from idp.kv import (
    Allowance,
    Count,
    Counted,
    Done,
    Drop,
    Exists,
    Expect,
    Gone,
    Limit,
    Limited,
    Mark,
    Put,
    Read,
    Record,
    Renew,
    Stale,
    Step,
    Take,
    Written,
)
from tests.contracts.kv_stores import Case, counts, gone, look, race, record, went_through

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SOON = timedelta(milliseconds=60)


def put(key: str, value: str = "v", *, unless: tuple[str, ...] = (), watch: tuple[str, ...] = ()) -> Put:
    return Put(key, value, HOUR, unless=unless, watch=watch)


# --- records: life and end ---------------------------------------------------------------------------------------------------


def test_a_record_is_read_back_with_its_times_in_utc(case: Case) -> None:
    written = went_through(case.kv.transact(Put("k", '{"a": 1}', MINUTE, absolute=HOUR))).results[0]
    found = record(case.kv.transact(Read("k")))
    assert isinstance(written, Written)
    assert found.value == '{"a": 1}'
    assert found.expires_at == written.expires_at == found.created_at + MINUTE
    assert found.created_at.tzinfo is UTC
    assert found.expires_at.tzinfo is UTC
    assert found.created_at.microsecond % 1000 == 0
    assert found.parent is None
    assert found.stamps == {}


def test_a_record_that_was_never_there_is_gone_without_a_value(case: Case) -> None:
    assert gone(case.kv.transact(Read("nothing"))) == Gone()
    assert gone(case.kv.transact(Take("nothing", HOUR))) == Gone()


def test_a_record_ends_when_its_idle_time_is_over(case: Case) -> None:
    case.kv.transact(Put("k", "v", SOON, absolute=HOUR))
    case.until(lambda: case.kv.transact(Read("k")).stop == Gone(), SOON)


def test_a_slide_moves_the_end_and_a_plain_read_does_not(case: Case) -> None:
    case.kv.transact(Put("k", "v", MINUTE, absolute=HOUR))
    first = record(case.kv.transact(Read("k")))
    case.until(lambda: record(case.kv.transact(Read("k"))).expires_at == first.expires_at, SOON)
    slid = record(case.kv.transact(Read("k", slide=True)))
    assert slid.expires_at > first.expires_at
    assert slid.created_at == first.created_at
    assert record(case.kv.transact(Read("k"))).expires_at == slid.expires_at


def test_sliding_never_goes_beyond_the_absolute_end(case: Case) -> None:
    case.kv.transact(Put("k", "v", MINUTE, absolute=MINUTE + SOON))
    created = record(case.kv.transact(Read("k"))).created_at

    def at_the_end() -> bool:
        return record(case.kv.transact(Read("k", slide=True))).expires_at == created + MINUTE + SOON

    case.until(at_the_end, SOON * 2)
    assert record(case.kv.transact(Read("k", slide=True))).expires_at == created + MINUTE + SOON


def test_an_absolute_end_before_the_idle_end_counts(case: Case) -> None:
    case.kv.transact(Put("k", "v", HOUR, absolute=MINUTE))
    found = record(case.kv.transact(Read("k", slide=True)))
    assert found.expires_at == found.created_at + MINUTE


def test_without_an_absolute_end_a_record_never_slides(case: Case) -> None:
    case.kv.transact(Put("k", "v", MINUTE))
    first = record(case.kv.transact(Read("k")))
    case.until(lambda: record(case.kv.transact(Read("k", slide=True))).expires_at == first.expires_at, SOON)


def test_a_record_put_again_is_a_new_record(case: Case) -> None:
    case.kv.transact(put("k", "old", unless=("family",)))
    case.kv.transact(put("k", "new"), Mark("family", HOUR))
    assert record(case.kv.transact(Read("k"))).value == "new"


def test_a_record_without_any_lifetime_is_over_at_once(case: Case) -> None:
    case.kv.transact(put("k"))
    went_through(case.kv.transact(Put("k", "v", timedelta(0))))
    assert gone(case.kv.transact(Read("k"))) == Gone()


def test_a_record_that_lingers_is_gone_at_its_time_and_told_of_with_its_value(case: Case) -> None:
    case.kv.transact(Put("k", "v", SOON, absolute=HOUR, linger=HOUR), put("parent", "mother"))
    case.until(lambda: case.kv.transact(Read("k")).stop == Gone(value="v"), SOON)
    assert gone(case.kv.transact(Take("k", HOUR))) == Gone(value="v")
    assert went_through(case.kv.transact(Read("k", slide=True, optional=True))).results == (Gone(value="v"),)
    went_through(case.kv.transact(Put("k", "new", HOUR, absent=True)))
    assert record(case.kv.transact(Read("k"))).value == "new"


def test_a_slide_moves_the_end_and_the_lingering_with_it(case: Case) -> None:
    case.kv.transact(Put("k", "v", MINUTE, absolute=HOUR, linger=HOUR))
    first = record(case.kv.transact(Read("k")))
    assert first.expires_at == first.created_at + MINUTE
    case.until(lambda: record(case.kv.transact(Read("k", slide=True))).expires_at > first.expires_at, SOON)


def test_nothing_rests_on_a_record_that_only_lingers(case: Case) -> None:
    case.kv.transact(Put("k", "v", timedelta(0), linger=HOUR))
    outcome = case.kv.transact(Read("k", optional=True), Put("child", "c", HOUR, parent=0))
    assert outcome.stop == Gone(value="v")
    assert case.kv.transact(Read("child")).stop == Gone()


def test_drop_removes_records_and_marks_and_nothing_else(case: Case) -> None:
    case.kv.transact(put("k", unless=("family",)), put("other"), Mark("family", HOUR), Count("k", HOUR))
    assert went_through(case.kv.transact(Drop("family"), Drop("never there"))).results == (Done(), Done())
    assert record(case.kv.transact(Read("k"))).value == "v"
    case.kv.transact(Drop("k"))
    assert gone(case.kv.transact(Read("k"))) == Gone()
    assert record(case.kv.transact(Read("other"))).value == "v"
    assert case.kv.transact(Count("k", HOUR)).results == (Counted(2),)


def test_absent_writes_once_and_then_shows_what_is_there(case: Case) -> None:
    assert case.kv.transact(Put("jti", "first", HOUR, absent=True)).stop is None
    second = case.kv.transact(Put("jti", "second", HOUR, absent=True))
    assert second.stop == Exists("first")
    assert second.stopped_at == 0
    assert record(case.kv.transact(Read("jti"))).value == "first"


def test_absent_takes_the_place_of_a_record_that_is_over_marked_or_taken(case: Case) -> None:
    case.kv.transact(put("marked", unless=("family",)), put("taken"), Put("over", "v", SOON), Mark("family", HOUR))
    case.kv.transact(Take("taken", HOUR))
    went_through(case.kv.transact(Put("marked", "new", HOUR, absent=True), Put("taken", "new", HOUR, absent=True)))
    case.until(lambda: case.kv.transact(Put("over", "new", HOUR, absent=True)).stop is None, SOON)
    for key in ("marked", "taken", "over"):
        assert record(case.kv.transact(Read(key))).value == "new"


# --- taken once --------------------------------------------------------------------------------------------------------------


def test_a_record_is_taken_once_and_its_tombstone_carries_value_and_parent(case: Case) -> None:
    case.kv.transact(put("grant", "family 7"), Read("grant"), Put("code", "c", MINUTE, parent=1))
    first = record(case.kv.transact(Take("code", HOUR)))
    assert (first.value, first.parent) == ("c", "family 7")
    assert first.expires_at == first.created_at + MINUTE
    spent = Gone(spent=True, value="c", parent="family 7")
    assert gone(case.kv.transact(Take("code", HOUR))) == spent
    assert gone(case.kv.transact(Read("code"))) == spent
    assert case.kv.transact(Read("code", optional=True)).results == (spent,)


def test_a_tombstone_outlives_the_record_and_then_goes(case: Case) -> None:
    case.kv.transact(Put("long", "v", SOON), Put("short", "v", HOUR))
    case.kv.transact(Take("long", HOUR), Take("short", SOON))
    case.until(lambda: case.kv.transact(Read("short")).stop == Gone(), SOON)
    assert gone(case.kv.transact(Read("long"))).spent


def test_taking_twice_in_one_transaction_takes_nothing(case: Case) -> None:
    case.kv.transact(put("code"))
    outcome = case.kv.transact(Take("code", HOUR), Take("code", HOUR))
    assert (outcome.stopped_at, gone(outcome).spent) == (1, True)
    assert record(case.kv.transact(Take("code", HOUR))).value == "v"


def test_a_spent_record_of_an_ended_family_tells_both(case: Case) -> None:
    case.kv.transact(put("code", unless=("family",)))
    case.kv.transact(Take("code", HOUR), Mark("family", HOUR))
    assert gone(case.kv.transact(Take("code", HOUR))) == Gone(spent=True, ended_by="family", value="v")


# --- marks and parents -------------------------------------------------------------------------------------------------------


def test_one_mark_ends_every_record_that_names_it_and_no_other(case: Case) -> None:
    case.kv.transact(put("a", unless=("user", "family")), put("b", unless=("family",)), put("c", unless=("families",)))
    case.kv.transact(Mark("family", HOUR))
    for key in ("a", "b"):
        for step in (Read(key), Read(key, slide=True), Take(key, HOUR)):
            assert gone(case.kv.transact(step)) == Gone(ended_by="family", value="v")
    assert record(case.kv.transact(Read("c"))).value == "v"


def test_a_record_made_after_the_mark_is_dead_too(case: Case) -> None:
    case.kv.transact(Mark("family", HOUR))
    case.kv.transact(put("late", unless=("family",)))
    assert gone(case.kv.transact(Read("late"))).ended_by == "family"


def test_a_later_mark_never_shortens_an_earlier_one(case: Case) -> None:
    case.kv.transact(put("k", unless=("family",)), Mark("family", HOUR))
    case.kv.transact(Mark("family", SOON), Put("probe", "v", SOON))
    case.until(lambda: case.kv.transact(Read("probe")).stop is not None, SOON)
    assert gone(case.kv.transact(Read("k"))).ended_by == "family"


def test_a_record_of_that_name_is_not_a_mark(case: Case) -> None:
    case.kv.transact(put("k", unless=("family",)), put("family"), put("m:family"))
    assert record(case.kv.transact(Read("k"))).value == "v"


def test_children_keep_the_parents_value_and_inherit_its_marks_and_stamps(case: Case) -> None:
    case.kv.transact(put("token", "T", unless=("key",), watch=("biller",)))
    case.kv.transact(Read("token"), Put("session", "S", HOUR, parent=0, unless=("family", "key"), watch=("user", "biller")))
    case.kv.transact(Take("session", HOUR), Put("view", "V", HOUR, parent=0, unless=("device",)))
    child = record(case.kv.transact(Read("view")))
    assert (child.value, child.parent) == ("V", "S")
    assert child.stamps == look(case.kv, "biller", "user")
    for mark in ("key", "family", "device"):
        case.kv.transact(Mark(mark, HOUR))
        assert gone(case.kv.transact(Read("view"))).ended_by == mark
        case.kv.transact(Drop(mark))
    assert record(case.kv.transact(Read("view"))).value == "V"


def test_a_child_of_a_record_that_is_gone_is_not_written(case: Case) -> None:
    case.kv.transact(put("parent", unless=("family",)), Mark("family", HOUR))
    outcome = case.kv.transact(Read("parent", optional=True), Put("child", "v", HOUR, parent=0))
    assert (outcome.stopped_at, outcome.stop) == (1, Gone(ended_by="family", value="v"))
    assert gone(case.kv.transact(Read("child"))) == Gone()


@pytest.mark.parametrize(
    "steps",
    [
        (Put("k", "v", HOUR, parent=0),),
        (Put("k", "v", HOUR), Put("l", "v", HOUR, parent=0)),
        (Put("k", "v", HOUR, parent=1), Read("k")),
        (Read("k"), Put("k", "v", HOUR, parent=-1)),
        (Limit("k", 0, 5),),
        (Limit("k", 1, 0),),
    ],
)
def test_steps_that_make_no_sense_are_refused_before_anything_is_written(case: Case, steps: tuple[Step, ...]) -> None:
    with pytest.raises(ValueError, match="step"):
        case.kv.transact(Put("before", "v", HOUR), *steps)
    assert gone(case.kv.transact(Read("before"))) == Gone()


# --- limits and counters -----------------------------------------------------------------------------------------------------


def test_a_bucket_gives_its_burst_and_then_says_when_to_come_back(case: Case) -> None:
    slow = Limit("key", 0.001, 3)
    left = [case.kv.transact(slow).results[0] for _ in range(3)]
    assert [result.remaining for result in left if isinstance(result, Allowance)] == [2, 1, 0]
    outcome = case.kv.transact(slow)
    assert isinstance(outcome.stop, Limited)
    assert outcome.stopped_at == 0
    assert timedelta(0) < outcome.stop.retry_after <= timedelta(seconds=1000)
    assert timedelta(seconds=2000) < outcome.stop.full_in <= timedelta(seconds=3000)


def test_a_key_whose_limit_was_raised_does_not_wait_for_the_old_bucket_to_fill(case: Case) -> None:
    slow, quick = Limit("key", 0.001, 3), Limit("key", 1, 3)
    for _ in range(3):
        assert case.kv.transact(slow).stop is None
    assert case.kv.transact(slow).stop is not None
    assert case.kv.transact(quick).stop is None


def test_two_keys_do_not_share_a_bucket(case: Case) -> None:
    assert case.kv.transact(Limit("a", 0.001, 1)).stop is None
    assert case.kv.transact(Limit("a", 0.001, 1)).stop is not None
    assert case.kv.transact(Limit("b", 0.001, 1)).stop is None


def test_a_bucket_fills_again(case: Case) -> None:
    quick = Limit("key", 20, 1)
    case.kv.transact(quick)
    case.until(lambda: case.kv.transact(quick).stop is None, timedelta(milliseconds=50))


def test_a_rate_that_does_not_divide_a_second_is_kept_to_the_microsecond(case: Case) -> None:
    if case.clock is None:
        pytest.skip("Redis goes by its own clock, which nobody can move by microseconds")
    third = Limit("key", 3, 2)
    case.kv.transact(third, third)
    stop = case.kv.transact(third).stop
    assert stop == Limited(timedelta(microseconds=333_333), timedelta(microseconds=666_666))
    case.clock.advance(timedelta(microseconds=333_332))
    assert case.kv.transact(third).stop == Limited(timedelta(microseconds=1), timedelta(microseconds=333_334))
    case.clock.advance(timedelta(microseconds=1))
    assert case.kv.transact(third).results == (Allowance(0, timedelta(microseconds=666_666)),)
    case.clock.advance(timedelta(microseconds=666_666))
    assert case.kv.transact(third).results == (Allowance(1, timedelta(microseconds=333_333)),)


def test_a_limit_that_passed_and_a_count_stay_counted_when_a_later_step_says_no(case: Case) -> None:
    guess = (Limit("key", 0.001, 2), Count("failures", HOUR), Read("wrong guess"))
    assert [case.kv.transact(*guess).stopped_at for _ in range(3)] == [2, 2, 0]
    assert case.kv.transact(Count("failures", HOUR)).results == (Counted(3),)


def test_a_counter_forgets_after_its_window(case: Case) -> None:
    assert [case.kv.transact(Count("c", HOUR)).results for _ in range(2)] == [(Counted(1),), (Counted(2),)]
    case.kv.transact(Count("c", SOON))
    case.until(lambda: case.kv.transact(Count("c", SOON)).results == (Counted(1),), SOON)


# --- transactions ------------------------------------------------------------------------------------------------------------


def test_no_steps_do_nothing(case: Case) -> None:
    assert case.kv.transact().results == ()


def test_a_stopped_transaction_tells_where_and_what_came_before(case: Case) -> None:
    outcome = case.kv.transact(Put("k", "v", HOUR), Read("nothing", optional=True), Read("nothing"), Count("c", HOUR))
    assert outcome.stopped_at == 2
    assert outcome.stop == Gone()
    assert len(outcome.results) == 2
    assert isinstance(outcome.results[0], Written)
    assert outcome.results[1] == Gone()
    assert case.kv.transact(Count("c", HOUR)).results == (Counted(1),)


def test_nothing_is_written_when_a_step_says_no(case: Case) -> None:
    case.kv.transact(put("old", unless=("family",)), put("code"), Put("session", "v", MINUTE, absolute=HOUR))
    before = look(case.kv, "row", "held")
    ends = record(case.kv.transact(Read("session"))).expires_at
    outcome = case.kv.transact(
        put("new"),
        put("old", "changed"),
        Take("code", HOUR),
        Read("session", slide=True),
        Renew(("row",)),
        Renew(("held",), hold=HOUR),
        Mark("family", HOUR),
        Drop("session"),
        Read("nothing"),
    )
    assert outcome.stopped_at == 8
    assert gone(case.kv.transact(Read("new"))) == Gone()
    assert record(case.kv.transact(Read("old"))).value == "v"
    assert record(case.kv.transact(Read("session"))).expires_at == ends
    assert record(case.kv.transact(Take("code", HOUR))).value == "v"
    assert look(case.kv, "row", "held") == before


def test_a_step_sees_what_the_steps_before_it_did(case: Case) -> None:
    outcome = went_through(
        case.kv.transact(
            put("k", "1", unless=("family",)),
            Read("k"),
            Put("k", "2", MINUTE, absolute=HOUR, unless=("family",)),
            Read("k", slide=True),
            Mark("family", HOUR),
            Read("k", optional=True),
            Drop("family"),
            Read("k"),
            Drop("k"),
            Read("k", optional=True),
            Count("c", HOUR),
            Count("c", HOUR),
        )
    )
    values = [result.value for result in outcome.results if isinstance(result, Record | Gone)]
    assert values == ["1", "2", "2", "2", None]
    assert outcome.results[-1] == Counted(2)
    assert gone(case.kv.transact(Read("k"))) == Gone()


def test_a_record_slid_and_then_taken_in_one_transaction_is_spent(case: Case) -> None:
    case.kv.transact(Put("k", "v", MINUTE, absolute=HOUR))
    went_through(case.kv.transact(Read("k", slide=True), Take("k", HOUR)))
    assert gone(case.kv.transact(Read("k"))).spent


def test_the_hot_path_of_issuing_stops_at_a_limit_and_at_a_stale_cache(case: Case) -> None:
    known = look(case.kv, "biller:1", "key:1")
    issue = (Limit("key:1", 0.001, 2), Expect(known), put("token", watch=("biller:1",)))
    assert case.kv.transact(*issue).stop is None
    case.kv.transact(Renew(("key:1",)), Drop("token"))
    assert isinstance(case.kv.transact(*issue).stop, Stale)
    assert isinstance(case.kv.transact(*issue).stop, Limited)
    assert gone(case.kv.transact(Read("token"))) == Gone()


# --- races -------------------------------------------------------------------------------------------------------------------


def test_of_64_threads_in_two_processes_exactly_one_takes_a_record(case: Case) -> None:
    case.kv.transact(put("token", "once"))
    outcomes = race(case.place, Take("token", HOUR), processes=2, threads=32)
    winners = [outcome for outcome in outcomes if outcome.stop is None]
    losers = [outcome.stop for outcome in outcomes if outcome.stop is not None]
    assert len(winners) == 1
    assert record(winners[0]).value == "once"
    assert losers == [Gone(spent=True, value="once")] * 63


def test_of_64_threads_in_two_processes_exactly_one_puts_what_is_absent(case: Case) -> None:
    outcomes = race(case.place, Put("jti", "seen", HOUR, absent=True), processes=2, threads=32)
    assert sorted(outcome.stop == Exists("seen") for outcome in outcomes) == [False] + [True] * 63


def test_no_count_of_two_processes_is_lost(case: Case) -> None:
    outcomes = race(case.place, Count("failures", HOUR), processes=2, threads=8, rounds=25)
    assert counts(outcomes) == list(range(1, 401))


def test_two_processes_together_get_no_more_than_the_burst(case: Case) -> None:
    outcomes = race(case.place, Limit("key", 0.0001, 10), processes=2, threads=16)
    assert sum(outcome.stop is None for outcome in outcomes) == 10


# --- tenants and odd text ----------------------------------------------------------------------------------------------------


def test_the_keys_of_two_billers_do_not_touch(case: Case) -> None:
    for bid in ("1", "2"):
        case.kv.transact(
            put(f"{bid}:session", f"of {bid}", unless=(f"{bid}:family",), watch=(f"biller:{bid}",)), put(f"{bid}:code")
        )
    untouched = record(case.kv.transact(Read("2:session")))
    case.kv.transact(
        Mark("1:family", HOUR),
        Renew(("biller:1",), hold=HOUR),
        Take("1:code", HOUR),
        Limit("1:key", 0.001, 1),
        Count("1:failures", HOUR),
    )
    assert gone(case.kv.transact(Read("1:session"))).ended_by == "1:family"
    assert record(case.kv.transact(Read("2:session"))) == untouched
    outcome = went_through(case.kv.transact(Take("2:code", HOUR), Limit("2:key", 0.001, 1), Count("2:failures", HOUR)))
    assert outcome.results[-1] == Counted(1)


ODD = (
    "a b", "a:b", "a\nb", "a\r\nb", "{a}b", "a{b}", "a\x00b", "a", "a*", "a?", "~a", '"a"', "'a'", "a\\b", "a%", "ä", "a\u0308",
    "名前", "😀", " a", "a ", "A", "-1", "0", "false", "nil", "P", "", "'; DROP TABLE entry; --", "x" * 2000,
)  # fmt: skip


def test_keys_marks_and_stamps_with_odd_characters_stay_apart(case: Case) -> None:
    for name in ODD:
        went_through(case.kv.transact(put(name, f"value of {name}", unless=(name,), watch=(name,)), Count(name, HOUR)))
    stamps = look(case.kv, *ODD)
    assert len(set(stamps.values())) == len(ODD)
    for name in ODD:
        found = record(case.kv.transact(Read(name)))
        assert found.value == f"value of {name}"
        assert found.stamps == {name: stamps[name]}
    for ended, name in enumerate(ODD, start=1):
        case.kv.transact(Mark(name, HOUR))
        dead = [other for other in ODD if case.kv.transact(Read(other)).stop is not None]
        assert dead == list(ODD[:ended])
    assert [case.kv.transact(Count(name, HOUR)).results for name in ODD] == [(Counted(2),)] * len(ODD)


@pytest.mark.parametrize("value", ["", "\x00", "line\r\nline", "ä名😀" * 8000, "x" * 65_536, '{"a": "\\u0000"}', "nil", "123"])
def test_values_come_back_as_they_went_in(case: Case, value: str) -> None:
    case.kv.transact(Put("k", value, MINUTE, absolute=HOUR))
    assert record(case.kv.transact(Read("k", slide=True))).value == value
    case.kv.transact(Read("k"), Put("child", "v", HOUR, parent=0))
    assert record(case.kv.transact(Take("k", HOUR))).value == value
    assert gone(case.kv.transact(Read("k"))).value == value
    assert record(case.kv.transact(Read("child"))).parent == value


def test_text_that_is_not_unicode_is_refused_and_the_store_goes_on(case: Case) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        case.kv.transact(put("\ud800"))
    went_through(case.kv.transact(put("k")))


def test_a_healthy_store_answers_its_check(case: Case) -> None:
    case.kv.check()
