"""Guesses (idp.kv.Attempt), on every key-value store: free ones, growing delays, races, and what a right guess forgets."""

from __future__ import annotations

from datetime import timedelta

import pytest

from idp.kv import Attempt, Counted, Done, Drop, Gone, Limit, Limited, Read, Record, Refund, Step
from tests.contracts.kv_stores import Case, counts, gone, race, record, went_through
from tests.contracts.test_kv import HOUR, MINUTE, SOON, put

DAY = timedelta(days=1)


def guess(key: str = "k", *, free: int = 3, delay: timedelta = MINUTE, longest: timedelta = HOUR) -> Attempt:
    return Attempt(key, free, delay, longest, DAY)


def test_free_guesses_pass_and_then_the_next_must_wait(case: Case) -> None:
    passed = [went_through(case.kv.transact(guess())).results for _ in range(3)]
    assert passed == [(Counted(1),), (Counted(2),), (Counted(3),)]
    for _ in range(2):  # asking meanwhile makes it no longer
        stop = case.kv.transact(guess()).stop
        assert isinstance(stop, Limited)
        assert MINUTE - timedelta(seconds=30) < stop.retry_after <= MINUTE
        assert DAY < stop.full_in <= DAY + MINUTE


def test_the_delay_doubles_with_each_guess_up_to_the_longest(case: Case) -> None:
    if case.clock is None:
        pytest.skip("Redis goes by its own clock; test_both_stores_answer_alike holds the two against each other")
    waits: list[timedelta] = []
    for _ in range(9):
        assert case.kv.transact(guess()).stop is None or waits
        stop = case.kv.transact(guess()).stop
        if isinstance(stop, Limited):
            waits.append(stop.retry_after)
            case.clock.advance(stop.retry_after)
    minutes = [wait / MINUTE for wait in waits]
    assert minutes == sorted(minutes)
    assert minutes[:3] == [1, 2, 4]
    assert minutes[-1] <= 60


def test_a_guess_passes_again_when_its_delay_is_over(case: Case) -> None:
    short = guess(free=1, delay=SOON, longest=SOON)
    assert case.kv.transact(short).results == (Counted(1),)
    case.until(lambda: case.kv.transact(short).results == (Counted(2),), SOON)


def test_guesses_are_forgotten_a_window_after_the_last_one(case: Case) -> None:
    brief = Attempt("k", 2, SOON, SOON, SOON)
    case.kv.transact(brief)
    case.until(lambda: case.kv.transact(brief).results == (Counted(1),), SOON * 3)


def test_a_right_guess_drops_what_was_counted_under_its_key_only(case: Case) -> None:
    for key in ("k", "other"):
        case.kv.transact(guess(key), guess(key), guess(key))
    assert went_through(case.kv.transact(Drop("k"))).results == (Done(),)
    assert case.kv.transact(guess("k")).results == (Counted(1),)
    assert isinstance(case.kv.transact(guess("other")).stop, Limited)


def test_a_guess_stays_counted_when_a_later_step_says_no(case: Case) -> None:
    for expected in (1, 1, 1):
        assert case.kv.transact(guess(), Read("nothing")).stopped_at == expected
    assert isinstance(case.kv.transact(guess()).stop, Limited)


def test_guesses_records_and_counts_of_one_name_stay_apart(case: Case) -> None:
    case.kv.transact(put("k"), guess())
    found = record(case.kv.transact(Read("k")))
    assert isinstance(found, Record)
    case.kv.transact(Drop("k"))
    assert gone(case.kv.transact(Read("k"))).value is None


@pytest.mark.parametrize(
    "step",
    [guess(free=0), guess(delay=timedelta(0)), guess(delay=HOUR, longest=MINUTE), guess(longest=timedelta(days=2))],
)
def test_attempts_that_make_no_sense_are_refused(case: Case, step: Step) -> None:
    with pytest.raises(ValueError, match="attempt"):
        case.kv.transact(step)


def test_many_guesses_at_once_in_two_processes_are_no_way_round_the_delay(case: Case) -> None:
    outcomes = race(case.place, guess(free=5), processes=2, threads=32)
    assert counts([outcome for outcome in outcomes if outcome.stop is None]) == [1, 2, 3, 4, 5]
    assert sum(isinstance(outcome.stop, Limited) for outcome in outcomes) == 59


def test_nobody_waits_longer_than_the_last_guess_can_make_anybody_wait(case: Case) -> None:
    """As after a clock that was set back; on Redis, whose clock is not ours to move, by delays that were shortened since."""
    long = guess(free=1, delay=DAY, longest=DAY)
    case.kv.transact(long)
    short = guess(free=1, delay=MINUTE, longest=HOUR)
    stop = case.kv.transact(short).stop
    assert isinstance(stop, Limited)
    assert MINUTE - timedelta(seconds=30) < stop.retry_after <= MINUTE
    assert stop.full_in <= DAY + MINUTE
    assert isinstance(case.kv.transact(short).stop, Limited), "asking again neither ends nor prolongs it"
    assert case.kv.transact(guess(free=3)).results == (Counted(2),)


def test_a_clock_that_was_set_back_makes_nobody_wait_until_it_has_caught_up(case: Case) -> None:
    if case.clock is None:
        pytest.skip("Redis goes by its own clock; the test above says the same of both")
    for _ in range(3):
        case.kv.transact(guess())
    case.clock.advance(-400 * DAY)
    stop = case.kv.transact(guess()).stop
    assert isinstance(stop, Limited)
    assert stop.retry_after == MINUTE
    case.clock.advance(MINUTE)
    assert case.kv.transact(guess()).results == (Counted(4),)


# --- units that are given back -------------------------------------------------------------------------------------------------


def test_a_unit_that_is_given_back_can_be_taken_again_and_no_more_than_that(case: Case) -> None:
    limit, refund = Limit("k", 0.0001, 3), Refund("k", 0.0001, 3)
    assert went_through(case.kv.transact(refund)).results == (Done(),), "a full bucket stays full"
    for _ in range(3):
        went_through(case.kv.transact(limit))
    assert isinstance(case.kv.transact(limit).stop, Limited)
    went_through(case.kv.transact(refund))
    went_through(case.kv.transact(limit))
    assert isinstance(case.kv.transact(limit).stop, Limited)
    for _ in range(9):
        went_through(case.kv.transact(refund))
    assert [case.kv.transact(limit).stop is None for _ in range(5)] == [True, True, True, False, False]


def test_a_unit_of_one_bucket_is_not_given_back_to_another(case: Case) -> None:
    for key in ("k", "other"):
        went_through(case.kv.transact(Limit(key, 0.0001, 1)))
    went_through(case.kv.transact(Refund("other", 0.0001, 1)))
    assert isinstance(case.kv.transact(Limit("k", 0.0001, 1)).stop, Limited)


def test_nothing_is_given_back_in_a_transaction_that_stops(case: Case) -> None:
    went_through(case.kv.transact(Limit("k", 0.0001, 1)))
    assert isinstance(case.kv.transact(Refund("k", 0.0001, 1), Read("nothing")).stop, Gone)
    assert isinstance(case.kv.transact(Limit("k", 0.0001, 1)).stop, Limited)


def test_of_units_taken_and_given_back_at_once_none_is_lost(case: Case) -> None:
    for _ in range(20):
        went_through(case.kv.transact(Limit("k", 0.0001, 40)))
    race(case.place, Refund("k", 0.0001, 40), processes=2, threads=10)
    assert [case.kv.transact(Limit("k", 0.0001, 40)).stop is None for _ in range(41)] == [True] * 40 + [False]
