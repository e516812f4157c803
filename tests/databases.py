"""A database of each kind for suites that look behind the stores: raw access, a second transaction beside, waiting for others.

    sql             a migrated SQLite file, then a migrated PostgreSQL database; both empty
    postgres_sql    PostgreSQL only: what SQLite cannot have, because its writers come one at a time

A module takes over the fixtures that it uses: `sql = databases.sql`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from sqlalchemy import Engine, text

from hub.storage.database import Database
from hub.storage.engines import open_engines
from hub.storage.kv_sqlite import SqliteKeyValue
from hub.storage.migrations import migrate
from hub.storage.stores import Stores
from idp.clock import FixedClock

T = TypeVar("T")
P = ParamSpec("P")

PATIENCE = 60.0
"""Seconds after which something that should happen is taken for something that never will."""

START = datetime(2031, 5, 4, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SqlCase:
    """A database under test. `engine` goes round the stores; `single` is the engine of single statements."""

    database: Database
    kv: SqliteKeyValue
    engine: Engine
    single: Engine
    clock: FixedClock
    threads: ThreadPoolExecutor

    def begin(self) -> AbstractContextManager[Stores]:
        """One transaction."""
        return self.database.begin()

    def run_beside(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> Future[T]:
        """Do something in another thread."""
        return self.threads.submit(work, *arguments, **named)

    def settle(self) -> None:
        """Wait until nothing is open that was open now: other tests of the run may write in the same cluster."""
        if self.engine.dialect.name != "postgresql":
            return
        with self.engine.begin() as connection:
            now = connection.execute(text("SELECT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)")).scalar_one()
        oldest = text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)")

        def is_over() -> bool:
            with self.single.connect() as connection:
                return bool(connection.execute(oldest).scalar_one() > now)

        self.wait_until(is_over)

    def waiting_for_locks(self) -> int:
        """How many sessions of this database wait for a lock."""
        asked = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        with self.single.connect() as connection:
            return int(connection.execute(asked).scalar_one())

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Until it happened; AssertionError when it never does."""
        give_up = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < give_up, "it never happened"
            time.sleep(0.005)


def _open(url: str, folder: Path) -> Iterator[SqlCase]:
    clock = FixedClock(START)
    kv = SqliteKeyValue(folder / "kv.db")
    database = Database(url, kv, clock, pool=16)
    engines = open_engines(url, 8)
    with ThreadPoolExecutor(8) as threads:
        yield SqlCase(database, kv, engines.writing, engines.reading, clock, threads)
    engines.dispose()
    database.close()
    kv.close()


def _migrated_file(folder: Path) -> Path:
    """A SQLite file on the newest migration, to copy; made once in a run's (or its worker's) folder."""
    path = folder / "migrated.db"
    if not path.exists():
        migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def sql(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlCase]:
    """An empty database of each kind."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    else:
        copy = shutil.copy(_migrated_file(tmp_path_factory.getbasetemp()), tmp_path / "hub.db")
        url = f"sqlite:///{copy}"
    yield from _open(url, tmp_path)


@pytest.fixture
def postgres_sql(postgres_url: str, tmp_path: Path) -> Iterator[SqlCase]:
    """An empty PostgreSQL database."""
    yield from _open(postgres_url, tmp_path)
