"""What a start asks the database (contract: hub.start.StartStore)."""

from __future__ import annotations

from sqlalchemy import func, select, text

from hub.storage.engines import pooled
from hub.storage.tables.directory import billers
from hub.storage.work import Work

_SHARED = select(billers.c.origin).group_by(billers.c.origin).having(func.count() > 1).order_by(billers.c.origin)
_ROOM = text("SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS room")


class SqlStartStore:
    """One statement per question, whatever the number of billers."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def list_shared_origins(self, limit: int) -> list[str]:
        """Origins on which more than one biller lives."""
        return list(self._work.connection.execute(_SHARED.limit(limit)).scalars())

    def connection_room(self) -> int | None:
        """How many connections the server lets ordinary roles have, all together. None: no server, or a pooler before it whose
        limit cannot be asked."""
        if not self._work.is_postgres or pooled(self._work.connection):
            return None
        return self._work.connection.execute(_ROOM).scalar_one()  # type: ignore[no-any-return]
