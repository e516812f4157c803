"""Alarms (contract: idp.alarms.AlarmStore)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select

from hub.storage.sql.rows import columns, values
from hub.storage.tables.diagnostics import alarms
from hub.storage.work import Work
from idp.alarms import Alarm

_ADD = insert(alarms)
_LIST = (
    select(*columns(Alarm, alarms))
    .where(alarms.c.bid == bindparam("of_bid"))
    .order_by(alarms.c.at.desc(), alarms.c.id.desc())
    .limit(bindparam("most"))
)
_over = (
    select(alarms.c.id)
    .where(alarms.c.at < bindparam("before_time"))
    .order_by(alarms.c.at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("picked")
)
# Counted by RETURNING, because sqlite3 has no row count for a statement that begins with WITH.
_PURGE = delete(alarms).where(alarms.c.id.in_(select(_over.c.id))).returning(alarms.c.id)


class SqlAlarmStore:
    """Satisfies AlarmStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_alarm(self, alarm: Alarm) -> None:
        self._work.connection.execute(_ADD, values(alarm))

    def list_alarms(self, bid: int, limit: int) -> list[Alarm]:
        return [Alarm(*row) for row in self._work.connection.execute(_LIST, {"of_bid": bid, "most": limit})]

    def purge_alarms(self, before: datetime, limit: int) -> int:
        return len(self._work.connection.execute(_PURGE, {"before_time": before, "most": limit}).all())
