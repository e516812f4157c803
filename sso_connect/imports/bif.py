"""The Biller Invoice File: pipe-delimited rows, read in two passes over one file.

    FH  file header    whose file it is, how many invoices, what they come to
    IH  invoice        followed by
    CR  customer       one, and
    ID  detail lines   one or more

    check(file, map, biller)   pass 1. Everything that refuses a file whole: the form of each row (bif_rows), the header's cells,
                               that it is this biller's, InvoiceCount = number of IH rows, TotalInvoiceAmount = sum of all
                               TotalAmountDue with their signs (a credit is negative), none of which may be unreadable or
                               empty. Writes may begin after it.
    groups(file, map)          pass 2. One item per invoice, in file order: a `Group`, or a `BadGroup` where a cell is bad or
                               empty though required. A bad group is left out and reported, the rest goes in. An e-mail address
                               is optional: one that cannot be used is reported, and counts as an empty cell.
    repeated_accounts(...)     which accounts have several invoices
    peek_biller(file)          the biller's GUID, when the file is to say whose it is.

Cells are trimmed of blanks. Amounts of detail lines are not summed. Role codes come along in `Invoice.customs` like every
custom; which one they are in is the biller's setting, so the importer takes them out, and neither a representation nor a reason
shows the customs.

Memory is one invoice plus a 16-byte digest for each invoice seen, whatever the size of the file.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar
from uuid import UUID

from idp.directory.customers import Meter
from idp.directory.names import MAX_ACCOUNT_CHARACTERS, AccountNumberTooLong
from sso_connect.imports import bif_values as values
from sso_connect.imports.bif_columns import REQUIRED, ColumnMap, custom_number
from sso_connect.imports.bif_records import BadGroup, BifSummary, Customer, Fault, FileHeader, Group, Invoice, Line
from sso_connect.imports.bif_rows import BinaryFile, Row, read_rows, refused
from sso_connect.imports.bif_values import Unreadable, parse_meters

MAX_DETAIL_LINES: Final = 1_000
"""Detail lines of one invoice; more make a bad group. Keeps one invoice from filling the memory."""

_MAX_FAULTS: Final = 50
_NO_GUID: Final = UUID(int=0)

T = TypeVar("T")


# --- the two passes ----------------------------------------------------------------------------------------------------


def check(file: BinaryFile, column_map: ColumnMap, biller_guid: UUID | None = None) -> BifSummary:
    """Pass 1: read the whole file and raise `InvalidFile` (`detail`: line and reason) unless every file-level rule holds.

    With `biller_guid` the header must name that biller. Always reads from the start of the file.
    """
    header: FileHeader | None = None
    header_line = rows = invoices = total = 0
    marks: list[int] = []
    amount_at = column_map.invoice.index("TotalAmountDue")
    for row in read_rows(file, column_map, marks.append):
        rows += 1
        if row.row_type == "FH":
            header, header_line = _header(row, column_map), row.line
            if biller_guid is not None and header.biller_guid != biller_guid:
                raise refused(row.line, "BillerGuid is that of another biller")
        elif row.row_type == "IH":
            invoices += 1
            total += _total_amount_due(row, amount_at)
    if header is None:  # read_rows has refused such a file; this tells the type checker
        raise refused(1, "the file ends where FH was due")
    if header.invoice_count != invoices:
        raise refused(header_line, f"InvoiceCount is {header.invoice_count}, the file has {invoices} IH rows")
    if header.total != total:
        raise refused(header_line, f"TotalInvoiceAmount is {_decimal(header.total)}, the invoices come to {_decimal(total)}")
    notes = (Fault(line, "", "is a Ctrl-Z (0x1A, an old end-of-file mark); it was ignored", "warning") for line in marks)
    return BifSummary(header, rows, tuple(notes))


@dataclass(frozen=True, slots=True)
class Rules:
    """What the biller adds to the rules of the format. Both raise ValueError."""

    account_key: Callable[[str], str] = str
    """The canonical form of an account number, so that `1001-01` and `100101` meet where they are one account."""
    check_custom: Callable[[int, str], object] = lambda _number, _text: None
    """Looks at a custom field that has a value. The ValueError's text completes "this value ..." and goes into the report."""


PLAIN: Final = Rules()
"""No rules besides those of the format."""


def groups(
    file: BinaryFile, column_map: ColumnMap, rules: Rules = PLAIN, *, accounts: Container[str] | None = None
) -> Iterator[Group | BadGroup]:
    """Pass 2: the invoices of a file that passed `check` with the same map, one item each, in file order.

    An invoice that an earlier good group had already, by canonical account and number, is a bad group. With `accounts` only the
    invoices of these canonical account numbers are read. Raises `InvalidFile` only where `check` would. Always reads from the
    start of the file.
    """
    seen: set[bytes] = set()
    invoice: Row | None = None
    draft: _Draft | None = None
    for row in read_rows(file, column_map):
        if row.row_type == "IH":
            if draft is not None:
                yield draft.finish(seen)
            invoice, draft = row, None
        elif row.row_type == "CR" and invoice is not None:
            if accounts is None or _account(row, column_map, rules) in accounts:
                draft = _Draft(invoice, column_map, rules)
                draft.add(row)
        elif draft is not None:
            draft.add(row)
    if draft is not None:
        yield draft.finish(seen)


