"""Jobs as staff see them: which wait, run or are dead; and how a dead one is tried again or dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from admin.access import Permission, check_may
from idp.actor import Staff
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.errors import JobNotFound, JobNotRepeatable, JobRunning
from idp.jobs import AnyHandler, Job, LongHandler
from idp.transaction import Begin

JobState = Literal["waiting", "running", "dead"]


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job with its state. `error`: the last one, in a word; never what the failure said."""

    id: UUID
    bid: int
    kind: str
    payload: str
    run_at: datetime
    tries: int
    lost: int
    state: str
    error: str
    created_at: datetime
    leased_until: datetime | None

    def seen(self, now: datetime) -> JobState:
        """How it is at this moment."""
        if self.state == "dead":
            return "dead"
        return "running" if self.leased_until is not None and self.leased_until > now else "waiting"


class JobDeskStore(Protocol):
    """Jobs in the database, for staff."""

    def list_jobs(self, bid: int | None, states: Collection[str], after: UUID | None, limit: int) -> list[StoredJob]:
        """Of a biller, or of all, in these stored states, by id (oldest first), from the one after `after`."""
        ...

    def find_job(self, bid: int, job_id: UUID) -> StoredJob | None:
        """By id within a biller, locked for whoever changes it."""
        ...

    def revive_job(self, bid: int, job_id: UUID, run_at: datetime) -> None:
        """Let a dead job run again, as if it had never been tried."""
        ...

    def drop_job(self, bid: int, job_id: UUID) -> None:
        """Remove a job."""
        ...


class JobDeskStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def job_desk(self) -> JobDeskStore: ...


class JobAdmin:
    """Lists, retries and drops jobs. `handlers`: who does which kind, as for the worker."""

    def __init__(self, begin: Begin[JobDeskStores], clock: Clock, handlers: Mapping[str, AnyHandler]) -> None:
        self._begin = begin
        self._clock = clock
        self._handlers = handlers

    def list_page(
        self,
        staff: Staff,
        request_id: str,  # noqa: ARG002  (reads will go to the access log)
        bid: int | None,
        *,
        dead_only: bool = False,
        after: UUID | None = None,
        limit: int = 200,
    ) -> list[tuple[StoredJob, JobState]]:
        """Of a biller, or of all of them. Oldest first."""
        if bid is None:
            check_may(staff, Permission.PLATFORM_JOBS_READ)
        else:
            check_may(staff, Permission.BILLER_JOBS_READ, bid)
        states = ("dead",) if dead_only else ("waiting", "dead")
        with self._begin() as stores:
            found = stores.job_desk.list_jobs(bid, states, after, limit)
        now = self._clock.now()
        return [(job, job.seen(now)) for job in found]

    def retry(self, staff: Staff, request_id: str, bid: int, job_ids: Sequence[UUID]) -> list[StoredJob]:
        """Let dead jobs run again, all or none. JobNotFound, JobNotRepeatable."""
        check_may(staff, Permission.BILLER_JOBS_RETRY, bid)
        now = self._clock.now()
        with self._begin() as stores:
            found = [self._dead(stores, bid, job_id) for job_id in dict.fromkeys(job_ids)]
            for job in found:
                stores.job_desk.revive_job(bid, job.id, now)
                stores.changelog.append(_change(Action.JOB_RETRY, staff, request_id, job))
        return found

    def retry_all(self, staff: Staff, request_id: str, bid: int, kind: str | None = None) -> int:
        """Let every dead job of a biller run again that can, of one kind or of all. How many."""
        check_may(staff, Permission.BILLER_JOBS_RETRY, bid)
        done = 0
        after: UUID | None = None
        while page := self.list_page(staff, request_id, bid, dead_only=True, after=after):
            after = page[-1][0].id
            wanted = [job.id for job, _ in page if kind in (None, job.kind) and self._is_repeatable(job.kind)]
            if wanted:
                done += len(self.retry(staff, request_id, bid, wanted))
        return done

    def drop(self, staff: Staff, request_id: str, bid: int, job_id: UUID) -> StoredJob:
        """Remove a job that is dead or waits. JobNotFound, JobRunning. Whoever waits for it is told first."""
        check_may(staff, Permission.BILLER_JOBS_REMOVE, bid)
        with self._begin() as stores:
            job = self._idle(stores, bid, job_id)
        handler = self._handlers.get(job.kind)
        if isinstance(handler, LongHandler):
            handler.give_up(Job(job.id, job.bid, job.kind, job.payload, job.run_at, job.tries, job.lost))
        with self._begin() as stores:
            job = self._idle(stores, bid, job_id)
            stores.job_desk.drop_job(bid, job_id)
            stores.changelog.append(_change(Action.JOB_DROP, staff, request_id, job))
        return job

    def _dead(self, stores: JobDeskStores, bid: int, job_id: UUID) -> StoredJob:
        job = stores.job_desk.find_job(bid, job_id)
        if job is None or job.state != "dead":
            raise JobNotFound(str(job_id))
        if not self._is_repeatable(job.kind):
            raise JobNotRepeatable(job.kind)
        return job

    def _idle(self, stores: JobDeskStores, bid: int, job_id: UUID) -> StoredJob:
        job = stores.job_desk.find_job(bid, job_id)
        if job is None:
            raise JobNotFound(str(job_id))
        if job.seen(self._clock.now()) == "running":
            raise JobRunning(str(job_id))
        return job

    def _is_repeatable(self, kind: str) -> bool:
        """What was given up in order (an uploaded file: deleted, its sender told) is over."""
        return not isinstance(self._handlers.get(kind), LongHandler)


def _change(action: Action, staff: Staff, request_id: str, job: StoredJob) -> Change:
    before = {"kind": job.kind, "state": job.state, "tries": job.tries, "error": job.error}
    return Change(job.bid, action, staff, request_id, subject=f"job:{job.id}", before=before)
