"""Jobs: work that outlives a request, run by `idhub worker`.

    queue      in the transaction of the change that wants the work
    lease      one worker takes a job for a while; a worker that dies loses its lease, and the job runs again
    back-off   a job that fails waits longer each time, with jitter; after the last try it is `dead` and stays visible
    schedule   recurring work (seal, relay, purge) is held by one worker at a time through a named lease

So a job runs at least once: a handler must bear to run twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event as Signal
from typing import Protocol
from uuid import UUID

from idp.clock import Clock
from idp.errors import StoreUnavailable
from idp.opaque import new_id
from idp.transaction import Begin

MAX_TRIES = 12
LEASE = timedelta(minutes=2)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work. `payload` is JSON text that the handler of `kind` understands (sealed where it holds a secret)."""

    id: UUID
    bid: int
    kind: str
    payload: str
    run_at: datetime
    tries: int = 0


class JobStore(Protocol):
    """Jobs and leases in the database."""

    def add_job(self, job: Job) -> None:
        """Queue a job in the open transaction."""
        ...

    def lease_jobs(self, worker: str, now: datetime, until: datetime, limit: int) -> list[Job]:
        """Take due jobs whose lease is free or over, oldest first; two workers never get the same one."""
        ...

    def finish_job(self, job_id: UUID) -> None:
        """Remove a job that is done."""
        ...

    def postpone_job(self, job_id: UUID, run_at: datetime, error: str, *, dead: bool) -> None:
        """Give a failed job back for later, or bury it."""
        ...

    def take_lease(self, name: str, worker: str, now: datetime, until: datetime) -> bool:
        """Take or prolong a named lease; False while another worker holds it."""
        ...

    def drop_lease(self, name: str, worker: str) -> None:
        """Give a named lease back."""
        ...


class WithJobs(Protocol):
    """A slice of stores that can queue jobs, and what the worker works with."""

    @property
    def jobs(self) -> JobStore: ...


Handler = Callable[[Job], None]


@dataclass(frozen=True, slots=True)
class Recurring:
    """Work that comes back: `run` answers how much it did, and is run again at once while that is not 0."""

    name: str
    every: timedelta
    run: Callable[[], int]


class Worker:
    """Runs jobs and recurring work until it is told to stop."""

    def __init__(
        self,
        begin: Begin[WithJobs],
        clock: Clock,
        handlers: Mapping[str, Handler],
        recurring: Sequence[Recurring],
        jitter: Callable[[], float],
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._handlers = handlers
        self._recurring = recurring
        self._jitter = jitter
        self._name = str(new_id())
        self._due: dict[str, datetime] = {}

    def run(self, stop: Signal, pause: timedelta = timedelta(milliseconds=500)) -> None:
        """Until `stop` is set. A database that is away is waited for."""
        while not stop.is_set():
            try:
                worked = self.step()
            except StoreUnavailable as fault:
                _log.warning("worker waits for the store", extra={"cause": fault.detail})
                worked = 0
            if not worked:
                stop.wait(pause.total_seconds())
        with suppress(StoreUnavailable):  # the leases run out by themselves
            for work in self._recurring:
                with self._begin() as stores:
                    stores.jobs.drop_lease(work.name, self._name)

    def step(self, limit: int = 20) -> int:
        """One round: due recurring work, then due jobs. How much was done."""
        return sum(self._run_recurring(work) for work in self._recurring) + self._run_jobs(limit)

    def _run_recurring(self, work: Recurring) -> int:
        now = self._clock.now()
        if self._due.get(work.name, now) > now:
            return 0
        with self._begin() as stores:
            mine = stores.jobs.take_lease(work.name, self._name, now, now + LEASE)
        try:
            done = work.run() if mine else 0
        except StoreUnavailable as fault:
            # Perhaps another store than the one that jobs are in: the other work goes on. If it is the same, the next lease tells.
            _log.warning("recurring work waits for a store", extra={"work": work.name, "cause": fault.detail})
            done = 0
        except Exception as fault:  # noqa: BLE001  (the other work goes on, and this one when it is due again)
            _log.error("recurring work failed", extra={"work": work.name, "cause": type(fault).__name__})
            done = 0
        if not done:
            self._due[work.name] = now + work.every
        return done

    def _run_jobs(self, limit: int) -> int:
        # Leased one by one: a job that waits here behind a slow one would lose its lease before it begins, and run twice.
        for done in range(limit):
            now = self._clock.now()
            with self._begin() as stores:
                jobs = stores.jobs.lease_jobs(self._name, now, now + LEASE, 1)
            if not jobs:
                return done
            self._run_job(jobs[0])
        return limit

    def _run_job(self, job: Job) -> None:
        try:
            self._handlers[job.kind](job)
        except StoreUnavailable:
            # No fault of the job: its lease runs out, and it is done again when the store is back. It has not had a try.
            raise
        except Exception as fault:  # noqa: BLE001  (whatever a handler does, the worker and the other jobs go on)
            tries = job.tries + 1
            wait = timedelta(seconds=min(3600, 2**tries) * (0.5 + self._jitter()))
            _log.warning("job failed", extra={"job": str(job.id), "kind": job.kind, "tries": tries, "cause": type(fault).__name__})
            with self._begin() as stores:
                stores.jobs.postpone_job(job.id, self._clock.now() + wait, type(fault).__name__, dead=tries >= MAX_TRIES)
        else:
            with self._begin() as stores:
                stores.jobs.finish_job(job.id)
