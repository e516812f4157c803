"""Refusals with their checks (contract: sso_connect.diagnostics.RefusalStore)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, insert, or_, select

from hub.storage.tables.diagnostics import refusals
from hub.storage.work import Work
from sso_connect.checks import Check
from sso_connect.diagnostics import Refusal

_COLUMNS = (
    refusals.c.reference,
    refusals.c.at,
    refusals.c.bid,
    refusals.c.code,
    refusals.c.place,
    refusals.c.checks,
    refusals.c.request_id,
    refusals.c.key_id,
    refusals.c.partner_id,
    refusals.c.user_id,
    refusals.c.session_reference,
)
"""In the order of Refusal's fields."""

_ADD = insert(refusals).inline()
_FIND = select(*_COLUMNS).where(
    refusals.c.bid == bindparam("of_bid"),
    or_(refusals.c.reference == bindparam("wanted"), refusals.c.request_id == bindparam("wanted_request")),
)
_LIST = (
    select(*_COLUMNS)
    .where(refusals.c.bid == bindparam("of_bid"))
    .order_by(refusals.c.at.desc(), refusals.c.reference)
    .limit(bindparam("limit"))
)
_of_partner = (
    select(*_COLUMNS)
    .where(refusals.c.bid == bindparam("of_bid"), refusals.c.partner_id == bindparam("of_partner"))
    .order_by(refusals.c.at.desc(), refusals.c.reference)
    .limit(bindparam("limit"))
)
_LIST_OF = {
    False: _of_partner,
    True: _of_partner.where(
        or_(
            refusals.c.at < bindparam("last_time"),
            and_(refusals.c.at == bindparam("last_time"), refusals.c.reference > bindparam("last_reference")),
        )
    ),
}
"""From the beginning; after one."""
_over = (
    select(refusals.c.reference)
    .where(refusals.c.at < bindparam("before_time"))
    .order_by(refusals.c.at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("picked")
)
# Counted by RETURNING, because sqlite3 has no row count for a statement that begins with WITH.
_PURGE = delete(refusals).where(refusals.c.reference.in_(select(_over.c.reference))).returning(refusals.c.reference)


class SqlRefusalStore:
    """Refusals in a SQL database."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_refusal(self, refusal: Refusal) -> None:
        """Insert."""
        self._work.connection.execute(
            _ADD,
            {
                "reference": refusal.reference,
                "at": refusal.at,
                "bid": refusal.bid,
                "code": refusal.code,
                "place": refusal.where,
                "checks": [asdict(check) for check in refusal.checks],
                "request_id": refusal.request_id,
                "key_id": refusal.key_id,
                "partner_id": refusal.partner_id,
                "user_id": refusal.user_id,
                "session_reference": refusal.session_reference,
            },
        )

    def find_refusal(self, bid: int, reference: str) -> Refusal | None:
        """By reference or request id within a biller, as they were given out (upper and lower case)."""
        wanted = {"of_bid": bid, "wanted": reference.upper(), "wanted_request": reference.lower()}
        row = self._work.connection.execute(_FIND, wanted).first()
        return None if row is None else _refusal(row)

    def list_refusals(self, bid: int, limit: int) -> list[Refusal]:
        """Newest first."""
        return [_refusal(row) for row in self._work.connection.execute(_LIST, {"of_bid": bid, "limit": limit})]

    def list_refusals_of(self, bid: int, partner_id: UUID, after: tuple[datetime, str] | None, limit: int) -> list[Refusal]:
        """Of one partner, newest first and by reference, from the one after time and reference."""
        wanted: dict[str, Any] = {"of_bid": bid, "of_partner": partner_id, "limit": limit}
        if after is not None:
            wanted |= {"last_time": after[0], "last_reference": after[1]}
        return [_refusal(row) for row in self._work.connection.execute(_LIST_OF[after is not None], wanted)]

    def purge_refusals(self, before: datetime, limit: int) -> int:
        """Remove those older than `before`, the oldest first. How many."""
        return len(self._work.connection.execute(_PURGE, {"before_time": before, "limit": limit}).all())


def _refusal(row: Sequence[Any]) -> Refusal:
    reference, at, bid, code, place, checks, *known = row
    return Refusal(reference, at, bid, code, place, tuple(map(Check.of, checks)), *known)
