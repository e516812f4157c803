"""One cell of a Biller Invoice File to one value, or the reason why not.

Readers take the text of a cell without the blanks around it, never empty, and raise `Unreadable`. They are strict on purpose:
a value that might be meant in two ways is not guessed. Digits are 0-9; amounts are `84.17` or, a credit, `-84.17`, without sign
of currency, thousands separator or exponent; dates are MM/DD/YYYY and exist; flags are Y or N. Reasons never quote the cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Final, get_args
from uuid import UUID

from idp.directory.customers import Commodity, Meter
from idp.directory.names import normal_email

MAX_CHARACTERS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "RecordType": 10,
        "InvoiceNumber": 64,
        "InvoiceType": 32,
        "AccountNumber": 64,
        "DisplayAccountNumber": 64,
        "CustomerName": 200,
        "Address1": 200,
        "Address2": 200,
        "City": 100,
        "State": 50,
        "Zip": 20,
        "Phone": 32,
        "EmailAddress": 254,
        "Custom": 500,
        "Meters": 4000,
        "Description": 200,
    }
)
"""How long a text may be; `Custom` stands for every custom field."""

NOT_PRINTABLE: Final = "has a character in it that cannot be printed"
MAX_AMOUNT_DIGITS: Final = 12
MAX_QUANTITY_DIGITS: Final = (12, 6)
"""Before and behind the point."""
MAX_COUNT_DIGITS: Final = 9
MAX_METERS: Final = 100
MAX_METER_CHARACTERS: Final = 64
COMMODITIES: Final[Mapping[str, Commodity]] = MappingProxyType({name: name for name in get_args(Commodity)})

_FORBIDDEN: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ufeff]")
_AMOUNT: Final = re.compile(rf"(-?)([0-9]{{1,{MAX_AMOUNT_DIGITS - 2}}})\.([0-9]{{2}})")
_QUANTITY: Final = re.compile(r"-?[0-9]{1,%d}(?:\.[0-9]{1,%d})?" % MAX_QUANTITY_DIGITS)  # noqa: UP031 - braces are its own
_COUNT: Final = re.compile(rf"[0-9]{{1,{MAX_COUNT_DIGITS}}}")
_DATE: Final = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_GUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
YEARS: Final = range(1900, 2200)


class Unreadable(ValueError):
    """The cell does not hold what its column promises. `reason` completes the sentence "this value ..."."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def trimmed(cell: str) -> str:
    """The cell without the blanks around it.

    Control characters other than tab, and byte order marks inside a file, are no text: they hide in look-alike names.
    """
    if _FORBIDDEN.search(cell):
        raise Unreadable("has a control character in it")
    return cell.strip()


def amount(text: str) -> int:
    """Minor units, of either sign; at most MAX_AMOUNT_DIGITS in all."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise Unreadable(f"is no amount with two decimals and at most {MAX_AMOUNT_DIGITS} digits, such as 84.17")
    minor = int(found[2] + found[3])
    return -minor if found[1] else minor


def quantity(text: str) -> Decimal:
    """A number with at most MAX_QUANTITY_DIGITS before and behind the point."""
    if _QUANTITY.fullmatch(text) is None:
        raise Unreadable("is no quantity, such as 612 or 4.2")
    return Decimal(text)


def count(text: str) -> int:
    """A whole number, zero or more."""
    if _COUNT.fullmatch(text) is None:
        raise Unreadable("is no whole number")
    return int(text)


def day(text: str) -> date:
    """A day of the calendar, written MM/DD/YYYY, from 1900 to 2199."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise Unreadable("is no date of the form MM/DD/YYYY")
    month, day_of_month, year = (int(part) for part in found.groups())
    if year not in YEARS:
        raise Unreadable("is a date outside of 1900 to 2199")
    try:
        return date(year, month, day_of_month)
    except ValueError:
        raise Unreadable("is a day that the calendar does not have") from None


def guid(text: str) -> UUID:
    """A GUID with its four dashes, in any case, without braces."""
    if _GUID.fullmatch(text) is None:
        raise Unreadable("is no GUID")
    return UUID(text)


def flag(text: str) -> bool:
    """Y or N."""
    if text not in ("Y", "N"):
        raise Unreadable("is neither Y nor N")
    return text == "Y"


def email(text: str) -> str:
    """One address, in the form in which the directory keeps it. Whether it takes mail is not known here.

    Neither placeholders for "none" nor names that never take mail (`.invalid`, RFC 6761) are addresses.
    """
    try:
        return normal_email(text_of("EmailAddress")(text))
    except ValueError:
        raise Unreadable("is not an e-mail address") from None


def text_of(field: str) -> Callable[[str], str]:
    """A reader of free text within the length that `MAX_CHARACTERS` gives for the field."""
    limit = MAX_CHARACTERS[field]

    def read(text: str) -> str:
        if len(text) > limit:
            raise Unreadable(f"is longer than {limit} characters")
        return text

    return read


def identifier_of(field: str) -> Callable[[str], str]:
    """As `text_of`, for what is looked up and compared: printable characters only, no tab, nothing invisible."""
    read_text = text_of(field)

    def read(text: str) -> str:
        if not text.isprintable():
            raise Unreadable(NOT_PRINTABLE)
        return read_text(text)

    return read


def parse_meters(text: str) -> tuple[Meter, ...]:
    """`id:commodity;id:commodity` to meters; empty text to none. The commodity is what stands behind the last colon, in any case.

    Raises `Unreadable` (a ValueError) for an item without both parts, an unknown commodity, an id given twice, more than 100
    meters or 4,000 characters. One semicolon at the end is passed over.
    """
    text = text.strip()
    if not text:
        return ()
    if len(text) > MAX_CHARACTERS["Meters"]:
        raise Unreadable(f"is longer than {MAX_CHARACTERS['Meters']} characters")
    meters: dict[str, Meter] = {}
    for item in text.removesuffix(";").split(";"):
        meter_id, _, named = (part.strip() for part in item.rpartition(":"))
        commodity = COMMODITIES.get(named.lower())
        if not meter_id or len(meter_id) > MAX_METER_CHARACTERS or not meter_id.isprintable():
            raise Unreadable("has a meter that is not of the form id:commodity")
        if commodity is None:
            raise Unreadable(f"has a commodity that is none of {', '.join(COMMODITIES)}")
        if meter_id in meters:
            raise Unreadable("has the same meter twice")
        meters[meter_id] = Meter(meter_id, commodity)
    if len(meters) > MAX_METERS:
        raise Unreadable(f"has more than {MAX_METERS} meters")
    return tuple(meters.values())
