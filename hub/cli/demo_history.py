"""A year of bills for the demo, as an invoice file: what a utility would have sent month by month, written when the demo starts.

The same people and amounts at every start. It is imported before the utility's sample file, so that the newest bills, names and
role codes are those of that file.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from hub.cli.demo_people import DemoBiller, Household
from sso_connect.imports.bif_columns import ColumnMap

_FORMAT = "5B53D6A0-C11D-56FD-94C8-FAF0359A24F5"
_OF_THE_YEAR = (118, 112, 104, 96, 90, 94, 106, 110, 98, 92, 97, 108)
"""What a month asks for, in percent, January first: heating in winter, watering in summer."""
_DAY, _DUE_DAY = 18, 10


def history_file(biller: DemoBiller, column_map: ColumnMap, households: tuple[Household, ...]) -> bytes:
    """The invoice file of these households, oldest bill first."""
    every = ((day, household, cents) for household in households for day, cents in _bills(household))
    bills = sorted(every, key=lambda bill: bill[0])
    total = sum(cents for _, _, cents in bills)
    rows = [
        _row(
            column_map,
            "FH",
            BillerGuid=str(biller.guid).upper(),
            FileCreationDate=_day(date(2026, 11, 19)),
            InvoiceCount=str(len(bills)),
            TotalInvoiceAmount=_amount(total),
        )
    ]
    for day, household, cents in bills:
        rows += _invoice(column_map, household, day, cents)
    return "".join(f"{row}\r\n" for row in rows).encode()


def _bills(household: Household) -> Iterator[tuple[date, int]]:
    """The day and the amount of each bill, newest first."""
    year, month = household.last
    for age in range(household.months):
        before, left = divmod(year * 12 + month - 1 - age, 12)
        day = date(before, left + 1, _DAY)
        cents = household.cents * _OF_THE_YEAR[day.month - 1] // 100 + 7 * age
        yield day, household.newest if age == 0 and household.newest is not None else cents


def _invoice(column_map: ColumnMap, household: Household, day: date, cents: int) -> Iterator[str]:
    street, city, state, zip_code = household.address
    digits = "".join(character for character in household.account if character.isdigit())
    due_on = date(day.year + day.month // 12, day.month % 12 + 1, _DUE_DAY)
    yield _row(
        column_map,
        "IH",
        RecordType="R",
        InvoiceFormatGuid=_FORMAT,
        InvoiceNumber=f"{digits}{day:%y%m}00",
        InvoiceDate=_day(day),
        InvoiceDueDate=_day(due_on),
        TotalAmountDue=_amount(cents),
        PastDue=_amount(min(cents, 0)),
        Custom10=f"{digits}-{day:%y%m}",
    )
    yield _row(
        column_map,
        "CR",
        AccountNumber=household.account,
        CustomerName=household.holder,
        Address1=street,
        City=city,
        State=state,
        Zip=zip_code,
        DisplayAccountNumber=household.account,
    )
    charged = max(cents, 4000)
    yield _row(column_map, "ID", Description=household.service, Quantity="1", Amount=_amount(charged))
    if cents != charged:
        yield _row(column_map, "ID", Description="Payments received", Quantity="1", Amount=_amount(cents - charged))


def _row(column_map: ColumnMap, row_type: str, **cells: str) -> str:
    return "|".join([row_type, *(cells.get(name, "") for name in column_map.of(row_type))])


def _day(day: date) -> str:
    return f"{day:%m/%d/%Y}"


def _amount(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
