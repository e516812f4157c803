"""Files and folders of ours that nobody else may read, whatever the umask, and whoever else can write beside them.

    make_folder     a folder of ours, mode 0700; an existing one is tightened, or refused where others may have put things into it
    write_whole     a file in an opened folder, mode 0600: whole or not there, and never through a link
    create          a new file; what is there already is never opened, a link neither
    write_over    a file that an operator names; written over when it is there, never through a link
    make_file       a file that other programs write (SQLite): made, or tightened without opening it

An OSError names the path and says in its `strerror` what to do.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OURS = 0o700
_OTHERS = 0o077
_OTHERS_WRITE = 0o022


@contextmanager
def make_folder(path: Path) -> Iterator[int]:
    """The descriptor of a folder that only we can read and write. It and what is missing above it are made."""
    missing = [each for each in (path, *path.parents) if not each.exists() and not each.is_symlink()]
    for each in reversed(missing):
        with suppress(FileExistsError):  # another process was faster
            each.mkdir(mode=_OURS)
    descriptor = _open_folder(path)
    try:
        if fault := _fault_of(os.fstat(descriptor)):
            raise PermissionError(errno.EPERM, fault, str(path))
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != _OURS:
            os.fchmod(descriptor, _OURS)
        yield descriptor
    finally:
        os.close(descriptor)


def fault_of_folder(path: Path) -> str:
    """What keeps `make_folder` from using an existing folder, in words; "" for none, and where nothing is there yet."""
    try:
        descriptor = _open_folder(path)
    except FileNotFoundError:
        return ""
    except OSError as fault:
        return fault.strerror or "cannot be opened"
    try:
        return _fault_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def write_whole(folder: int, name: str, content: bytes, mode: int = 0o600) -> None:
    """Write a file into an opened folder and give it its name when it is whole; a file or link of that name is replaced."""
    draft = f".{name}.part"
    with suppress(FileNotFoundError):
        os.unlink(draft, dir_fd=folder)  # of a process that died
    with os.fdopen(create(draft, mode, folder=folder), "wb") as file:
        file.write(content)
    os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)


def create(path: Path | str, mode: int, *, folder: int | None = None) -> int:
    """The descriptor of a new file, for writing; FileExistsError for whatever is there, a dangling link too."""
    descriptor = os.open(path, _NEW, mode, dir_fd=folder)
    os.fchmod(descriptor, mode)
    return descriptor


def write_over(path: Path, mode: int) -> int:
    """The descriptor of a file, empty and for writing, that an operator names: made, or written over. Never through a link."""
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    os.fchmod(descriptor, mode)
    return descriptor


def make_file(path: Path | str, *beside: str) -> None:
    """An empty file that only we may read, unless there is one; that one, and those with a suffix of `beside`, are tightened.

    Through links: whoever names the path may name a link.
    """
    real = os.path.realpath(path)
    with suppress(FileExistsError):
        os.close(create(real, 0o600))
    for suffix in ("", *beside):
        _tighten(f"{real}{suffix}")


def _tighten(path: str) -> None:
    """Take what group and others may do off a plain file of ours. Nothing happens to a link, or to a file of somebody else.

    The file is not opened for reading: closing a descriptor of it would drop the locks that SQLite holds in this process.
    """
    with suppress(OSError):
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_mode & _OTHERS:
                Path(f"/proc/self/fd/{descriptor}").chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)
        finally:
            os.close(descriptor)


def _open_folder(path: Path) -> int:
    try:
        return os.open(path, _FOLDER)
    except NotADirectoryError:
        raise NotADirectoryError(errno.ENOTDIR, "must be a folder, not a link or file", str(path)) from None


def _fault_of(found: os.stat_result) -> str:
    if found.st_uid != os.geteuid():
        return f"belongs to uid {found.st_uid}, not to the hub (uid {os.geteuid()}); name another folder, or run: chown"
    if found.st_mode & _OTHERS_WRITE:
        return "can be written by others, who may have put links or files into it; clear it, then run: chmod 700"
    return ""
