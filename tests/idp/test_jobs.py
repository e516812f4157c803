"""The worker: each job by one worker at a time, again after a failure, and never lost with a worker that dies."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Lock
from threading import Event as Signal

import pytest
from sqlalchemy import Row, select

from hub.storage.stores import Stores
from hub.storage.tables import jobs as tables
from idp.errors import Raced, StoreUnavailable
from idp.jobs import LEASE, MAX_TRIES, Handler, Job, Recurring, Worker
from idp.opaque import new_id
from tests import databases
from tests.databases import SqlCase

sql = databases.sql

OAKDALE, BIRCHWOOD = 101, 202
EVERY = timedelta(seconds=30)
AT_ONCE = timedelta(milliseconds=1)


def worker(
    sql: SqlCase, handlers: Mapping[str, Handler] | None = None, *recurring: Recurring, jitter: Callable[[], float] = lambda: 0.5
) -> Worker:
    """A worker whose waits are exact: a factor of 0.5 + 0.5."""
    return Worker(sql.begin, sql.clock, handlers or {}, recurring, jitter)


def add(sql: SqlCase, *bids: int, payload: str = "") -> list[Job]:
    queued = [Job(new_id(), bid, "work", payload, sql.clock.now()) for bid in bids]
    with sql.begin() as stores:
        for job in queued:
            stores.jobs.add_job(job)
    return queued


def stored(sql: SqlCase) -> list[Row[tuple[object, ...]]]:
    with sql.engine.connect() as connection:
        return list(connection.execute(select(tables.jobs).order_by(tables.jobs.c.id)).all())


def fail(_job: Job) -> None:
    raise OSError("with a secret in its words")


def test_jobs_of_all_billers_are_run_and_gone(sql: SqlCase) -> None:
    queued = add(sql, OAKDALE, BIRCHWOOD)
    done: list[Job] = []
    assert worker(sql, {"work": done.append}).step() == 2
    assert sorted(done, key=lambda job: job.bid) == [replace(job, tries=1) for job in queued]
    assert stored(sql) == []


def test_a_round_with_nothing_to_do_says_so(sql: SqlCase) -> None:
    assert worker(sql).step() == 0


def test_workers_side_by_side_never_run_the_same_job_at_once_and_run_each_once(sql: SqlCase) -> None:
    queued = add(sql, *(OAKDALE, BIRCHWOOD) * 40)
    running: Counter[object] = Counter()
    most: Counter[object] = Counter()
    ran: Counter[object] = Counter()
    lock, together = Lock(), Barrier(2)

    def handle(job: Job) -> None:
        with lock:
            running[job.id] += 1
            most[job.id] = max(most[job.id], running[job.id])
            ran[job.id] += 1
        with lock:
            running[job.id] -= 1

    def work() -> None:
        mine = worker(sql, {"work": handle})
        together.wait()
        while mine.step(limit=3):
            pass

    for each in [sql.run_beside(work) for _ in range(2)]:
        each.result(60)
    assert ran == Counter(job.id for job in queued)
    assert set(most.values()) == {1}
    assert stored(sql) == []


def test_a_job_of_a_worker_that_died_is_run_by_another_when_the_lease_is_over(sql: SqlCase) -> None:
    (job,) = add(sql, OAKDALE)
    now = sql.clock.now()
    with sql.begin() as stores:
        assert stores.jobs.lease_jobs("a worker that dies now", now, now + LEASE, 1, ["work"]) == [replace(job, tries=1)]
    done: list[Job] = []
    other = worker(sql, {"work": done.append})
    assert other.step() == 0
    sql.clock.advance(LEASE)
    assert other.step() == 1
    assert done == [replace(job, tries=2, lost=1)]


def test_a_worker_that_is_killed_in_a_job_leaves_it_to_another(sql: SqlCase) -> None:
    add(sql, OAKDALE)

    def die(_job: Job) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        worker(sql, {"work": die}).step()
    sql.clock.advance(LEASE)
    done: list[Job] = []
    assert worker(sql, {"work": done.append}).step() == 1
    assert len(done) == 1


@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5)])
def test_a_job_that_fails_waits_longer_each_time_with_jitter(sql: SqlCase, jitter: float, factor: float) -> None:
    add(sql, OAKDALE)
    failing = worker(sql, {"work": fail}, jitter=lambda: jitter)
    waits = []
    for _ in range(4):
        assert failing.step() == 1
        (row,) = stored(sql)
        waits.append((row.run_at - sql.clock.now()).total_seconds())
        sql.clock.advance(row.run_at - sql.clock.now() - timedelta(microseconds=1))
        assert failing.step() == 0
        sql.clock.advance(timedelta(microseconds=1))
    assert waits == [2 * factor, 4 * factor, 8 * factor, 16 * factor]


def test_a_job_that_always_fails_is_dead_after_the_last_try_and_stays_visible(sql: SqlCase) -> None:
    add(sql, OAKDALE, payload="x")
    failing = worker(sql, {"work": fail})
    tries = 0
    while failing.step():
        tries += 1
        sql.clock.advance(timedelta(hours=2))
    assert tries == MAX_TRIES
    (row,) = stored(sql)
    assert (row.state, row.tries, row.error, row.bid) == ("dead", MAX_TRIES, "OSError", OAKDALE)


def test_the_waits_double_until_the_last_try_and_none_is_longer_than_an_hour(sql: SqlCase) -> None:
    add(sql, OAKDALE)
    failing = worker(sql, {"work": fail}, jitter=lambda: 1.0)
    longest = timedelta(0)
    while failing.step():
        (row,) = stored(sql)
        longest = max(longest, row.run_at - sql.clock.now())
        sql.clock.advance(timedelta(hours=2))
    assert longest == timedelta(seconds=2 ** (MAX_TRIES - 1) * 1.5)


def test_a_job_that_fails_does_not_keep_the_others_from_running(sql: SqlCase) -> None:
    add(sql, OAKDALE, BIRCHWOOD)
    done: list[Job] = []

    def handle(job: Job) -> None:
        if job.bid == OAKDALE:
            fail(job)
        done.append(job)

    assert worker(sql, {"work": handle}).step() == 2
    assert [job.bid for job in done] == [BIRCHWOOD]
    assert [row.bid for row in stored(sql)] == [OAKDALE]


def test_a_job_of_an_unknown_kind_is_kept_for_a_worker_that_knows_it(sql: SqlCase) -> None:
    add(sql, OAKDALE)
    assert worker(sql, {}).step() == 0
    done: list[Job] = []
    assert worker(sql, {"work": done.append}).step() == 1
    assert [job.tries for job in done] == [1]


def test_neither_log_nor_table_repeats_what_a_failure_says(sql: SqlCase, caplog: pytest.LogCaptureFixture) -> None:
    add(sql, OAKDALE, payload="a payload")
    with caplog.at_level(logging.DEBUG):
        worker(sql, {"work": fail}).step()
    (row,) = stored(sql)
    assert row.error == "OSError"
    assert [record.message for record in caplog.records if record.name == "idp.jobs.worker"] == ["job failed"]
    assert not any("secret" in str(vars(record)) or "a payload" in str(vars(record)) for record in caplog.records)


def test_a_job_that_waits_behind_a_slow_one_is_not_run_by_two_workers(sql: SqlCase) -> None:
    queued = add(sql, OAKDALE, BIRCHWOOD)
    ran: list[Job] = []
    other = worker(sql, {"work": ran.append})

    def slow(job: Job) -> None:
        ran.append(job)
        if len(ran) == 1:
            sql.clock.advance(LEASE - timedelta(seconds=1))
        else:
            sql.clock.advance(timedelta(seconds=2))
            other.step()

    worker(sql, {"work": slow}).step()
    assert sorted(job.bid for job in ran) == sorted(job.bid for job in queued)


# --- recurring work ------------------------------------------------------------------------------------------------------


class Counted:
    """Recurring work that finds so much to do, each time it is asked."""

    def __init__(self, *found: int) -> None:
        self._found = list(found)
        self.runs = 0

    def __call__(self) -> int:
        self.runs += 1
        return self._found.pop(0) if self._found else 0


def test_recurring_work_is_run_again_at_once_while_there_is_some_and_then_when_it_is_due(sql: SqlCase) -> None:
    work = Counted(1000, 7)
    mine = worker(sql, {}, Recurring("seal", EVERY, work))
    assert [mine.step(), mine.step(), mine.step(), mine.step()] == [1000, 7, 0, 0]
    assert work.runs == 3
    sql.clock.advance(EVERY)
    assert mine.step() == 0
    assert work.runs == 4


def test_recurring_work_is_held_by_one_worker_until_it_dies(sql: SqlCase) -> None:
    work, others = Counted(), Counted()
    first = worker(sql, {}, Recurring("seal", EVERY, work))
    second = worker(sql, {}, Recurring("seal", EVERY, others))
    for _ in range(3):
        first.step()
        second.step()
        sql.clock.advance(EVERY)
    assert (work.runs, others.runs) == (3, 0)
    sql.clock.advance(LEASE)
    second.step()
    assert others.runs == 1


def test_each_recurring_work_has_a_lease_of_its_own(sql: SqlCase) -> None:
    seal, purge = Counted(), Counted()
    worker(sql, {}, Recurring("seal", EVERY, seal)).step()
    worker(sql, {}, Recurring("seal", EVERY, seal), Recurring("purge", EVERY, purge)).step()
    assert (seal.runs, purge.runs) == (1, 1)


def test_recurring_work_that_fails_stops_neither_the_worker_nor_itself(sql: SqlCase) -> None:
    add(sql, OAKDALE)
    done: list[Job] = []
    tried = Counted()

    def race() -> int:
        tried()
        raise Raced("another sealer was here")

    mine = worker(sql, {"work": done.append}, Recurring("seal", EVERY, race))
    assert [mine.step(), mine.step()] == [1, 0]
    sql.clock.advance(EVERY)
    assert mine.step() == 0
    assert (len(done), tried.runs) == (1, 2)


def test_a_worker_that_stops_gives_its_leases_back(sql: SqlCase) -> None:
    stop, work = Signal(), Counted()

    def once() -> int:
        stop.set()
        return 0

    worker(sql, {}, Recurring("seal", EVERY, once)).run(stop)
    worker(sql, {}, Recurring("seal", EVERY, work)).step()
    assert work.runs == 1


def test_a_database_that_is_away_is_waited_for(sql: SqlCase, caplog: pytest.LogCaptureFixture) -> None:
    add(sql, OAKDALE)
    stop = Signal()
    away = 3

    @contextmanager
    def begin() -> Iterator[Stores]:
        nonlocal away
        if away:
            away -= 1
            raise StoreUnavailable("told to be away")
        with sql.begin() as stores:
            yield stores

    def handle(_job: Job) -> None:
        stop.set()

    waiting = Worker(begin, sql.clock, {"work": handle}, (), lambda: 0.5)
    sql.run_beside(waiting.run, stop, AT_ONCE).result(60)
    assert stored(sql) == []
    assert [record.message for record in caplog.records] == ["worker waits for the store"] * 3


def test_a_job_whose_store_cannot_be_written_has_not_had_a_try_and_is_done_when_the_store_is_back(sql: SqlCase) -> None:
    add(sql, OAKDALE)
    add(sql, BIRCHWOOD)
    is_away, done = True, []

    def handle(job: Job) -> None:
        if is_away:
            raise StoreUnavailable("READONLY")
        done.append(job.bid)

    one = worker(sql, {"work": handle})
    for _ in range(MAX_TRIES + 3):
        with pytest.raises(StoreUnavailable):
            one.step()
        with pytest.raises(StoreUnavailable):
            one.step()
        assert {row.tries for row in stored(sql)} == {0}
        assert {row.state for row in stored(sql)} == {"waiting"}
        sql.clock.advance(LEASE)
    is_away = False
    one.step()
    assert sorted(done) == [OAKDALE, BIRCHWOOD]
    assert stored(sql) == []


def test_recurring_work_that_waits_for_a_store_keeps_no_other_work_waiting(sql: SqlCase, caplog: pytest.LogCaptureFixture) -> None:
    add(sql, OAKDALE)
    done: list[str] = []

    def unavailable() -> int:
        raise StoreUnavailable("OOM")

    def other() -> int:
        done.append("other")
        return 0

    first, second = Recurring("first", EVERY, unavailable), Recurring("second", EVERY, other)
    worker(sql, {"work": lambda _job: done.append("job")}, first, second).step()
    assert done == ["other", "job"]
    assert [record.message for record in caplog.records] == ["recurring work waits for a store"]
