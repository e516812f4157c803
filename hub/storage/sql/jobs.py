"""Jobs and leases (contract: idp.jobs).

    waiting    due at `run_at`, unless a worker holds it until `leased_until`
    dead       out of tries; stays, with the last error, until somebody looks or its time is over

A job that is done is deleted. On PostgreSQL workers skip what another is just taking (SKIP LOCKED); on SQLite transactions that
write come one at a time.

A clock that was set back must not delay anything until it has caught up: a lease that ends later than any lease can is over, and a
job that was queued in the future, or waits longer than any can, is due.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, insert, literal, or_, select, update

from hub.storage.sql.dialects import per_dialect
from hub.storage.sql.rows import columns, values
from hub.storage.tables.jobs import jobs, leases
from hub.storage.work import Work
from idp.jobs import Job

_LONGEST = timedelta(minutes=10)
"""No lease ends later than this from now, by any worker's clock; those of the version before last five minutes."""

_LONGEST_WAIT = timedelta(hours=2)
"""No job is put off further than this from now: the longest wait is an hour and a half (idp.jobs.worker)."""

_SKEW = timedelta(minutes=1)
"""Clocks of two workers may differ by so much."""

_JOB = columns(Job, jobs)
_WAITING = jobs.c.state == literal("waiting", literal_execute=True)
_KNOWN = jobs.c.kind.in_(bindparam("kinds", expanding=True))
_ADD = insert(jobs).inline()
_WAKE = (
    update(jobs)
    .where(jobs.c.bid == bindparam("of_bid"), jobs.c.id == bindparam("job_id"), _WAITING)
    .values(run_at=bindparam("again"))
)

