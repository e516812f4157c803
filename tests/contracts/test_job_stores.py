"""Jobs and named leases in SQL: who gets what, for how long, and what becomes of a job that fails."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import Row, select
from sqlalchemy.exc import IntegrityError

from hub.storage.tables import jobs as tables
from idp.jobs import Job
from idp.opaque import new_id
from tests import databases
from tests.databases import START, SqlCase

sql = databases.sql
postgres_sql = databases.postgres_sql

OAKDALE, BIRCHWOOD = 101, 202
KINDS = ("test.work",)
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
        return stores.jobs.lease_jobs(worker, now, now + LEASE, limit, KINDS)


def reclaim(sql: SqlCase, limit: int = 100) -> list[Job]:
    with sql.begin() as stores:
        return stores.jobs.reclaim_jobs(KINDS, sql.clock.now(), limit)


def begun(*queued: Job, tries: int = 1) -> list[Job]:
    """As a worker gets them: the try is counted."""
    return [replace(each, tries=tries) for each in queued]


def stored(sql: SqlCase) -> list[Row[tuple[object, ...]]]:
    with sql.engine.connect() as connection:
        return list(connection.execute(select(tables.jobs).order_by(tables.jobs.c.id)).all())


def test_a_job_comes_back_as_it_was_queued_whosever_it_is(sql: SqlCase) -> None:
    queued = [job(OAKDALE, payload="ż{}"), job(BIRCHWOOD, payload="x")]
    add(sql, *queued)
    assert sorted(lease(sql), key=lambda each: each.bid) == begun(*queued)


def test_due_jobs_come_oldest_first_and_no_more_than_asked_for(sql: SqlCase) -> None:
    third, first, second = job(due=-SECOND), job(due=-3 * SECOND), job(BIRCHWOOD, due=-2 * SECOND)
    add(sql, third, first, second)
    assert lease(sql, limit=2) == begun(first, second)
    assert lease(sql, limit=2) == begun(third)


def test_a_job_is_not_handed_out_before_its_time(sql: SqlCase) -> None:
    add(sql, job(due=SECOND))
    assert lease(sql) == []
    sql.clock.advance(SECOND)
    assert len(lease(sql)) == 1


def test_a_job_that_a_worker_holds_is_handed_to_nobody_until_its_lease_ran_out_and_it_was_reclaimed(sql: SqlCase) -> None:
    held = job()
    add(sql, held)
    assert len(lease(sql, "a")) == 1
    assert lease(sql, "a") == []
    sql.clock.advance(LEASE - timedelta(microseconds=1))
    assert reclaim(sql) == []
    sql.clock.advance(timedelta(microseconds=1))
    assert lease(sql, "b") == []
    assert reclaim(sql) == [replace(held, tries=1, lost=1)]
    assert reclaim(sql) == []
    assert lease(sql, "b") == [replace(held, tries=2, lost=1)]


def test_a_job_that_is_finished_is_gone(sql: SqlCase) -> None:
    done, other = job(OAKDALE), job(BIRCHWOOD)
    add(sql, done, other)
    lease(sql)
    with sql.begin() as stores:
        stores.jobs.finish_job(done.id, "a")
    sql.clock.advance(LEASE)
    reclaim(sql)
    assert [each.id for each in lease(sql)] == [other.id]


def test_a_postponed_job_comes_back_at_its_time_for_one_more_try(sql: SqlCase) -> None:
    failed = job()
    add(sql, failed)
    lease(sql)
    again = sql.clock.now() + 5 * SECOND
    with sql.begin() as stores:
        stores.jobs.postpone_job(failed.id, "a", again, "OSError", dead=False)
    assert lease(sql) == []
    sql.clock.advance(5 * SECOND)
    # Well before the lease of the worker that failed would have run out.
    assert lease(sql, "b") == [Job(failed.id, OAKDALE, "test.work", "", again, tries=2)]


def test_a_dead_job_runs_no_more_and_stays_with_its_error(sql: SqlCase) -> None:
    failed = job()
    add(sql, failed)
    lease(sql)
    with sql.begin() as stores:
        stores.jobs.postpone_job(failed.id, "a", sql.clock.now(), "OSError", dead=True)
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
        assert stores.jobs.lease_jobs("a", now, now + LEASE, 1, KINDS) == begun(first)
        assert sql.run_beside(lease, sql, "b").result(timeout=60) == begun(second)


def test_jobs_of_kinds_that_were_not_asked_for_are_neither_leased_nor_reclaimed(sql: SqlCase) -> None:
    unknown, known = replace(job(), kind="of.tomorrow"), job(BIRCHWOOD)
    add(sql, unknown, known)
    assert lease(sql) == begun(known)
    now = sql.clock.now()
    with sql.begin() as stores:
        assert stores.jobs.lease_jobs("newer", now, now + LEASE, 9, ["of.tomorrow"]) == begun(unknown)
        assert stores.jobs.lease_jobs("none", now, now + LEASE, 9, []) == []
    sql.clock.advance(LEASE)
    assert [each.id for each in reclaim(sql)] == [known.id]


def test_only_the_worker_that_has_a_job_renews_ends_or_postpones_it(sql: SqlCase) -> None:
    held = job()
    add(sql, held)
    lease(sql, "a")
    before = stored(sql)
    until = sql.clock.now() + 2 * LEASE
    with sql.begin() as stores:
        assert not stores.jobs.renew_job(held.id, "b", until)
        stores.jobs.finish_job(held.id, "b")
        stores.jobs.postpone_job(held.id, "b", until, "OSError", dead=True)
    assert stored(sql) == before
    with sql.begin() as stores:
        assert stores.jobs.renew_job(held.id, "a", until)
    sql.clock.advance(LEASE)
    assert reclaim(sql) == []


def test_a_deferred_job_is_not_one_try_older_and_a_stale_holder_defers_nothing(sql: SqlCase) -> None:
    queued = job()
    add(sql, queued)
    (first,) = lease(sql, "a")
    sql.clock.advance(LEASE)
    reclaim(sql)
    (second,) = lease(sql, "b")
    before = stored(sql)
    with sql.begin() as stores:
        stores.jobs.defer_job(first, sql.clock.now())
        stores.jobs.defer_job(replace(second, bid=BIRCHWOOD), sql.clock.now())
    assert stored(sql) == before
    later = sql.clock.now() + SECOND
    with sql.begin() as stores:
        stores.jobs.defer_job(second, later)
    assert lease(sql) == []
    sql.clock.advance(SECOND)
    assert lease(sql) == [replace(queued, run_at=later, tries=2, lost=0)]


def test_a_job_is_woken_or_queued_and_never_there_twice(sql: SqlCase) -> None:
    asleep, new, dead = job(due=60 * SECOND), job(BIRCHWOOD), job(due=-SECOND)
    add(sql, asleep, dead)
    lease(sql, "a")
    with sql.begin() as stores:
        stores.jobs.postpone_job(dead.id, "a", sql.clock.now(), "OSError", dead=True)
    now = sql.clock.now()
    for _ in range(2):
        with sql.begin() as stores:
            for each in (asleep, new, dead):
                stores.jobs.wake_job(replace(each, run_at=now))
    assert {each.id for each in lease(sql)} == {asleep.id, new.id, dead.id}
    assert len(stored(sql)) == 3


def test_a_job_of_another_biller_is_not_woken(sql: SqlCase) -> None:
    asleep = job(due=60 * SECOND)
    add(sql, asleep)
    with pytest.raises(IntegrityError), sql.begin() as stores:
        stores.jobs.wake_job(replace(asleep, bid=BIRCHWOOD))
    assert lease(sql) == []


def test_a_clock_that_was_set_back_delays_neither_leases_nor_jobs_until_it_has_caught_up(sql: SqlCase) -> None:
    held, queued = job(), job(BIRCHWOOD)
    add(sql, held)
    lease(sql, "a")
    add(sql, queued)
    with sql.begin() as stores:
        now = sql.clock.now()
        stores.jobs.take_lease("seal", "a", now, now + LEASE)
    sql.clock.advance(timedelta(hours=-5))
    now = sql.clock.now()
    assert [each.id for each in reclaim(sql)] == [held.id]
    assert {each.id for each in lease(sql, "b")} == {held.id, queued.id}
    with sql.begin() as stores:
        assert stores.jobs.take_lease("seal", "b", now, now + LEASE)


def test_a_job_that_failed_before_the_clock_was_set_back_waits_no_longer_than_any_job_may(sql: SqlCase) -> None:
    failed = job()
    add(sql, failed)
    sql.clock.advance(timedelta(hours=6))
    lease(sql, "a")
    with sql.begin() as stores:
        stores.jobs.postpone_job(failed.id, "a", sql.clock.now() + timedelta(minutes=90), "OSError", dead=False)
    assert lease(sql) == []
    sql.clock.advance(timedelta(hours=-5))
    assert [each.id for each in lease(sql)] == [failed.id]


def test_dead_jobs_are_purged_in_batches_after_their_time_and_no_others(sql: SqlCase) -> None:
    queued = [job(), job(BIRCHWOOD), job(OAKDALE)]
    add(sql, *queued, job(due=-timedelta(days=400)))
    for each in lease(sql, "a"):
        with sql.begin() as stores:
            stores.jobs.postpone_job(each.id, "a", sql.clock.now(), "OSError", dead=each in begun(*queued))
    limit = sql.clock.now() + SECOND
    with sql.begin() as stores:
        assert stores.jobs.purge_jobs(sql.clock.now(), 10) == 0
        assert [stores.jobs.purge_jobs(limit, 2) for _ in range(3)] == [2, 1, 0]
    assert len(stored(sql)) == 1


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
        assert stores.jobs.holds_lease("seal", holder, now + LEASE)
        assert not stores.jobs.holds_lease("seal", other, now + LEASE)
        assert not stores.jobs.holds_lease("seal", holder, now + SECOND + LEASE)
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
