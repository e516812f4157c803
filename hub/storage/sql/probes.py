"""A write that leaves nothing: whether the database takes any (hub.server.health)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, delete, insert

from hub.storage.tables.health import write_probes
from hub.storage.work import Work

_ADD = insert(write_probes).inline()
_DROP = delete(write_probes).where(write_probes.c.id == bindparam("probe"))


class SqlProbeStore:
    """Rows that live as long as their transaction: no two processes wait for each other."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def write(self, probe: UUID) -> None:
        """Insert a row and delete it again."""
        self._work.connection.execute(_ADD, {"id": probe, "at": self._work.now})
        self._work.connection.execute(_DROP, {"probe": probe})
