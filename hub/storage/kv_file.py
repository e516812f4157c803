"""Opening the file of the SQLite key-value store, and the epoch that it is in (hub.storage.kv_sqlite)."""

from __future__ import annotations

import secrets
import sqlite3
import time
from pathlib import Path

from idp.epochs import FRESH, INHERITED, Lineage
from idp.private_files import make_file

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_EPOCH = "CREATE TABLE IF NOT EXISTS epoch (only INTEGER PRIMARY KEY CHECK (only = 1), name TEXT NOT NULL, beat INTEGER NOT NULL)"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, body TEXT NOT NULL, expires INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS entry_expires ON entry (expires)",
    "CREATE TABLE IF NOT EXISTS boot (only INTEGER PRIMARY KEY CHECK (only = 1), id TEXT NOT NULL)",
    _EPOCH,
)


def boot_id() -> str | None:
    """Which boot of the machine this is; None where the system does not tell (not Linux)."""
    try:
        return _BOOT.read_text(encoding="ascii").strip() or None
    except OSError:
        return None


def open_file(path: Path, boot: str | None, *, wait: float) -> sqlite3.Connection:
    """Open the file or make it, readable by its owner only. `wait`: seconds for a lock. sqlite3.Error, OSError."""
    make_file(path, "-wal", "-shm")
    connection = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False, cached_statements=64)
    try:
        _use_wal(connection, wait)
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if boot else 'FULL'}")
        connection.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            connection.execute(table)
        last = connection.execute("SELECT id FROM boot").fetchone()
        if last is None or last[0] != (boot or ""):
            begin_epoch(connection)
            connection.execute("INSERT OR REPLACE INTO boot (only, id) VALUES (1, ?)", (boot or "",))
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def begin_epoch(connection: sqlite3.Connection) -> Lineage:
    """Void everything, in the open transaction. The new epoch."""
    begun = Lineage(secrets.token_hex(8), FRESH)
    connection.execute("DELETE FROM entry")
    connection.execute("INSERT OR REPLACE INTO epoch (only, name, beat) VALUES (1, ?, ?)", (begun.epoch, begun.beat))
    return begun


def find_lineage(connection: sqlite3.Connection) -> Lineage:
    """The present epoch, in the open transaction. A file of a version that kept none gets one."""
    connection.execute(_EPOCH)
    row = connection.execute("SELECT name, beat FROM epoch").fetchone()
    if row is not None:
        return Lineage(*row)
    found = Lineage(secrets.token_hex(8), INHERITED)
    connection.execute("INSERT INTO epoch (only, name, beat) VALUES (1, ?, ?)", (found.epoch, found.beat))
    return found


def _use_wal(connection: sqlite3.Connection, wait: float) -> None:
    # SQLite does not wait for a lock here: two processes that open a new file at once would trip over each other.
    give_up = time.monotonic() + wait
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)
