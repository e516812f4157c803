"""SQLite and Redis answer every program of steps alike: the contract is written down twice, in Python and in Lua."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.storage.kv_redis import RedisKeyValue
from hub.storage.kv_sqlite import SqliteKeyValue
from idp.kv import (
    Allowance,
    Attempt,
    Count,
    Drop,
    Enlist,
    Expect,
    Gone,
    KeyValue,
    Limit,
    Limited,
    Look,
    Mark,
    Outcome,
    Put,
    Read,
    Record,
    Refund,
    Renew,
    Result,
    Roll,
    Seen,
    Stale,
    Stamps,
    Step,
    Stop,
    Take,
    Written,
)
from tests.servers import RedisServer

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

keys = st.sampled_from(["a", "b", "c"])
names = st.lists(keys, max_size=2, unique=True).map(tuple)
lives = st.sampled_from([timedelta(0), HOUR, 2 * HOUR])
steps = st.one_of(
    st.builds(
        Put,
        keys,
        keys,
        lives,
        st.sampled_from([None, HOUR, DAY]),
        names,
        names,
        st.sampled_from([None, None, 0, 1, 2]),
        st.booleans(),
        st.sampled_from([timedelta(0), HOUR]),
        st.sampled_from([None, timedelta(0), HOUR]),
        st.booleans(),
        st.sampled_from([None, "", "o"]),
        names,
    ),
    st.builds(Read, keys, st.booleans(), st.sampled_from([True, True, False]), st.booleans()),
    st.builds(Take, keys, lives),
    st.builds(Mark, keys, lives),
    st.builds(Drop, keys),
    st.builds(Renew, names, st.sampled_from([None, None, HOUR])),
    st.builds(Look, names),
    st.builds(lambda stamps: Expect(dict.fromkeys(stamps, "")), names),
    st.builds(Limit, keys, st.just(0.0001), st.just(3)),
    st.builds(Refund, keys, st.just(0.0001), st.just(3)),
    st.builds(Count, keys, lives),
    st.builds(Enlist, keys, keys, lives),
    st.builds(Roll, keys),
    st.builds(Attempt, keys, st.sampled_from([1, 2]), st.just(HOUR), st.just(DAY), lives),
)


def sensible(program: list[Step]) -> tuple[Step, ...]:
    """The same program; a parent that is no earlier Read or Take is left out."""

    def fits(index: int, step: Put) -> bool:
        return step.parent is not None and step.parent < index and isinstance(program[step.parent], Read | Take)

    return tuple(
        replace(step, parent=None, within=None, bounded=False, origin=None, shed=())
        if isinstance(step, Put) and not fits(index, step)
        else step
        for index, step in enumerate(program)
    )


programs = st.lists(st.lists(steps, min_size=1, max_size=6).map(sensible), min_size=1, max_size=8)


class Side:
    """One store, with its random versions numbered in the order in which they were seen, and its instants left out."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv
        self._numbers: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def run(self, program: tuple[Step, ...]) -> Outcome:
        """The outcome, in terms that both stores share. An Expect asks for what this side saw last."""
        asked = [
            Expect({name: self._known.get(name, "") for name in step.stamps}) if isinstance(step, Expect) else step
            for step in program
        ]
        outcome = self._kv.transact(*asked)
        return Outcome(tuple(self._result(result) for result in outcome.results), self._stop(outcome.stop), outcome.stopped_at)

    def _stamps(self, stamps: Stamps) -> Stamps:
        self._known |= stamps
        return {name: self._numbers.setdefault(version, str(len(self._numbers))) for name, version in stamps.items()}

    def _result(self, result: Result) -> Result:
        match result:
            case Record():
                # Only a record that slid has an end that depends on the moment; HOUR and DAY are far enough apart to tell.
                life = (result.expires_at - result.created_at) // HOUR * HOUR
                start = result.created_at.replace(year=2000, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
                return replace(result, created_at=start, expires_at=start + life, stamps=self._stamps(result.stamps))
            case Written():
                return Written(result.expires_at.replace(year=2000, month=1, day=1, hour=0, minute=0, second=0, microsecond=0))
            case Seen():
                return Seen(self._stamps(result.stamps))
            case Allowance():
                return Allowance(result.remaining, timedelta(0))
            case _:
                return result

    def _stop(self, stop: Stop | None) -> Stop | None:
        match stop:
            case Stale():
                return Stale(self._stamps(stop.stamps))
            case Limited():
                return Limited(timedelta(0), timedelta(0))
            case Gone():
                return stop
            case _:
                return stop


@pytest.mark.servers
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(programs=programs)
def test_both_stores_answer_alike(redis_server: RedisServer, tmp_path: Path, programs: list[tuple[Step, ...]]) -> None:
    name = token_hex(6)
    sqlite = SqliteKeyValue(tmp_path / name)
    redis = RedisKeyValue(redis_server.url, max_connections=1, namespace=name)
    try:
        one, other = Side(sqlite), Side(redis)
        for program in programs:
            assert one.run(program) == other.run(program)
    finally:
        sqlite.close()
        redis.close()
