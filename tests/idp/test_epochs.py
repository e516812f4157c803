"""Epochs in both stores: what was restored is found, what went on as always is left alone."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.storage.database import Database
from hub.storage.engines import open_engines
from hub.storage.kv_redis import RedisKeyValue
from hub.storage.kv_sqlite import SqliteKeyValue
from hub.storage.migrations import migrate
from idp.clock import FixedClock
from idp.epochs import FRESH, LONGEST_GAP, Epochs, Lineage
from idp.errors import StoreUnavailable
from idp.kv import Put, Read, Record
from tests.contracts.test_kv_redis import EVERYTHING_KEPT, Server
from tests.databases import START
from tests.processes import Run

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


class Stores:
    """A database and a key-value file, opened and closed as processes come and go; the clock goes on."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.clock = FixedClock(START)
        self._open: list[Database | SqliteKeyValue] = []

    @property
    def file(self) -> Path:
        return self.folder / "kv.db"

    def process(self) -> tuple[Epochs, SqliteKeyValue]:
        """One more process on the two."""
        kv = SqliteKeyValue(self.file, clock=self.clock, boot="boot")
        database = Database(self.url, kv, self.clock, pool=2)
        self._open += [database, kv]
        return Epochs(database.begin, kv, self.clock), kv

    def started(self) -> SqliteKeyValue:
        """A process that began to serve."""
        epochs, kv = self.process()
        epochs.begin()
        return kv

    def run(self, minutes: int) -> None:
        """A process serves for so long."""
        epochs, _ = self.process()
        epochs.begin()
        for _ in range(minutes):
            self.clock.advance(MINUTE)
            epochs.beat()
        self.stop()

    def stop(self) -> None:
        """Every process ends."""
        while self._open:
            self._open.pop().close()

    def back_up(self, name: str) -> None:
        """Copies of both, while nobody runs."""
        for file in (self.file, self.folder / "hub.db"):
            with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(self.folder / f"{name}-{file.name}")) as copy:
                source.backup(copy)

    def restore(self, name: str, *files: str) -> None:
        """Put copies back."""
        for file in files:
            for suffix in ("-wal", "-shm"):
                (self.folder / f"{file}{suffix}").unlink(missing_ok=True)
            shutil.copy(self.folder / f"{name}-{file}", self.folder / file)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    """Both on SQLite: they can be copied."""
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    migrate(url)
    made = Stores(tmp_path, url)
    yield made
    made.stop()


def issue(kv: SqliteKeyValue) -> None:
    kv.transact(Put("token", "1", idle=DAY))


def is_alive(kv: SqliteKeyValue) -> bool:
    return isinstance(kv.transact(Read("token", optional=True)).results[0], Record)


def test_what_was_issued_lives_on_over_restarts_crashes_and_many_processes(stores: Stores) -> None:
    issue(stores.started())
    stores.stop()
    for _ in range(3):
        stores.run(5)
        stores.clock.advance(LONGEST_GAP)
        together = [stores.process() for _ in range(4)]
        for epochs, _ in together:
            epochs.begin()
            epochs.beat()
        stores.stop()
    assert is_alive(stores.started())


def test_an_older_key_value_file_that_was_put_back_begins_a_new_epoch(stores: Stores) -> None:
    issue(stores.started())
    stores.stop()
    stores.back_up("old")
    stores.run(1)
    stores.restore("old", "kv.db")
    assert not is_alive(stores.started())


def test_an_older_database_that_was_put_back_begins_a_new_epoch(stores: Stores) -> None:
    issue(stores.started())
    stores.stop()
    stores.back_up("old")
    stores.run(2)
    stores.restore("old", "hub.db")
    assert not is_alive(stores.started())


def test_both_from_one_backup_begin_a_new_epoch_when_nobody_has_run_for_a_while(stores: Stores) -> None:
    issue(stores.started())
    stores.stop()
    stores.back_up("old")
    stores.run(15)
    stores.restore("old", "kv.db", "hub.db")
    assert not is_alive(stores.started())


def test_a_longer_stop_begins_a_new_epoch_and_a_shorter_one_does_not(stores: Stores) -> None:
    issue(stores.started())
    stores.stop()
    stores.clock.advance(LONGEST_GAP)
    assert is_alive(stores.started())
    stores.stop()
    stores.clock.advance(LONGEST_GAP + MINUTE)
    assert not is_alive(stores.started())


def test_a_file_that_is_put_back_under_running_processes_is_void_a_minute_later_and_stays_one_epoch(stores: Stores) -> None:
    first, kv = stores.process()
    second, _ = stores.process()
    first.begin()
    issue(kv)
    stores.back_up("old")
    for epochs in (first, second):
        stores.clock.advance(MINUTE)
        epochs.beat()
    with closing(sqlite3.connect(stores.folder / "old-kv.db")) as old, closing(sqlite3.connect(stores.file)) as live:
        old.backup(live)
    assert is_alive(kv)
    stores.clock.advance(MINUTE)
    first.beat()
    assert not is_alive(kv)
    issue(kv)
    for epochs in (second, first, second):
        stores.clock.advance(MINUTE)
        epochs.beat()
    assert is_alive(kv)


def test_a_store_that_began_an_epoch_by_itself_is_recorded_and_not_emptied_again(stores: Stores) -> None:
    stores.run(3)
    stores.file.unlink()
    kv = stores.started()
    issue(kv)
    stores.clock.advance(MINUTE)
    stores.process()[0].beat()
    assert is_alive(kv)


