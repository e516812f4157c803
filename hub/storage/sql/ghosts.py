"""Ghosts (idp.directory.ghosts)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import bindparam, select

from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import batches, columns, values
from hub.storage.tables.directory import ghosts
from hub.storage.work import Work
from idp.directory.ghosts import Ghost

_SELECT = select(*columns(Ghost, ghosts)).where(ghosts.c.bid == bindparam("bid"))
_FIND = _SELECT.where(ghosts.c.customer_id == bindparam("customer_id"))
_FIND_MANY = _SELECT.where(ghosts.c.customer_id.in_(bindparam("customer_ids", expanding=True)))
_PUT = Upsert(ghosts, key=("bid", "customer_id"), update=("name", "email", "email_key", "phone", "email_since"))


class SqlGhostStore:
    """Satisfies GhostStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def find_ghost(self, bid: int, customer_id: UUID) -> Ghost | None:
        row = self._work.connection.execute(_FIND, {"bid": bid, "customer_id": customer_id}).one_or_none()
        return None if row is None else Ghost(*row)

    def put_ghost(self, ghost: Ghost) -> None:
        self.put_ghosts([ghost])

    def find_ghosts(self, bid: int, customer_ids: Iterable[UUID]) -> dict[UUID, Ghost]:
        found: dict[UUID, Ghost] = {}
        for batch in batches(customer_ids):
            for row in self._work.connection.execute(_FIND_MANY, {"bid": bid, "customer_ids": batch}):
                ghost = Ghost(*row)
                found[ghost.customer_id] = ghost
        return found

    def put_ghosts(self, ghosts: Sequence[Ghost]) -> None:
        if ghosts:
            self._work.connection.execute(_PUT.on(self._work), [values(ghost) for ghost in ghosts])
