"""Counts of refusals that were not kept (contract: sso_connect.refusal_limits.NotKeptStore)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import bindparam, case, delete, func, select

from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import values
from hub.storage.tables.diagnostics import refusals_not_kept
from hub.storage.tables.partners import api_keys
from hub.storage.work import Work
from sso_connect.refusal_limits import ANONYMOUS, NotKept

_C = refusals_not_kept.c
_ADD = Upsert(refusals_not_kept, key=("bid", "key_id", "day"), update={"times": lambda new: _C.times + new.times})
_OF = (
    select(func.coalesce(func.sum(_C.times), 0))
    .select_from(refusals_not_kept.join(api_keys, (api_keys.c.id == _C.key_id) & (api_keys.c.bid == _C.bid)))
    .where(_C.bid == bindparam("of_bid"), api_keys.c.partner_id == bindparam("of_partner"), _C.day >= bindparam("since"))
)
_ALL = select(
    func.coalesce(func.sum(case((_C.key_id != ANONYMOUS, _C.times), else_=0)), 0),
    func.coalesce(func.sum(case((_C.key_id == ANONYMOUS, _C.times), else_=0)), 0),
).where(_C.bid == bindparam("of_bid"), _C.day >= bindparam("since"))
_over = select(_C.bid, _C.key_id, _C.day).where(_C.day < bindparam("before_day")).order_by(_C.day).limit(bindparam("most"))
_PURGE = delete(refusals_not_kept).where(
    _C.bid == bindparam("this_bid"), _C.key_id == bindparam("this_key"), _C.day == bindparam("this_day")
)


class SqlNotKeptStore:
    """Satisfies NotKeptStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_not_kept(self, counts: Sequence[NotKept]) -> None:
        """Add to what is there, in one order, whoever writes."""
        if counts:
            ordered = sorted(counts, key=lambda each: (each.bid, each.key_id, each.day))
            self._work.connection.execute(_ADD.on(self._work), [values(each) for each in ordered])

    def count_not_kept_of(self, bid: int, partner_id: UUID, since: date) -> int:
        """Of the keys of one partner, from a day on."""
        return int(self._work.connection.execute(_OF, {"of_bid": bid, "of_partner": partner_id, "since": since}).scalar_one())

    def count_not_kept(self, bid: int, since: date) -> tuple[int, int]:
        """Of a biller, from a day on: of known keys, and of nobody known."""
        known, nobodys = self._work.connection.execute(_ALL, {"of_bid": bid, "since": since}).one()
        return int(known), int(nobodys)

    def purge_not_kept(self, before: date, limit: int) -> int:
        """Remove those of days before. How many."""
        rows = self._work.connection.execute(_over, {"before_day": before, "most": limit}).all()
        if rows:
            named = [{"this_bid": row.bid, "this_key": row.key_id, "this_day": row.day} for row in rows]
            self._work.connection.execute(_PURGE, named)
        return len(rows)
