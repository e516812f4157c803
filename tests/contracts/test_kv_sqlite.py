"""What is SQLite's own: the file, its boot, purging, damage, two processes that open it at once."""

from __future__ import annotations

import sqlite3
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from hub.storage.kv_sqlite import SqliteKeyValue
from idp.clock import FixedClock, SystemClock
from idp.errors import StoreUnavailable
from idp.kv import Count, Gone, Limit, Limited, Look, Mark, Put, Read, Take
from tests.contracts.kv_stores import Place, counts, gone, race, record

HOUR = timedelta(hours=1)


def test_a_restarted_process_finds_everything_again(tmp_path: Path) -> None:
    first = SqliteKeyValue(tmp_path / "kv.db")
    first.transact(Put("a", "v", HOUR), Put("b", "v", HOUR, unless=("family",)), Put("c", "v", HOUR))
    first.transact(Mark("family", HOUR), Take("c", HOUR))
    first.close()
    second = SqliteKeyValue(tmp_path / "kv.db")
    assert record(second.transact(Read("a"))).value == "v"
    assert gone(second.transact(Read("b"))).ended_by == "family"
    assert gone(second.transact(Take("c", HOUR))).spent
    second.close()


def test_a_clock_that_was_set_back_does_not_close_a_bucket_until_it_has_caught_up(tmp_path: Path) -> None:
    clock = FixedClock(SystemClock().now())
    kv = SqliteKeyValue(tmp_path / "kv.db", clock=clock)
    limit = Limit("key", per_second=1, burst=3)
    for _ in range(3):
        assert kv.transact(limit).stop is None
    assert isinstance(kv.transact(limit).stop, Limited)
    clock.advance(-HOUR)
    for _ in range(3):
        assert kv.transact(limit).stop is None, "the bucket begins anew"
    stopped = kv.transact(limit).stop
    assert isinstance(stopped, Limited)
    assert (stopped.retry_after, stopped.full_in) == (timedelta(seconds=1), timedelta(seconds=3))
    clock.advance(timedelta(seconds=1))
    assert kv.transact(limit).stop is None
    kv.close()


def test_after_a_reboot_that_may_have_lost_commits_nothing_revives(tmp_path: Path) -> None:
    first = SqliteKeyValue(tmp_path / "kv.db", boot="monday")
    first.transact(Put("a", "v", HOUR))
    first.close()
    second = SqliteKeyValue(tmp_path / "kv.db", boot="tuesday")
    assert gone(second.transact(Read("a"))) == Gone()
    second.transact(Put("a", "new", HOUR))
    second.close()
    third = SqliteKeyValue(tmp_path / "kv.db", boot="tuesday")
    assert record(third.transact(Read("a"))).value == "new"
    third.close()


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    kv = SqliteKeyValue(tmp_path / "kv.db")
    kv.transact(Put("a", "v", HOUR))
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    kv.close()


def test_purge_removes_what_is_over_in_batches_and_nothing_else(tmp_path: Path) -> None:
    clock = FixedClock(SystemClock().now())
    kv = SqliteKeyValue(tmp_path / "kv.db", clock=clock)
    for number in range(5):
        kv.transact(Put(f"short {number}", "v", HOUR), Put(f"long {number}", "v", 48 * HOUR))
    kv.transact(Count("c", HOUR), Limit("l", 1, 1), Mark("m", HOUR), Look(("row",)))
    clock.advance(HOUR * 2)
    assert [kv.purge(3) for _ in range(4)] == [3, 3, 2, 0]
    clock.advance(HOUR * 24)
    assert kv.purge(100) == 1
    assert all(kv.transact(Read(f"long {number}")).stop is None for number in range(5))
    kv.close()


def test_two_processes_open_a_new_file_at_the_same_time(tmp_path: Path) -> None:
    outcomes = race(Place("sqlite", str(tmp_path / "new.db")), Count("c", HOUR), processes=3, threads=1)
    assert counts(outcomes) == [1, 2, 3]


def test_a_damaged_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "kv.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        SqliteKeyValue(tmp_path / "kv.db")


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        SqliteKeyValue(tmp_path / "nowhere" / "kv.db")


def test_a_file_that_is_removed_under_the_running_hub_fails_the_check(tmp_path: Path) -> None:
    kv = SqliteKeyValue(tmp_path / "kv.db")
    kv.check()
    (tmp_path / "kv.db").unlink()
    with pytest.raises(StoreUnavailable, match="removed"):
        kv.check()
    kv.close()


def test_a_fault_in_the_file_undoes_the_transaction_and_the_store_goes_on(tmp_path: Path) -> None:
    kv = SqliteKeyValue(tmp_path / "kv.db")
    kv.transact(Put("a", "v", HOUR))
    other = sqlite3.connect(tmp_path / "kv.db", isolation_level=None)
    other.execute("CREATE TRIGGER refuse BEFORE INSERT ON entry WHEN NEW.key = 'r:b' BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(StoreUnavailable, match="full"):
        kv.transact(Take("a", HOUR), Put("b", "v", HOUR))
    assert record(kv.transact(Take("a", HOUR))).value == "v"
    other.close()
    kv.close()


def test_a_closed_store_is_unavailable(tmp_path: Path) -> None:
    kv = SqliteKeyValue(tmp_path / "kv.db")
    kv.close()
    with pytest.raises(StoreUnavailable):
        kv.transact(Read("a"))
