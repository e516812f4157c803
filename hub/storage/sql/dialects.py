"""ON CONFLICT statements that need more than hub.storage.sql.conflicts.Upsert: a condition, RETURNING, or any rule at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

InsertInto = Callable[[Table], Any]
"""`sqlalchemy.dialects.X.insert`: both have on_conflict_do_update, on_conflict_do_nothing and excluded, without a shared type."""


@dataclass(frozen=True, slots=True)
class PerDialect:
    """One statement, built once for each database."""

    statements: Mapping[str, Executable]

    def on(self, connection: Connection) -> Executable:
        """The statement for the database behind a connection."""
        return self.statements[connection.dialect.name]


def per_dialect(build: Callable[[InsertInto], Executable]) -> PerDialect:
    """Build a statement with each dialect's `insert`."""
    return PerDialect({"postgresql": build(postgresql.insert), "sqlite": build(sqlite.insert)})