def test_stores_of_a_version_without_epochs_keep_what_they_have_and_its_backups_do_not(stores: Stores) -> None:
    kv = SqliteKeyValue(stores.file, clock=stores.clock, boot="boot")
    issue(kv)
    kv.close()
    with closing(sqlite3.connect(stores.file)) as connection:
        connection.execute("DROP TABLE epoch")
    stores.back_up("before")
    assert is_alive(stores.started())
    stores.stop()
    stores.run(2)
    stores.restore("before", "kv.db")
    assert not is_alive(stores.started())
    stores.stop()
    stores.run(2)
    stores.restore("before", "hub.db")
    kv = stores.process()[1]
    issue(kv)
    assert not is_alive(stores.started())


def test_a_process_that_died_between_the_two_stores_voids_nothing_however_often(stores: Stores) -> None:
    epochs, kv = stores.process()
    epochs.begin()
    issue(kv)

    for _ in range(4):
        there = kv.lineage()
        assert kv.keep_beat(Lineage(there.epoch, _recorded_beat(stores) + 1))
        stores.clock.advance(MINUTE)
        stores.process()[0].begin()
    assert is_alive(kv)


def _recorded_beat(stores: Stores) -> int:
    with closing(sqlite3.connect(stores.folder / "hub.db")) as connection:
        return int(connection.execute("SELECT beat FROM key_value_epoch").fetchone()[0])


def test_commands_that_only_use_the_stores_begin_no_epoch(stores: Stores) -> None:
    issue(stores.started())
    stores.stop()
    stores.clock.advance(timedelta(hours=2))
    _, kv = stores.process()
    assert is_alive(kv)


@pytest.mark.parametrize(("moved", "survives"), [(-timedelta(seconds=30), True), (-timedelta(hours=1), False)])
def test_clocks_may_differ_a_little_and_one_that_was_set_back_far_tells_nothing(
    stores: Stores, moved: timedelta, survives: bool
) -> None:
    issue(stores.started())
    stores.stop()
    stores.clock.advance(moved)
    assert is_alive(stores.started()) is survives


def test_processes_that_share_a_minute_beat_once(stores: Stores) -> None:
    together = [stores.process() for _ in range(5)]
    for epochs, _ in together:
        epochs.begin()
    before = _recorded_beat(stores)
    for _ in range(3):
        stores.clock.advance(MINUTE)
        for epochs, _ in together:
            epochs.beat()
    assert _recorded_beat(stores) == before + 3


@pytest.mark.servers
def test_processes_at_once_on_postgresql_agree(tmp_path: Path, postgres_url: str) -> None:
    stores = Stores(tmp_path, postgres_url)
    issue(stores.started())
    faults: list[Exception] = []

    def serve(epochs: Epochs) -> None:
        try:
            epochs.begin()
            epochs.beat()
        except Exception as fault:  # noqa: BLE001  (told below)
            faults.append(fault)

    threads = [threading.Thread(target=serve, args=(stores.process()[0],)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    kv = stores.started()
    assert is_alive(kv)
    engines = open_engines(postgres_url, 2)
    with engines.reading.connect() as connection:
        epoch, beat = connection.execute(text("SELECT epoch, beat FROM key_value_epoch")).one()
    engines.dispose()
    assert kv.lineage() == Lineage(epoch, beat)
    stores.stop()


@pytest.mark.servers
def test_an_old_log_of_redis_that_was_put_in_its_place_begins_a_new_epoch(tmp_path: Path, run: Run) -> None:
    """What Redis cannot tell by itself: it reads the log, and takes it for its own."""
    url, clock = f"sqlite:///{tmp_path / 'hub.db'}", FixedClock(START)
    migrate(url)
    server = Server(run, EVERYTHING_KEPT)

    def process() -> tuple[Epochs, RedisKeyValue, Database]:
        kv = RedisKeyValue(server.url, max_connections=2)
        database = Database(url, kv, clock, pool=2)
        epochs = Epochs(database.begin, kv, clock)
        epochs.begin()
        return epochs, kv, database

    def ends(*parts: Database | RedisKeyValue) -> None:
        for part in parts:
            part.close()

    _, kv, database = process()
    kv.transact(Put("token", "1", idle=DAY))
    log = server.folder / "appendonlydir"
    shutil.copytree(log, tmp_path / "old")
    server.restart()
    ends(kv, database)
    _, kv, database = process()
    assert isinstance(kv.transact(Read("token", optional=True)).results[0], Record)
    server.crash()
    shutil.rmtree(log)
    shutil.copytree(tmp_path / "old", log)
    server.start()
    assert isinstance(kv.transact(Read("token", optional=True)).results[0], Record)
    ends(kv, database)
    _, kv, database = process()
    assert not isinstance(kv.transact(Read("token", optional=True)).results[0], Record)
    ends(kv, database)
    server.crash()


def test_a_store_that_begins_another_epoch_in_the_meantime_is_left_for_the_next_minute(stores: Stores) -> None:
    epochs, kv = stores.process()
    epochs.begin()
    keep: Callable[[Lineage], bool] = kv.keep_beat

    def late(lineage: Lineage) -> bool:
        kv.begin_epoch()
        return keep(lineage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kv, "keep_beat", late)
        stores.clock.advance(MINUTE)
        with pytest.raises(StoreUnavailable):
            epochs.beat()
    assert kv.lineage().beat == FRESH
    issue(kv)
    epochs.beat()
    assert is_alive(kv)
