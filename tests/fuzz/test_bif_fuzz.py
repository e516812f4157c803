"""The Biller Invoice File parser against everything: what is written is read again, and nothing breaks it but `InvalidFile`."""

from __future__ import annotations

import datetime
import io
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.directory.customers import Meter
from idp.errors import InvalidFields, InvalidFile
from sso_connect.imports.bif import BadGroup, ColumnMap, Customer, Group, Invoice, Line, check, groups, peek_biller
from sso_connect.imports.bif_rows import MAX_ROW_BYTES
from sso_connect.imports.bif_values import COMMODITIES, Unreadable, amount, parse_meters

DATA = Path(__file__).parents[2] / "examples" / "data"
SAMPLE = (DATA / "9001_11202026.bif").read_bytes()
unhurried = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
"""Time is no promise of these tests: the machine is shared."""

BILLER = UUID("d99eda17-2af5-5ac0-ae88-9a0d9422bc15")
COLUMNS = ColumnMap.from_mapping(
    {"IH": [*ColumnMap.default().invoice, "InvoiceType", "Custom60"], "CR": [*ColumnMap.default().customer, "Meters"]}
)

texts = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), max_size=20)
    | st.text("\\|ab ", max_size=20)
).map(str.strip)
identifiers = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=20)
amounts = st.integers(-(10**12) + 1, 10**12 - 1)
days = st.dates(datetime.date(1900, 1, 1), datetime.date(2199, 12, 31))
labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=10)
emails = st.just("") | st.builds("{}@{}.example".format, labels, labels)
meters = st.lists(
    st.builds(Meter, labels, st.sampled_from(list(COMMODITIES.values()))), max_size=3, unique_by=lambda meter: meter.meter_id
).map(tuple)
invoices = st.builds(
    Invoice,
    record_type=st.sampled_from(["R", "B"]),
    format_guid=st.uuids(),
    number=identifiers,
    invoice_type=st.sampled_from(["", "UTIL", "DONATION", "PREPAID"]),
    date=days,
    due_date=days,
    total_minor=st.integers(-(10**9), 10**9),
    past_due_minor=amounts,
    customs=st.builds(
        lambda required, optional: MappingProxyType({10: required} | {n: text for n, text in optional.items() if text}),
        texts.filter(bool),
        st.dictionaries(st.sampled_from([2, 3, 4, 9, 58, 60]), texts),
    ),
)
customers = st.builds(
    Customer,
    account_number=identifiers,
    name=texts.filter(bool),
    address1=texts,
    address2=texts,
    city=texts,
    state=texts,
    zip=texts,
    phone=texts,
    email=emails,
    block_cc=st.none() | st.booleans(),
    display_account_number=st.just("") | identifiers,
    meters=meters,
)
lines = st.builds(
    Line,
    description=texts,
    quantity=st.none() | st.decimals(-(10**11), 10**11, places=3),
    amount_minor=st.none() | st.integers(-(10**12) + 1, 10**12 - 1),
)
bills = st.lists(
    st.tuples(invoices, customers, st.lists(lines, min_size=1, max_size=3)),
    max_size=4,
    unique_by=lambda bill: (bill[1].account_number, bill[0].number),
)


def money(minor: int | None) -> str:
    """Minor units as the file writes them."""
    if minor is None:
        return ""
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def cells(row_type: str, values: dict[str, str]) -> str:
    """A row in the order of `COLUMNS`, escaped."""
    ordered = [values[name] for name in COLUMNS.of(row_type)]
    return "|".join([row_type, *(value.replace("\\", "\\\\").replace("|", "\\|") for value in ordered)])


def written(found: list[tuple[Invoice, Customer, list[Line]]], end: str) -> bytes:
    """The file that holds these invoices: a second, independent statement of the format."""
    rows = [
        cells(
            "FH",
            {
                "BillerGuid": str(BILLER).upper(),
                "FileCreationDate": "11/20/2026",
                "InvoiceCount": str(len(found)),
                "TotalInvoiceAmount": money(sum(invoice.total_minor for invoice, _, _ in found)),
            },
        )
    ]
    for invoice, customer, details in found:
        rows.append(
            cells(
                "IH",
                {
                    "RecordType": invoice.record_type,
                    "InvoiceFormatGuid": str(invoice.format_guid),
                    "InvoiceNumber": invoice.number,
                    "InvoiceDate": f"{invoice.date:%m/%d/%Y}",
                    "InvoiceDueDate": f"{invoice.due_date:%m/%d/%Y}",
                    "TotalAmountDue": money(invoice.total_minor),
                    "PastDue": money(invoice.past_due_minor),
                    "InvoiceType": invoice.invoice_type,
                    **{f"Custom{number}": invoice.customs.get(number, "") for number in range(1, 61)},
                },
            )
        )
        rows.append(
            cells(
                "CR",
                {
                    "AccountNumber": customer.account_number,
                    "CustomerName": customer.name,
                    "Address1": customer.address1 or "",
                    "Address2": customer.address2 or "",
                    "City": customer.city or "",
                    "State": customer.state or "",
                    "Zip": customer.zip or "",
                    "Phone": customer.phone or "",
                    "EmailAddress": customer.email or "",
                    "BlockPaymentsCC": {None: "", True: "Y", False: "N"}[customer.block_cc],
                    "DisplayAccountNumber": customer.display_account_number or "",
                    "Meters": ";".join(f"{meter.meter_id}:{meter.commodity}" for meter in customer.meters or ()),
                },
            )
        )
        for line in details:
            quantity = "" if line.quantity is None else f"{line.quantity:f}"
            values = {"Description": line.description, "Quantity": quantity, "Amount": money(line.amount_minor)}
            rows.append(cells("ID", values))
    return end.join([*rows, ""]).encode()


