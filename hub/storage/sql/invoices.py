"""Invoices (contract: idp.billing.invoices.InvoiceStore).

A cursor (idp.cursors) says date and number of the last invoice shown. What does not fit starts at the beginning: it can only be an
old or a foreign link.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, tuple_

from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import batches, columns, values
from hub.storage.tables.billing import invoices
from hub.storage.work import Work
from idp.billing.invoices import DONATION, Invoice, InvoiceLine, InvoicePage
from idp.cursors import cursor_for, position_in

_NAMES = [each.name for each in fields(Invoice)]
_CUSTOMS, _LINES = _NAMES.index("customs"), _NAMES.index("lines")

_OF_CUSTOMER = select(*columns(Invoice, invoices)).where(
    invoices.c.bid == bindparam("of_bid"), invoices.c.customer_id == bindparam("of_customer")
)
_PAGE = _OF_CUSTOMER.order_by(invoices.c.issued_on.desc(), invoices.c.number.desc()).limit(bindparam("limit"))
_NEXT_PAGE = _PAGE.where(
    tuple_(invoices.c.issued_on, invoices.c.number)
    < tuple_(bindparam("date_before", type_=invoices.c.issued_on.type), bindparam("number_before"))
)
_NEWEST_BILL = (
    _OF_CUSTOMER.where(invoices.c.invoice_type != DONATION).order_by(invoices.c.issued_on.desc(), invoices.c.number.desc()).limit(1)
)
_BY_NUMBER = _OF_CUSTOMER.where(invoices.c.number.in_(bindparam("numbers", expanding=True)))

_MANY = select(*columns(Invoice, invoices)).where(
    invoices.c.bid == bindparam("of_bid"),
    tuple_(invoices.c.customer_id, invoices.c.number).in_(bindparam("wanted", expanding=True)),
)
_NEWEST = (
    select(invoices.c.customer_id, func.max(invoices.c.issued_on).label("newest"))
    .where(
        invoices.c.bid == bindparam("of_bid"),
        invoices.c.customer_id.in_(bindparam("customer_ids", expanding=True)),
        invoices.c.invoice_type != DONATION,
    )
    .group_by(invoices.c.customer_id)
)
_NEWEST_OF_CODES = _NEWEST.where(invoices.c.tells_codes)

_IDENTITY = ("bid", "customer_id", "number")
_KEPT = frozenset({"id", "created_at", *_IDENTITY})
_PUT = Upsert(invoices, key=_IDENTITY, update=[name for name in _NAMES if name not in _KEPT])


class SqlInvoiceStore:
    """Invoices in a SQL database."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def list_invoices(self, bid: int, customer_id: UUID, cursor: str | None, limit: int) -> InvoicePage:
        """By date, newest first (number breaks ties). A cursor that is not ours starts at the beginning."""
        wanted: dict[str, Any] = {"of_bid": bid, "of_customer": customer_id, "limit": limit + 1}
        statement = _PAGE
        if cursor is not None and (last := _read_cursor(cursor, bid, customer_id)) is not None:
            statement = _NEXT_PAGE
            wanted["date_before"], wanted["number_before"] = last
        found = [_invoice(row) for row in self._work.connection.execute(statement, wanted)]
        shown = tuple(found[:limit])
        more = len(found) > limit and shown
        return InvoicePage(shown, _cursor(shown[-1]) if more else None)

    def knows_cursor(self, bid: int, customer_id: UUID, cursor: str) -> bool:
        """Whether a cursor is one that `list_invoices` gave for this account."""
        return _read_cursor(cursor, bid, customer_id) is not None

    def newest_bill(self, bid: int, customer_id: UUID) -> Invoice | None:
        """The newest invoice that is no donation; number breaks ties."""
        row = self._work.connection.execute(_NEWEST_BILL, {"of_bid": bid, "of_customer": customer_id}).first()
        return None if row is None else _invoice(row)

    def find_invoices(self, bid: int, customer_id: UUID, numbers: tuple[str, ...]) -> dict[str, Invoice]:
        """Several by number."""
        wanted = {"of_bid": bid, "of_customer": customer_id, "numbers": list(numbers)}
        return {row.number: _invoice(row) for row in self._work.connection.execute(_BY_NUMBER, wanted)}

    def put_invoice(self, invoice: Invoice) -> None:
        """Insert, or update the one with this customer and number, which keeps its id and the time it was made."""
        self.put_invoices([invoice])

    def find_many(self, bid: int, wanted: Iterable[tuple[UUID, str]]) -> dict[tuple[UUID, str], Invoice]:
        """Several of several customers, by customer and number."""
        found: dict[tuple[UUID, str], Invoice] = {}
        for batch in batches(wanted):
            for row in self._work.connection.execute(_MANY, {"of_bid": bid, "wanted": batch}):
                invoice = _invoice(row)
                found[invoice.customer_id, invoice.number] = invoice
        return found

    def newest_dates(self, bid: int, customer_ids: Iterable[UUID], *, tells_codes: bool = False) -> dict[UUID, date]:
        """The date of the newest invoice that is no donation, by customer; a customer without one is not in it."""
        found: dict[UUID, date] = {}
        statement = _NEWEST_OF_CODES if tells_codes else _NEWEST
        for batch in batches(customer_ids):
            rows = self._work.connection.execute(statement, {"of_bid": bid, "customer_ids": batch})
            found |= {row.customer_id: row.newest for row in rows}
        return found

    def put_invoices(self, invoices: Sequence[Invoice]) -> None:
        """As put_invoice, for several of one biller, each customer and number once."""
        if invoices:
            self._work.connection.execute(_PUT.on(self._work), [_row(invoice) for invoice in invoices])


def _row(invoice: Invoice) -> dict[str, Any]:
    return values(invoice) | {
        "customs": {str(number): text for number, text in invoice.customs.items()},
        # Quantity as text: a JSON number would come back as a float.
        "lines": [[line.description, str(line.quantity), line.amount_minor] for line in invoice.lines],
    }


def _invoice(row: Sequence[Any]) -> Invoice:
    stored = Invoice(*row)
    lines = tuple(InvoiceLine(text, Decimal(quantity), minor) for text, quantity, minor in row[_LINES])
    return replace(stored, customs=_customs(row[_CUSTOMS]), lines=lines)


def _customs(stored: Mapping[str, str]) -> dict[int, str]:
    return {number: stored[str(number)] for number in sorted(map(int, stored))}


def _cursor(invoice: Invoice) -> str:
    return cursor_for(_list_name(invoice.bid, invoice.customer_id), [invoice.issued_on.isoformat(), invoice.number])


def _read_cursor(cursor: str, bid: int, customer_id: UUID) -> tuple[date, str] | None:
    match position_in(_list_name(bid, customer_id), cursor, 2):
        case [str(issued_on), str(number)]:
            try:
                return date.fromisoformat(issued_on), number
            except ValueError:
                return None
        case _:
            return None


def _list_name(bid: int, customer_id: UUID) -> str:
    return f"invoices/{bid}/{customer_id}"
