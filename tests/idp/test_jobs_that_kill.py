"""Jobs whose worker dies: counted when they are leased, given up after five, and told; kinds of another version are left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from sqlalchemy import Row, select

from hub.storage.tables import jobs as tables
from idp.errors import StoreUnavailable
from idp.jobs import Job, Recurring, Worker
from idp.opaque import new_id
from tests import databases
from tests.databases import SqlCase

sql = databases.sql

OAKDALE, BIRCHWOOD = 101, 202
MOST_LOST = 5


class Killed(BaseException):
    """What a SIGKILL is to the process that it hits: nothing after it happens."""


def kill(_job: Job) -> None:
    raise Killed


def worker(sql: SqlCase, handlers: Mapping[str, Callable[[Job], None]], *recurring: Recurring, **more: object) -> Worker:
    return Worker(sql.begin, sql.clock, handlers, recurring, lambda: 0.5, **more)  # type: ignore[arg-type]


def add(sql: SqlCase, *bids: int, kind: str = "work") -> list[Job]:
    queued = [Job(new_id(), bid, kind, "", sql.clock.now()) for bid in bids]
    with sql.begin() as stores:
        for job in queued:
            stores.jobs.add_job(job)
    return queued


def stored(sql: SqlCase) -> list[Row[tuple[object, ...]]]:
    with sql.engine.connect() as connection:
        return list(connection.execute(select(tables.jobs).order_by(tables.jobs.c.bid)).all())


def lose(sql: SqlCase, most: int, handle: Callable[[Job], None] = kill) -> int:
    """Start workers, one after the other, until `most` of them died in a job, or nothing happens any more. How many died."""
    died = 0
    for _ in range(50):
        if died == most:
            break
        try:
            worker(sql, {"work": handle}).step()
        except Killed:
            died += 1
        sql.clock.advance(timedelta(minutes=3))
    return died


def test_a_job_that_kills_its_worker_is_dead_after_five_workers(sql: SqlCase) -> None:
    add(sql, OAKDALE)
    assert lose(sql, 20) == MOST_LOST
    (row,) = stored(sql)
    assert (row.state, row.bid) == ("dead", OAKDALE)


def test_the_jobs_behind_one_that_kills_its_worker_are_done(sql: SqlCase) -> None:
    add(sql, OAKDALE, BIRCHWOOD)
    done: list[int] = []

    def handle(job: Job) -> None:
        if job.bid == OAKDALE:
            raise Killed
        done.append(job.bid)

    lose(sql, 20, handle)
    assert done == [BIRCHWOOD]


def test_a_try_is_counted_when_it_begins(sql: SqlCase) -> None:
    add(sql, OAKDALE)
    assert lose(sql, 2) == 2
    (row,) = stored(sql)
    assert (row.state, row.tries) == ("waiting", 2)


def test_an_end_that_was_told_forgets_the_workers_that_were_lost(sql: SqlCase) -> None:
    add(sql, OAKDALE)
    assert lose(sql, MOST_LOST - 1) == MOST_LOST - 1

    def fail(_job: Job) -> None:
        raise OSError

    worker(sql, {"work": fail}).step()
    sql.clock.advance(timedelta(hours=2))
    assert worker(sql, {"work": fail}).step() == 1
    sql.clock.advance(timedelta(hours=2))
    assert lose(sql, MOST_LOST - 1) == MOST_LOST - 1
    (row,) = stored(sql)
    assert row.state == "waiting"


def test_a_job_of_a_kind_that_this_version_does_not_know_is_left_alone(sql: SqlCase) -> None:
    add(sql, OAKDALE, kind="of.tomorrow")
    known = add(sql, BIRCHWOOD)
    done: list[Job] = []
    before = stored(sql)[0]
    for _ in range(30):
        worker(sql, {"work": done.append}).step()
        sql.clock.advance(timedelta(hours=2))
    assert [job.id for job in done] == [known[0].id]
    assert stored(sql) == [before]


def test_a_worker_whose_lease_ran_out_does_not_finish_the_job_of_another(sql: SqlCase) -> None:
    add(sql, OAKDALE)
    seen: list[str] = []

    def slow(_job: Job) -> None:
        sql.clock.advance(timedelta(minutes=3))
        now = sql.clock.now()
        with sql.begin() as stores:
            stores.jobs.reclaim_jobs(["work"], now, 1)
            (_job,) = stores.jobs.lease_jobs("another", now, now + timedelta(minutes=2), 1, ["work"])
        seen.append("taken over")

    worker(sql, {"work": slow}).step()
    (row,) = stored(sql)
    assert (row.worker, row.state) == ("another", "waiting")


def test_an_end_that_the_database_could_not_take_is_told_when_it_is_back(sql: SqlCase) -> None:
    add(sql, OAKDALE)
    done: list[Job] = []
    away = False

    def begin() -> object:
        if away:
            raise StoreUnavailable("told to be away")
        return sql.begin()

    def handle(job: Job) -> None:
        nonlocal away
        done.append(job)
        away = True

    mine = Worker(begin, sql.clock, {"work": handle}, (), lambda: 0.5)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        mine.step()
    away = False
    mine.step()
    assert stored(sql) == []
    assert len(done) == 1


def test_a_job_whose_store_is_unavailable_has_not_had_a_try(sql: SqlCase) -> None:
    add(sql, OAKDALE)

    def wait(_job: Job) -> None:
        raise StoreUnavailable("told to be away")

    for _ in range(20):
        with pytest.raises(StoreUnavailable):
            worker(sql, {"work": wait}).step()
        sql.clock.advance(timedelta(seconds=10))
    (row,) = stored(sql)
    assert (row.state, row.tries, row.lost) == ("waiting", 0, 0)


def test_a_clock_that_was_set_back_stops_neither_jobs_nor_recurring_work(sql: SqlCase) -> None:
    add(sql, OAKDALE)
    lose(sql, 1)
    runs: list[int] = []

    def run() -> int:
        runs.append(1)
        return 0

    done: list[Job] = []
    mine = worker(sql, {"work": done.append}, Recurring("seal", timedelta(seconds=2), run))
    sql.clock.advance(timedelta(minutes=-3))
    mine.step()
    sql.clock.advance(timedelta(hours=-5))
    mine.step()
    assert (len(runs), len(done)) == (2, 1)
