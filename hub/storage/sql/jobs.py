"""Jobs and leases (contract: idp.jobs.JobStore).

    waiting    due at `run_at`, unless a worker holds it until `leased_until`
    dead       out of tries; stays, with the last error, until somebody looks

A job that is done is deleted. On PostgreSQL workers skip what another is just taking (SKIP LOCKED); on SQLite transactions that
write come one at a time.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, literal, or_, select, update

from hub.storage.sql.dialects import per_dialect
from hub.storage.sql.rows import columns, values
from hub.storage.tables.jobs import jobs, leases
from hub.storage.work import Work
from idp.jobs import Job

_ADD = insert(jobs).inline()

# A CTE is run once; a subquery with LIMIT in the WHERE of an UPDATE may be run again by PostgreSQL and then take other rows.
_due = (
    select(jobs.c.id)
    .where(
        jobs.c.state == literal("waiting", literal_execute=True),
        jobs.c.run_at <= bindparam("due"),
        or_(jobs.c.leased_until.is_(None), jobs.c.leased_until <= bindparam("due")),
    )
    .order_by(jobs.c.run_at, jobs.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("picked")
)
_LEASE = (
    update(jobs)
    .where(jobs.c.id.in_(select(_due.c.id)))
    .values(worker=bindparam("by"), leased_until=bindparam("until"))
    .returning(*columns(Job, jobs))
)
_FINISH = delete(jobs).where(jobs.c.id == bindparam("job_id"))
_POSTPONE = (
    update(jobs)
    .where(jobs.c.id == bindparam("job_id"))
    .values(
        state=bindparam("new_state"),
        run_at=bindparam("again"),
        error=bindparam("cause"),
        tries=jobs.c.tries + 1,
        worker=None,
        leased_until=None,
    )
)
_TAKE = per_dialect(
    lambda insert_into: (
        (taking := insert_into(leases))
        .on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={"worker": taking.excluded.worker, "until": taking.excluded.until},
            where=or_(leases.c.worker == taking.excluded.worker, leases.c.until <= bindparam("due")),
        )
        .returning(leases.c.name)
    )
)
_DROP = delete(leases).where(leases.c.name == bindparam("lease"), leases.c.worker == bindparam("by"))


class SqlJobStore:
    """Jobs and leases in a SQL database."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_job(self, job: Job) -> None:
        """Queue a job in the open transaction."""
        added = values(job) | {"state": "waiting", "error": "", "created_at": self._work.now}
        self._work.connection.execute(_ADD, added)

    def lease_jobs(self, worker: str, now: datetime, until: datetime, limit: int) -> list[Job]:
        """Take due jobs whose lease is free or over, oldest first; two workers never get the same one."""
        taking = {"by": worker, "due": now, "until": until, "limit": limit}
        taken = [Job(*row) for row in self._work.connection.execute(_LEASE, taking)]
        # RETURNING has no order.
        return sorted(taken, key=lambda job: (job.run_at, job.id))

    def finish_job(self, job_id: UUID) -> None:
        """Remove a job that is done."""
        self._work.connection.execute(_FINISH, {"job_id": job_id})

    def postpone_job(self, job_id: UUID, run_at: datetime, error: str, *, dead: bool) -> None:
        """Give a failed job back for later, or bury it. Either way it has had one more try."""
        state = "dead" if dead else "waiting"
        self._work.connection.execute(_POSTPONE, {"job_id": job_id, "again": run_at, "cause": error, "new_state": state})

    def take_lease(self, name: str, worker: str, now: datetime, until: datetime) -> bool:
        """Take or prolong a named lease; False while another worker holds it."""
        taking = {"name": name, "worker": worker, "until": until, "due": now}
        return self._work.connection.execute(_TAKE.on(self._work.connection), taking).first() is not None

    def drop_lease(self, name: str, worker: str) -> None:
        """Give a named lease back; one that another worker holds stays."""
        self._work.connection.execute(_DROP, {"lease": name, "by": worker})
