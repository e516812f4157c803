"""The loop of `idhub worker`: recurring work that is due, then jobs, one at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event as Signal
from typing import Final

from idp.clock import Clock
from idp.errors import Raced, StoreUnavailable
from idp.jobs.queue import (
    KEPT_FOR,
    LEASE,
    MAX_LOST,
    MAX_TRIES,
    AnyHandler,
    Dead,
    Job,
    JobLost,
    JobStores,
    LongHandler,
    Recurring,
    WorkStopped,
)
from idp.opaque import new_id
from idp.transaction import Begin

LONG_LEASE: Final = timedelta(seconds=45)
"""Of a job that renews its lease: how long a worker that died keeps it from the next one. Longer than a statement may take
(15 s) and two clocks may differ (30 s)."""

_RENEW_EVERY: Final = timedelta(seconds=5)
_STORE_WAIT: Final = timedelta(seconds=10)
_LONGEST_WAIT: Final = 3600
_FIRST_WAIT_OF_LOST: Final = timedelta(seconds=30)
_RECLAIM: Final = "reclaim"
_RECLAIM_EVERY: Final = timedelta(seconds=5)
_MOST_RECLAIMED: Final = 20
LOST: Final = "worker lost"
"""The error of a job whose worker died."""

_log = logging.getLogger(__name__)


class Worker:
    """Runs jobs and recurring work until it is told to stop."""

    def __init__(
        self,
        begin: Begin[JobStores],
        clock: Clock,
        handlers: Mapping[str, AnyHandler],
        recurring: Sequence[Recurring],
        jitter: Callable[[], float],
        dead: Dead = lambda _job, _cause: None,
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._handlers = handlers
        self._recurring = recurring
        self._jitter = jitter
        self._dead = dead
        self._name = str(new_id())
        self._due: dict[str, datetime] = {}
        self._stop = Signal()
        self._untold: Callable[[JobStores], None] | None = None

    def run(self, stop: Signal, pause: timedelta = timedelta(milliseconds=500)) -> None:
        """Until `stop` is set. A database that is unavailable is waited for."""
        self._stop = stop
        while not stop.is_set():
            try:
                worked = self.step()
            except (StoreUnavailable, Raced) as fault:
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
        self._tell()
        return sum(self._run_recurring(work) for work in self._recurring) + self._run_jobs(limit)

    def _run_recurring(self, work: Recurring) -> int:
        now = self._clock.now()
        if not self._is_due(work.name, work.every, now):
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
        self._reclaim()
        # Leased one by one: a job that waits here behind a slow one would lose its lease before it begins, and run twice.
        for done in range(limit):
            now = self._clock.now()
            with self._begin() as stores:
                jobs = stores.jobs.lease_jobs(self._name, now, now + LEASE, 1, self._handlers.keys())
            if not jobs:
                return done
            self._run_job(jobs[0])
            if self._stop.is_set():
                return done + 1
        return limit

    def _reclaim(self) -> None:
        """Free the jobs of workers that died. The second time a job waits, so that those behind it are not held up by it."""
        now = self._clock.now()
        if not self._is_due(_RECLAIM, _RECLAIM_EVERY, now):
            return
        self._due[_RECLAIM] = now + _RECLAIM_EVERY
        with self._begin() as stores:
            for job in stores.jobs.reclaim_jobs(self._handlers.keys(), now, _MOST_RECLAIMED):
                _log.warning("worker lost", extra={"job": str(job.id), "kind": job.kind, "bid": job.bid, "lost": job.lost})
                if 1 < job.lost < MAX_LOST:
                    stores.jobs.delay_job(job.id, now + _FIRST_WAIT_OF_LOST * 2 ** (job.lost - 2))

    def _is_due(self, name: str, every: timedelta, now: datetime) -> bool:
        """Whether its time has come. Due later than one interval from now means that the clock was set back."""
        return not now < self._due.get(name, now) <= now + every

    def _run_job(self, job: Job) -> None:
        if job.lost >= MAX_LOST:
            self._bury(job, LOST)
            return
        handler = self._handlers[job.kind]
        try:
            if isinstance(handler, LongHandler):
                handler.run(job, _Lease(self._begin, self._clock, self._stop, self._name, job).renew)
            else:
                handler(job)
        except JobLost:
            _log.warning("job lost to another worker", extra={"job": str(job.id), "kind": job.kind})
        except WorkStopped:
            now = self._clock.now()
            self._end(lambda stores: stores.jobs.defer_job(job, now))
        except StoreUnavailable:
            # No fault of the job: it has not had a try, and is done when the store is back.
            later = self._clock.now() + _STORE_WAIT
            self._end(lambda stores: stores.jobs.defer_job(job, later))
            raise
        except Exception as fault:  # noqa: BLE001  (whatever a handler does, the worker and the other jobs go on)
            self._failed(job, fault)
        else:
            self._end(lambda stores: stores.jobs.finish_job(job.id, self._name))

    def _failed(self, job: Job, fault: Exception) -> None:
        cause = type(fault).__name__
        _log.warning("job failed", extra={"job": str(job.id), "kind": job.kind, "tries": job.tries, "cause": cause})
        if job.tries >= MAX_TRIES:
            self._bury(job, cause)
            return
        wait = timedelta(seconds=min(_LONGEST_WAIT, 2**job.tries) * (0.5 + self._jitter()))
        again = self._clock.now() + wait
        self._end(lambda stores: stores.jobs.postpone_job(job.id, self._name, again, cause, dead=False))

    def _bury(self, job: Job, cause: str) -> None:
        handler = self._handlers[job.kind]
        if isinstance(handler, LongHandler):
            try:
                handler.give_up(job)
            except StoreUnavailable:
                raise
            except Exception as fault:  # noqa: BLE001  (the job is over all the same)
                _log.error("job not given up in order", extra={"job": str(job.id), "cause": type(fault).__name__})
        now = self._clock.now()
        self._end(lambda stores: stores.jobs.postpone_job(job.id, self._name, now, cause, dead=True))
        self._dead(job, cause)

    def _end(self, tell: Callable[[JobStores], None]) -> None:
        """Write how a job ended: now, or before anything else as soon as the database takes it."""
        self._untold = tell
        self._tell()

    def _tell(self) -> None:
        if self._untold is not None:
            with self._begin() as stores:
                self._untold(stores)
            self._untold = None


@dataclass(slots=True)
class _Lease:
    """The lease of the job at hand."""

    begin: Begin[JobStores]
    clock: Clock
    stop: Signal
    worker: str
    job: Job
    renewed_at: datetime | None = None

    def renew(self) -> None:
        """See idp.jobs.Renew."""
        if self.stop.is_set():
            raise WorkStopped
        now = self.clock.now()
        if self.renewed_at is not None and self.renewed_at <= now < self.renewed_at + _RENEW_EVERY:
            return
        with self.begin() as stores:
            if not stores.jobs.renew_job(self.job.id, self.worker, now + LONG_LEASE):
                raise JobLost
        self.renewed_at = now


def purge_dead_jobs(begin: Begin[JobStores], clock: Clock, limit: int = 1000) -> int:
    """Remove dead jobs that are past their time. How many."""
    with begin() as stores:
        return stores.jobs.purge_jobs(clock.now() - KEPT_FOR, limit)