def repeated_accounts(file: BinaryFile, column_map: ColumnMap, rules: Rules = PLAIN) -> frozenset[str]:
    """The canonical account numbers with more than one invoice, good or bad: a look at one column, much faster than `groups`."""
    seen: set[str] = set()
    repeated: set[str] = set()
    for row in read_rows(file, column_map):
        if row.row_type == "CR":
            key = _account(row, column_map, rules)
            (repeated if key in seen else seen).add(key)
    return frozenset(repeated - {""})


def peek_biller(file: BinaryFile) -> UUID:
    """The biller's GUID from the first row, or `InvalidFile`. Needs no map: the header has one GUID, wherever it stands."""
    for row in read_rows(file, ColumnMap.default()):
        for cell in row.cells:
            try:
                return values.guid(values.trimmed(cell))
            except Unreadable:
                continue
        break
    raise refused(1, "BillerGuid is no GUID")


# --- rows to values ----------------------------------------------------------------------------------------------------


class _Cells:
    """The cells of one row by field name. Reading notes what is wrong and goes on, so that a report names all of it at once."""

    def __init__(self, row: Row, columns: Sequence[str], faults: list[Fault]) -> None:
        self._line = row.line
        self._cells = dict(zip(columns, row.cells, strict=True))
        self._required = REQUIRED[row.row_type]
        self._faults = faults

    def __contains__(self, name: str) -> bool:
        return name in self._cells

    def read(self, name: str, reader: Callable[[str], T], empty: T) -> T:
        """The value; `empty` for an empty cell, and as a stand-in after a fault. A column that the map lacks is empty."""
        try:
            text = values.trimmed(self._cells.get(name, ""))
            if text:
                return reader(text)
            if name in self._required:
                raise Unreadable("is empty, and required")
        except Unreadable as unreadable:
            self._faults.append(Fault(self._line, name, unreadable.reason))
        return empty

    def read_email(self) -> str | None:
        """The address; "" for one that cannot be used, with a warning. None where the map lacks the column."""
        if "EmailAddress" not in self:
            return None
        try:
            text = values.trimmed(self._cells["EmailAddress"])
            return values.email(text) if text else ""
        except Unreadable as unreadable:
            self._faults.append(Fault(self._line, "EmailAddress", f"{unreadable.reason}; it was ignored", "warning"))
            return ""

    def say(self, name: str, reader: Callable[[str], str]) -> str | None:
        """As `read` for text; None for a column that the map lacks."""
        return self.read(name, reader, "") if name in self else None


