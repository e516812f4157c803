"""Runs of an import: who sent which file, what became of it, and the report of its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from sso_connect.imports.bif_records import Severity

RunState = Literal["running", "done", "refused", "failed"]


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
    """One run. Counts are of invoice groups, `warnings` of rows of the report; `reason` says why a file was refused whole."""

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


class ImportRunStore(Protocol):
    """Runs in the database."""

    def put_run(self, run: ImportRun) -> None:
        """Insert or update."""
        ...

    def find_run(self, bid: int, run_id: UUID) -> ImportRun | None:
        """By id within a biller."""
        ...

    def add_rows(self, bid: int, run_id: UUID, rows: Iterable[RowReport]) -> None:
        """Add to the report."""
        ...

    def list_rows(self, bid: int, run_id: UUID, after_line: int, limit: int) -> list[RowReport]:
        """The report by line, from the one after `after_line`."""
        ...
