"""Runs of imports, seen from outside: what became of each, the reports, the end of those that were killed, and the purge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from idp.actor import Actor, System
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.jobs import LeaseStore
from idp.transaction import Begin
from sso_connect.imports.runs import KEPT_FOR, LEASE, LOST, ImportRun, ImportRunStore, RowReport

MOST_LOST: Final = 5
"""Times that a file may be killed with its process within a day before it is refused."""

LOST_WITHIN: Final = timedelta(days=1)
_SWEEPER: Final = System("worker")
_COUNTS: Final = ("read", "created", "changed", "unchanged", "left_out", "warnings")
_TOLD: Final = ("file_name", "file_digest", "state", *_COUNTS, "reason", "role_codes_left_out")


class HistoryStores(WithChangeLog, Protocol):
    """The slice of stores that the history works with."""

    @property
    def import_runs(self) -> ImportRunStore: ...

    @property
    def jobs(self) -> LeaseStore: ...


class ImportHistory:
    """Finds, lists, ends and purges runs."""

    def __init__(self, begin: Begin[HistoryStores], clock: Clock) -> None:
        self._begin = begin
        self._clock = clock

    def find_run(self, bid: int, run_id: UUID) -> ImportRun | None:
        """By id within a biller."""
        with self._begin() as stores:
            run = stores.import_runs.find_run(bid, run_id)
            return None if run is None else as_seen(stores, run, self._clock.now())

    def list_runs(self, bid: int, before: UUID | None = None, limit: int = 50) -> list[ImportRun]:
        """Newest first, from the one before the run `before`; none where that is no run of the biller."""
        with self._begin() as stores:
            last = None if before is None else stores.import_runs.find_run(bid, before)
            if before is not None and last is None:
                return []
            place = None if last is None else (last.started_at, last.id)
            now = self._clock.now()
            return [as_seen(stores, run, now) for run in stores.import_runs.list_runs(bid, place, limit)]

    def list_rows(self, bid: int, run_id: UUID, after_line: int = 0, limit: int = 200) -> list[RowReport]:
        """The report of a run by line, from the one after `after_line`; the rows of one line stay together."""
        with self._begin() as stores:
            return stores.import_runs.list_rows(bid, run_id, after_line, limit)

    def end_lost(self, limit: int = 100) -> int:
        """Write down the end of runs that were killed. How many."""
        now = self._clock.now()
        with self._begin() as stores:
            ended = [
                end_lost_run(stores, run, _SWEEPER, str(run.id), now)
                for run in stores.import_runs.list_running(now - LEASE, limit)
                if not stores.jobs.holds_lease(run.lease, str(run.id), now)
            ]
        return len(ended)

    def purge(self, limit: int = 1000) -> int:
        """Remove what is past its time. How many rows."""
        with self._begin() as stores:
            return stores.import_runs.purge_runs(self._clock.now() - KEPT_FOR, limit)


def as_seen(stores: HistoryStores, run: ImportRun, now: datetime) -> ImportRun:
    """The run as it is told of: `running` only while somebody is at work on it."""
    if run.state != "running" or stores.jobs.holds_lease(run.lease, str(run.id), now):
        return run
    return replace(run, state="interrupted", reason=LOST)


def end_lost_run(stores: HistoryStores, run: ImportRun, actor: Actor, request_id: str, now: datetime) -> ImportRun:
    """Write down that a run was killed: its state, a change-log row, and its lease given back."""
    ended = replace(run, state="interrupted", reason=LOST, finished_at=now)
    stores.import_runs.put_run(ended)
    stores.jobs.drop_lease(run.lease, str(run.id))
    if not run.dry_run:
        stores.changelog.append(run_change(actor, request_id, ended))
    return ended


def run_change(actor: Actor, request_id: str, run: ImportRun) -> Change:
    """The change-log row of a run that has ended."""
    after = {name: getattr(run, name) for name in _TOLD}
    return Change(run.bid, Action.IMPORT_RUN, actor, request_id, subject=f"import:{run.id}", after=after)


Alive = Callable[[], None]
"""Called again and again while a run is at work; may raise to stop it between two batches."""
