"""Made-up invoice files, row by row, and what the parser makes of one invoice."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import pytest

from idp.errors import InvalidFile
from sso_connect.imports.bif import (
    BadGroup,
    ColumnMap,
    Fault,
    Group,
    check,
    groups,
)

DATA = Path(__file__).parents[3] / "examples" / "data"
RIVERBEND = UUID("d99eda17-2af5-5ac0-ae88-9a0d9422bc15")
PRAIRIE = UUID("3f0e7d1c-5c0b-5b59-9c3b-1b5d0c5e9002")
DEFAULT = ColumnMap.default()

FH = "FH|D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15|11/20/2026|{count}|{total}"
IH: Mapping[str, str] = {
    "RecordType": "R",
    "InvoiceFormatGuid": "5B53D6A0-C11D-56FD-94C8-FAF0359A24F5",
    "InvoiceNumber": "A-1",
    "InvoiceDate": "11/18/2026",
    "InvoiceDueDate": "12/10/2026",
    "TotalAmountDue": "10.00",
    "Custom2": "",
    "Custom3": "",
    "Custom4": "LOC1",
    "Custom9": "",
    "Custom10": "1001-12345",
    "PastDue": "0.00",
    "Custom58": "O100-4821-3977",
}
CR: Mapping[str, str] = {
    "AccountNumber": "1001-01",
    "CustomerName": "Avery Brandt",
    "Address1": "12 Mill Race Rd",
    "Address2": "",
    "City": "Riverbend",
    "State": "MI",
    "Zip": "49331",
    "Phone": "6165550101",
    "EmailAddress": "avery.brandt@example.com",
    "BlockPaymentsCC": "N",
    "DisplayAccountNumber": "1001-01",
}
ID: Mapping[str, str] = {"Description": "Water", "Quantity": "1", "Amount": "10.00"}


def ih(**changed: str) -> str:
    """An IH row in the default order."""
    return "|".join(["IH", *({**IH, **changed}).values()])


def cr(**changed: str) -> str:
    """A CR row in the default order."""
    return "|".join(["CR", *({**CR, **changed}).values()])


def detail(**changed: str) -> str:
    """An ID row in the default order."""
    return "|".join(["ID", *({**ID, **changed}).values()])


def file_of(*rows: str, count: int = 1, total: str = "10.00", end: str = "\r\n") -> io.BytesIO:
    """A file of the given rows behind a header."""
    return io.BytesIO("".join(row + end for row in (FH.format(count=count, total=total), *rows)).encode())


def refusal(file: io.BytesIO, column_map: ColumnMap = DEFAULT, biller: UUID | None = None) -> str:
    """Why `check` refuses the file."""
    with pytest.raises(InvalidFile) as caught:
        check(file, column_map, biller)
    return caught.value.detail


def only_group(file: io.BytesIO, column_map: ColumnMap = DEFAULT) -> Group:
    """The one good invoice of a file that passes."""
    check(file, column_map)
    (group,) = groups(file, column_map)
    assert isinstance(group, Group), group
    return group


def only_faults(file: io.BytesIO, column_map: ColumnMap = DEFAULT) -> tuple[Fault, ...]:
    """What is wrong with the one invoice of a file that passes."""
    check(file, column_map)
    (group,) = groups(file, column_map)
    assert isinstance(group, BadGroup), group
    return group.faults
