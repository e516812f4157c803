"""The database: what a transaction is, what a fault means, what its pools cost, and that they heal."""

from __future__ import annotations

import os
import pwd
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from hub.storage import engines
from hub.storage.database import HOLD, Database, migrate
from hub.storage.kv_sqlite import SqliteKeyValue
from hub.storage.stores import Stores
from idp.clock import FixedClock
from idp.errors import MalformedRequest, StoreUnavailable
from idp.kv import KeyValue
from sso_connect.diagnostics import Refusal
from tests import reaper
from tests.contracts.sql_stores import BIRCHWOOD, OAKDALE, START, sample_biller, sample_user
from tests.processes import Run, free_port
from tests.servers import PostgresCluster, require, start_postgres


@pytest.fixture
def kv(tmp_path: Path) -> Iterator[KeyValue]:
    """A key-value store."""
    store = SqliteKeyValue(tmp_path / "kv.db")
    yield store
    store.close()


@pytest.fixture
def opened(kv: KeyValue) -> Iterator[Callable[..., Database]]:
    """Open databases that are closed after the test."""
    with ExitStack() as stack:

        def open_database(url: str, pool: int = 4) -> Database:
            database = Database(url, kv, FixedClock(START), pool=pool)
            stack.callback(database.close)
            return database

        yield open_database


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A migrated SQLite file."""
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A migrated database of each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


def writing(database: Database) -> Engine:
    return database._engines.writing


def count_billers(database: Database) -> int:
    with database.read() as stores:
        return len(stores.billers.list_billers(0, 100))


# --- transactions ----------------------------------------------------------------------------------------------------------


def test_a_transaction_commits_when_its_block_is_left_and_all_goes_when_it_raises(
    opened: Callable[..., Database], url: str
) -> None:
    database = opened(url)
    with database.begin() as stores:
        stores.billers.add_biller(sample_biller(OAKDALE, "oakdale"))

    def change_half() -> None:
        with database.begin() as stores:
            stores.billers.add_biller(sample_biller(BIRCHWOOD, "birchwood"))
            stores.billers.put_sso_login_url(OAKDALE, "https://oak.example.com")
            raise KeyError

    with pytest.raises(KeyError):
        change_half()
    with database.read() as stores:
        found = stores.billers.list_billers(0, 100)
    assert [(biller.bid, biller.sso_login_url) for biller in found] == [(OAKDALE, "")]


def test_a_block_of_single_statements_commits_each_by_itself(opened: Callable[..., Database], url: str) -> None:
    database = opened(url)
    refusal = Refusal("ABCDEFGHJK", START, OAKDALE, "InvalidRedirect", "/sso/connect", (), "req-1")

    def record_and_fail() -> None:
        with database.read() as stores:
            assert stores.billers.list_billers(0, 1) == []
            with opened(url).begin() as others:
                others.billers.add_biller(sample_biller(OAKDALE, "oakdale"))
            assert len(stores.billers.list_billers(0, 1)) == 1
            stores.refusals.add_refusal(refusal)
            raise KeyError

    with pytest.raises(KeyError):
        record_and_fail()
    with opened(url).read() as stores:
        assert stores.refusals.find_refusal(OAKDALE, refusal.reference) == refusal


def test_two_writers_take_turns_on_sqlite_from_the_beginning_of_their_transactions(
    opened: Callable[..., Database], sqlite_url: str
) -> None:
    database, order = opened(sqlite_url), []

    def second() -> None:
        with database.begin():
            order.append("second")

    thread = threading.Thread(target=second)
    with database.begin() as stores:
        thread.start()
        thread.join(0.2)
        stores.billers.add_biller(sample_biller(OAKDALE, "oakdale"))
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_foreign_keys_are_enforced(opened: Callable[..., Database], url: str) -> None:
    with pytest.raises(IntegrityError), opened(url).begin() as stores:
        stores.users.add_user(sample_user(OAKDALE, "ann"))


def test_every_limit_of_a_transaction_is_shorter_than_the_hold_of_a_stamp(
    opened: Callable[..., Database], postgres_url: str
) -> None:
    with writing(opened(postgres_url)).begin() as connection:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            asked = text("SELECT CAST(EXTRACT(EPOCH FROM CAST(current_setting(:name) AS interval)) AS int)")
            assert 0 < connection.execute(asked, {"name": name}).scalar_one() < HOLD.total_seconds()
        assert connection.execute(text("SHOW transaction_isolation")).scalar() == "read committed"


def test_a_statement_without_an_end_is_ended_and_the_store_called_unavailable(
    opened: Callable[..., Database], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_BEGIN_POSTGRES", "BEGIN; SET LOCAL statement_timeout = 50")
    with pytest.raises(StoreUnavailable), opened(postgres_url).begin() as stores:
        stores._work.connection.execute(text("SELECT pg_sleep(600)"))


# --- faults ----------------------------------------------------------------------------------------------------------------


def test_what_a_statement_carries_does_not_come_out_in_an_error(opened: Callable[..., Database], url: str) -> None:
    with pytest.raises(IntegrityError) as caught, opened(url).begin() as stores:
        stores.users.add_user(sample_user(OAKDALE, "ann", phone="555-0199"))
    assert "555-0199" not in str(caught.value)


@pytest.mark.parametrize("odd", ["\x00", "a\ud800"])
def test_a_text_that_no_database_can_hold_is_a_malformed_request_and_no_failure(
    opened: Callable[..., Database], url: str, odd: str
) -> None:
    database = opened(url)
    refused = url.startswith("postgresql") or odd != "\x00"  # SQLite keeps a NUL
    with pytest.raises(MalformedRequest) if refused else nullcontext(), database.read() as stores:
        stores.partners.find_partner_by_slug(odd)
    with pytest.raises(MalformedRequest) if refused else nullcontext(), database.begin() as stores:
        stores.billers.add_biller(sample_biller(OAKDALE, "oakdale", dba=odd))


def test_a_database_that_is_not_there_is_unavailable(opened: Callable[..., Database], tmp_path: Path) -> None:
    for url in (f"postgresql+psycopg://hub@127.0.0.1:{free_port()}/hub", f"sqlite:///{tmp_path}/no/such/folder/hub.db"):
        database = opened(url)
        for use in (database.begin, database.read):
            with pytest.raises(StoreUnavailable), use() as stores:
                stores.billers.list_billers(0, 1)
        with pytest.raises(StoreUnavailable):
            database.check()


def test_a_pool_that_stays_empty_is_unavailability_and_not_a_wait_for_ever(
    opened: Callable[..., Database], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_POOL_SECONDS", 0.05)
    database = opened(url, pool=2)
    with database.read(), pytest.raises(StoreUnavailable), database.read():
        pass


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://root@localhost/hub"])
def test_a_database_that_we_cannot_use_is_refused_at_once(opened: Callable[..., Database], url: str) -> None:
    with pytest.raises(ValueError, match=r"SQLite needs a file|is not supported"):
        opened(url)


def test_only_the_owner_may_read_a_sqlite_file(opened: Callable[..., Database], sqlite_url: str, tmp_path: Path) -> None:
    database = opened(sqlite_url)
    with database.begin() as stores:
        stores.billers.add_biller(sample_biller(OAKDALE, "oakdale"))
        files = list(tmp_path.glob("hub.db*"))
    assert {"hub.db", "hub.db-wal", "hub.db-shm"} <= {path.name for path in files}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


# --- readiness -------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with nothing in it."""
    if request.param == "postgres":
        return str(request.getfixturevalue("empty_postgres")())
    return f"sqlite:///{tmp_path / 'empty.db'}"


