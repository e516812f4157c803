"""Uploaded invoice files: taken in, and what became of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sso_connect.api.models.named import GUID_EXAMPLE, example
from sso_connect.api.wire import Cursor, Guid, Limit, Moment, Text200, Wire

FileStatus = Literal["Waiting", "Running", "Interrupted", "Done", "Refused", "Failed"]
"""Interrupted: the process that ran the import was killed; the import starts again within a minute."""
Severity = Literal["Error", "Warning"]
RoleCodes = Literal["Imported", "LeftOut"]
_ROLE_CODES = "LeftOut: role codes in the file are left out, because the key may not set any (scope role_codes:write)."


class UploadInvoiceFile(Wire):
    """What is said about the file, which is the body."""

    file_name: Text200 | None = Field(None, description="For people; it says nothing about whose file it is.")


class UploadInvoiceFileAnswer(Wire):
    """The file is there and will be taken over. Ask StatusUrl, with the same key, for what became of it."""

    model_config = example(
        InvoiceFileID=GUID_EXAMPLE,
        Status="Waiting",
        RoleCodes="Imported",
        StatusUrl=f"https://api.hub.example.com/api/v1/invoice-files/{GUID_EXAMPLE}",
    )

    invoice_file_id: Guid
    status: FileStatus
    role_codes: RoleCodes = Field(description=_ROLE_CODES)
    status_url: str


class RetrieveInvoiceFile(Wire):
    """Which file, and which rows of its report."""

    invoice_file_id: Guid = Field(description="As the upload answered it.")
    cursor: Cursor | None = Field(None, description="From the page of rows before; the first page has none.")
    limit: Limit = Field(100, description="Rows of the report.")


class FileRow(Wire):
    """A row of the report. Column "": the whole row."""

    line: int
    column: str
    reason: str
    severity: Severity = Field(description="Error: the invoice was left out. Warning: it went in, without this value.")


class RetrieveInvoiceFileAnswer(Wire):
    """An uploaded file. Counts are of invoices and grow while it runs, but for Warnings: that counts rows of the report."""

    model_config = example(
        InvoiceFileID=GUID_EXAMPLE,
        Status="Done",
        FileName="9001_11202026.bif",
        Size=4417,
        Sha256="0" * 64,
        ReceivedAt="2026-11-20T15:00:00Z",
        FinishedAt="2026-11-20T15:00:02Z",
        Reason="",
        RoleCodes="Imported",
        Read=12,
        Created=11,
        Changed=0,
        Unchanged=0,
        LeftOut=1,
        Warnings=1,
        Rows=[
            {"Line": 5, "Column": "InvoiceDate", "Reason": "is no date of the form MM/DD/YYYY", "Severity": "Error"},
            {
                "Line": 9,
                "Column": "EmailAddress",
                "Reason": "is not an e-mail address; it was ignored",
                "Severity": "Warning",
            },
        ],
        Cursor=None,
    )

    invoice_file_id: Guid
    status: FileStatus
    file_name: str
    size: int
    sha256: str
    received_at: Moment
    finished_at: Moment | None
    reason: str = Field(description="Why the file was refused or given up, else empty.")
    role_codes: RoleCodes = Field(description=_ROLE_CODES)
    read: int
    created: int
    changed: int
    unchanged: int
    left_out: int
    warnings: int
    rows: list[FileRow]
    cursor: str | None
