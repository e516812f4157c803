"""Jobs and named leases in SQL: who gets what, for how long, and what becomes of a job that fails."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from hub.storage.tables import jobs as tables
from idp.jobs import Job
from idp.opaque import new_id
from tests import databases
from tests.databases import START, SqlCase

sql = databases.sql
postgres_sql = databases.postgres_sql

OAKDALE, BIRCHWOOD = 101, 202
SECOND = timedelta(seconds=1)
LEASE = timedelta(minutes=2)


def job(bid: int = OAKDALE, due: timedelta = timedelta(0), payload: str = "") -> Job:
    return Job(new_id(), bid, "test.work", payload, START + due)


def add(sql: SqlCase, *queued: Job) -> None:
    with sql.begin() as stores:
        for each in queued:
            stores.jobs.add_job(each)


def lease(sql: SqlCase, worker: str = "a", limit: int = 100) -> list[Job]:
    now = sql.clock.now()
    with sql.begin() as stores:
        return stores.jobs.lease_jobs(worker, now, now + LEASE, limit)


def test_a_job_comes_back_as_it_was_queued_whosever_it_is(sql: SqlCase) -> None:
    queued = [job(OAKDALE, payload="ż{}"), job(BIRCHWOOD, payload="x")]
    add(sql, *queued)
    assert sorted(lease(sql), key=lambda each: each.bid) == queued


def test_due_jobs_come_oldest_first_and_no_more_than_asked_for(sql: SqlCase) -> None:
    third, first, second = job(due=-SECOND), job(due=-3 * SECOND), job(BIRCHWOOD, due=-2 * SECOND)
    add(sql, third, first, second)
    assert lease(sql, limit=2) == [first, second]
    assert lease(sql, limit=2) == [third]


def test_a_job_is_not_handed_out_before_its_time(sql: SqlCase) -> None:
    add(sql, job(due=SECOND))
    assert lease(sql) == []
    sql.clock.advance(SECOND)
    assert len(lease(sql)) == 1


def test_a_job_that_a_worker_holds_is_handed_to_nobody_until_the_lease_is_over(sql: SqlCase) -> None:
    add(sql, job())
    assert len(lease(sql, "a")) == 1
    assert lease(sql, "a") == []
    sql.clock.advance(LEASE - timedelta(microseconds=1))
    assert lease(sql, "b") == []
    sql.clock.advance(timedelta(microseconds=1))
    assert len(lease(sql, "b")) == 1


def test_a_job_that_is_finished_is_gone(sql: SqlCase) -> None:
    done, other = job(OAKDALE), job(BIRCHWOOD)
    add(sql, done, other)
    lease(sql)
    with sql.begin() as stores:
        stores.jobs.finish_job(done.id)
    sql.clock.advance(LEASE)
    assert lease(sql) == [other]


def test_a_postponed_job_comes_back_at_its_time_with_one_more_try(sql: SqlCase) -> None:
    failed = job()
    add(sql, failed)
    lease(sql)
    again = sql.clock.now() + 5 * SECOND
    with sql.begin() as stores:
        stores.jobs.postpone_job(failed.id, again, "OSError", dead=False)
    assert lease(sql) == []
    sql.clock.advance(5 * SECOND)
    # Well before the lease of the worker that failed would have run out.
    assert lease(sql, "b") == [Job(failed.id, OAKDALE, "test.work", "", again, tries=1)]


def test_a_dead_job_runs_no_more_and_stays_with_its_error(sql: SqlCase) -> None:
    failed = job()
    add(sql, failed)
    lease(sql)
    with sql.begin() as stores:
        stores.jobs.postpone_job(failed.id, sql.clock.now(), "OSError", dead=True)
    sql.clock.advance(timedelta(days=365))
    assert lease(sql) == []
    with sql.engine.connect() as connection:
        (kept,) = connection.execute(select(tables.jobs)).all()
    assert (kept.id, kept.state, kept.error, kept.tries) == (failed.id, "dead", "OSError", 1)


def test_a_job_is_not_there_before_the_change_that_wants_it_is_committed(postgres_sql: SqlCase) -> None:
    sql = postgres_sql
    with sql.begin() as stores:
        stores.jobs.add_job(job())
        assert sql.run_beside(lease, sql).result(timeout=60) == []
    assert len(lease(sql)) == 1


def test_workers_that_ask_at_once_share_the_jobs_and_get_each_once(sql: SqlCase) -> None:
    queued = [job((OAKDALE, BIRCHWOOD)[number % 2]) for number in range(200)]
    add(sql, *queued)
    together = Barrier(4)

    def take(worker: str) -> list[Job]:
        together.wait()
        taken: list[Job] = []
        while part := lease(sql, worker, limit=7):
            taken += part
        return taken

    working = [sql.run_beside(take, worker) for worker in "abcd"]
    taken = Counter(each.id for worker in working for each in worker.result(timeout=60))
    assert taken == Counter(each.id for each in queued)


def test_a_worker_skips_what_another_is_just_taking(postgres_sql: SqlCase) -> None:
    sql = postgres_sql
    first, second = job(due=-2 * SECOND), job(due=-SECOND)
    add(sql, first, second)
    now = sql.clock.now()
    with sql.begin() as stores:
        assert stores.jobs.lease_jobs("a", now, now + LEASE, 1) == [first]
        assert sql.run_beside(lease, sql, "b").result(timeout=60) == [second]


@pytest.mark.parametrize("holder", ["a", "b"])
def test_a_named_lease_is_held_by_one_worker_and_prolonged_by_that_one(sql: SqlCase, holder: str) -> None:
    other = "b" if holder == "a" else "a"
    now = sql.clock.now()
    with sql.begin() as stores:
        assert stores.jobs.take_lease("seal", holder, now, now + LEASE)
        assert not stores.jobs.take_lease("seal", other, now, now + LEASE)
        assert stores.jobs.take_lease("purge", other, now, now + LEASE)
        assert stores.jobs.take_lease("seal", holder, now + SECOND, now + SECOND + LEASE)
        assert not stores.jobs.take_lease("seal", other, now + LEASE, now + 2 * LEASE)
        assert stores.jobs.take_lease("seal", other, now + SECOND + LEASE, now + 2 * LEASE)


def test_a_named_lease_is_given_back_by_its_holder_only(sql: SqlCase) -> None:
    now = sql.clock.now()
    with sql.begin() as stores:
        stores.jobs.take_lease("seal", "a", now, now + LEASE)
        stores.jobs.drop_lease("seal", "b")
        assert not stores.jobs.take_lease("seal", "b", now, now + LEASE)
        stores.jobs.drop_lease("seal", "a")
        assert stores.jobs.take_lease("seal", "b", now, now + LEASE)


def test_of_workers_that_want_a_lease_at_once_one_gets_it(sql: SqlCase) -> None:
    together = Barrier(4)
    now = sql.clock.now()

    def take(worker: str) -> bool:
        together.wait()
        with sql.begin() as stores:
            return stores.jobs.take_lease("seal", worker, now, now + LEASE)

    asking = [sql.run_beside(take, worker) for worker in "abcd"]
    assert sorted(each.result(timeout=60) for each in asking) == [False, False, False, True]
