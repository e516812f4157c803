"""Who uses a SQLite file: every process of ours says so, and a restore waits for nobody but refuses.

    join     shared: serve (its first process and each worker), worker, and every command, as long as they live
    claim    alone: a restore, while it puts another file in place

The lock is on `FILE.lock` beside the database (flock: it ends with the process, however that ends). While a restore swaps files,
the lock file has a line in it. If the restore is killed there, that line keeps everybody but the next restore from starting.

PostgreSQL knows its own sessions; there a restore asks the server (hub.storage.backups.postgres).
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from idp.errors import StoreUnavailable

_INTERRUPTED = b"A restore was interrupted. Run `idhub restore` again.\n"


class Presence:
    """Held until `close`, or until the process ends. `descriptor` None: there is nothing to hold."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor

    def begin_swap(self) -> None:
        """From here to `end_swap`, a restore that dies leaves a database that nobody starts on."""
        if self._descriptor is None:
            return
        try:
            os.pwrite(self._descriptor, _INTERRUPTED, 0)
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, 0)  # a full disk: nothing was begun
            raise

    def end_swap(self) -> None:
        """The files in place are whole again."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let others in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def sqlite_file(url: str) -> Path | None:
    """The database file behind the URL, links followed, as SQLite does for its -wal and -shm; None: another database, or none."""
    try:
        parsed = make_url(url)
    except ArgumentError:  # told by whoever opens it
        return None
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(os.path.realpath(parsed.database))


def join(url: str) -> Presence:
    """Use the database beside others. StoreUnavailable while it is being restored, or half restored."""
    descriptor = _open(url)
    if descriptor is None:
        return Presence()
    try:
        _lock(descriptor, fcntl.LOCK_SH, "the database is being restored: wait until `idhub restore` is done")
        if os.fstat(descriptor).st_size:
            raise StoreUnavailable("a restore of the database was interrupted: run `idhub restore` again")
    except BaseException:
        os.close(descriptor)
        raise
    return Presence(descriptor)


def claim(url: str) -> Presence:
    """Have the database alone. StoreUnavailable while anybody uses it."""
    descriptor = _open(url)
    if descriptor is None:
        return Presence()
    try:
        _lock(
            descriptor, fcntl.LOCK_EX, "the database is in use: stop the hub (serve, worker) and every other `idhub` command first"
        )
    except BaseException:
        os.close(descriptor)
        raise
    return Presence(descriptor)


def _open(url: str) -> int | None:
    file = sqlite_file(url)
    if file is None:
        return None
    path = f"{file}.lock"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        if fault.errno in {errno.ENOENT, errno.ENOTDIR, errno.EROFS}:
            return None  # the first connection tells what is wrong with the folder
        raise StoreUnavailable(f"{path}: {fault.strerror}") from fault
    give_to_owner(descriptor, file)
    return descriptor


def give_to_owner(descriptor: int, database: Path) -> None:
    """What root makes beside a database belongs to the database's owner, as SQLite does with its own files."""
    if os.geteuid() != 0:
        return
    owner = (database if database.exists() else database.parent).stat()
    os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _lock(descriptor: int, kind: int, otherwise: str) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreUnavailable(otherwise) from None
