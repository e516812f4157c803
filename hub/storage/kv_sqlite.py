"""The key-value contract in one SQLite file: the embedded default, for a few processes on one machine.

    SqliteKeyValue   the file: opening it, locking it, purging it
    _Transaction     one transaction: decide every step against the file and what the steps before it staged, then write

Each process has one connection behind a lock (SQLite writes one at a time anyway, and waiting on our own lock is fair and does
not poll); processes exclude each other by BEGIN IMMEDIATE. Every entry is a row `key, body, expires` (milliseconds since 1970):

    r:  record      JSON [value, created, idle, last, parent, [unless], [watch], spent], milliseconds
    m:  mark        empty
    s:  stamp       JSON [version, written]; while held JSON [null, end, ..]: the ends of all holds
    l:  limit       microsecond at which the bucket is full
    c:  counter     number

Epoch: a commit survives the death of the process but, with synchronous=NORMAL, perhaps not that of the machine. The file notes
the boot of the machine that last wrote it; on another boot it begins empty. Where the boot cannot be told, commits are synced.
A file restored from a backup has to be removed instead (docs/operations.md).
"""

from __future__ import annotations

import json
import math
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hub.storage.kv_program import (
    STAMP_LIFETIME,
    STAMP_REFRESH,
    bucket,
    check_program,
    delay_after,
    instant,
    microseconds_since_1970,
    milliseconds,
)
from idp.clock import Clock, SystemClock
from idp.errors import StoreUnavailable
from idp.kv import (
    MOST_MEMBERS,
    Allowance,
    Attempt,
    Count,
    Counted,
    Done,
    Drop,
    Enlist,
    Exists,
    Expect,
    Gone,
    Limit,
    Limited,
    Listed,
    Look,
    Mark,
    Outcome,
    Put,
    Read,
    Record,
    Renew,
    Result,
    Roll,
    Seen,
    Stale,
    Stamps,
    Step,
    Stop,
    Take,
    Written,
)

_WAIT_SECONDS = 5.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STAMP_MS = milliseconds(STAMP_LIFETIME)
_REFRESH_MS = milliseconds(STAMP_REFRESH)

_TABLES = (
    "CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, body TEXT NOT NULL, expires INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS entry_expires ON entry (expires)",
    "CREATE TABLE IF NOT EXISTS boot (only INTEGER PRIMARY KEY CHECK (only = 1), id TEXT NOT NULL)",
)


def boot_id() -> str | None:
    """Which boot of the machine this is; None where the system does not tell (not Linux)."""
    try:
        return _BOOT.read_text(encoding="ascii").strip() or None
    except OSError:
        return None


class SqliteKeyValue:
    """`idp.kv.KeyValue` in a file. Make it after a fork, never before: connections belong to one process."""

    def __init__(self, path: Path, *, clock: Clock | None = None, boot: str | None = None) -> None:
        """Opens the file or makes it, readable by its owner only. `boot`: see `boot_id`. Raises StoreUnavailable."""
        self._path = path
        self._clock = clock or SystemClock()
        self._process = os.getpid()
        self._lock = threading.Lock()
        with self._translated():
            self._connection = self._open(boot or boot_id())

    def transact(self, *steps: Step) -> Outcome:
        """Run the steps atomically. Raises StoreUnavailable; ValueError for steps that make no sense."""
        check_program(steps)
        with self._exclusive():
            now = microseconds_since_1970(self._clock.now())
            return _Transaction(self._connection, now).run(steps)

    def check(self) -> None:
        """Answer, or raise StoreUnavailable: the file is away, locked for long, damaged or not ours to write."""
        with self._exclusive():
            self._connection.execute("SELECT id FROM boot").fetchone()
        if not self._path.exists():
            raise StoreUnavailable(f"the key-value file {self._path} was removed under the running hub: restart it")

    def purge(self, limit: int) -> int:
        """Remove up to `limit` entries that are over."""
        with self._exclusive():
            now = microseconds_since_1970(self._clock.now()) // 1000
            return self._connection.execute(
                "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE expires <= ? LIMIT ?)", (now, limit)
            ).rowcount

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"SQLite key-value store: {type(error).__name__}: {error}") from error

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the write lock: committed when the block is left, rolled back when it raises."""
        if os.getpid() != self._process:
            raise StoreUnavailable("the key-value file was opened before a fork")
        if not self._lock.acquire(timeout=_WAIT_SECONDS):
            raise StoreUnavailable("SQLite key-value store: waited too long for other threads")
        try:
            with self._translated():
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
        finally:
            self._lock.release()

    def _open(self, boot: str | None) -> sqlite3.Connection:
        with suppress(FileExistsError):  # not opened where it is there: see hub.storage.engines
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            _use_wal(connection)
            connection.execute(f"PRAGMA synchronous = {'NORMAL' if boot else 'FULL'}")
            connection.execute("BEGIN IMMEDIATE")
            for table in _TABLES:
                connection.execute(table)
            last = connection.execute("SELECT id FROM boot").fetchone()
            if last is None or last[0] != (boot or ""):
                connection.execute("DELETE FROM entry")
                connection.execute("INSERT OR REPLACE INTO boot (only, id) VALUES (1, ?)", (boot or "",))
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for a lock here: two processes that open a new file at once would trip over each other.
    give_up = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)


class _StoppedError(Exception):
    """A step says no."""

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self.stop = stop


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the file has, or will have, under a key."""

    body: str
    expires: int
    sure: bool = False
    """Written even when a later step says no: used-up limits, counts, stamps that somebody has seen."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A record as it is stored; times in milliseconds."""

    value: str
    created: int
    idle: int
    last: int
    parent: str | None
    unless: tuple[str, ...]
    watch: tuple[str, ...]
    expires: int
    linger: int
    spent: bool = False

    def body(self) -> str:
        return json.dumps([getattr(self, name) for name in self.__slots__])

    @classmethod
    def read(cls, body: str) -> _Stored:
        value, created, idle, last, parent, unless, watch, expires, linger, spent = json.loads(body)
        return cls(value, created, idle, last, parent, tuple(unless), tuple(watch), expires, linger, spent)


