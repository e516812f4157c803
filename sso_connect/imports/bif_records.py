"""What a Biller Invoice File holds: frozen values, one for each row, and what the report says of an invoice.

Money is integer minor units. None in a customer or a line means that the file says nothing: its map has no such column, or the
cell of a flag, a quantity or an amount is empty. An empty text means that the file says "empty".
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal
from uuid import UUID

from idp.directory.customers import Meter

Severity = Literal["error", "warning"]
"""`error`: the invoice is left out. `warning`: it goes in, without what the row is about."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the report: where, in which column (field name, "" for the row), why, and what comes of it. Quotes no cell."""

    line: int
    column: str
    reason: str
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class FileHeader:
    """The FH row; `total` in minor units."""

    biller_guid: UUID
    created_on: datetime.date
    invoice_count: int
    total: int


@dataclass(frozen=True, slots=True)
class BifSummary:
    """A file that passed `check`: its header, its number of rows, the header counted, and what is to be noted about the file."""

    header: FileHeader
    rows: int
    notes: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Invoice:
    """The IH row. Money in minor units. `invoice_type` in upper case, empty when the file has none."""

    record_type: str
    format_guid: UUID
    number: str
    invoice_type: str
    date: datetime.date
    due_date: datetime.date
    total_minor: int
    past_due_minor: int
    customs: Mapping[int, str] = field(repr=False)
    """Custom field number -> value, those with a value only. Role codes are among them: never stored or logged as they are."""

    @property
    def is_donation(self) -> bool:
        """A round-up or gift, no bill: passed over where the newest invoice is asked for."""
        return self.invoice_type == "DONATION"

    @property
    def is_prepaid(self) -> bool:
        """The account pays in advance."""
        return self.invoice_type == "PREPAID"


@dataclass(frozen=True, slots=True)
class Customer:
    """The CR row, and the meters wherever they stand. None: the file says nothing about it."""

    account_number: str
    name: str
    address1: str | None
    address2: str | None
    city: str | None
    state: str | None
    zip: str | None
    phone: str | None
    email: str | None
    block_cc: bool | None
    display_account_number: str | None
    meters: tuple[Meter, ...] | None


@dataclass(frozen=True, slots=True)
class Line:
    """An ID row. The amount in minor units, of either sign; None where the cell is empty or has no column."""

    description: str
    quantity: Decimal | None
    amount_minor: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """One invoice with its customer and its detail lines. `line` is that of its IH row, from 1.

    `account_key` is the canonical account number, or the number as it is where the reader was given no canonical form.
    """

    line: int
    account_key: str
    invoice: Invoice
    customer: Customer
    lines: tuple[Line, ...]
    warnings: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class BadGroup:
    """One invoice that is left out. `line` is that of its IH row; `faults`: 1 to 50, in row order, one `error` at least."""

    line: int
    faults: tuple[Fault, ...]
