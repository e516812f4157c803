"""Invoice files: taken in, and what became of them. A cursor (idp.cursors) says a line, and how many of its rows were shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from idp.cursors import cursor_for, not_ours, position_in
from sso_connect.api.calls.caller import Caller
from sso_connect.api.models import files as models
from sso_connect.api.operation import PREFIX
from sso_connect.imports.runs import ImportRun, RowReport
from sso_connect.imports.uploads import InvoiceFiles, Told, Upload

_START = (0, 0)
_MOST_LINES = 1_000_000_000
_MOST_ROWS_OF_A_LINE = 10_000
"""More than a line can have columns: rows of the line that were shown are read again, and skipped."""
_NO_NAME = "upload.bif"


class FileCalls:
    """Upload invoice file, and its status."""

    def __init__(self, files: InvoiceFiles, api_origin: str) -> None:
        self._files = files
        self._api_origin = api_origin

    def upload(self, caller: Caller, _body: None) -> dict[str, Any]:
        """Upload invoice file."""
        where: models.UploadInvoiceFile = caller.where
        name = where.file_name or _NO_NAME
        taken = self._files.receive(caller.actor, caller.request_id, caller.biller, caller.key, caller.stream, name)
        run = self._files.find_run(taken)
        return {
            "InvoiceFileID": str(taken.id),
            "Status": _state(taken, run).capitalize(),
            "RoleCodes": _role_codes(taken, None),
            "StatusUrl": f"{self._api_origin}{PREFIX}/invoice-files/{taken.id}",
        }

    def retrieve(self, caller: Caller, _body: None) -> dict[str, Any]:
        """Status of an invoice file."""
        where: models.RetrieveInvoiceFile = caller.where
        after = _START if where.cursor is None else _read_cursor(where.cursor, caller.biller.bid, where.invoice_file_id)
        told = self._files.show(caller.biller.bid, caller.key.partner.id, where.invoice_file_id, after, where.limit)
        return _status(told.upload, told.run) | {
            "Rows": [
                {"Line": row.line, "Column": row.column, "Reason": row.reason, "Severity": row.severity.capitalize()}
                for row in told.rows
            ],
            "Cursor": _next_cursor(told, after),
        }


def _state(upload: Upload, run: ImportRun | None) -> str:
    """As a partner sees it: what nobody is at work on does not run."""
    if upload.state == "running":
        return "waiting" if run is None else "interrupted" if run.state == "interrupted" else "running"
    return upload.state


def _status(upload: Upload, run: ImportRun | None) -> dict[str, Any]:
    return {
        "InvoiceFileID": str(upload.id),
        "Status": _state(upload, run).capitalize(),
        "FileName": upload.file_name,
        "Size": upload.size,
        "Sha256": upload.digest,
        "ReceivedAt": _instant(upload.created_at),
        "FinishedAt": None if run is None or run.finished_at is None else _instant(run.finished_at),
        "Reason": upload.reason,
        "RoleCodes": _role_codes(upload, run),
        "Read": 0 if run is None else run.read,
        "Created": 0 if run is None else run.created,
        "Changed": 0 if run is None else run.changed,
        "Unchanged": 0 if run is None else run.unchanged,
        "LeftOut": 0 if run is None else run.left_out,
        "Warnings": 0 if run is None else run.warnings,
    }


def _role_codes(upload: Upload, run: ImportRun | None) -> str:
    """What became of the role codes in a file; until it is done, what will become of those that may be in it."""
    left_out = run.role_codes_left_out if run is not None and run.state == "done" else not upload.sets_role_codes
    return "LeftOut" if left_out else "Imported"


def _next_cursor(told: Told, after: tuple[int, int]) -> str | None:
    if not told.more:
        return None
    line = told.rows[-1].line
    shown = _rows_of(told.rows, line) + (after[1] if line == after[0] else 0)
    return cursor_for(_list_name(told.upload.bid, told.upload.id), [line, shown])


def _rows_of(rows: Sequence[RowReport], line: int) -> int:
    return sum(row.line == line for row in rows)


def _read_cursor(cursor: str, bid: int, upload_id: UUID) -> tuple[int, int]:
    match position_in(_list_name(bid, upload_id), cursor, 2):
        case [int(line), int(shown)] if 0 <= line < _MOST_LINES and 0 <= shown < _MOST_ROWS_OF_A_LINE:
            return line, shown
        case _:
            raise not_ours()


def _list_name(bid: int, upload_id: UUID) -> str:
    return f"invoice-file/{bid}/{upload_id}"


def _instant(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
