"""Two pools per process on one database, and what its faults mean to us.

    writing   every transaction opens with the BEGIN that its database needs, whoever uses the engine: on SQLite IMMEDIATE (with
              the default, two that read and then write lose an update), on PostgreSQL READ COMMITTED with time limits
    reading   each statement is a transaction of its own; nothing is sent but the statement (p50 0.25 ms instead of 0.46)

The driver is in autocommit on both, so that a transaction is what we begin and nothing else. Time limits travel in the BEGIN
and not in the connection's start-up, which a transaction-pooling PgBouncer refuses or mixes up. Behind one of those that does
not track prepared statements, add `?prepare_threshold=none` to the URL.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp.errors import Raced, StoreUnavailable

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
_RACED = {"40001", "40P01"}
"""serialization_failure, deadlock_detected: the transaction was undone, and doing it again helps."""


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
    return Engines(_open_writing(parsed, arguments, writing), _open_reading(parsed, arguments, reading))


@contextmanager
def translated() -> Iterator[None]:
    """Whatever keeps the database from answering is StoreUnavailable; two that wait for each other, Raced."""
    try:
        yield
    except SQLAlchemyError as fault:
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
        case DatabaseError() if type(fault) is DatabaseError:  # SQLite: damaged, or no database at all
            raise StoreUnavailable(_told(fault)) from fault
        case DBAPIError(connection_invalidated=True):
            raise StoreUnavailable(_told(fault)) from fault


def _told(fault: DBAPIError) -> str:
    """The driver's words, without the statement."""
    return f"database: {type(fault.orig).__name__}: {str(fault.orig).strip()}"


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
            arguments: dict[str, Any] = {"autocommit": True, "connect_timeout": 5}
            threshold = parsed.query.get("prepare_threshold")
            if threshold is not None:
                arguments["prepare_threshold"] = None if threshold == "none" else int(str(threshold))
            return parsed.set(drivername="postgresql+psycopg").difference_update_query(["prepare_threshold"]), arguments
        case other:
            raise ValueError(f"the database {other} is not supported: use sqlite or postgresql")


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
        def limit(connection: Any, _record: object) -> None:
            with connection.cursor() as cursor:
                cursor.execute(_LIMITS_POSTGRES)

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
    """Only the owner may read the file. A folder that is not there is told by the first connection.

    A file that is there is not opened: to close it would take the locks of every connection that this process has on it, and
    another process that leaves would then remove the write-ahead log under them (fcntl(2), "record locks").
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
