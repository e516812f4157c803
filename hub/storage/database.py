"""The database: `begin()` is one transaction, `read()` a connection for single statements, `migrate()` brings the schema up.

Around a commit that changes cached rows, their stamps are renewed in the key-value store (idp.versions):

    hold        before the commit: while held, a stamp differs at every look, so nobody keeps a row that is about to change
    commit
    let go      after it: a new version, under which the new rows may be cached

Without the hold nothing is committed (StoreUnavailable). A writer that dies in between, or whose commit fails, leaves a hold
that runs out by itself; nothing stays stale. Every limit of a transaction is shorter than the hold.

A connection that broke (a restart, a failover) fails the request that met it and is thrown away with all of its age; the next
request connects anew. A ping before each use would cost every request a round trip.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import TracebackType

from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from hub.storage.engines import Engines, open_engines, raise_translated, translated
from hub.storage.migrations import is_behind, migrate, migrations_pending
from hub.storage.sql.data_keys import SqlDataKeyStore
from hub.storage.stores import Stores
from hub.storage.work import Work
from idp.clock import Clock
from idp.errors import HubError, StoreUnavailable
from idp.kv import KeyValue, Renew
from idp.opaque import new_id

__all__ = ["HOLD", "Database", "migrate", "migrations_pending"]

HOLD = timedelta(seconds=30)
_log = logging.getLogger(__name__)


class Reading:
    """`with database.read() as stores:`, written out: a generator costs the hot paths as much as a statement's parameters."""

    __slots__ = ("_clock", "_connection", "_engines")

    def __init__(self, engines: Engines, clock: Clock) -> None:
        self._engines = engines
        self._clock = clock

    def __enter__(self) -> Stores:
        try:
            self._connection = self._engines.reading.connect()
        except SQLAlchemyError as fault:
            raise_translated(fault)
            raise
        return Stores(Work(self._connection, self._clock.now(), single=True))

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()
        if fault is not None:
            raise_translated(fault)


class Database:
    """A SQLite file or a PostgreSQL database. Safe for use by many threads; a forked process opens its own."""

    def __init__(self, url: str, kv: KeyValue, clock: Clock, *, pool: int) -> None:
        """`pool`: connections at most, writing and reading together (at least one each). Connects to nothing yet."""
        self._engines: Engines = open_engines(url, pool)
        self._kv = kv
        self._clock = clock

    @contextmanager
    def begin(self) -> Iterator[Stores]:
        """One transaction (idp.transaction.Begin): leaving the block commits, an exception rolls back and goes on.

        StoreUnavailable, and Raced when two transactions waited for each other.
        """
        with translated(), self._engines.writing.connect() as connection, connection.begin() as transaction:
            work = Work(connection, self._clock.now())
            yield Stores(work)
            stamps = work.stamps()
            if stamps:
                self._kv.transact(Renew(stamps, HOLD))
            transaction.commit()
        if stamps:
            self._let_go(stamps)

    def read(self) -> Reading:
        """Stores for single statements, each committed by itself: reads, and inserts of one row that nothing caches."""
        return Reading(self._engines, self._clock)

    @property
    def data_keys(self) -> SqlDataKeyStore:
        """The one store that commits by itself, for `idp.secrets`."""
        return SqlDataKeyStore(self._engines.reading)

    def check(self) -> None:
        """Answer with a schema that this program knows, or raise StoreUnavailable with what to do."""
        with translated(), self._engines.reading.connect() as connection:
            try:
                revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            except (OperationalError, ProgrammingError) as fault:
                if fault.connection_invalidated:
                    raise
                revision = None
        if is_behind(revision):
            raise StoreUnavailable(f"the database is at revision {revision or 'none'}: run `idhub migrate`")

    def check_sound(self) -> None:
        """Read a SQLite file once and raise StoreUnavailable when a page of it is damaged. PostgreSQL sees to that itself.

        A file that was copied over, or that a disk lost a piece of, would go on answering until somebody meets the piece.
        """
        with translated(), self._engines.reading.connect() as connection:
            if connection.dialect.name != "sqlite":
                return
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        if found != "ok":
            what = " ".join(found.split())
            raise StoreUnavailable(f"the database file is damaged ({what}): stop the hub and restore a backup (`idhub restore`)")

    def announce(self) -> None:
        """Keep a connection open from now on, so that a restore of PostgreSQL sees that this process uses the database."""
        with suppress(SQLAlchemyError):
            self._engines.reading.connect().close()

    def probe(self) -> None:
        """As check, and commit a write that leaves nothing. StoreUnavailable: the database is away, read-only, full or locked."""
        self.check()
        with self.begin() as stores:
            stores.probes.write(new_id())

    def close(self) -> None:
        """Give connections back."""
        self._engines.dispose()

    def _let_go(self, stamps: tuple[str, ...]) -> None:
        try:
            self._kv.transact(Renew(stamps))
        except HubError as fault:
            # The change is committed and must not look failed; the rows stay uncached until the hold runs out.
            _log.warning("stamps stay held for a while", extra={"stamps": len(stamps), "cause": fault.detail})
