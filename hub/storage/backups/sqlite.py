"""SQLite: copy a database that is in use, and put a copy in the place of a database that nobody uses.

A database in use is three files. So a copy is made by SQLite's online backup (one snapshot, whatever is written meanwhile) and is
one complete file; and when a copy is put in place, the -wal and -shm that were there go aside together with their database. Left
behind, SQLite would apply them to the new file and damage it silently.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import UUID

from hub.storage.backups.manifest import BackupRefused
from hub.storage.presence import Presence, give_to_owner
from idp.secrets import DataKey

_MAGIC = b"SQLite format 3\0"
_WAIT_SECONDS = 10
_BESIDE = ("-wal", "-shm", "-journal")
_MOST_FAULTS = 3


def copy_live(database: Path, target: Path) -> None:
    """Copy the database as it is at this moment into one new private file, synced. BackupRefused."""
    if not database.exists():
        raise BackupRefused(f"{database} does not exist: there is nothing to back up")
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    try:
        with closing(_open(database)) as source, closing(_open(target)) as copy:
            source.backup(copy)  # in one step: one snapshot, and writers go on
            # The header says WAL, as the source's does; the copy has to be whole without a second file.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as fault:
        raise BackupRefused(f"{database} cannot be copied: {fault}") from fault
    with target.open("rb") as file:
        os.fsync(file.fileno())


def check_whole(path: Path, what: str) -> None:
    """The file is a sound database, every page and index of it. BackupRefused."""
    try:
        with closing(_open(path)) as connection:
            faults = [str(line) for (line,) in connection.execute(f"PRAGMA integrity_check({_MOST_FAULTS})")]
            broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as fault:
        raise BackupRefused(f"{what} is damaged: {fault}") from fault
    if faults != ["ok"]:
        raise BackupRefused(f"{what} is damaged: {'; '.join(' '.join(each.split()) for each in faults)}")
    if broken is not None:
        raise BackupRefused(f"{what} is damaged: a row of {broken[0]} has lost the row that it belongs to")


def revision_of(path: Path) -> str | None:
    """The revision of the schema; None: no database of ours. BackupRefused."""
    try:
        with closing(_open(path)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    except sqlite3.Error as fault:
        raise BackupRefused(f"{path} is damaged: {fault}") from fault
    return None if row is None else str(row[0])


def data_keys_of(path: Path) -> list[DataKey]:
    """The wrapped data keys in a copy."""
    with closing(_open(path)) as connection:
        return [
            DataKey(UUID(key), bid, wrapped) for key, bid, wrapped in connection.execute("SELECT id, bid, wrapped FROM data_keys")
        ]


def new_file_beside(database: Path) -> Path:
    """An empty private file in the folder of the database, which becomes it. What a killed restore left there goes."""
    path = database.with_name(f"{database.name}.restoring")
    remove(path)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except OSError as fault:
        raise BackupRefused(f"{path}: {fault.strerror}") from fault
    give_to_owner(descriptor, database)
    os.close(descriptor)
    return path


def remove(path: Path) -> None:
    """Remove a database file with what SQLite keeps beside it."""
    for each in (path, *(path.with_name(path.name + ending) for ending in _BESIDE)):
        each.unlink(missing_ok=True)


def settle(database: Path) -> None:
    """Bring what is in the -wal into the file, if that can still be done. BackupRefused while another program has it open."""
    if not _looks_like_one(database):
        return  # SQLite would throw the -wal away
    try:
        with closing(_open(database)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise BackupRefused(f"{database} is in use by another program: stop it first") from fault
    except sqlite3.Error:
        return  # damaged: it is being replaced for that, and goes aside as it is


def _looks_like_one(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def swap(held: Presence, database: Path, restored: Path, aside: Path, then: Callable[[], None]) -> bool:
    """Put `restored` in the place of `database`, which goes aside; then do the rest. Whether there was one to put aside.

    A kill in the middle leaves a database that nobody starts on (hub.storage.presence), with each of its files under one name or
    the other.
    """
    there = database.exists()
    held.begin_swap()
    for ending in (*_BESIDE, ""):
        part = database.with_name(database.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    restored.rename(database)
    then()
    sync_folder(database.parent)
    held.end_swap()
    return there


def sync_folder(folder: Path) -> None:
    """Make sure that new names are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> sqlite3.Connection:
    # mode=rw: a file that is not there is an error, not a new database.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
