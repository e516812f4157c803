"""Jobs, as staff list and change them (contract: admin.jobs.JobDeskStore)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update

from admin.jobs import StoredJob
from hub.storage.sql.rows import columns
from hub.storage.tables.jobs import jobs
from hub.storage.work import Work

_THIS = (jobs.c.bid == bindparam("of_bid"), jobs.c.id == bindparam("job_id"))
_SELECT = select(*columns(StoredJob, jobs))
_FIND = _SELECT.where(*_THIS).with_for_update(key_share=True)
_REVIVE = (
    update(jobs).where(*_THIS).values(state="waiting", tries=0, lost=0, worker=None, leased_until=None, run_at=bindparam("again"))
)
_DROP = delete(jobs).where(*_THIS)


class SqlJobDeskStore:
    """Satisfies JobDeskStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def list_jobs(self, bid: int | None, states: Collection[str], after: UUID | None, limit: int) -> list[StoredJob]:
        wanted = _SELECT.where(jobs.c.state.in_(list(states))).order_by(jobs.c.id).limit(limit)
        if bid is not None:
            wanted = wanted.where(jobs.c.bid == bid)
        if after is not None:
            wanted = wanted.where(jobs.c.id > after)
        return [StoredJob(*row) for row in self._work.connection.execute(wanted)]

    def find_job(self, bid: int, job_id: UUID) -> StoredJob | None:
        row = self._work.connection.execute(_FIND, {"of_bid": bid, "job_id": job_id}).one_or_none()
        return None if row is None else StoredJob(*row)

    def revive_job(self, bid: int, job_id: UUID, run_at: datetime) -> None:
        self._work.connection.execute(_REVIVE, {"of_bid": bid, "job_id": job_id, "again": run_at})

    def drop_job(self, bid: int, job_id: UUID) -> None:
        self._work.connection.execute(_DROP, {"of_bid": bid, "job_id": job_id})
