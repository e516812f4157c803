"""Invoices: what the bill listing shows. They come from invoice files, one per (biller, customer, invoice number).

Money is integer minor units of the biller's currency. Customs of an invoice live on it; those of the newest non-donation invoice
show as the account's, and customs that were set by API on the customer win.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from idp.cursors import not_ours
from idp.transaction import Begin

DONATION = "DONATION"
PREPAID = "PREPAID"


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A detail line."""

    description: str
    quantity: Decimal
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """A bill. `invoice_type` is "" for an ordinary one, else DONATION, PREPAID or the biller's own word."""

    id: UUID
    bid: int
    customer_id: UUID
    number: str
    record_type: str
    format_guid: UUID
    invoice_type: str
    issued_on: date
    due_on: date
    total_minor: int
    past_due_minor: int
    currency: str
    customs: Mapping[int, str]
    lines: tuple[InvoiceLine, ...]
    created_at: datetime
    written_by: str = ""
    """Who wrote it first (idp.directory.provenance, Writer.text)."""
    tells_codes: bool = True
    """Whether role codes were taken from the file that it came with: by a key that may set none it holds back no later file's."""


@dataclass(frozen=True, slots=True)
class InvoicePage:
    """Newest first. `cursor` continues after the last one, None at the end."""

    invoices: tuple[Invoice, ...]
    cursor: str | None


class InvoiceStore(Protocol):
    """Invoices in the database."""

    def list_invoices(self, bid: int, customer_id: UUID, cursor: str | None, limit: int) -> InvoicePage:
        """By date, newest first (number breaks ties). A cursor that is not ours starts at the beginning."""
        ...

    def find_invoices(self, bid: int, customer_id: UUID, numbers: tuple[str, ...]) -> dict[str, Invoice]:
        """Several by number."""
        ...

    def put_invoice(self, invoice: Invoice) -> None:
        """Insert, or update the one with this customer and number."""
        ...

    def find_many(self, bid: int, wanted: Iterable[tuple[UUID, str]]) -> dict[tuple[UUID, str], Invoice]:
        """Several of several customers, by customer and number."""
        ...

    def newest_dates(self, bid: int, customer_ids: Iterable[UUID], *, tells_codes: bool = False) -> dict[UUID, date]:
        """The date of the newest invoice that is no donation, by customer; a customer without one is not in it.

        `tells_codes`: of those only that came with role codes that count.
        """
        ...

    def put_invoices(self, invoices: Sequence[Invoice]) -> None:
        """As put_invoice, for several of one biller, each customer and number once."""
        ...


class BillStore(Protocol):
    """The invoices of one account, as they are shown."""

    def list_invoices(self, bid: int, customer_id: UUID, cursor: str | None, limit: int) -> InvoicePage:
        """As InvoiceStore.list_invoices."""
        ...

    def knows_cursor(self, bid: int, customer_id: UUID, cursor: str) -> bool:
        """Whether a cursor is one that `list_invoices` gave for this account."""
        ...

    def newest_bill(self, bid: int, customer_id: UUID) -> Invoice | None:
        """The newest invoice that is no donation; number breaks ties."""
        ...


class InvoiceStores(Protocol):
    """The slice of stores that this service works with."""

    @property
    def invoices(self) -> BillStore: ...


class Invoices:
    """Reads bills."""

    def __init__(self, read: Begin[InvoiceStores]) -> None:
        self._read = read

    def list_page(self, bid: int, customer_id: UUID, cursor: str | None = None, limit: int = 12) -> InvoicePage:
        """The bills of a customer, newest first."""
        with self._read() as stores:
            return stores.invoices.list_invoices(bid, customer_id, cursor, limit)

    def check_cursor(self, bid: int, customer_id: UUID, cursor: str | None) -> None:
        """InvalidFields for a cursor that `list_page` did not give for this account."""
        if cursor is None:
            return
        with self._read() as stores:
            if not stores.invoices.knows_cursor(bid, customer_id, cursor):
                raise not_ours()

    def newest_bill(self, bid: int, customer_id: UUID) -> Invoice | None:
        """The newest invoice that is no donation: its customs show as the account's."""
        with self._read() as stores:
            return stores.invoices.newest_bill(bid, customer_id)