class _Transaction:
    """The steps against one moment."""

    def __init__(self, connection: sqlite3.Connection, now_us: int) -> None:
        self._connection = connection
        self._now_us = now_us
        self._now = now_us // 1000
        self._staged: dict[str, _Entry | None] = {}
        self._parents: dict[int, _Stored | Gone] = {}
        self._nonce = secrets.token_hex(8)
        self._chance = 0

    def run(self, steps: tuple[Step, ...]) -> Outcome:
        """Decide, then write."""
        results: list[Result] = []
        for index, step in enumerate(steps):
            try:
                results.append(self._decide(index, step))
            except _StoppedError as stopped:
                self._write(sure_only=True)
                return Outcome(tuple(results), stopped.stop, index)
        self._write(sure_only=False)
        return Outcome(tuple(results))

    def _decide(self, index: int, step: Step) -> Result:
        match step:
            case Limit():
                return self._limit(step)
            case Attempt():
                return self._attempt(step)
            case Expect():
                return self._expect(step)
            case Put():
                return self._put(step)
            case Read():
                return self._read(index, step)
            case Take():
                return self._take(index, step)
            case Mark():
                key = "m:" + step.key
                known = self._fetch(key)
                self._stage(key, "", max(self._after(step.lifetime), known.expires if known else 0))
                return Done()
            case Drop():
                self._staged["r:" + step.key] = None
                self._staged["m:" + step.key] = None
                self._staged["t:" + step.key] = None
                return Done()
            case Renew():
                for name in step.stamps:
                    self._renew(name, step.hold)
                return Done()
            case Look():
                return Seen(self._versions(step.stamps))
            case Enlist():
                members = [each for each in self._members(step.key) if each[0] != step.member]
                members = [*members, (step.member, self._after(step.lifetime))][-MOST_MEMBERS:]
                self._stage("i:" + step.key, json.dumps(members), max(end for _, end in members))
                return Done()
            case Roll():
                return Listed(tuple(member for member, _ in self._members(step.key)))
            case Count():
                key = "c:" + step.key
                known = self._fetch(key)
                count = (int(known.body) if known else 0) + 1
                self._stage(key, str(count), self._after(step.window), sure=True)
                return Counted(count)

    def _members(self, key: str) -> list[tuple[str, int]]:
        known = self._fetch("i:" + key)
        return [(member, end) for member, end in json.loads(known.body) if end > self._now] if known else []

    # --- limits ---

    def _limit(self, step: Limit) -> Allowance:
        key = "l:" + step.key
        interval, full = bucket(step)
        known = self._fetch(key)
        full_at = max(int(known.body) if known else 0, self._now_us)
        if full_at > self._now_us + full:
            # Later than an empty bucket fills up: the clock was set back (or the limit lowered). It begins anew, or it stayed shut.
            full_at = self._now_us
        after = full_at + interval
        if after - full > self._now_us:
            retry = timedelta(microseconds=after - full - self._now_us)
            raise _StoppedError(Limited(retry, timedelta(microseconds=full_at - self._now_us)))
        self._stage(key, str(after), math.ceil(after / 1000), sure=True)
        full_in = after - self._now_us
        return Allowance((full - full_in) // interval, timedelta(microseconds=full_in))

    def _attempt(self, step: Attempt) -> Counted:
        key = "t:" + step.key
        known = self._fetch(key)
        count, until = json.loads(known.body) if known else (0, 0)
        if known and until > self._now:
            wait = timedelta(milliseconds=until - self._now)
            raise _StoppedError(Limited(wait, timedelta(milliseconds=known.expires - self._now)))
        count += 1
        until = self._after(delay_after(step, count))
        self._stage(key, json.dumps([count, until]), until + milliseconds(step.window), sure=True)
        return Counted(count)

    # --- records ---

    def _put(self, step: Put) -> Written:
        key = "r:" + step.key
        if step.absent:
            there = self._alive(key)
            if isinstance(there, _Stored):
                raise _StoppedError(Exists(there.value))
        origin, unless, watch = None, step.unless, step.watch
        if step.parent is not None:
            parent = self._parents[step.parent]
            if isinstance(parent, Gone):
                raise _StoppedError(parent)
            origin = parent.value
            unless = tuple(dict.fromkeys(parent.unless + unless))
            watch = tuple(dict.fromkeys(parent.watch + watch))
        idle = max(0, milliseconds(step.idle))
        last = self._now + idle if step.absolute is None else self._after(step.absolute)
        expires, linger = min(self._now + idle, last), max(0, milliseconds(step.linger))
        record = _Stored(step.value, self._now, idle, last, origin, unless, watch, expires, linger)
        self._stage(key, record.body(), expires + linger)
        return Written(instant(expires))

    def _read(self, index: int, step: Read) -> Record | Gone:
        key = "r:" + step.key
        record = self._alive(key)
        self._parents[index] = record
        if isinstance(record, Gone):
            if step.optional:
                return record
            raise _StoppedError(record)
        expires = min(self._now + record.idle, record.last)
        if step.slide and expires > record.expires:
            record = replace(record, expires=expires)
            self._stage(key, record.body(), expires + record.linger)
        return self._told(record)

    def _take(self, index: int, step: Take) -> Record:
        key = "r:" + step.key
        record = self._alive(key)
        if isinstance(record, Gone):
            raise _StoppedError(record)
        self._parents[index] = record
        told = self._told(record)
        self._stage(key, replace(record, spent=True).body(), self._after(step.tombstone))
        return told

    def _alive(self, key: str) -> _Stored | Gone:
        entry = self._fetch(key)
        if entry is None:
            return Gone()
        record = _Stored.read(entry.body)
        mark = next((name for name in record.unless if self._fetch("m:" + name)), None)
        if record.spent or mark is not None or record.expires <= self._now:
            return Gone(record.spent, mark, record.value, record.parent)
        return record

    def _told(self, record: _Stored) -> Record:
        stamps = self._versions(record.watch)
        return Record(record.value, instant(record.expires), instant(record.created), stamps, record.parent)

    # --- stamps ---

    def _expect(self, step: Expect) -> Seen:
        present = self._versions(step.stamps)
        if present != dict(step.stamps):
            raise _StoppedError(Stale(present))
        return Seen(present)

    def _versions(self, names: Iterable[str]) -> Stamps:
        return {name: self._version(name) for name in names}

    def _version(self, name: str) -> str:
        key = "s:" + name
        entry = self._fetch(key)
        if entry is None:
            version = self._fresh()
            self._stage_stamp(key, version, sure=True)
            return version
        version, written, *_ = json.loads(entry.body)
        if version is None:
            return "~" + self._fresh()
        if self._now - written > _REFRESH_MS:
            self._stage_stamp(key, version, sure=True)
        return str(version)

    def _renew(self, name: str, hold: timedelta | None) -> None:
        # A writer adds the end of its hold and takes ONE away when it is done, the earliest: another's hold outlives it.
        key = "s:" + name
        entry = self._fetch(key)
        stored: list[Any] = json.loads(entry.body) if entry else [""]
        holds = sorted(end for end in stored[1:] if end > self._now) if stored[0] is None else []
        holds = sorted([*holds, self._after(hold)]) if hold else holds[1:]
        if holds:
            self._stage(key, json.dumps([None, *holds]), holds[-1])
        else:
            self._stage_stamp(key, self._fresh())

    def _stage_stamp(self, key: str, version: str, *, sure: bool = False) -> None:
        self._stage(key, json.dumps([version, self._now]), self._now + _STAMP_MS, sure=sure)

    def _fresh(self) -> str:
        self._chance += 1
        return f"{self._nonce}.{self._chance}"

    # --- the file, seen through what is staged ---

    def _after(self, length: timedelta) -> int:
        return self._now + max(0, milliseconds(length))

    def _fetch(self, key: str) -> _Entry | None:
        if key in self._staged:
            return self._staged[key]
        row: Any = self._connection.execute(
            "SELECT body, expires FROM entry WHERE key = ? AND expires > ?", (key, self._now)
        ).fetchone()
        return _Entry(*row) if row else None

    def _stage(self, key: str, body: str, expires: int, *, sure: bool = False) -> None:
        self._staged[key] = _Entry(body, expires, sure) if expires > self._now else None

    def _write(self, *, sure_only: bool) -> None:
        for key, entry in self._staged.items():
            if entry is None:
                if not sure_only:
                    self._connection.execute("DELETE FROM entry WHERE key = ?", (key,))
            elif entry.sure or not sure_only:
                self._connection.execute(
                    "INSERT INTO entry (key, body, expires) VALUES (?, ?, ?)"
                    " ON CONFLICT (key) DO UPDATE SET body = excluded.body, expires = excluded.expires",
                    (key, entry.body, entry.expires),
                )
