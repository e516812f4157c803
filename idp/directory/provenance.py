"""Provenance: who wrote what is known of an account, so that nobody shows as proof what they wrote themselves.

    Writer      an invoice file or the biller's staff, or a partner, and whether its key states `cis` (its portal sits on the CIS)
    Written     who wrote one value. It holds for exactly that value: when the value changes and nobody says who did it, its writer
                is unknown, and never the one before
    rewritten   what is recorded after a change. A value that stays the same keeps its first writer, so sending back what is there
                neither launders a value nor spoils it
    may_prove, may_be_contact    whether a value may serve against a partner: for a call of its own, or a page that it leads to

What a partner wrote is no proof for that partner, unless its key stated `cis` when it wrote. Where nobody knows any more who wrote
a value (rows from before this was recorded), it proves nothing; but a mail to it does no harm, so it is a contact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from idp.directory.api_keys import ApiKey

KEPT_BEFORE = frozenset({"email"})
"""Fields of which the last value that no partner wrote is kept: overwriting the address on record must not keep its owner from
being asked."""

_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote a value. `partner_id` and `states_cis` of a partner only."""

    kind: Literal["unknown", "file", "staff", "partner"]
    partner_id: UUID | None = None
    states_cis: bool = False

    def text(self) -> str:
        """As it is stored: "", "file", "staff", "partner:{id}", "partner:{id}:cis"."""
        match self.kind:
            case "unknown":
                return ""
            case "partner":
                return f"partner:{self.partner_id}{':cis' if self.states_cis else ''}"
            case kind:
                return kind

    @classmethod
    def parse(cls, text: str) -> Writer:
        """From the stored text. Whatever this program does not know is unknown."""
        if text == "file":
            return FILE
        if text == "staff":
            return STAFF
        kind, _, rest = text.partition(":")
        partner, _, more = rest.partition(":")
        try:
            return cls("partner", UUID(partner), more == "cis") if kind == "partner" and more in ("", "cis") else UNKNOWN
        except ValueError:
            return UNKNOWN

    @property
    def vouches(self) -> bool:
        """Whether what it wrote is good against every partner."""
        return self.kind in ("file", "staff") or self.states_cis


UNKNOWN = Writer("unknown")
FILE = Writer("file")
STAFF = Writer("staff")


def writer_of(key: ApiKey | None) -> Writer:
    """The writer behind a call. None: the biller's staff, or the hub itself."""
    if key is None:
        return STAFF
    return Writer("partner", key.partner.id, "cis" in key.policies.account_proof)


@dataclass(frozen=True, slots=True)
class Written:
    """Who wrote a value; `of` names the value without being it. `before`: the last value that no partner wrote, if kept."""

    by: Writer
    of: str
    before: str = ""


Record = Mapping[str, Written]
"""Field -> who wrote it."""


def mark(value: str) -> str:
    """A name of a value. Of any text: one that no database can hold is refused where it would be stored."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def writer_in(record: Record, field: str, value: str) -> Writer:
    """Who wrote the present value of a field."""
    known = record.get(field)
    return known.by if known is not None and known.of == mark(value) else UNKNOWN


def rewritten(
    record: Record, before: Mapping[str, str], after: Mapping[str, str], by: Writer, said: Collection[str]
) -> dict[str, Written]:
    """The record after a change of `before` into `after` by somebody who `said` something of these fields.

    A value whose writer nobody knows becomes that of a file, or of staff, that says the same.
    """
    made = dict(record)
    for field, value in after.items():
        was = writer_in(record, field, before.get(field, ""))
        if value != before.get(field, ""):
            made[field] = Written(by, mark(value), _kept(record, field, before.get(field, ""), was, by))
        elif value and was.kind == "unknown" and by.kind in ("file", "staff") and field in said:
            made[field] = Written(by, mark(value))
    return {field: written for field, written in made.items() if field in after}


def _kept(record: Record, field: str, value: str, was: Writer, by: Writer) -> str:
    """The last value that no partner wrote; nothing where this writer vouches for the present one."""
    if field not in KEPT_BEFORE or by.vouches:
        return ""
    if value and (was.vouches or was.kind == "unknown"):
        return value
    known = record.get(field)
    return "" if known is None else known.before


def may_prove(writer: Writer, partner_id: UUID | None) -> bool:
    """Whether a value may serve as proof in a call of this partner, or on a page that it leads to. None: no partner is in play."""
    match writer.kind:
        case "unknown":
            return False
        case "partner":
            return writer.states_cis or writer.partner_id != partner_id
        case _:
            return True


def may_be_contact(writer: Writer, partner_id: UUID | None) -> bool:
    """Whether somebody may be asked at an address about what this partner does."""
    return writer.kind == "unknown" or may_prove(writer, partner_id)


def record_values(record: Record) -> dict[str, Any]:
    """As it is stored."""
    return {
        field: [written.by.text(), written.of, *([written.before] if written.before else [])] for field, written in record.items()
    }


def parse_record(stored: Mapping[str, Any]) -> dict[str, Written]:
    """From what is stored. What this program does not understand is left out, and so unknown."""
    made: dict[str, Written] = {}
    for field, value in stored.items():
        match value:
            case [str(by), str(of)]:
                made[field] = Written(Writer.parse(by), of)
            case [str(by), str(of), str(before), *_]:
                made[field] = Written(Writer.parse(by), of, before)
            case _:
                continue
    return made
