"""The change log (idp.changelog): rows and their seals, erasable values beside them, signed checkpoints.

    change_log          append-only; only `seal` and `link` are ever written later, once
    change_values       before and after of a row; deleting one erases personal values and leaves the chain whole
    change_checkpoints  signed statements about the chain

`change_log` has as few indexes as it can: a row is written for every token that is issued.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, Uuid, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement

from hub.storage.tables.columns import BigId, UtcTime, metadata


class WritingTransaction(ColumnElement[int]):
    """Server default: the number of the transaction that writes the row; NULL on SQLite, where writers come one at a time.

    A BIGINT rather than PostgreSQL's own xid8, so that the column is an ordinary one for SQLAlchemy and Alembic. 64 bits do not
    wrap round.
    """

    inherit_cache = True


@compiles(WritingTransaction)
def _no_number(_element: WritingTransaction, _compiler: Any, **_options: Any) -> str:
    return "NULL"


@compiles(WritingTransaction, "postgresql")
def _current_number(_element: WritingTransaction, _compiler: Any, **_options: Any) -> str:
    return "CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)"


change_log = Table(
    "change_log",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("bid", Integer, nullable=False),
    Column("action", String, nullable=False),
    Column("actor_kind", String, nullable=False),
    Column("actor_id", String, nullable=False),
    Column("on_behalf_of", Uuid),
    Column("user_id", Uuid),
    Column("customer_id", Uuid),
    Column("subject", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("commitment", String, nullable=False),
    Column("xid", BigInteger, server_default=WritingTransaction()),
    Column("seal", BigInteger),
    Column("link", String),
    # An id that was given out is not given out again, even when the newest row is rolled back or removed.
    sqlite_autoincrement=True,
)

# Both partial: a new row is in the first only, a sealed one in the second only.
Index(
    "ix_change_log_unsealed",
    change_log.c.id,
    postgresql_where=text("seal IS NULL"),
    sqlite_where=text("seal IS NULL"),
)
Index(
    "uq_change_log_seal",
    change_log.c.seal,
    unique=True,
    postgresql_where=text("seal IS NOT NULL"),
    sqlite_where=text("seal IS NOT NULL"),
)

change_values = Table(
    "change_values",
    metadata,
    Column("change_id", BigId, ForeignKey("change_log.id"), primary_key=True, autoincrement=False),
    Column("salt", String, nullable=False),
    # Text, not JSON: the commitment was made over these very characters.
    Column("content", Text, nullable=False),
)

change_checkpoints = Table(
    "change_checkpoints",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("seal", BigInteger, nullable=False),
    Column("link", String, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("token", Text, nullable=False),
)