class _Draft:
    """One invoice while its rows come in."""

    def __init__(self, row: Row, column_map: ColumnMap, rules: Rules) -> None:
        self._line = row.line
        self._map = column_map
        self._rules = rules
        self._account_key = ""
        self._faults: list[Fault] = []
        self._invoice, self._meters = self._read_invoice(row)
        self._customer: Customer | None = None
        self._lines: list[Line] = []
        self._full = False

    def add(self, row: Row) -> None:
        """The CR row, or one more ID row."""
        if row.row_type == "CR":
            self._customer = self._read_customer(row)
        elif len(self._lines) < MAX_DETAIL_LINES:
            self._lines.append(self._read_line(row))
        elif not self._full:
            self._full = True
            self._faults.append(Fault(row.line, "ID", f"is one of more than {MAX_DETAIL_LINES} detail lines"))
        del self._faults[_MAX_FAULTS:]

    def finish(self, seen: set[bytes]) -> Group | BadGroup:
        """The group; `seen` holds the digests of the good ones before it and takes this one's."""
        customer = self._customer
        if customer is not None and not any(fault.severity == "error" for fault in self._faults):
            digest = self._digest()
            if digest not in seen:
                seen.add(digest)
                return Group(self._line, self._account_key, self._invoice, customer, tuple(self._lines), tuple(self._faults))
            self._faults.append(Fault(self._line, "InvoiceNumber", "is in this file already, for the same account"))
        return BadGroup(self._line, tuple(self._faults))

    def _digest(self) -> bytes:
        # Tab parts the two: it is in neither, identifiers being printable.
        return hashlib.blake2b(f"{self._account_key}\t{self._invoice.number}".encode(), digest_size=16).digest()

    def _read_invoice(self, row: Row) -> tuple[Invoice, tuple[Meter, ...] | None]:
        columns = self._map.invoice
        cells = _Cells(row, columns, self._faults)
        customs = {
            number: text
            for name in columns
            if (number := custom_number(name)) is not None and (text := cells.read(name, self._custom_reader(number), ""))
        }
        invoice = Invoice(
            record_type=cells.read("RecordType", values.identifier_of("RecordType"), ""),
            format_guid=cells.read("InvoiceFormatGuid", values.guid, _NO_GUID),
            number=cells.read("InvoiceNumber", values.identifier_of("InvoiceNumber"), ""),
            invoice_type=cells.read("InvoiceType", values.identifier_of("InvoiceType"), "").upper(),
            date=cells.read("InvoiceDate", values.day, datetime.date.min),
            due_date=cells.read("InvoiceDueDate", values.day, datetime.date.min),
            total_minor=cells.read("TotalAmountDue", values.amount, 0),
            past_due_minor=cells.read("PastDue", values.amount, 0),
            customs=MappingProxyType(customs),
        )
        return invoice, self._read_meters(cells)

    def _read_customer(self, row: Row) -> Customer:
        cells = _Cells(row, self._map.customer, self._faults)
        meters = self._read_meters(cells)

        def say(name: str) -> str | None:
            return cells.say(name, values.text_of(name))

        return Customer(
            account_number=cells.read("AccountNumber", self._read_account, ""),
            name=cells.read("CustomerName", values.text_of("CustomerName"), ""),
            address1=say("Address1"),
            address2=say("Address2"),
            city=say("City"),
            state=say("State"),
            zip=say("Zip"),
            phone=say("Phone"),
            email=cells.read_email(),
            block_cc=cells.read("BlockPaymentsCC", values.flag, None),
            display_account_number=cells.say("DisplayAccountNumber", values.identifier_of("DisplayAccountNumber")),
            meters=self._meters if meters is None else meters,
        )

    def _read_line(self, row: Row) -> Line:
        cells = _Cells(row, self._map.detail, self._faults)
        return Line(
            description=cells.read("Description", values.text_of("Description"), ""),
            quantity=cells.read("Quantity", values.quantity, None),
            amount_minor=cells.read("Amount", values.amount, None),
        )

    def _read_account(self, text: str) -> str:
        # The biller's rule first: the limit that it tells is the one to keep to.
        if not text.isprintable():
            raise Unreadable(values.NOT_PRINTABLE)
        try:
            self._account_key = self._rules.account_key(text)
        except AccountNumberTooLong:
            raise Unreadable(f"is longer than {MAX_ACCOUNT_CHARACTERS} characters") from None
        except ValueError:
            raise Unreadable("is no account number of this biller") from None
        return values.identifier_of("AccountNumber")(text)

    def _custom_reader(self, number: int) -> Callable[[str], str]:
        read_text = values.text_of("Custom")

        def read(text: str) -> str:
            kept = read_text(text)
            try:
                self._rules.check_custom(number, kept)
            except ValueError as fault:
                raise Unreadable(str(fault)) from None
            return kept

        return read

    @staticmethod
    def _read_meters(cells: _Cells) -> tuple[Meter, ...] | None:
        none: tuple[Meter, ...] = ()
        return cells.read("Meters", parse_meters, none) if "Meters" in cells else None


def _account(row: Row, column_map: ColumnMap, rules: Rules) -> str:
    """The canonical account number of a CR row, "" where it has none."""
    try:
        return rules.account_key(values.trimmed(row.cells[column_map.customer.index("AccountNumber")]))
    except ValueError:
        return ""


def _header(row: Row, column_map: ColumnMap) -> FileHeader:
    faults: list[Fault] = []
    cells = _Cells(row, column_map.file_header, faults)
    header = FileHeader(
        biller_guid=cells.read("BillerGuid", values.guid, _NO_GUID),
        created_on=cells.read("FileCreationDate", values.day, datetime.date.min),
        invoice_count=cells.read("InvoiceCount", values.count, 0),
        total=cells.read("TotalInvoiceAmount", values.amount, 0),
    )
    if faults:
        raise refused(row.line, f"{faults[0].column} {faults[0].reason}")
    return header


def _total_amount_due(row: Row, at: int) -> int:
    try:
        return values.amount(values.trimmed(row.cells[at]))
    except Unreadable as unreadable:
        raise refused(row.line, f"TotalAmountDue {unreadable.reason}") from None


def _decimal(minor: int) -> str:
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


__all__ = [
    "MAX_DETAIL_LINES",
    "PLAIN",
    "BadGroup",
    "BifSummary",
    "BinaryFile",
    "ColumnMap",
    "Customer",
    "Fault",
    "FileHeader",
    "Group",
    "Invoice",
    "Line",
    "Meter",
    "Rules",
    "check",
    "groups",
    "parse_meters",
    "peek_biller",
    "repeated_accounts",
]
