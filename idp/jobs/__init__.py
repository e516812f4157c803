"""Jobs: work that outlives a request, run by `idhub worker`.

    queue      a job is added in the transaction of the change that wants the work
    lease      one worker takes a job for a while; the try is counted here, so that a job that kills its worker is counted too
    renew      long work prolongs its lease as it proceeds; a worker that has lost it writes nothing more
    back-off   a job that fails waits longer each time, with jitter; after MAX_TRIES it is `dead` and stays visible
    lost       a worker that died leaves a lease that runs out. The job runs again, and is `dead` after MAX_LOST workers in a row
    schedule   recurring work (seal, relay, purge) is run by one worker at a time through a named lease

So a job runs at least once: a handler must bear to run twice. Kinds that a worker does not know are left for one that does.

    queue.py   the nouns, and what the database must be able to do
    worker.py  the loop
"""

from __future__ import annotations

from idp.jobs.queue import (
    KEPT_FOR,
    LEASE,
    MAX_LOST,
    MAX_TRIES,
    AnyHandler,
    Dead,
    Handler,
    Job,
    JobLost,
    JobQueue,
    JobStore,
    JobStores,
    LeaseStore,
    LongHandler,
    Recurring,
    Renew,
    WithJobs,
    WorkStopped,
)
from idp.jobs.worker import Worker

__all__ = [
    "KEPT_FOR",
    "LEASE",
    "MAX_LOST",
    "MAX_TRIES",
    "AnyHandler",
    "Dead",
    "Handler",
    "Job",
    "JobLost",
    "JobQueue",
    "JobStore",
    "JobStores",
    "LeaseStore",
    "LongHandler",
    "Recurring",
    "Renew",
    "WithJobs",
    "WorkStopped",
    "Worker",
]
