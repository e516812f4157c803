"""Runs of an import: who sent which file, what became of it, and the report of its rows.

A run that is at work holds a lease, which it renews every few seconds: `running` without a lease was killed, and is `interrupted`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol
from uuid import UUID

from sso_connect.imports.bif_records import Severity

RunState = Literal["running", "done", "refused", "failed", "interrupted"]

LEASE: Final = timedelta(seconds=45)
"""How long an import that was killed keeps its biller from the next one: longer than a statement may take (15 s) and the clocks of
two workers may differ (30 s)."""

RENEW_EVERY: Final = timedelta(seconds=5)
KEPT_FOR: Final = timedelta(days=396)
"""Runs and their reports, 13 months."""

LOST: Final = "the process that ran it was killed"
STOPPED: Final = "stopped before the end"
OVERTAKEN: Final = "another import of the biller took over"
"""Why a run was interrupted."""


@dataclass(frozen=True, slots=True)
class RowReport:
    """One row of the report: line number (from 1), column name ("" for the whole row), reason. Never a role code.

    `error`: its invoice was left out. `warning`: the invoice went in, without what the row is about.
    """

    line: int
    column: str
    reason: str
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class ImportRun:
    """One run. Counts are of invoice groups, `warnings` of rows of the report; `reason`: why the file was refused
    whole, failed or was interrupted."""

    id: UUID
    bid: int
    kind: Literal["bif"]
    file_name: str
    file_digest: str
    dry_run: bool
    state: RunState
    started_at: datetime
    actor: str
    finished_at: datetime | None = None
    read: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    left_out: int = 0
    reason: str = ""
    warnings: int = 0
    role_codes_left_out: bool = False
    """Role codes of the file were passed over, because the key that sent it may not set any."""

    @property
    def lease(self) -> str:
        """The name of the lease that it holds while it is at work. A dry run disturbs nobody, so it has one of its own."""
        return f"{import_lease(self.bid)}:{self.id}" if self.dry_run else import_lease(self.bid)


def import_lease(bid: int) -> str:
    """The name of the lease that an import of the biller holds."""
    return f"import:{bid}"


class ReportStore(Protocol):
    """The rows that runs left out."""

    def add_rows(self, bid: int, run_id: UUID, rows: Iterable[RowReport]) -> None:
        """Add to the report."""
        ...

    def list_rows(self, bid: int, run_id: UUID, after_line: int, limit: int) -> list[RowReport]:
        """The report by line, from the one after `after_line`."""
        ...

    def purge_runs(self, before: datetime, limit: int) -> int:
        """Remove runs that started before `before`, of all billers: rows first, at most `limit` of both together. How many."""
        ...


class ImportRunStore(ReportStore, Protocol):
    """Runs in the database."""

    def put_run(self, run: ImportRun) -> None:
        """Insert or update."""
        ...

    def find_run(self, bid: int, run_id: UUID) -> ImportRun | None:
        """By id within a biller."""
        ...

    def list_runs(self, bid: int, before: tuple[datetime, UUID] | None, limit: int) -> list[ImportRun]:
        """Newest first, from the one before `before` (its start and id)."""
        ...

    def list_running(self, before: datetime, limit: int) -> list[ImportRun]:
        """Those of all billers that started before `before` and have no end yet, oldest first."""
        ...

    def list_running_of(self, bid: int) -> list[ImportRun]:
        """Those of a biller that have no end yet."""
        ...

    def count_lost(self, bid: int, file_digest: str, since: datetime) -> int:
        """How many runs of this file were killed since then."""
        ...
