"""The watched folder: invoice files that are dropped into it, by SFTP or by hand, are taken over by the worker.

    {folder}/NAME.bif                dropped. Left alone until size and time of change stood still for SETTLED
    {folder}/working/{id}/NAME.bif   moved there by rename, so that of two workers one has it
    {folder}/done/NAME.bif.report.csv       what became of it: the rows that were left out
    {folder}/refused/NAME.bif.report.csv    why nothing of it was taken over

Whose file it is says its FH row, never its name. The file itself is deleted with its last step, because it holds role codes; the
report holds none (docs/adr/0016). Whoever works on a file holds a lock on it, which ends with the process: what a worker that died
left in `working` is begun again by the next look, and the import takes nothing twice. Symbolic links, folders, hidden files and
what cannot be read stay where they are.
"""

from __future__ import annotations

import csv
import fcntl
import logging
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, Literal

from idp.actor import System
from idp.clock import Clock
from idp.directory.billers import Biller, Billers
from idp.errors import HubError, ImportRunning, InvalidFields, InvalidFile
from idp.opaque import new_id
from sso_connect.imports import bif
from sso_connect.imports.runner import InvoiceFileImport
from sso_connect.imports.runs import ImportRun, RowReport

EVERY: Final = timedelta(seconds=5)
SETTLED: Final = timedelta(seconds=5)
"""So long must a file stand still: an upload in progress grows."""

ACTOR: Final = System("invoice-folder")
Ending = Literal["done", "refused"]

_WORKING: Final = "working"
_SUFFIX: Final = ".bif"
_PAGE: Final = 500
_MOST_NAME_BYTES: Final = 150
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


class InvoiceFolder:
    """Looks into a folder. One per worker; two may look into the same folder."""

    def __init__(self, folder: Path, billers: Billers, importer: InvoiceFileImport, clock: Clock) -> None:
        self._folder = folder
        self._billers = billers
        self._importer = importer
        self._clock = clock
        self._seen: dict[str, _Look] = {}
        self._unreadable: set[Path] = set()

    def look(self) -> int:
        """Take over at most one file: first what was left unfinished, then what is ready, oldest first. How many."""
        self._make_places()
        busy: set[int] = set()
        return int(any(self._take(path, busy) for path in (*self._unfinished(), *self._ready())))

    def _make_places(self) -> None:
        """Our three folders. NotADirectoryError for a link: whoever drops files must not choose where we write and delete."""
        for name in (_WORKING, "done", "refused"):
            place = self._folder / name
            place.mkdir(exist_ok=True)
            if place.is_symlink():
                raise NotADirectoryError(name)

    def _unfinished(self) -> list[Path]:
        """Files that are in `working`, those of a worker that is alive among them."""
        found: list[Path] = []
        with os.scandir(self._folder / _WORKING) as entries:
            own = sorted(Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False))
        for taken in own:
            with suppress(OSError):  # another worker puts its file in just now, or has finished
                files = list(taken.iterdir())
                found += files
                if not files:
                    taken.rmdir()
        return found

    def _ready(self) -> list[Path]:
        """Dropped files that stood still long enough, oldest first."""
        now = self._clock.now()
        before, self._seen = self._seen, {}
        ready: list[tuple[int, str]] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.name.lower().endswith(_SUFFIX):
                    continue
                with suppress(FileNotFoundError):
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    is_now = entry.stat(follow_symlinks=False)
                    look = _Look(is_now.st_size, is_now.st_mtime_ns, is_now.st_ino, now)
                    known = before.get(entry.name)
                    if known is not None and known == replace(look, since=known.since):
                        look = known
                    self._seen[entry.name] = look
                    if now - look.since >= SETTLED:
                        ready.append((look.changed_ns, entry.name))
        return [self._folder / name for _, name in sorted(ready)]

    def _take(self, path: Path, busy: set[int]) -> bool:
        """Take one file over. False where it must wait: somebody else has it, it cannot be read, its biller is busy."""
        with self._locked(path) as file:
            if file is None:
                return False
            biller = self._biller(file)
            if isinstance(biller, Biller) and biller.bid in busy:
                return False  # an older file of the biller waits: the later one wins, so it must come later
            moved = path if path.parent.parent == self._folder / _WORKING else self._move(path)
            if moved is None or not _is_still(file, moved):
                return False
            outcome = biller if isinstance(biller, _Outcome) else self._import(biller, file, path.name)
            if outcome is None:
                busy.update({biller.bid} if isinstance(biller, Biller) else ())
                return False
            self._report(moved, outcome)
            moved.unlink(missing_ok=True)
            with suppress(OSError):
                moved.parent.rmdir()
        _log.info("invoice file", extra={"file": _plain(path.name), "ending": outcome.ending, "reason": outcome.reason})
        return True

    def _move(self, path: Path) -> Path | None:
        """Into a folder of its own in `working`; None when the file is gone, or another worker cleared the folder away."""
        own = self._folder / _WORKING / str(new_id())
        own.mkdir()
        try:
            return path.rename(own / path.name)
        except FileNotFoundError:
            with suppress(OSError):
                own.rmdir()
            return None

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
    def _locked(self, path: Path) -> Iterator[BinaryIO | None]:
        """The file, opened and locked; None when it is gone, is no plain file, cannot be read, or another worker has it."""
        try:
            # O_NOFOLLOW and O_NONBLOCK: it may have become a link or a pipe since it was looked at.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        except OSError as fault:
            if path not in self._unreadable:
                self._unreadable.add(path)
                _log.warning("invoice file cannot be read", extra={"file": _plain(path.name), "cause": fault.strerror})
            yield None
            return
        with os.fdopen(descriptor, "rb") as file:
            yield file if stat.S_ISREG(os.fstat(descriptor).st_mode) and _lock(descriptor) else None

    def _report(self, moved: Path, outcome: _Outcome) -> None:
        """Written beside the file and then renamed: a report is whole or not there."""
        folder = self._folder / outcome.ending
        unfinished = folder / f".{moved.parent.name}"
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("line", "column", "reason"))
            if outcome.reason:
                writer.writerow(("", "", outcome.reason))
            writer.writerows((row.line, row.column, row.reason) for row in outcome.rows)
        report = folder / f"{_plain(moved.name)}.report.csv"
        if report.exists():  # of an earlier file of the same name
            report = folder / f"{_plain(moved.name)}.{moved.parent.name}.report.csv"
        unfinished.rename(report)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(file: BinaryIO, path: Path) -> bool:
    """Whether the path still leads to the opened file: not finished by another worker, not replaced in the meantime."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    opened = os.fstat(file.fileno())
    return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)


def _plain(name: str) -> str:
    """A name of any bytes as one that every file system and log can take: printable, bounded, never hidden."""
    shown = os.fsencode(name).decode("utf-8", "replace")
    kept = "".join(character if character.isprintable() and character not in "/\\" else "_" for character in shown)
    return kept.encode()[-_MOST_NAME_BYTES:].decode("utf-8", "ignore").lstrip(".") or "file"
