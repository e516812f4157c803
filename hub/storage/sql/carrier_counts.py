"""Counts of carriers (contract: sso_connect.carrier_counts.CarrierCountStore)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import bindparam, delete, func, select

from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import values
from hub.storage.tables.diagnostics import carrier_counts
from hub.storage.work import Work
from sso_connect.carrier_counts import CarrierCount

_C = carrier_counts.c
_ADD = Upsert(
    carrier_counts,
    key=("bid", "key_id", "day", "browser", "carrier"),
    update={"times": lambda new: carrier_counts.c.times + new.times},
)
_LIST = (
    select(_C.bid, _C.key_id, func.max(_C.day), _C.browser, _C.carrier, func.sum(_C.times))
    .where(_C.bid == bindparam("bid"), _C.day >= bindparam("since"))
    .group_by(_C.bid, _C.key_id, _C.browser, _C.carrier)
    .order_by(_C.key_id, _C.browser, _C.carrier)
)
_over = (
    select(_C.bid, _C.key_id, _C.day).where(_C.day < bindparam("before_day")).distinct().order_by(_C.day).limit(bindparam("most"))
)
_PURGE = delete(carrier_counts).where(
    _C.bid == bindparam("this_bid"), _C.key_id == bindparam("this_key"), _C.day == bindparam("this_day")
)


class SqlCarrierCountStore:
    """Satisfies CarrierCountStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_carrier(self, count: CarrierCount) -> None:
        self._work.connection.execute(_ADD.on(self._work), values(count))

    def list_carriers(self, bid: int, since: date) -> list[CarrierCount]:
        rows = self._work.connection.execute(_LIST, {"bid": bid, "since": since})
        return [CarrierCount(row[0], row[1], row[2], row[3], row[4], int(row[5])) for row in rows]

    def purge_carriers(self, before: date, limit: int) -> int:
        rows = self._work.connection.execute(_over, {"before_day": before, "most": limit}).all()
        if rows:
            named = [{"this_bid": row.bid, "this_key": row.key_id, "this_day": row.day} for row in rows]
            self._work.connection.execute(_PURGE, named)
        return len(rows)