# A CTE is run once; a subquery with LIMIT in the WHERE of an UPDATE may be run again by PostgreSQL and then take other rows.
_lost = (
    select(jobs.c.id)
    .where(_WAITING, _KNOWN, or_(jobs.c.leased_until <= bindparam("due"), jobs.c.leased_until > bindparam("longest")))
    .order_by(jobs.c.run_at, jobs.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("picked")
)
_RECLAIM = (
    update(jobs)
    .where(jobs.c.id.in_(select(_lost.c.id)))
    .values(worker=None, leased_until=None, lost=jobs.c.lost + 1)
    .returning(*_JOB)
)
_due = (
    select(jobs.c.id)
    .where(
        _WAITING,
        _KNOWN,
        or_(
            jobs.c.run_at <= bindparam("due"),
            jobs.c.created_at > bindparam("ahead"),
            jobs.c.run_at > bindparam("furthest"),
        ),
        jobs.c.leased_until.is_(None),
    )
    .order_by(jobs.c.run_at, jobs.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("picked")
)
_LEASE = (
    update(jobs)
    .where(jobs.c.id.in_(select(_due.c.id)))
    .values(worker=bindparam("by"), leased_until=bindparam("until"), tries=jobs.c.tries + 1)
    .returning(*_JOB)
)
_MINE = and_(jobs.c.id == bindparam("job_id"), jobs.c.worker == bindparam("by"))
_RENEW = update(jobs).where(_MINE).values(leased_until=bindparam("until")).returning(jobs.c.id)
_FINISH = delete(jobs).where(_MINE)
_END: dict[str, Any] = {"run_at": bindparam("again"), "worker": None, "leased_until": None, "lost": 0}
_POSTPONE = update(jobs).where(_MINE).values(state=bindparam("new_state"), error=bindparam("cause"), **_END)
# The number of tries tells this lease from every other one of the job.
_DEFER = (
    update(jobs)
    .where(
        jobs.c.bid == bindparam("of_bid"),
        jobs.c.id == bindparam("job_id"),
        jobs.c.tries == bindparam("this_try"),
        jobs.c.leased_until.is_not(None),
    )
    .values(tries=jobs.c.tries - 1, **_END)
)
_DELAY = update(jobs).where(jobs.c.id == bindparam("job_id"), jobs.c.leased_until.is_(None)).values(run_at=bindparam("again"))
_over = (
    select(jobs.c.id)
    .where(jobs.c.state == literal("dead", literal_execute=True), jobs.c.run_at < bindparam("before_time"))
    .order_by(jobs.c.run_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("picked")
)
# Counted by RETURNING, because sqlite3 has no row count for a statement that begins with WITH.
_PURGE = delete(jobs).where(jobs.c.id.in_(select(_over.c.id))).returning(jobs.c.id)

_TAKE = per_dialect(
    lambda insert_into: (
        (taking := insert_into(leases))
        .on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={"worker": taking.excluded.worker, "until": taking.excluded.until},
            where=or_(
                leases.c.worker == taking.excluded.worker,
                leases.c.until <= bindparam("due"),
                leases.c.until > bindparam("longest"),
            ),
        )
        .returning(leases.c.name)
    )
)
_HOLDS = select(leases.c.name).where(
    leases.c.name == bindparam("lease"), leases.c.worker == bindparam("by"), leases.c.until > bindparam("due")
)
_DROP = delete(leases).where(leases.c.name == bindparam("lease"), leases.c.worker == bindparam("by"))


class SqlJobStore:
    """Jobs and leases in a SQL database."""

    def __init__(self, work: Work) -> None:
        self._work = work

    # --- for verbs ---

    def add_job(self, job: Job) -> None:
        """Queue a job in the open transaction."""
        added = values(job) | {"state": "waiting", "error": "", "created_at": self._work.now}
        self._work.connection.execute(_ADD, added)

    def wake_job(self, job: Job) -> None:
        """Make a waiting job due at `job.run_at`, or queue it where there is none with this id. A dead one is queued anew."""
        wanted = {"of_bid": job.bid, "job_id": job.id, "again": job.run_at}
        if not self._work.connection.execute(_WAKE, wanted).rowcount:
            self._work.connection.execute(delete(jobs).where(jobs.c.bid == job.bid, jobs.c.id == job.id))
            self.add_job(job)

    def defer_job(self, job: Job, run_at: datetime) -> None:
        """Give the leased job back; the try is not counted. Nothing, where another worker has it."""
        wanted = {"of_bid": job.bid, "job_id": job.id, "this_try": job.tries, "again": run_at}
        self._work.connection.execute(_DEFER, wanted)

    # --- for the worker ---

    def reclaim_jobs(self, kinds: Collection[str], now: datetime, limit: int) -> list[Job]:
        """Free jobs whose lease ran out, each with one more lost worker."""
        asked = {"kinds": list(kinds), "due": now, "longest": now + _LONGEST, "limit": limit}
        return [Job(*row) for row in self._work.connection.execute(_RECLAIM, asked)]

    def lease_jobs(self, worker: str, now: datetime, until: datetime, limit: int, kinds: Collection[str]) -> list[Job]:
        """Take due jobs of these kinds that nobody has, oldest first, each with one more try."""
        taking = {"by": worker, "due": now, "ahead": now + _SKEW, "furthest": now + _LONGEST_WAIT}
        taking |= {"until": until, "limit": limit, "kinds": list(kinds)}
        taken = [Job(*row) for row in self._work.connection.execute(_LEASE, taking)]
        # RETURNING has no order.
        return sorted(taken, key=lambda job: (job.run_at, job.id))

    def renew_job(self, job_id: UUID, worker: str, until: datetime) -> bool:
        """Prolong the lease of a job. False when the worker no longer has it."""
        return self._work.connection.execute(_RENEW, {"job_id": job_id, "by": worker, "until": until}).first() is not None

    def finish_job(self, job_id: UUID, worker: str) -> None:
        """Remove a job that is done; nothing, where another worker has it."""
        self._work.connection.execute(_FINISH, {"job_id": job_id, "by": worker})

    def postpone_job(self, job_id: UUID, worker: str, run_at: datetime, error: str, *, dead: bool) -> None:
        """Give a failed job back for later, or bury it; nothing, where another worker has it."""
        state = "dead" if dead else "waiting"
        ended = {"job_id": job_id, "by": worker, "again": run_at, "cause": error, "new_state": state}
        self._work.connection.execute(_POSTPONE, ended)

    def delay_job(self, job_id: UUID, run_at: datetime) -> None:
        """Let a job that nobody has wait until then."""
        self._work.connection.execute(_DELAY, {"job_id": job_id, "again": run_at})

    def purge_jobs(self, before: datetime, limit: int) -> int:
        """Remove dead jobs that were last due before `before`. How many."""
        return len(self._work.connection.execute(_PURGE, {"before_time": before, "most": limit}).all())

    # --- leases ---

    def take_lease(self, name: str, worker: str, now: datetime, until: datetime) -> bool:
        """Take or prolong a named lease; False while another worker holds it."""
        taking = {"name": name, "worker": worker, "until": until, "due": now, "longest": now + _LONGEST}
        return self._work.connection.execute(_TAKE.on(self._work.connection), taking).first() is not None

    def holds_lease(self, name: str, worker: str, now: datetime) -> bool:
        """Whether this worker holds the lease."""
        asked = {"lease": name, "by": worker, "due": now}
        return self._work.connection.execute(_HOLDS, asked).first() is not None

    def drop_lease(self, name: str, worker: str) -> None:
        """Give a named lease back; one that another worker holds stays."""
        self._work.connection.execute(_DROP, {"lease": name, "by": worker})
