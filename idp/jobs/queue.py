"""The nouns of the queue: jobs, leases, handlers, and what the database must be able to do with them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

MAX_TRIES: Final = 12
"""Failures after which a job is dead: with the back-off, about an hour of a mail server that does not answer."""

MAX_LOST: Final = 5
"""Workers in a row that may die over a job before it is dead."""

LEASE: Final = timedelta(minutes=2)
"""How long a job that does not renew its lease may take, and the most that a worker that died can delay it."""

KEPT_FOR: Final = timedelta(days=90)
"""Dead jobs are removed after this time."""


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work. `payload` is JSON text that the handler of `kind` understands (sealed where it holds a secret).

    `tries`: how often it was begun, the present try included. `lost`: how many workers in a row died over it.
    """

    id: UUID
    bid: int
    kind: str
    payload: str
    run_at: datetime
    tries: int = 0
    lost: int = 0


class JobLost(Exception):
    """Another worker has the job by now: stop, and write nothing more."""


class WorkStopped(Exception):
    """The worker is told to end: stop at the next whole step. The job is given back and is not one try older."""


Renew = Callable[[], None]
"""Prolongs the lease of the job at hand; cheap enough to call often. Raises JobLost and WorkStopped."""

Handler = Callable[[Job], None]
"""Does a job that takes well under LEASE."""


@dataclass(frozen=True, slots=True)
class LongHandler:
    """Does jobs that take long.

    `give_up` is called before a job becomes dead or is dropped, so that nobody waits for it any longer. It may be called twice.
    """

    run: Callable[[Job, Renew], None]
    give_up: Callable[[Job], None]


AnyHandler = Handler | LongHandler
Dead = Callable[[Job, str], None]
"""Told of a job that has become dead, with the cause in a word: sounds the alarm."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """Work that comes back: `run` answers how much it did, and is run again at once while that is not 0."""

    name: str
    every: timedelta
    run: Callable[[], int]


class JobStore(Protocol):
    """The queue, for verbs that want work done."""

    def add_job(self, job: Job) -> None:
        """Queue a job in the open transaction."""
        ...

    def wake_job(self, job: Job) -> None:
        """Make a waiting job due at `job.run_at`, or queue it where there is none with this id."""
        ...

    def defer_job(self, job: Job, run_at: datetime) -> None:
        """Give the leased job back because its turn has not come; the try is not counted. Nothing, where another worker has it."""
        ...


class WithJobs(Protocol):
    """A slice of stores that can queue jobs."""

    @property
    def jobs(self) -> JobStore: ...


class LeaseStore(Protocol):
    """Named leases."""

    def take_lease(self, name: str, worker: str, now: datetime, until: datetime) -> bool:
        """Take or prolong a named lease; False while another worker holds it."""
        ...

    def holds_lease(self, name: str, worker: str, now: datetime) -> bool:
        """Whether this worker holds the lease."""
        ...

    def drop_lease(self, name: str, worker: str) -> None:
        """Give a named lease back."""
        ...


class JobQueue(Protocol):
    """The queue, for the worker: all billers at once, and every job says whose it is."""

    def reclaim_jobs(self, kinds: Collection[str], now: datetime, limit: int) -> list[Job]:
        """Free jobs whose lease ran out, each with one more lost worker."""
        ...

    def lease_jobs(self, worker: str, now: datetime, until: datetime, limit: int, kinds: Collection[str]) -> list[Job]:
        """Take due jobs of these kinds that nobody has, oldest first, each with one more try; two workers never get the same."""
        ...

    def renew_job(self, job_id: UUID, worker: str, until: datetime) -> bool:
        """Prolong the lease of a job. False when the worker no longer has it."""
        ...

    def finish_job(self, job_id: UUID, worker: str) -> None:
        """Remove a job that is done; nothing, where another worker has it."""
        ...

    def postpone_job(self, job_id: UUID, worker: str, run_at: datetime, error: str, *, dead: bool) -> None:
        """Give a failed job back for later, or bury it; nothing, where another worker has it."""
        ...

    def delay_job(self, job_id: UUID, run_at: datetime) -> None:
        """Let a job that nobody has wait until then."""
        ...

    def purge_jobs(self, before: datetime, limit: int) -> int:
        """Remove dead jobs that were last due before `before`. How many."""
        ...


class _JobsAndLeases(JobQueue, JobStore, LeaseStore, Protocol):
    """All of it."""


class JobStores(Protocol):
    """The slice of stores that the worker works with."""

    @property
    def jobs(self) -> _JobsAndLeases: ...