def test_readiness_wants_the_migrations_that_this_program_knows(opened: Callable[..., Database], empty_url: str) -> None:
    database = opened(empty_url)
    with pytest.raises(StoreUnavailable) as caught:
        database.check()
    assert caught.value.detail == "the database is at revision none: run `idhub migrate`"
    migrate(empty_url)
    database.check()
    with writing(database).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(StoreUnavailable):
        database.check()


def test_a_worker_beside_newer_ones_is_ready_on_their_schema(opened: Callable[..., Database], url: str) -> None:
    database = opened(url)
    with writing(database).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9998'"))
    database.check()


# --- pools -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", [2, 5])
def test_both_pools_together_have_as_many_connections_as_the_setting_says(
    opened: Callable[..., Database], postgres_url: str, monkeypatch: pytest.MonkeyPatch, pool: int
) -> None:
    monkeypatch.setattr(engines, "_POOL_SECONDS", 0.05)
    database = opened(postgres_url, pool=pool)

    def hold(use: Callable[[], AbstractContextManager[Stores]]) -> int:
        for held in range(pool + 1):
            try:
                stack.enter_context(use())
            except StoreUnavailable:
                return held
        return pool + 1

    with ExitStack() as stack:
        assert hold(database.begin) + hold(database.read) == pool


@pytest.mark.parametrize(("suffix", "some"), [("", True), ("&prepare_threshold=1", True), ("&prepare_threshold=none", False)])
def test_statements_are_prepared_unless_the_url_says_no(
    opened: Callable[..., Database], postgres_url: str, suffix: str, some: bool
) -> None:
    database = opened(postgres_url + suffix)
    with database.read() as stores:
        for _ in range(10):
            stores.billers.list_billers(0, 1)
        prepared = stores._work.connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
    assert (prepared > 0) is some


