"""The change log as staff read it (contract: admin.history.ChangeHistoryStore)."""

from __future__ import annotations

from sqlalchemy import select

from admin.history import ChangeEntry, ChangeFilter
from hub.storage.sql.rows import columns
from hub.storage.tables.log import change_log, change_values
from hub.storage.work import Work
from idp.changelog import ChangeRow

_ROW = columns(ChangeRow, change_log)
_ROWS = (
    select(*_ROW, change_values.c.content)
    .select_from(change_log.outerjoin(change_values, change_values.c.change_id == change_log.c.id))
    .order_by(change_log.c.id.desc())
)


class SqlChangeHistoryStore:
    """Pages backwards by id. The log is indexed for writing: a narrow filter over a long log reads much of it."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def list_changes(self, wanted: ChangeFilter, limit: int) -> list[ChangeEntry]:
        """Newest first by id, at most `limit`."""
        rows = _ROWS.where(change_log.c.bid == wanted.bid).limit(limit)
        if wanted.user_id is not None:
            rows = rows.where(change_log.c.user_id == wanted.user_id)
        if wanted.customer_id is not None:
            rows = rows.where(change_log.c.customer_id == wanted.customer_id)
        if wanted.before is not None:
            rows = rows.where(change_log.c.id < wanted.before)
        return [ChangeEntry(ChangeRow(*row[: len(_ROW)]), row.content or "") for row in self._work.connection.execute(rows)]
