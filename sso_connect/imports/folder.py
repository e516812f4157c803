"""The watched folder: invoice files that are dropped into it, by SFTP or by hand, are taken over by the worker.

    {folder}/NAME.bif                dropped. Left alone until size and time of change stood still for SETTLED
    {folder}/working/{id}/NAME.bif   moved there by rename, so that of two workers one has it
    {folder}/done/NAME.bif.report.csv       what became of it: the rows that were left out
    {folder}/refused/NAME.bif.report.csv    why nothing of it was taken over

Whose file it is says its FH row, never its name. The file itself is deleted with its last step, because it holds role codes; the
report holds none (docs/adr/0016). Whoever works on a file holds a lock on it, which ends with the process: what a worker that died
left in `working` is begun again by the next look, and the import takes nothing twice. Symbolic links, files with a second name
(hard links), folders, hidden files and what cannot be read stay where they are.

Whoever drops files can put a link in the place of anything in the folder at any moment. So every look opens the folders once, and
whatever is opened, moved, written or deleted after that is named within an opened folder and never through a link.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import logging
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final, Literal

from idp.actor import System
from idp.clock import Clock
from idp.directory.billers import Biller, Billers
from idp.errors import HubError, ImportRunning, InvalidFields, InvalidFile
from idp.opaque import new_id
from idp.private_files import create
from sso_connect.imports import bif
from sso_connect.imports.runner import InvoiceFileImport
from sso_connect.imports.runs import ImportRun, RowReport

EVERY: Final = timedelta(seconds=5)
SETTLED: Final = timedelta(seconds=5)
"""So long must a file stand still: an upload in progress grows."""

ACTOR: Final = System("invoice-folder")
Ending = Literal["done", "refused"]

_WORKING: Final = "working"
_MODES: Final[Mapping[str, int]] = MappingProxyType({_WORKING: 0o700, "done": 0o750, "refused": 0o750})
"""Of our folders as they are made: files hold role codes; reports hold none, and may be for people in the folder's group."""
_REPORT_MODE: Final = 0o640
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: it may have become a pipe since it was looked at.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SUFFIX: Final = ".bif"
_PAGE: Final = 500
_MOST_NAME_BYTES: Final = 150
_MOST_TOLD: Final = 1000
"""Files that are left alone whose names a worker remembers, so that the log names each once."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Look:
    """How a file was when it was seen first like this."""

    size: int
    changed_ns: int
    inode: int
    since: datetime


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a file ended, and the lines of its report."""

    ending: Ending
    reason: str
    rows: Iterable[RowReport] = ()


@dataclass(frozen=True, slots=True)
class _Places:
    """The folders of one look, opened."""

    base: int
    working: int
    done: int
    refused: int


@dataclass(frozen=True, slots=True)
class _Dropped:
    """A file by name, in the folder `own` of `working`; "" while it is where it was dropped."""

    name: str
    own: str = ""