def test_connections_that_the_server_closed_fail_at_most_one_request_each_pool(
    opened: Callable[..., Database], postgres_url: str
) -> None:
    database = opened(postgres_url, pool=8)
    with ExitStack() as stack:
        for use in (database.begin, database.read):
            for _ in range(4):
                stack.enter_context(use()).billers.list_billers(0, 1)
    with opened(postgres_url, pool=2).read() as stores:
        ended = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert len(stores._work.connection.execute(ended).all()) == 8
    for use in (database.begin, database.read):
        with pytest.raises(StoreUnavailable), use() as stores:
            stores.billers.list_billers(0, 1)
        for _ in range(5):
            with use() as stores:
                stores.billers.list_billers(0, 1)


# --- a real restart ----------------------------------------------------------------------------------------------------------


class OwnCluster:
    """A PostgreSQL of this test's own, which may be stopped and started."""

    def __init__(self, run: Run) -> None:
        folder = run.folder / f"own-{free_port()}"
        folder.mkdir(mode=0o711)
        self._outer, self._run = run, Run(folder)
        # A commit that was answered is on disk, unlike in the clusters of other tests.
        self.cluster: PostgresCluster = start_postgres(self._run, require("postgresql"), {"synchronous_commit": "on"})
        self._remember()

    def stop(self) -> None:
        """As a crash would."""
        self._run.processes[-1].kill()

    def start(self) -> None:
        """Begin to start; the caller waits."""
        home = self.cluster.socket_folder
        owner = pwd.getpwuid((home / "data").stat().st_uid)
        settings = {"listen_addresses": "", "unix_socket_directories": str(home)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._run.start(
            "postgres",
            [require("postgresql") / "postgres", "-D", home / "data", *options],
            user=owner.pw_name if owner.pw_uid != os.geteuid() else None,
            working_folder=Path("/"),
            polite=signal.SIGINT,
            shown=False,
        )
        self._remember()

    def _remember(self) -> None:
        # The reaper of the run looks into the run's own folder.
        reaper.record(self._outer.folder, self._run.processes[-1].pid, signal.SIGINT)


@pytest.fixture
def own_cluster(run: Run) -> Iterator[OwnCluster]:
    """A PostgreSQL cluster of its own."""
    cluster = OwnCluster(run)
    yield cluster
    cluster.stop()


@pytest.mark.servers
def test_after_a_restart_of_postgresql_requests_go_through_again_and_nothing_that_was_committed_is_lost(
    opened: Callable[..., Database], own_cluster: OwnCluster
) -> None:
    url = own_cluster.cluster.url(own_cluster.cluster.create())
    migrate(url)
    database = opened(url)
    with database.begin() as stores:
        stores.billers.add_biller(sample_biller(OAKDALE, "oakdale"))
    assert count_billers(database) == 1
    own_cluster.stop()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            count_billers(database)
        with pytest.raises(StoreUnavailable), database.begin() as stores:
            stores.billers.add_biller(sample_biller(BIRCHWOOD, "birchwood"))
    own_cluster.start()
    for _ in range(600):
        try:
            database.check()
            break
        except StoreUnavailable:
            threading.Event().wait(0.05)
    assert count_billers(database) == 1
    with database.begin() as stores:
        stores.billers.add_biller(sample_biller(BIRCHWOOD, "birchwood"))
    assert count_billers(database) == 2


def test_opening_a_sqlite_file_once_more_takes_no_locks_from_the_connections_that_are_open(tmp_path: Path) -> None:
    """POSIX drops every lock of a process on a file when the process closes ANY descriptor of it. Another process that leaves would
    then remove the write-ahead log under us."""
    path = tmp_path / "hub.db"
    first = engines.open_engines(f"sqlite:///{path}", 2)
    with first.writing.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (text TEXT)")
    second = engines.open_engines(f"sqlite:///{path}", 2)
    SqliteKeyValue(path).close()
    come = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute('INSERT INTO notes VALUES (1)')\nc.commit()\nc.close()"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", come, path], check=True)
    assert (tmp_path / "hub.db-wal").exists(), "the other process took itself for the last one"
    with first.writing.begin() as connection:
        connection.exec_driver_sql("INSERT INTO notes VALUES (1)")
    with closing(sqlite3.connect(path)) as fresh:
        assert fresh.execute("SELECT count(*) FROM notes").fetchone() == (3,)
    first.dispose()
    second.dispose()
