"""Two pools per process on one database, and what its faults mean to us.

    writing   every transaction opens with the BEGIN that its database needs, whoever uses the engine: on SQLite IMMEDIATE (with
              the default, two that read and then write lose an update), on PostgreSQL READ COMMITTED with time limits
    reading   each statement is a transaction of its own; nothing is sent but the statement (p50 0.25 ms instead of 0.46)

The driver is in autocommit on both, so that a transaction is what we begin and nothing else. Time limits travel in the BEGIN
and not in the connection's start-up, which a transaction-pooling PgBouncer refuses or mixes up.

Behind a pooler (PgBouncer and its like) the next transaction may run on another connection of the server. A connection finds that
out by itself (`is_pooled`), and then prepares no statements, which others would meet, and sets nothing for its session. A
`?prepare_threshold=` in the URL decides instead: for a pooler that tracks prepared statements.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from idp.errors import MalformedRequest, Raced, StoreUnavailable
from idp.private_files import make_file

STATEMENT_SECONDS = 15
"""A statement, a wait for a lock, an idle transaction: none may last as long as the hold of a stamp (hub.storage.database)."""

_BUSY_SECONDS = 10
_POOL_SECONDS = 5
_MS = STATEMENT_SECONDS * 1000
_BEGIN_POSTGRES = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {_MS}; SET LOCAL lock_timeout = {_MS};"
    f" SET LOCAL idle_in_transaction_session_timeout = {_MS}"
)
_LIMITS_POSTGRES = f"SET statement_timeout = {_MS}; SET lock_timeout = {_MS}"
_POOLED = "pooled"
"""Key in the info of a pool's entry: whether a pooler is between it and the server."""
_CANNOT_NOW = ("08", "25006", "25P03", "53", "57P", "57014", "58")
"""SQLSTATEs and classes (PostgreSQL, appendix A): connection, read-only, idle timeout, resources, operator, cancelled, system."""

_READ_ONLY = "25006"
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_RACED = {"40001", "40P01"}
"""serialization_failure, deadlock_detected: the transaction was undone, and doing it again helps."""
_NO_TEXT = {None, "22021", "22P05"}
"""Refused by the driver (NUL), character_not_in_repertoire, untranslatable_character."""
_UNKEEPABLE = "a text with NUL or a lone surrogate"


@dataclass(frozen=True, slots=True)
class Engines:
    """The two pools."""

    writing: Engine
    reading: Engine

    def dispose(self) -> None:
        """Close every connection."""
        self.writing.dispose()
        self.reading.dispose()


