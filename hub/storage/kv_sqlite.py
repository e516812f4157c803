"""The key-value contract in one SQLite file: the embedded default, for a few processes on one machine.

    SqliteKeyValue   the file: locking it, purging it, its epoch (opening it: hub.storage.kv_file)
    _Transaction     one transaction: decide every step against the file and what the steps before it staged, then write

Each process has one connection behind a lock (SQLite writes one at a time anyway, and waiting on our own lock is fair and does
not poll); processes exclude each other by BEGIN IMMEDIATE. Every entry is a row `key, body, expires` (milliseconds since 1970):

    r:  record      JSON [value, created, idle, last, parent, [unless], [watch], spent], milliseconds
    m:  mark        empty
    s:  stamp       JSON [version, written]; while held JSON [null, end, ..]: the ends of all holds
    l:  limit       microsecond at which the bucket is full
    c:  counter     number
    i:  list        JSON [[member, end], ..]; the member "" stands for those that made room, with the latest of their ends

Epoch: a commit survives the death of the process but, with synchronous=NORMAL, perhaps not that of the machine. The file notes
the boot of the machine that last wrote it; on another boot it begins a new epoch, empty. Where the boot cannot be told, commits are
synced. A file that was put back from a backup is found by comparing it with the database (idp.epochs).
"""

from __future__ import annotations

import json
import math
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hub.storage.kv_file import begin_epoch, boot_id, find_lineage, open_file
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
from idp.epochs import Lineage
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
    Refund,
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
_STAMP_MS = milliseconds(STAMP_LIFETIME)
_REFRESH_MS = milliseconds(STAMP_REFRESH)


