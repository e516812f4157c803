"""A store that answers and cannot write: unavailable in every way to it, never a fault of the program, and well again by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InternalError

from hub.storage import engines
from hub.storage.database import Database
from hub.storage.engines import raise_translated
from hub.storage.kv_redis import RedisKeyValue
from hub.storage.kv_sqlite import SqliteKeyValue
from hub.storage.migrations import migrate
from idp.clock import SystemClock
from idp.errors import Raced, StoreUnavailable
from idp.kv import Count, KeyValue, Look, Put
from tests.contracts.sql_stores import OAKDALE, sample_biller
from tests.contracts.test_kv_redis import SNAPSHOTS, Server
from tests.processes import Run
from tests.servers import PostgresCluster

LIFE = timedelta(minutes=5)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], Database]]:
    """Opens a database; closed after the test."""
    kv = SqliteKeyValue(tmp_path / "kv.db")
    made: list[Database] = []

    def open_one(url: str) -> Database:
        made.append(Database(url, kv, SystemClock(), pool=6))
        return made[-1]

    yield open_one
    for database in made:
        database.close()
    kv.close()


def add(database: Database, bid: int) -> None:
    """A write in a transaction."""
    with database.begin() as stores:
        stores.billers.add_biller(sample_biller(bid, f"biller{bid}"))


def append(database: Database) -> None:
    """A write by a single statement, as the audit rows of the hot paths are."""
    with database.read() as stores:
        stores._work.connection.execute(text("CREATE TABLE IF NOT EXISTS single (n integer)"))


def count(database: Database) -> int:
    """A read."""
    with database.read() as stores:
        return len(stores.billers.list_billers(0, 100))


# --- PostgreSQL ------------------------------------------------------------------------------------------------------------


def until_well(use: Callable[[], object], most: int = 3) -> None:
    """Requests in vain, then one that goes through: without a restart, and not for ever."""
    for _ in range(most):
        try:
            use()
        except StoreUnavailable:
            continue
        return
    raise AssertionError("it stays unavailable")


@pytest.mark.servers
def test_a_read_only_postgresql_is_unavailable_for_writes_and_well_again_by_itself(
    opened: Callable[[str], Database], postgres_cluster: PostgresCluster, postgres_url: str
) -> None:
    database = opened(postgres_url)
    add(database, OAKDALE)
    with postgres_cluster.read_only(postgres_url):
        for _ in range(5):
            with pytest.raises(StoreUnavailable):
                add(database, OAKDALE + 1)
            with pytest.raises(StoreUnavailable):
                append(database)
            with pytest.raises(StoreUnavailable):
                database.probe()
        assert count(database) == 1
    until_well(lambda: add(database, OAKDALE + 1))
    until_well(lambda: append(database))
    database.probe()
    assert count(database) == 2


@pytest.mark.servers
@pytest.mark.parametrize(
    ("state", "meaning"),
    [
        ("08006", StoreUnavailable),  # connection_failure
        ("25006", StoreUnavailable),  # read_only_sql_transaction
        ("25P03", StoreUnavailable),  # idle_in_transaction_session_timeout
        ("53100", StoreUnavailable),  # disk_full
        ("53200", StoreUnavailable),  # out_of_memory
        ("53300", StoreUnavailable),  # too_many_connections
        ("57P01", StoreUnavailable),  # admin_shutdown
        ("57P03", StoreUnavailable),  # cannot_connect_now
        ("57014", StoreUnavailable),  # query_canceled
        ("58030", StoreUnavailable),  # io_error
        ("40001", Raced),
        ("40P01", Raced),
        ("22012", DBAPIError),  # division_by_zero: our own mistake
        ("42P01", DBAPIError),  # undefined_table: our own mistake
    ],
)
def test_what_postgresql_says_is_the_stores_fault_or_ours(
    opened: Callable[[str], Database], postgres_url: str, state: str, meaning: type[Exception]
) -> None:
    database = opened(postgres_url)
    raising = text(f"DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '{state}'; END $$")
    for use in (database.begin, database.read):
        with pytest.raises(meaning), use() as stores:
            stores._work.connection.execute(raising)


def test_a_fault_without_a_state_stays_what_it_is() -> None:
    fault = InternalError("", {}, Exception("made up"))
    raise_translated(fault)


# --- SQLite ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A migrated SQLite file."""
    path = tmp_path / "hub.db"
    migrate(f"sqlite:///{path}")
    return path


