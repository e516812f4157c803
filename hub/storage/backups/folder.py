"""A backup is a folder that appears under its name when it is whole. Until then it is `NAME.partial` beside it.

Whoever makes it holds a lock on `NAME.partial`; one that nobody holds was left by a backup that was killed, and goes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.storage.backups.manifest import BackupRefused


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A private folder to fill; it gets its name when the block ends well, and is removed when it does not. BackupRefused."""
    target = target.absolute()
    if os.path.lexists(target):
        raise BackupRefused(f"{target} exists already: give another name")
    if not target.parent.is_dir():
        raise BackupRefused(f"{target.parent} is not a folder")
    partial = target.with_name(f"{target.name}.partial")
    descriptor = _make_and_lock(partial)
    try:
        try:
            yield partial
            os.fsync(descriptor)
            # Onto a file, a link or a folder with something in it this fails, also when that came a moment ago.
            partial.rename(target)
            _sync(target.parent)
        except OSError as fault:
            raise BackupRefused(f"{fault.filename or target}: {fault.strerror}") from fault
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        os.close(descriptor)


def _make_and_lock(partial: Path) -> int:
    try:
        _make_empty(partial)
        descriptor = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as fault:
        raise BackupRefused(f"{partial}: {fault.strerror}") from fault
    try:
        _lock(descriptor, partial)
    except BackupRefused:
        os.close(descriptor)
        raise
    return descriptor


def _make_empty(partial: Path) -> None:
    if os.path.lexists(partial):
        descriptor = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _lock(descriptor, partial)
            shutil.rmtree(partial)
        finally:
            os.close(descriptor)
    partial.mkdir(mode=0o700)


def _lock(descriptor: int, partial: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BackupRefused(f"{partial}: another backup of this name is being made") from None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