def open_engines(url: str, pool: int) -> Engines:
    """Pools of `pool` connections together (at least one each). Connects to nothing yet. ValueError for another database."""
    parsed, arguments = _read(url)
    reading = max(1, pool // 2)
    writing = max(1, pool - reading)
    engines = Engines(_open_writing(parsed, arguments, writing), _open_reading(parsed, arguments, reading))
    for engine in (engines.writing, engines.reading):
        _leave_read_only(engine, engines)
    return engines


@contextmanager
def translated() -> Iterator[None]:
    """Whatever keeps the database from answering is StoreUnavailable; two that wait for each other, Raced; a text that no database
    can hold (NUL, a lone surrogate), MalformedRequest."""
    try:
        yield
    except (SQLAlchemyError, UnicodeEncodeError) as fault:
        raise_translated(fault)
        raise


def raise_translated(fault: BaseException) -> None:
    """Raise what a fault of the database means to us; come back when it means nothing else than itself."""
    match fault:
        case PoolTimeout():
            raise StoreUnavailable(f"no database connection was free for {_POOL_SECONDS} s") from fault
        case OperationalError() | InterfaceError():
            if getattr(fault.orig, "sqlstate", None) in _RACED:
                raise Raced(_told(fault)) from fault
            raise StoreUnavailable(_told(fault)) from fault
        case UnicodeEncodeError():
            raise MalformedRequest(_UNKEEPABLE) from fault
        case DataError() if getattr(fault.orig, "sqlstate", None) in _NO_TEXT:
            raise MalformedRequest(_UNKEEPABLE) from fault
        case DBAPIError() if getattr(fault.orig, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            raise StoreUnavailable(f"{_told(fault)}: stop the hub and restore a backup (`idhub restore`)") from fault
        case DBAPIError() if fault.connection_invalidated or _cannot_now(fault.orig):
            raise StoreUnavailable(_told(fault)) from fault


def _cannot_now(cause: object) -> bool:
    """Whether a fault of PostgreSQL, of whatever class, is the server's state and not our mistake."""
    return (getattr(cause, "sqlstate", None) or "").startswith(_CANNOT_NOW)


def _told(fault: DBAPIError) -> str:
    """The driver's words, without the statement."""
    return f"database: {type(fault.orig).__name__}: {str(fault.orig).strip()}"


def libpq_parameters(url: str) -> dict[str, Any]:
    """What libpq is given to connect by this PostgreSQL URL: host, port, dbname, user, password, sslmode and so on."""
    parsed, arguments = _read(url)
    if parsed.get_backend_name() != "postgresql":
        raise ValueError("not a PostgreSQL URL")
    engine = create_engine(parsed)
    _, parameters = engine.dialect.create_connect_args(parsed)
    engine.dispose()
    wanted = {"connect_timeout": arguments["connect_timeout"], **parameters}
    return {name: value for name, value in wanted.items() if name != "context"}


def is_pooled(connection: Any) -> bool:
    """Whether a pooler stands between this psycopg connection and PostgreSQL.

    A pooler makes up the process id (with the key that cancels a statement) that it greets a client with, because the server's
    process changes from one transaction to the next.
    """
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is None or bool(row[0] != connection.info.backend_pid)


def _read(url: str) -> tuple[URL, dict[str, Any]]:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("not a database URL: sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE") from None
    match parsed.get_backend_name():
        case "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise ValueError("SQLite needs a file: sqlite:////var/lib/idhub/hub.db")
            _make_private(parsed.database)
            return parsed, {"timeout": _BUSY_SECONDS, "isolation_level": None}
        case "postgresql":
            arguments: dict[str, Any] = {"autocommit": True, "connect_timeout": 5, "fallback_application_name": "idhub"}
            threshold = parsed.query.get("prepare_threshold")
            if threshold is not None:
                arguments["prepare_threshold"] = None if threshold == "none" else int(str(threshold))
            return parsed.set(drivername="postgresql+psycopg").difference_update_query(["prepare_threshold"]), arguments
        case other:
            raise ValueError(f"the database {other} is not supported: use sqlite or postgresql")


def _leave_read_only(engine: Engine, both: Engines) -> None:
    """A server that takes no writes is not the primary any more: drop every connection, so that the next ones find the new one."""

    @event.listens_for(engine, "handle_error")
    def give_up(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True
            both.dispose()


def _open_writing(url: URL, arguments: dict[str, Any], size: int) -> Engine:
    engine = _create(url, arguments, size)
    postgres = url.get_backend_name() == "postgresql"
    begin = _BEGIN_POSTGRES if postgres else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "begin")
    def open_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _open_reading(url: URL, arguments: dict[str, Any], size: int) -> Engine:
    engine = _create(url, arguments, size, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, skip_autocommit_rollback=True)
    if url.get_backend_name() == "postgresql":

        @event.listens_for(engine, "connect")
        def limit(connection: Any, record: ConnectionPoolEntry) -> None:
            # Set for the session, it would stay with a connection that the pooler hands to others.
            if not record.info[_POOLED]:
                connection.execute(_LIMITS_POSTGRES)

    return engine


def _create(url: URL, arguments: dict[str, Any], size: int, **options: Any) -> Engine:
    # hide_parameters: what a statement carries (addresses, digests) must not come out in logs and tracebacks.
    engine = create_engine(
        url,
        connect_args=arguments,
        pool_size=size,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        pool_use_lifo=True,
        hide_parameters=True,
        **options,
    )
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        return engine

    @event.listens_for(engine, "connect")
    def look_for_pooler(connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_POOLED] = is_pooled(connection)
        if record.info[_POOLED] and "prepare_threshold" not in arguments:
            connection.prepare_threshold = None

    return engine


def pooled(connection: Connection) -> bool:
    """Whether this connection leads to a pooler; False on SQLite."""
    return bool(connection.info.get(_POOLED))


def _set_up_sqlite(connection: Any, _record: object) -> None:
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _use_wal(connection: Any) -> None:
    # SQLite does not wait for a lock here: two processes that open a new file at once would trip over each other.
    give_up = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except connection.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def _make_private(path: str) -> None:
    """Only the owner may read the file and those that SQLite puts beside it, which take after it. A folder that is not there is
    told by the first connection."""
    with suppress(OSError):
        make_file(path, "-wal", "-shm")
