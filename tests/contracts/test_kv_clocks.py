"""A clock that is set back prolongs nothing, on every key-value store: no record lives longer than its idle time from now."""

from __future__ import annotations

from datetime import timedelta

import redis

from idp.kv import Attempt, Gone, Limit, Limited, Put, Read, Take
from tests.contracts.kv_stores import Case, gone, record, went_through

SOON, HOUR, DAY = timedelta(milliseconds=300), timedelta(hours=1), timedelta(days=1)

_AHEAD = """
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local record = cmsgpack.unpack(redis.call('GET', key))
  for _, at in ipairs({2, 4, 9}) do record[at] = record[at] + ARGV[2] end
  redis.call('SET', key, cmsgpack.pack(record), 'PXAT', record[9] + record[10])
end
"""
"""Redis' own clock is not ours to move: what it keeps is moved instead."""


def set_back(case: Case, by: timedelta) -> None:
    """Set the clock back; all records were made later than now."""
    if case.clock is not None:
        case.clock.advance(-by)
        return
    with redis.Redis.from_url(case.place.address) as raw:
        raw.eval(_AHEAD, 0, f"{case.place.namespace}*:r:*", by // timedelta(milliseconds=1))  # type: ignore[no-untyped-call,unused-ignore]


def test_a_record_lives_no_longer_than_it_would_have(case: Case) -> None:
    went_through(case.kv.transact(Put("k", "v", SOON, linger=HOUR)))
    set_back(case, 400 * DAY)
    found = record(case.kv.transact(Read("k")))
    assert found.expires_at - found.created_at == SOON
    case.until(lambda: case.kv.transact(Read("k", optional=True)).results == (Gone(value="v"),), SOON)


def test_where_a_refusal_looks_at_it_the_end_holds_too(case: Case) -> None:
    """Waits are records that are written only where none is alive, and looked at in transactions that stop."""
    went_through(case.kv.transact(Put("k", "v", SOON)))
    set_back(case, 400 * DAY)
    assert case.kv.transact(Put("k", "w", SOON, absent=True)).stop is not None
    case.until(lambda: case.kv.transact(Put("k", "w", SOON, absent=True)).stop is None, SOON)


def test_a_record_that_slides_ends_with_its_idle_time_and_its_absolute_one(case: Case) -> None:
    went_through(case.kv.transact(Put("k", "v", HOUR, absolute=2 * HOUR)))
    set_back(case, 5 * HOUR)
    found = record(case.kv.transact(Read("k", slide=True)))
    assert HOUR <= found.expires_at - found.created_at <= HOUR + timedelta(minutes=1)
    if case.clock is not None:
        for _ in range(3):
            case.clock.advance(HOUR - SOON)
            case.kv.transact(Read("k", slide=True))
        assert gone(case.kv.transact(Read("k"))) == Gone()


def test_what_was_taken_stays_taken(case: Case) -> None:
    went_through(case.kv.transact(Put("k", "v", HOUR), Take("k", HOUR)))
    set_back(case, 400 * DAY)
    assert gone(case.kv.transact(Take("k", HOUR))).spent


def test_limits_and_guesses_make_nobody_wait_longer_than_they_may(case: Case) -> None:
    limit, guess = Limit("l", 1 / 60, 1), Attempt("a", 1, timedelta(minutes=1), HOUR, DAY)
    went_through(case.kv.transact(limit, guess))
    if case.clock is None:
        # As Redis would find them: from a time when they were longer.
        went_through(case.kv.transact(Limit("m", 1 / 86400, 1), Attempt("b", 1, DAY, DAY, DAY)))
        limit, guess = Limit("m", 1 / 60, 1), Attempt("b", 1, timedelta(minutes=1), HOUR, DAY)
    set_back(case, 400 * DAY)
    for step in (limit, guess):
        stop = case.kv.transact(step).stop
        assert stop is None or (isinstance(stop, Limited) and stop.retry_after <= timedelta(minutes=1))
