"""The history of a key-value store: an epoch, a beat, and what voids everything. On both stores."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from hub.storage.kv_redis import RedisKeyValue
from hub.storage.kv_sqlite import SqliteKeyValue
from idp.epochs import FRESH, INHERITED, Lineage
from idp.kv import Gone, Mark, Put, Read, Record
from tests.servers import RedisServer

HOUR = timedelta(hours=1)
Store = SqliteKeyValue | RedisKeyValue
Open = Callable[[], Store]


@pytest.fixture(params=["sqlite", "redis"])
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same store, each time as another process would."""
    opened: list[Store] = []

    def open_one() -> Store:
        if request.param == "sqlite":
            store: Store = SqliteKeyValue(tmp_path / "kv.db")
        else:
            store = RedisKeyValue(server.url, max_connections=3)
        opened.append(store)
        return store

    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        server.flush()
    yield open_one
    for store in opened:
        store.close()


def is_there(store: Store, key: str) -> bool:
    (found,) = store.transact(Read(key, optional=True)).results
    assert isinstance(found, Record | Gone)
    return isinstance(found, Record)


def test_a_new_store_begins_an_epoch_of_its_own_and_every_process_sees_the_same(again: Open) -> None:
    first, second = again(), again()
    assert first.lineage().beat == FRESH
    assert first.lineage() == second.lineage()


def test_a_beat_is_kept_for_every_process(again: Open) -> None:
    first, second = again(), again()
    epoch = first.lineage().epoch
    for beat in (1, 2, 3):
        assert first.keep_beat(Lineage(epoch, beat))
        assert second.lineage() == again().lineage() == Lineage(epoch, beat)


def test_a_beat_of_another_epoch_is_not_kept(again: Open) -> None:
    store = again()
    before = store.lineage()
    assert not store.keep_beat(Lineage("0123456789abcdef", 7))
    assert store.lineage() == before


def test_a_new_epoch_voids_records_and_marks_on_every_process_and_its_beat_begins_anew(again: Open) -> None:
    first, second = again(), again()
    old = first.lineage()
    first.keep_beat(Lineage(old.epoch, 41))
    first.transact(Put("token", "1", idle=HOUR, unless=("ended",)), Mark("other", HOUR))
    assert is_there(second, "token")
    begun = first.begin_epoch()
    assert begun.epoch != old.epoch
    assert begun.beat == FRESH
    assert not is_there(first, "token")
    assert not is_there(second, "token")
    assert second.lineage() == begun
    assert not second.keep_beat(Lineage(old.epoch, 42))
    second.transact(Put("token", "2", idle=HOUR))
    assert is_there(first, "token")


def test_a_redis_that_was_flushed_is_fresh(redis_server: RedisServer) -> None:
    redis_server.flush()
    store = RedisKeyValue(redis_server.url, max_connections=3)
    before = store.lineage()
    store.keep_beat(Lineage(before.epoch, 5))
    redis_server.flush()
    store.transact(Put("a", "1", idle=HOUR))
    after = store.lineage()
    assert (after.beat, after.epoch != before.epoch) == (FRESH, True)
    store.close()


def test_a_redis_of_a_version_without_beats_is_inherited(redis_server: RedisServer) -> None:
    redis_server.flush()
    store = RedisKeyValue(redis_server.url, max_connections=3)
    before = store.lineage()
    store._with_lane(lambda lane: lane._ask("DEL", "idhub:beat"))
    assert store.lineage() == Lineage(before.epoch, INHERITED)
    assert store.keep_beat(Lineage(before.epoch, 1))
    assert store.lineage() == Lineage(before.epoch, 1)
    store.close()


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def test_a_file_of_a_version_without_epochs_is_inherited_and_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "kv.db"
    store = SqliteKeyValue(path)
    store.transact(Put("token", "1", idle=HOUR))
    store.close()
    with raw(path) as connection:
        connection.execute("DROP TABLE epoch")
    store = SqliteKeyValue(path)
    assert store.lineage().beat == INHERITED
    assert store.lineage() == store.lineage()
    assert is_there(store, "token")
    store.close()


def test_another_boot_of_the_machine_begins_a_fresh_epoch(tmp_path: Path) -> None:
    path = tmp_path / "kv.db"
    store = SqliteKeyValue(path, boot="one")
    before = store.lineage()
    store.keep_beat(Lineage(before.epoch, 3))
    store.close()
    store = SqliteKeyValue(path, boot="two")
    assert store.lineage().beat == FRESH
    assert store.lineage().epoch != before.epoch
    store.close()


def test_a_file_that_was_put_in_the_place_of_an_open_one_is_followed(tmp_path: Path) -> None:
    path, other = tmp_path / "kv.db", tmp_path / "other.db"
    store, replacement = SqliteKeyValue(path), SqliteKeyValue(other)
    replacement.transact(Put("of the other", "1", idle=HOUR))
    expected = replacement.lineage()
    replacement.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    other.replace(path)
    assert store.lineage() == expected
    assert is_there(store, "of the other")
    store.close()