class SqliteKeyValue:
    """`idp.kv.KeyValue` in a file. Make it after a fork, never before: connections belong to one process."""

    def __init__(self, path: Path, *, clock: Clock | None = None, boot: str | None = None) -> None:
        """Opens the file or makes it, readable by its owner only. `boot`: see `boot_id`. Raises StoreUnavailable."""
        self._path = path
        self._boot = boot or boot_id()
        self._clock = clock or SystemClock()
        self._process = os.getpid()
        self._lock = threading.Lock()
        with self._translated():
            self._open()

    def transact(self, *steps: Step) -> Outcome:
        """Run the steps atomically. Raises StoreUnavailable; ValueError for steps that make no sense."""
        check_program(steps)
        with self._exclusive():
            now = microseconds_since_1970(self._clock.now())
            return _Transaction(self._connection, now).run(steps)

    def check(self) -> None:
        """Answer, or raise StoreUnavailable: the file is away, locked for long, damaged or not ours to write."""
        self._follow()
        with self._exclusive():
            self._connection.execute("SELECT id FROM boot").fetchone()

    def lineage(self) -> Lineage:
        """The present epoch and its beat. Raises StoreUnavailable."""
        self._follow()
        with self._exclusive():
            return find_lineage(self._connection)

    def keep_beat(self, lineage: Lineage) -> bool:
        """Keep a beat of this epoch; False when the epoch is another one by now. Raises StoreUnavailable."""
        with self._exclusive():
            kept = self._connection.execute("UPDATE epoch SET beat = ? WHERE name = ?", (lineage.beat, lineage.epoch))
            return kept.rowcount == 1

    def begin_epoch(self) -> Lineage:
        """Void everything. The new epoch. Raises StoreUnavailable."""
        with self._exclusive():
            return begin_epoch(self._connection)

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

    def _open(self) -> None:
        self._connection = open_file(self._path, self._boot, wait=_WAIT_SECONDS)
        self._file = self._path.stat().st_ino

    def _follow(self) -> None:
        """Open the file anew where another one was put in its place: whoever starts now opens that one. StoreUnavailable."""
        with self._translated(), self._held():
            if not self._path.exists():
                raise StoreUnavailable(f"the key-value file {self._path} was removed under the running hub: restart it")
            if self._path.stat().st_ino != self._file:
                self._connection.close()
                self._open()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"SQLite key-value store: {type(error).__name__}: {error}") from error

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the write lock: committed when the block is left, rolled back when it raises."""
        with self._held(), self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _held(self) -> Iterator[None]:
        """No other thread of this process uses the connection."""
        if os.getpid() != self._process:
            raise StoreUnavailable("the key-value file was opened before a fork")
        if not self._lock.acquire(timeout=_WAIT_SECONDS):
            raise StoreUnavailable("SQLite key-value store: waited too long for other threads")
        try:
            yield
        finally:
            self._lock.release()


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

    def as_of(self, now: int) -> _Stored:
        """As a clock allows it: made now at the latest, over after `idle` at the latest. Otherwise the clock was set back."""
        if self.spent or (self.created <= now and self.expires <= now + self.idle):
            return self
        ahead = max(0, self.created - now)
        ends = min(self.expires - ahead, now + self.idle)
        return replace(self, created=self.created - ahead, last=self.last - ahead, expires=ends)

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
            case Refund():
                return self._refund(step)
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
                self._stage(key, "", max(self._after(step.lifetime), known.expires if (known := self._fetch(key)) else 0))
                return Done()
            case Drop():
                self._staged |= {f"{kind}:{step.key}": None for kind in "rmt"}
                return Done()
            case Renew():
                for name in step.stamps:
                    self._renew(name, step.hold)
                return Done()
            case Look():
                return Seen(self._versions(step.stamps))
            case Enlist():
                members, cut = self._members(step.key)
                members = [*(each for each in members if each[0] != step.member), (step.member, self._after(step.lifetime))]
                cut = max(cut, *(end for _, end in members[:-MOST_MEMBERS]), 0)
                kept = [*([("", cut)] if cut > self._now else []), *members[-MOST_MEMBERS:]]
                self._stage("i:" + step.key, json.dumps(kept), max(end for _, end in kept))
                return Done()
            case Roll():
                members, cut = self._members(step.key)
                return Listed(tuple(member for member, _ in members), cut > self._now)
            case Count():
                key = "c:" + step.key
                count = (int(known.body) if (known := self._fetch(key)) else 0) + 1
                self._stage(key, str(count), self._after(step.window), sure=True)
                return Counted(count)

    def _members(self, key: str) -> tuple[list[tuple[str, int]], int]:
        """The members whose time is not over, and until when others would have stayed that made room."""
        known = self._fetch("i:" + key)
        found = [(member, end) for member, end in json.loads(known.body) if end > self._now] if known else []
        return [each for each in found if each[0]], max((end for member, end in found if not member), default=0)

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

    def _refund(self, step: Refund) -> Done:
        key = "l:" + step.key
        interval, _ = bucket(step)
        known = self._fetch(key)
        if known is not None:
            full_at = int(known.body) - interval
            self._stage(key, str(full_at), math.ceil(full_at / 1000))
        return Done()

    def _attempt(self, step: Attempt) -> Counted:
        key = "t:" + step.key
        known = self._fetch(key)
        count, until = json.loads(known.body) if known else (0, 0)
        forgotten = known.expires if known else self._now
        latest = self._after(delay_after(step, count))
        if until > latest:
            # Later than the last guess could make anybody wait: the clock was set back (or the delays were shortened).
            until, forgotten = latest, latest + milliseconds(step.window)
            self._stage(key, json.dumps([count, until]), forgotten, sure=True)
        if until > self._now:
            wait, full_in = (timedelta(milliseconds=end - self._now) for end in (until, forgotten))
            raise _StoppedError(Limited(wait, full_in))
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
        idle = max(0, milliseconds(step.idle))
        last = self._now + idle if step.absolute is None else self._after(step.absolute)
        if step.parent is not None:
            parent = self._parents[step.parent]
            if isinstance(parent, Gone):
                raise _StoppedError(parent)
            origin = parent.value if step.origin is None else step.origin
            unless = tuple(dict.fromkeys((*(mark for mark in parent.unless if mark not in step.shed), *unless)))
            watch = tuple(dict.fromkeys(parent.watch + watch))
            if step.within is not None:
                last = min(last, parent.created + max(0, milliseconds(step.within)))
            if step.bounded:
                last = min(last, parent.last)
        expires, linger = min(self._now + idle, last), max(0, milliseconds(step.linger))
        record = _Stored(step.value, self._now, idle, last, origin, unless, watch, expires, linger)
        self._stage(key, record.body(), expires + linger)
        return Written(instant(expires))

    def _read(self, index: int, step: Read) -> Record | Gone:
        key = "r:" + step.key
        record = self._alive(key, spent=step.spent)
        self._parents[index] = record
        if isinstance(record, Gone):
            if step.optional:
                return record
            raise _StoppedError(record)
        expires = min(self._now + record.idle, record.last)
        if step.slide and not record.spent and expires > record.expires:
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

    def _alive(self, key: str, *, spent: bool = False) -> _Stored | Gone:
        entry = self._fetch(key)
        if entry is None:
            return Gone()
        stored = _Stored.read(entry.body)
        record = stored.as_of(self._now)
        if record is not stored:
            self._stage(key, record.body(), record.expires + record.linger, sure=True)
        mark = next((name for name in record.unless if self._fetch("m:" + name)), None)
        over = not spent if record.spent else record.expires <= self._now
        if over or mark is not None:
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