class InvoiceFolder:
    """Looks into a folder. One per worker; two may look into the same folder."""

    def __init__(self, folder: Path, billers: Billers, importer: InvoiceFileImport, clock: Clock) -> None:
        self._folder = folder
        self._billers = billers
        self._importer = importer
        self._clock = clock
        self._seen: dict[str, _Look] = {}
        self._left_alone: set[str] = set()

    def look(self) -> int:
        """Take over at most one file: first what was left unfinished, then what is ready, oldest first. How many.

        NotADirectoryError, PermissionError: one of our folders is a link, or belongs to somebody else.
        """
        with _opened(self._folder) as places:
            busy: set[int] = set()
            return int(any(self._take(places, each, busy) for each in (*_unfinished(places), *self._ready(places))))

    def _ready(self, places: _Places) -> list[_Dropped]:
        """Dropped files that stood still long enough, oldest first."""
        now = self._clock.now()
        before, self._seen = self._seen, {}
        ready: list[tuple[int, str]] = []
        with os.scandir(places.base) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.name.lower().endswith(_SUFFIX):
                    continue
                with suppress(FileNotFoundError):
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    is_now = entry.stat(follow_symlinks=False)
                    look = _Look(is_now.st_size, is_now.st_mtime_ns, is_now.st_ino, now)
                    known = before.get(entry.name)
                    # Seen later than now: the clock was set back. The file has to stand still once more.
                    if known is not None and known.since <= now and known == replace(look, since=known.since):
                        look = known
                    self._seen[entry.name] = look
                    if now - look.since >= SETTLED:
                        ready.append((look.changed_ns, entry.name))
        return [_Dropped(name) for _, name in sorted(ready)]

    def _take(self, places: _Places, dropped: _Dropped, busy: set[int]) -> bool:
        """Take one file over. False where it must wait: somebody else has it, it cannot be read, its biller is busy."""
        with ExitStack() as stack:
            parent = stack.enter_context(_inside(places.working, dropped.own)) if dropped.own else places.base
            file = None if parent is None else stack.enter_context(self._locked(parent, dropped))
            if parent is None or file is None:
                return False
            biller = self._biller(file)
            if isinstance(biller, Biller) and biller.bid in busy:
                return False  # an older file of the biller waits: the later one wins, so it must come later
            moved = (dropped, parent) if dropped.own else stack.enter_context(_moved(places, dropped))
            if moved is None or not _is_still(file, dropped.name, moved[1]):
                return False
            outcome = biller if isinstance(biller, _Outcome) else self._import(biller, file, dropped.name)
            if outcome is None:
                busy.update({biller.bid} if isinstance(biller, Biller) else ())
                return False
            (taken, own) = moved
            _report(places.done if outcome.ending == "done" else places.refused, taken, outcome)
            with suppress(FileNotFoundError):
                os.unlink(taken.name, dir_fd=own)
            with suppress(OSError):
                os.rmdir(taken.own, dir_fd=places.working)
        _log.info("invoice file", extra={"file": _plain(dropped.name), "ending": outcome.ending, "reason": outcome.reason})
        return True

    def _biller(self, file: BinaryIO) -> Biller | _Outcome:
        """Whose file it is, or why it is nobody's."""
        try:
            guid = bif.peek_biller(file)
        except InvalidFile as refusal:
            return _Outcome("refused", refusal.detail)
        biller = self._billers.find_by_guid(guid)
        if biller is None:
            return _Outcome("refused", "line 1: no biller has this BillerGuid")
        if biller.disabled:
            return _Outcome("refused", "the biller is out of service")
        return biller

    def _import(self, biller: Biller, file: BinaryIO, name: str) -> _Outcome | None:
        """Run the import; None while another one of the biller runs."""
        try:
            run = self._importer.run(ACTOR, str(new_id()), biller, file, _plain(name))
        except ImportRunning:
            return None
        except InvalidFields:
            return _Outcome("refused", "the biller's column map cannot be used")
        except HubError:
            raise
        except Exception as fault:  # noqa: BLE001  (one odd file must not keep all later ones waiting)
            _log.error("invoice file broke off", extra={"file": _plain(name), "cause": type(fault).__name__})
            return _Outcome("refused", "the import broke off; what was taken over is in, and the file may be sent again")
        return _Outcome("done" if run.state == "done" else "refused", run.reason, self._rows(run))

    def _rows(self, run: ImportRun) -> Iterator[RowReport]:
        after = 0
        while page := self._importer.list_rows(run.bid, run.id, after, _PAGE):
            yield from page
            after = page[-1].line

    @contextmanager
    def _locked(self, parent: int, dropped: _Dropped) -> Iterator[BinaryIO | None]:
        """The file, opened and locked; None when it is gone, cannot be read, is no plain file of one name, or is worked on."""
        try:
            descriptor = os.open(dropped.name, _FILE, dir_fd=parent)
        except FileNotFoundError:
            yield None
            return
        except OSError as fault:
            self._leave(dropped, fault.strerror or "cannot be opened")
            yield None
            return
        try:
            found = os.fstat(descriptor)
            # A second name may be that of a file that whoever dropped it may not read, or may not have deleted.
            if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and not dropped.own:
                self._leave(dropped, "has a second name (hard link)")
            elif stat.S_ISREG(found.st_mode) and _lock(descriptor):
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    yield file
                return
            yield None
        finally:
            os.close(descriptor)

    def _leave(self, dropped: _Dropped, reason: str) -> None:
        """Tell once that a file is left alone."""
        name = f"{dropped.own}/{dropped.name}"
        if name not in self._left_alone:
            if len(self._left_alone) >= _MOST_TOLD:
                self._left_alone.clear()
            self._left_alone.add(name)
            _log.warning("invoice file is left alone", extra={"file": _plain(dropped.name), "cause": reason})