def test_a_locked_sqlite_file_is_unavailable_and_well_again_when_it_is_let_go(
    opened: Callable[[str], Database], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_BUSY_SECONDS", 0.05)
    database = opened(f"sqlite:///{file}")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable):
        add(database, OAKDALE)
    with pytest.raises(StoreUnavailable):
        append(database)
    with pytest.raises(StoreUnavailable):
        database.probe()
    other.execute("ROLLBACK")
    other.close()
    add(database, OAKDALE)
    database.probe()


@pytest.mark.parametrize("pragma", ["query_only = ON", "max_page_count = 1"])
def test_a_sqlite_file_that_takes_no_writes_is_unavailable(opened: Callable[[str], Database], file: Path, pragma: str) -> None:
    database = opened(f"sqlite:///{file}")

    def write() -> None:
        with database.begin() as stores:
            stores._work.connection.execute(text(f"PRAGMA {pragma}"))
            for bid in range(200):
                stores.billers.add_biller(sample_biller(OAKDALE + bid, f"biller{bid}"))

    with pytest.raises(StoreUnavailable):
        write()


def test_a_sqlite_file_that_is_damaged_is_unavailable(opened: Callable[[str], Database], file: Path) -> None:
    file.write_bytes(b"this is no database, and never was one" * 100)
    for suffix in ("-wal", "-shm"):
        file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
    database = opened(f"sqlite:///{file}")
    for use in (lambda: add(database, OAKDALE), lambda: count(database), database.probe):
        with pytest.raises(StoreUnavailable):
            use()


# --- the key-value stores --------------------------------------------------------------------------------------------------


@pytest.fixture
def server(run: Run) -> Iterator[Server]:
    """A Redis of this test's own, which saves snapshots."""
    made = Server(run, SNAPSHOTS)
    yield made
    made.crash()


@pytest.fixture
def kv(server: Server) -> Iterator[RedisKeyValue]:
    """A store on it."""
    made = RedisKeyValue(server.url, max_connections=8)
    yield made
    made.close()


def check_unwritable(kv: KeyValue) -> None:
    """Every transaction that writes is unavailable."""
    for steps in ((Put("a", "1", idle=LIFE),), (Count("c", LIFE),), (Look(("fresh",)), Put("b", "1", idle=LIFE))):
        with pytest.raises(StoreUnavailable):
            kv.transact(*steps)


def fill_lanes(kv: RedisKeyValue) -> None:
    """Every pooled connection is open."""
    leased = [kv._lease() for _ in range(8)]
    for lane in leased:
        lane.facts("server")
        kv._give_back(lane)


@pytest.mark.servers
def test_a_redis_out_of_memory_is_unavailable_and_well_again_by_itself(server: Server, kv: RedisKeyValue) -> None:
    kv.transact(Put("before", "1", idle=LIFE))
    server.raw.config_set("maxmemory", 1)
    check_unwritable(kv)
    server.raw.config_set("maxmemory", 0)
    kv.transact(Put("a", "1", idle=LIFE))


@pytest.mark.servers
def test_a_redis_that_could_not_save_is_unavailable_and_well_again_by_itself(server: Server, kv: RedisKeyValue) -> None:
    kv.transact(Put("before", "1", idle=LIFE))
    in_the_way = server.folder / "dump.rdb"
    in_the_way.mkdir()
    server.raw.bgsave()
    server.until(lambda: server.raw.info("persistence")["rdb_last_bgsave_status"] == "err")
    check_unwritable(kv)
    in_the_way.rmdir()
    server.raw.bgsave()
    server.until(lambda: server.raw.info("persistence")["rdb_last_bgsave_status"] == "ok")
    kv.transact(Put("a", "1", idle=LIFE))


@pytest.mark.servers
def test_after_a_failover_the_first_refusal_drops_every_connection_to_the_replica(server: Server, kv: RedisKeyValue) -> None:
    fill_lanes(kv)
    server.raw.replicaof("127.0.0.1", "1")
    check_unwritable(kv)
    with pytest.raises(StoreUnavailable):
        kv.check()
    assert not [lane for lane in (kv._lease() for _ in range(8)) if lane._connection.is_connected]


@pytest.mark.servers
def test_a_replica_that_becomes_the_primary_is_used_again(server: Server, kv: RedisKeyValue) -> None:
    fill_lanes(kv)
    server.raw.replicaof("127.0.0.1", "1")
    check_unwritable(kv)
    server.raw.replicaof("NO", "ONE")
    kv.transact(Put("a", "1", idle=LIFE))
