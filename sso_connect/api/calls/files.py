"""Invoice files: taken in, and what became of them.

A cursor is `{whose}.{line}.{rows of that line that were shown}`, base64url; `whose` is a digest of biller and file, so that a
cursor is good for one report only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from idp.errors import FieldError, InvalidFields
from sso_connect.api.calls.caller import Caller
from sso_connect.api.models import files as models
from sso_connect.api.operation import PREFIX
from sso_connect.imports.runs import ImportRun, RowReport
from sso_connect.imports.uploads import InvoiceFiles, Told, Upload

_START = (0, 0)
_PLACE = re.compile(r"([0-9a-f]{16})\.([0-9]{1,9})\.([0-9]{1,6})")
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
            "StatusUrl": f"{self._api_origin}{PREFIX}/invoice-files/{taken.id}",
        }

    def retrieve(self, caller: Caller, _body: None) -> dict[str, Any]:
        """Status of an invoice file."""
        where: models.RetrieveInvoiceFile = caller.where
        after = _START if where.cursor is None else _read_cursor(where.cursor, caller.biller.bid, where.invoice_file_id)
        told = self._files.show(caller.biller.bid, caller.key.partner.id, where.invoice_file_id, after, where.limit)
        return _status(told.upload, told.run) | {
            "Rows": [{"Line": row.line, "Column": row.column, "Reason": row.reason} for row in told.rows],
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
        "Read": 0 if run is None else run.read,
        "Created": 0 if run is None else run.created,
        "Changed": 0 if run is None else run.changed,
        "Unchanged": 0 if run is None else run.unchanged,
        "LeftOut": 0 if run is None else run.left_out,
    }


def _next_cursor(told: Told, after: tuple[int, int]) -> str | None:
    if not told.more:
        return None
    line = told.rows[-1].line
    shown = _rows_of(told.rows, line) + (after[1] if line == after[0] else 0)
    text = f"{_whose(told.upload.bid, told.upload.id)}.{line}.{shown}"
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _rows_of(rows: Sequence[RowReport], line: int) -> int:
    return sum(row.line == line for row in rows)


def _read_cursor(cursor: str, bid: int, upload_id: UUID) -> tuple[int, int]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    found = _PLACE.fullmatch(text)
    if found is None or found[1] != _whose(bid, upload_id):
        raise InvalidFields(fields=[FieldError("Cursor", "not a cursor of this list")])
    return int(found[2]), int(found[3])


def _whose(bid: int, upload_id: UUID) -> str:
    return hashlib.sha256(f"{bid}/{upload_id}".encode()).hexdigest()[:16]


def _instant(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
