"""The column map of a Biller Invoice File: which column of a row holds what.

A map belongs to a biller. It lists, for each row type, the columns behind the row type itself, in file order, by field name (in
any case) or by FileSpecID, the number that the field has in the platform's file specification:

    IH: [RecordType, InvoiceFormatGuid, InvoiceNumber, InvoiceType, 11, 12, TotalAmountDue, 407, 39, 40, 41, 47, Custom58]
    CR: [AccountNumber, EmailAddress, CustomerName, Address1]

A row type that the map leaves out has the default order. Fields without a FileSpecID (InvoiceType, Meters, Description,
Quantity, Amount, most customs) go by name only. Meters may stand in IH or CR, in one of the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

import yaml

from idp.errors import FieldError, InvalidFields

ROW_TYPES: Final = ("FH", "IH", "CR", "ID")
"""File header, invoice header, customer record, invoice detail: in the order in which they first occur."""

MAX_MAP_CHARACTERS: Final = 16 * 1024
"""More text than this is no column map."""

MAX_CUSTOM: Final = 60

_DEFAULT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "FH": ("BillerGuid", "FileCreationDate", "InvoiceCount", "TotalInvoiceAmount"),
        "IH": (
            "RecordType",
            "InvoiceFormatGuid",
            "InvoiceNumber",
            "InvoiceDate",
            "InvoiceDueDate",
            "TotalAmountDue",
            "Custom2",
            "Custom3",
            "Custom4",
            "Custom9",
            "Custom10",
            "PastDue",
            "Custom58",
        ),
        "CR": (
            "AccountNumber",
            "CustomerName",
            "Address1",
            "Address2",
            "City",
            "State",
            "Zip",
            "Phone",
            "EmailAddress",
            "BlockPaymentsCC",
            "DisplayAccountNumber",
        ),
        "ID": ("Description", "Quantity", "Amount"),
    }
)

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "FH": _DEFAULT["FH"],
        "IH": (
            "RecordType",
            "InvoiceFormatGuid",
            "InvoiceNumber",
            "InvoiceDate",
            "InvoiceDueDate",
            "TotalAmountDue",
            "Custom10",
        ),
        "CR": ("AccountNumber", "CustomerName"),
        "ID": (),
    }
)
"""The columns that every map must have, and whose cells must not be empty."""

_FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "FH": _DEFAULT["FH"],
        "IH": (
            *(name for name in _DEFAULT["IH"] if not name.startswith("Custom")),
            *(f"Custom{number}" for number in range(1, MAX_CUSTOM + 1)),
            "InvoiceType",
            "Meters",
        ),
        "CR": (*_DEFAULT["CR"], "Meters"),
        "ID": _DEFAULT["ID"],
    }
)

_SPEC_IDS: Final[Mapping[int, str]] = MappingProxyType(
    {
        2: "BillerGuid",
        4: "FileCreationDate",
        5: "InvoiceCount",
        6: "TotalInvoiceAmount",
        8: "RecordType",
        9: "InvoiceFormatGuid",
        10: "InvoiceNumber",
        11: "InvoiceDate",
        12: "InvoiceDueDate",
        13: "TotalAmountDue",
        39: "Custom2",
        40: "Custom3",
        41: "Custom4",
        46: "Custom9",
        47: "Custom10",
        407: "PastDue",
        59: "AccountNumber",
        60: "CustomerName",
        61: "Address1",
        62: "Address2",
        63: "City",
        64: "State",
        65: "Zip",
        66: "Phone",
        67: "EmailAddress",
        356: "BlockPaymentsCC",
        373: "DisplayAccountNumber",
    }
)

_CUSTOM: Final = re.compile(r"Custom([1-9][0-9]?)")


def custom_number(field: str) -> int | None:
    """58 for `Custom58`; None for any other field."""
    found = _CUSTOM.fullmatch(field)
    return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Field names of each row type in file order, without the row type itself. Made by `default`, `from_yaml`, `from_mapping`."""

    file_header: tuple[str, ...]
    invoice: tuple[str, ...]
    customer: tuple[str, ...]
    detail: tuple[str, ...]

    @classmethod
    def default(cls) -> Self:
        """The order of a biller that has no map of its own."""
        return cls(*(_DEFAULT[row_type] for row_type in ROW_TYPES))

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read a map from YAML: row types, each with its list of columns. Raises `InvalidFields` that names every fault."""
        return cls.from_mapping(_load(text))

    @classmethod
    def from_mapping(cls, given: object) -> Self:
        """Check a map that was read already (from JSON, from the biller's row). Raises `InvalidFields` that names every fault.

        Fields are named `IH.Custom10`: the row type and the column as it was given, or the one that is missing.
        """
        if not isinstance(given, Mapping):
            raise InvalidFields("the map is no mapping", fields=[FieldError("", "must map row types to lists of columns")])
        faults = [
            FieldError(_shown(row_type), "is no row type; FH, IH, CR and ID are")
            for row_type in given
            if not isinstance(row_type, str) or row_type not in ROW_TYPES
        ]
        rows: dict[str, tuple[str, ...]] = {}
        for row_type in ROW_TYPES:
            rows[row_type] = _DEFAULT[row_type]
            if row_type in given:
                rows[row_type], wrong = _columns(row_type, given[row_type])
                faults += wrong
        if "Meters" in rows["IH"] and "Meters" in rows["CR"]:
            faults.append(FieldError("CR.Meters", "is given twice: IH has it already"))
        if faults:
            raise InvalidFields("; ".join(f"{fault.field} {fault.message}" for fault in faults), fields=faults)
        return cls(*(rows[row_type] for row_type in ROW_TYPES))

    def of(self, row_type: str) -> tuple[str, ...]:
        """The columns of one of `ROW_TYPES`."""
        return {"FH": self.file_header, "IH": self.invoice, "CR": self.customer, "ID": self.detail}[row_type]

    def as_mapping(self) -> dict[str, list[str]]:
        """Plain data for storage and display; `from_mapping` reads it back."""
        return {row_type: list(self.of(row_type)) for row_type in ROW_TYPES}


def _columns(row_type: str, given: object) -> tuple[tuple[str, ...], list[FieldError]]:
    """The field names that one row type's list stands for, and what is wrong with the list."""
    if not isinstance(given, list | tuple) or not given:
        return (), [FieldError(row_type, "must be a list of columns")]
    known = {name.casefold(): name for name in _FIELDS[row_type]}
    names: list[str] = []
    faults: list[FieldError] = []
    for column in given:
        name = _named(column, known)
        if name is None:
            faults.append(FieldError(f"{row_type}.{_shown(column)}", f"is no column of {row_type}"))
        elif name in names:
            faults.append(FieldError(f"{row_type}.{name}", "is given twice"))
        else:
            names.append(name)
    faults += [FieldError(f"{row_type}.{name}", "is required and missing") for name in REQUIRED[row_type] if name not in names]
    return tuple(names), faults[:50]


def _named(column: object, known: Mapping[str, str]) -> str | None:
    if isinstance(column, str):
        return known.get(column.casefold())
    if isinstance(column, int) and not isinstance(column, bool):
        return known.get(_SPEC_IDS.get(column, "").casefold())
    return None


def _shown(given: object) -> str:
    return str(given)[:64] if isinstance(given, str | int) else type(given).__name__


def _load(text: str) -> object:
    """YAML as plain data. A key that is given twice is a fault: the loader would let the last one win in silence."""
    if len(text) > MAX_MAP_CHARACTERS:
        raise InvalidFields("too long", fields=[FieldError("", f"is longer than {MAX_MAP_CHARACTERS} characters")])
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            twice = sorted(set(_repeated(node)))
            loaded: object = loader.construct_document(node) if node is not None and not twice else None
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as unreadable:
        # ValueError: the loader passes on what date() and int() say of a scalar. RecursionError: lists nested too deep.
        raise InvalidFields("no YAML", fields=[FieldError("", "cannot be read as YAML")]) from unreadable
    if twice:
        raise InvalidFields("a row type twice", fields=[FieldError(key, "is given twice") for key in twice])
    return loaded


def _repeated(node: yaml.Node | None) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        keys = [str(key.value)[:64] for key, _ in node.value]
        yield from (key for index, key in enumerate(keys) if key in keys[:index])