@unhurried
@given(bills, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([b"", b"\x1a"]))
def test_what_is_written_is_read_again(found: list[tuple[Invoice, Customer, list[Line]]], end: str, tail: bytes) -> None:
    file = io.BytesIO(written(found, end) + tail)
    assert check(file, COLUMNS, BILLER).header.invoice_count == len(found)
    read = [group for group in groups(file, COLUMNS) if isinstance(group, Group)]
    assert [(group.invoice, group.customer, list(group.lines)) for group in read] == found


def survives(content: bytes, column_map: ColumnMap) -> None:
    """Only `InvalidFile` comes out, always with a line; what passes the first pass also passes the second, invoice by invoice."""
    file = io.BytesIO(content)
    with suppress(InvalidFile):
        peek_biller(file)
    refusal = None
    try:
        summary = check(file, column_map)
    except InvalidFile as refused:
        refusal = refused.detail
    if refusal is not None:
        assert refusal.startswith("line ")
        with suppress(InvalidFile):
            list(groups(file, column_map))
        return
    found = list(groups(file, column_map))
    assert len(found) == summary.header.invoice_count
    good = [group for group in found if isinstance(group, Group)]
    if len(good) == len(found):
        assert sum(group.invoice.total_minor for group in good) == summary.header.total
    assert all(warning.severity == "warning" for group in good for warning in group.warnings)
    bad = [group for group in found if isinstance(group, BadGroup)]
    assert all(any(fault.severity == "error" for fault in group.faults) for group in bad)


@unhurried
@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_raise_anything_but_invalid_file(content: bytes) -> None:
    survives(content, ColumnMap.default())


fragments = st.lists(
    st.sampled_from(SAMPLE.split(b"\r\n")) | st.binary(max_size=40) | st.sampled_from([b"FH|", b"IH||", b"CR\\|", b"ID|||", b""]),
    max_size=12,
)


@unhurried
@given(fragments, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.booleans())
def test_shuffled_rows_never_raise_anything_but_invalid_file(rows: list[bytes], end: bytes, mark: bool) -> None:
    survives((b"\xef\xbb\xbf" if mark else b"") + end.join(rows), ColumnMap.default())


@unhurried
@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 3), st.binary(max_size=3)), max_size=4))
def test_a_damaged_sample_is_refused_or_read_and_never_breaks(damage: list[tuple[int, int, bytes]]) -> None:
    content = SAMPLE
    for at, cut, instead in damage:
        content = content[:at] + instead + content[at + cut :]
    survives(content, ColumnMap.default())


class Watched(io.BytesIO):
    """Asserts that no read is unbounded."""

    def readline(self, limit: int | None = -1, /) -> bytes:
        assert limit is not None
        assert 0 < limit <= MAX_ROW_BYTES + 16
        return super().readline(limit)


@unhurried
@given(st.binary(min_size=1, max_size=8), st.integers(1, 30_000))
def test_no_row_is_read_without_bound(piece: bytes, times: int) -> None:
    file = Watched(SAMPLE + piece * times)
    with suppress(InvalidFile):
        check(file, ColumnMap.default())


@unhurried
@given(st.text(max_size=200) | st.text("FHIRCD:[],{}&*!|>-\n \"'0123456789", max_size=60))
def test_arbitrary_text_as_a_map_never_raises_anything_but_invalid_fields(text: str) -> None:
    with suppress(InvalidFields):
        ColumnMap.from_yaml(text)


@unhurried
@given(st.text(":;watergsel1 ", max_size=60) | st.text(max_size=60))
def test_arbitrary_text_as_meters_never_raises_anything_but_unreadable(text: str) -> None:
    with suppress(Unreadable):
        assert len({meter.meter_id for meter in parse_meters(text)}) == len(parse_meters(text))


@unhurried
@given(st.integers(-(10**12) + 1, 10**12 - 1))
def test_amounts_become_minor_units_exactly(minor: int) -> None:
    assert amount(money(minor)) == minor


@unhurried
@given(st.text("0123456789.-+,eE $٣", max_size=16))
def test_an_amount_is_read_in_one_spelling_only(text: str) -> None:
    with suppress(Unreadable):
        assert money(amount(text)).lstrip("-0") == text.lstrip("-0")
