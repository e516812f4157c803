"""Events that wait to leave (contract: idp.outbox.OutboxStore).

    waiting  ->  unrouted    nobody at the biller receives it

Order within an account is that of `position`, which the database gives out while the changed row is locked.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, insert, literal, select, update

from hub.storage.sql.rows import values
from hub.storage.tables.jobs import outbox
from hub.storage.work import Work
from idp.outbox import SCHEMA_VERSION, Event

_APPEND = insert(outbox).inline()

# A CTE is run once; a subquery with LIMIT in the WHERE of an UPDATE may be run again by PostgreSQL and then take other rows.
# Counted by RETURNING, because sqlite3 has no row count for a statement that begins with WITH.
_waiting = (
    select(outbox.c.position)
    .where(outbox.c.state == literal("waiting", literal_execute=True))
    .order_by(outbox.c.bid, outbox.c.account_number, outbox.c.position)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("picked")
)
_CLOSE_UNROUTED = (
    update(outbox)
    .where(outbox.c.position.in_(select(_waiting.c.position)))
    .values(state="unrouted", closed_at=bindparam("closing"))
    .returning(outbox.c.position)
)

_closed = (
    select(outbox.c.position)
    .where(outbox.c.closed_at < bindparam("before_time"))
    .order_by(outbox.c.closed_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("picked")
)
_PURGE = delete(outbox).where(outbox.c.position.in_(select(_closed.c.position))).returning(outbox.c.position)


class SqlOutboxStore:
    """Events in a SQL database."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def append(self, event: Event) -> None:
        """Add an event to the open transaction."""
        self._work.connection.execute(
            _APPEND, values(event) | {"schema_version": SCHEMA_VERSION, "state": "waiting", "created_at": self._work.now}
        )

    def claim_unrouted(self, limit: int) -> int:
        """Close waiting events of billers without a sink, which is every biller until there are sinks. How many."""
        return len(self._work.connection.execute(_CLOSE_UNROUTED, {"limit": limit, "closing": self._work.now}).all())

    def purge(self, before: datetime, limit: int) -> int:
        """Remove events that were closed before `before`, the oldest first. How many."""
        return len(self._work.connection.execute(_PURGE, {"before_time": before, "limit": limit}).all())