@contextmanager
def _opened(folder: Path) -> Iterator[_Places]:
    """Open the folder and our three in it, which are made where they are missing."""
    with ExitStack() as stack:
        base = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, base)
        opened: dict[str, int] = {}
        for name, mode in _MODES.items():
            with suppress(FileExistsError):
                os.mkdir(name, mode, dir_fd=base)
            opened[name] = os.open(name, _FOLDER, dir_fd=base)  # NotADirectoryError for a link
            stack.callback(os.close, opened[name])
            found = os.fstat(opened[name])
            if found.st_uid not in {os.geteuid(), 0}:
                told = f"{name} belongs to uid {found.st_uid}: whoever drops files must not own the folders that we work in"
                raise PermissionError(errno.EPERM, told)
        if os.fstat(opened[_WORKING]).st_uid == os.geteuid():
            os.fchmod(opened[_WORKING], _MODES[_WORKING])
        yield _Places(base, **opened)


def _unfinished(places: _Places) -> list[_Dropped]:
    """Files that are in `working`, those of a worker that is alive among them."""
    found: list[_Dropped] = []
    with os.scandir(places.working) as entries:
        own = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in own:
        with suppress(OSError), _inside(places.working, name) as folder:  # another worker puts its file in, or has finished
            if folder is None:
                continue
            with os.scandir(folder) as files:
                names = [each.name for each in files]
            found += (_Dropped(each, name) for each in names)
            if not names:
                os.rmdir(name, dir_fd=places.working)
    return found


@contextmanager
def _inside(working: int, own: str) -> Iterator[int | None]:
    """A folder in `working`, opened; None when it is gone, or is a link."""
    try:
        descriptor = os.open(own, _FOLDER, dir_fd=working)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _moved(places: _Places, dropped: _Dropped) -> Iterator[tuple[_Dropped, int] | None]:
    """The file in a folder of its own in `working`; None when it is gone, or another worker cleared the folder away."""
    own = str(new_id())
    os.mkdir(own, 0o700, dir_fd=places.working)
    with _inside(places.working, own) as folder:
        try:
            if folder is None:
                raise FileNotFoundError(own)
            os.rename(dropped.name, dropped.name, src_dir_fd=places.base, dst_dir_fd=folder)
        except FileNotFoundError:
            with suppress(OSError):
                os.rmdir(own, dir_fd=places.working)
            yield None
            return
        yield _Dropped(dropped.name, own), folder


def _report(folder: int, taken: _Dropped, outcome: _Outcome) -> None:
    """Written beside the file and then renamed: a report is whole or not there."""
    unfinished = f".{taken.own}"
    with suppress(FileNotFoundError):
        os.unlink(unfinished, dir_fd=folder)  # of a worker that died
    with os.fdopen(create(unfinished, _REPORT_MODE, folder=folder), "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("line", "column", "reason"))
        if outcome.reason:
            writer.writerow(("", "", outcome.reason))
        writer.writerows((row.line, row.column, row.reason) for row in outcome.rows)
    report = f"{_plain(taken.name)}.report.csv"
    if _is_there(report, folder):  # of an earlier file of the same name
        report = f"{_plain(taken.name)}.{taken.own}.report.csv"
    os.rename(unfinished, report, src_dir_fd=folder, dst_dir_fd=folder)


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(file: BinaryIO, name: str, folder: int) -> bool:
    """Whether the name still leads to the opened file: not finished by another worker, not replaced in the meantime."""
    try:
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    opened = os.fstat(file.fileno())
    return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)


def _plain(name: str) -> str:
    """A name of any bytes as one that every file system and log can take: printable, bounded, never hidden."""
    shown = os.fsencode(name).decode("utf-8", "replace")
    kept = "".join(character if character.isprintable() and character not in "/\\" else "_" for character in shown)
    return kept.encode()[-_MOST_NAME_BYTES:].decode("utf-8", "ignore").lstrip(".") or "file"
