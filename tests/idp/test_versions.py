"""The cache of SQL rows: never trusted without its stamps, stale at once on every worker, bounded."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from hub.storage.kv_sqlite import SqliteKeyValue
from idp.kv import Expect, KeyValue, Look, Renew, Seen, Stale, Stamps
from idp.versions import (
    TRIES,
    VersionedCache,
    biller_stamp,
    directory_stamp,
    key_stamp,
    name_stamp,
    pause_before,
    user_stamp,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def kv(tmp_path: Path) -> Iterator[KeyValue]:
    store = SqliteKeyValue(tmp_path / "kv.db")
    yield store
    store.close()


class Row:
    """A row in SQL and the two workers that cache it."""

    def __init__(self, kv: KeyValue, stamp: str) -> None:
        self.value = "first"
        self.stamp = stamp
        self.reads = 0
        self._kv = kv
        self.workers = [VersionedCache[str, str](kv, 10) for _ in range(2)]

    def read(self) -> str:
        self.reads += 1
        return self.value

    def use(self, worker: int) -> str:
        """What a service does: find, check in the transaction that acts, load again when that says stale."""
        cache = self.workers[worker]
        entry = cache.find(self.stamp) or cache.load(self.stamp, (self.stamp,), self.read)
        if isinstance(self._kv.transact(Expect(entry.stamps)).stop, Stale):
            cache.forget(self.stamp)
            entry = cache.load(self.stamp, (self.stamp,), self.read)
        return entry.value


def fresh(kv: KeyValue, stamps: Stamps) -> bool:
    return kv.transact(Expect(stamps)).stop is None


def test_an_unchanged_row_is_read_once_a_worker(kv: KeyValue) -> None:
    row = Row(kv, biller_stamp(9001))
    assert [row.use(worker) for worker in (0, 1, 0, 1, 0)] == ["first"] * 5
    assert row.reads == 2


def test_a_change_counts_at_once_on_every_worker_and_for_its_own_biller_only(kv: KeyValue) -> None:
    mine, other = Row(kv, biller_stamp(9001)), Row(kv, biller_stamp(9002))
    for row in (mine, other):
        assert [row.use(0), row.use(1)] == ["first", "first"]
    kv.transact(Renew((mine.stamp,), hold=HOUR))
    mine.value = "second"
    kv.transact(Renew((mine.stamp,)))
    assert [mine.use(0), mine.use(1), other.use(0), other.use(1)] == ["second", "second", "first", "first"]
    assert (mine.reads, other.reads) == (4, 2)


def test_nothing_read_while_a_writer_is_at_work_is_believed_afterwards(kv: KeyValue) -> None:
    row = Row(kv, user_stamp(UUID(int=7)))
    kv.transact(Renew((row.stamp,), hold=HOUR))
    assert row.use(0) == "first"
    assert row.use(0) == "first"
    assert row.reads == 3
    row.value = "second"
    kv.transact(Renew((row.stamp,)))
    assert row.use(0) == "second"


def test_a_row_that_changes_while_it_is_loaded_is_kept_as_stale_and_not_as_wrong(kv: KeyValue) -> None:
    cache = VersionedCache[str, str](kv, 10)

    def read() -> str:
        kv.transact(Renew(("row",)))  # a writer commits and is done right after our SELECT
        return "before the change"

    entry = cache.load("row", ("row",), read)
    assert entry.value == "before the change"
    assert not fresh(kv, entry.stamps)


def test_an_entry_rests_on_all_of_its_stamps(kv: KeyValue) -> None:
    cache = VersionedCache[str, str](kv, 10)
    stamps = (key_stamp(UUID(int=1)), biller_stamp(9001), directory_stamp(9001))
    for stamp in stamps:
        entry = cache.load("key", stamps, lambda: "row")
        assert set(entry.stamps) == set(stamps)
        assert fresh(kv, entry.stamps)
        kv.transact(Renew((stamp,)))
        assert not fresh(kv, entry.stamps)


def test_a_cache_keeps_what_was_used_last_and_no_more_than_it_may(kv: KeyValue) -> None:
    cache = VersionedCache[int, str](kv, 2)
    for number in (1, 2):
        cache.keep(number, {}, f"row {number}")
    assert cache.find(1) is not None
    cache.keep(3, {}, "row 3")
    assert [cache.find(number) is not None for number in (1, 2, 3)] == [True, False, True]


def test_what_was_forgotten_is_not_found_and_forgetting_twice_is_nothing(kv: KeyValue) -> None:
    cache = VersionedCache[str, str](kv, 2)
    cache.keep("row", {"s": "1"}, "value")
    cache.forget("row")
    cache.forget("row")
    assert cache.find("row") is None


def test_a_kept_entry_does_not_change_with_the_mapping_it_was_given(kv: KeyValue) -> None:
    cache = VersionedCache[str, str](kv, 2)
    stamps = {"s": "1"}
    cache.keep("row", stamps, "value")
    stamps["s"] = "2"
    found = cache.find("row")
    assert found is not None
    assert found.stamps == {"s": "1"}


def test_many_threads_use_one_cache(kv: KeyValue) -> None:
    cache = VersionedCache[int, int](kv, 5)

    def use(number: int) -> bool:
        key = number % 8
        entry = cache.find(key) or cache.load(key, (f"row:{key}",), lambda: key)
        if number % 3 == 0:
            cache.forget(key)
        return entry.value == key

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(use, range(800)))


def test_stamps_of_different_rows_have_different_names(kv: KeyValue) -> None:
    one, two = UUID(int=1), UUID(int=2)
    names = {
        biller_stamp(1), biller_stamp(2), directory_stamp(1), directory_stamp(2), key_stamp(one), key_stamp(two),
        user_stamp(one), user_stamp(two), name_stamp(1, "email", "a@example.com"), name_stamp(2, "email", "a@example.com"),
        name_stamp(1, "user_name", "a@example.com"), name_stamp(1, "email", "b@example.com"),
    }  # fmt: skip
    assert len(names) == 12
    seen = kv.transact(Look(tuple(names))).results[0]
    assert isinstance(seen, Seen)
    assert len(set(seen.stamps.values())) == 12


def test_a_pause_is_none_at_first_and_then_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("idp.versions.time.sleep", slept.append)
    for attempt in range(TRIES):
        pause_before(attempt)
    assert slept == [2**turn / 1000 for turn in range(TRIES - 2)]
    assert slept[0] == 0.001
