"""Takes an invoice file into the database.

    copy      the file is copied once, so that what is checked is what goes in, whoever writes to it meanwhile
    lease     one import per biller at a time; a second one is told so (ImportRunning)
    check     the whole file is read once; a file-level fault refuses it and nothing of it is written
    survey    which invoice of each account speaks for it (apply.py)
    batches   some hundred invoices each, one transaction each: customers, ghosts, role codes, invoices, change log, the
              rows of the report, the counts of the run and the lease, which fences off a run that was taken for dead
    end       the run's last state, and one change-log row for the run

A run ends as `done`, `refused` (whole, with the reason), `failed` (an error), or `interrupted` (stopped, or killed with its
process); of a run that failed or was interrupted, the batches that it counts are in. The lease is short and renewed while the run
is at work, so that a run that was killed is seen as interrupted and keeps its biller waiting for less than a minute. Customers and
ghosts that really change have change-log rows of their own. The same file twice changes nothing: what is stored is compared with
what the file says, not the file with the file. So a run that broke off is completed by running the file again. A file that was
killed with its process again and again is refused, unless a person runs it.

A dry run does all of that except writing: it keeps its run and its report, and leaves no change-log row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, Protocol
from uuid import UUID

from idp.actor import Actor, Staff
from idp.alarms import Alarms
from idp.billing.invoices import InvoiceStore
from idp.changelog import WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.customers import MANY_ACCOUNTS, CustomerStore, sound_codes_replaced
from idp.directory.ghosts import GhostStore
from idp.directory.names import account_key
from idp.directory.provenance import FILE, writer_of
from idp.directory.registrations import RegistrationStore
from idp.directory.role_codes import RoleCodeStore, parse_codes
from idp.errors import CustomerExists, HubError, ImportRunning, InvalidFile, Raced, UnexpectedError
from idp.jobs import JobLost, LeaseStore, WorkStopped
from idp.opaque import new_id
from idp.secrets import Secrets
from idp.transaction import Begin
from sso_connect.imports import bif
from sso_connect.imports.apply import Entry, Occasion, Stored, Writes, plan
from sso_connect.imports.bif_rows import MAX_FILE_BYTES
from sso_connect.imports.history import LOST_WITHIN, MOST_LOST, Alive, ImportHistory, end_lost_run, run_change
from sso_connect.imports.runs import (
    LEASE,
    OVERTAKEN,
    RENEW_EVERY,
    STOPPED,
    ImportRun,
    ImportRunStore,
    RowReport,
    RunState,
)

BATCH: Final = 200
"""Invoices of one transaction: some ten milliseconds of writing, so that sign-ins on SQLite need not wait for long."""

_BLOCK: Final = 1 << 20
_IN_MEMORY: Final = 8 << 20
_MAX_TRIES: Final = 3
_LINES_BETWEEN: Final = 1000
"""Lines that are read between two looks at the clock: some milliseconds, and a second where each has 64 KiB."""

_STOPPED: Final = (KeyboardInterrupt, SystemExit, WorkStopped)

Progress = Callable[[int, int], None]
"""Told (invoices done, invoices in all) before the first batch and after each one is committed."""


class ImportStores(WithChangeLog, Protocol):
    """The slice of stores that an import works with."""

    @property
    def customers(self) -> CustomerStore: ...

    @property
    def registrations(self) -> RegistrationStore: ...

    @property
    def ghosts(self) -> GhostStore: ...

    @property
    def role_codes(self) -> RoleCodeStore: ...

    @property
    def invoices(self) -> InvoiceStore: ...

    @property
    def import_runs(self) -> ImportRunStore: ...

    @property
    def jobs(self) -> LeaseStore: ...


class _Attended:
    """A file that says again and again that it is still being read."""

    def __init__(self, file: bif.BinaryFile, tick: Alive) -> None:
        self._file = file
        self._tick = tick
        self._lines = 0

    def readline(self, limit: int = -1, /) -> bytes:
        """See bif.BinaryFile."""
        self._lines += 1
        if self._lines >= _LINES_BETWEEN:
            self._lines = 0
            self._tick()
        return self._file.readline(limit)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """See bif.BinaryFile."""
        return self._file.seek(offset, whence)


@dataclass(slots=True)
class _CodesSeen:
    """Accounts whose role codes a run changed, and whether codes that somebody else wrote stopped working."""

    accounts: int = 0
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _Order:
    """What one run works with, from its start to its end."""

    occasion: Occasion
    file: bif.BinaryFile
    progress: Progress
    key: ApiKey | None
    seen: _CodesSeen

    def groups(self) -> Iterator[bif.Group | bif.BadGroup]:
        """The invoices of the file, once more from its start."""
        return bif.groups(self.file, self.occasion.columns, _rules(self.occasion))

    def silent(self) -> frozenset[int]:
        """The lines of the invoices that do NOT speak for their account: a newer one does, on a tie the later one."""
        rules = _rules(self.occasion)
        repeated = bif.repeated_accounts(self.file, self.occasion.columns, rules)
        if not repeated:
            return frozenset()
        best: dict[str, tuple[bool, date, int]] = {}
        lines: set[int] = set()
        for group in bif.groups(self.file, self.occasion.columns, rules, accounts=repeated):
            if isinstance(group, bif.Group):
                lines.add(group.line)
                # A donation speaks only for want of anything else.
                rank = (not group.invoice.is_donation, group.invoice.date, group.line)
                best[group.account_key] = max(best.get(group.account_key, rank), rank)
        return frozenset(lines - {line for _, _, line in best.values()})


class InvoiceFileImport:
    """Runs imports of invoice files."""

    def __init__(self, begin: Begin[ImportStores], clock: Clock, secrets: Secrets, alarms: Alarms, batch: int = BATCH) -> None:
        self._begin = begin
        self._clock = clock
        self._secrets = secrets
        self._alarms = alarms
        self._batch = batch
        self.history = ImportHistory(begin, clock)

    def run(
        self,
        actor: Actor,
        request_id: str,
        biller: Biller,
        file: BinaryIO,
        file_name: str,
        *,
        column_map: bif.ColumnMap | None = None,
        dry_run: bool = False,
        run_id: UUID | None = None,
        progress: Progress = lambda _done, _all: None,
        key: ApiKey | None = None,
        sets_role_codes: bool = True,
        alive: Alive = lambda: None,
    ) -> ImportRun:
        """Import one file, and say what became of it: `done`, or `refused` with the reason.

        `column_map` stands in for the biller's own, `run_id` is that of the run (default: a fresh one). `key`: that of the partner
        who sent it, None: the operator's file; `sets_role_codes`: whether its role codes count. `alive` is called every few
        seconds at least. Raises ImportRunning, InvalidFields (the biller's column map), and whatever breaks it off
        (StoreUnavailable, an exception of `progress` or `alive`); the run is then `failed` or `interrupted`, and its whole batches
        are in.
        """
        columns = column_map or _columns(biller)
        # Before any transaction: see Secrets.prepare.
        self._secrets.prepare(biller.bid)
        with _copied(file) as (copy, file_digest):
            run = ImportRun(
                id=run_id or new_id(),
                bid=biller.bid,
                kind="bif",
                file_name=plain_name(file_name),
                file_digest=file_digest,
                dry_run=dry_run,
                state="running",
                started_at=self._clock.now(),
                actor=f"{actor.kind}:{actor.id}",
            )
            pulse = _Pulse(self._begin, self._clock, run, alive, run.started_at)
            by = FILE if key is None else writer_of(key)
            occasion = Occasion(biller, columns, actor, request_id, run.started_at, self._secrets, by, sets_role_codes)
            order = _Order(occasion, _Attended(copy, pulse), progress, key, _CodesSeen())
            killed = self._save(occasion, run)
            try:
                return self._carry_out(order, run, pulse, killed)
            finally:
                self._sound(order)

    def find_run(self, bid: int, run_id: UUID) -> ImportRun | None:
        """By id within a biller."""
        return self.history.find_run(bid, run_id)

    def list_rows(self, bid: int, run_id: UUID, after_line: int = 0, limit: int = 200) -> list[RowReport]:
        """The report of a run by line, from the one after `after_line`; the rows of one line stay together."""
        return self.history.list_rows(bid, run_id, after_line, limit)

    def _carry_out(self, order: _Order, run: ImportRun, pulse: Alive, killed: int) -> ImportRun:
        try:
            occasion = order.occasion
            pulse()
            if killed >= MOST_LOST and not isinstance(occasion.actor, Staff):
                raise InvalidFile(f"the process that ran this file was killed {killed} times within a day")
            summary = bif.check(order.file, occasion.columns, occasion.biller.guid)
            total = summary.header.invoice_count
            silent = order.silent()
            order.progress(0, total)
            for batch in _batches(order.groups(), self._batch):
                run = self._take_over(order, run, batch, silent)
                order.progress(run.read, total)
                pulse()
            run = self._noted(run, summary.notes)
        except InvalidFile as refusal:
            return self._finish(order.occasion, replace(run, state="refused", reason=refusal.detail))
        except BaseException as fault:
            state, reason = _broken_off(fault)
            # The fault is what the caller must see, even where the store that broke it off does not take its record either.
            with suppress(HubError):
                self._finish(order.occasion, replace(run, state=state, reason=reason))
            raise
        return self._finish(order.occasion, replace(run, state="done"))

    def _take_over(
        self, order: _Order, run: ImportRun, batch: Sequence[bif.Group | bif.BadGroup], silent: frozenset[int]
    ) -> ImportRun:
        """One batch, and the run after it."""
        occasion = order.occasion
        good = [group for group in batch if isinstance(group, bif.Group)]
        entries = [Entry(group, speaks=group.line not in silent) for group in good]
        rows = [_row(fault) for group in batch for fault in (group.warnings if isinstance(group, bif.Group) else group.faults)]
        tries = 0
        while True:
            tries += 1
            try:
                with self._begin() as stores:
                    _hold(stores, run, self._clock.now())
                    stored = _stored(stores, run.bid, good, lock=not run.dry_run)
                    writes = plan(replace(occasion, now=self._clock.now()), stored, entries)
                    if not run.dry_run:
                        _write(stores, run.bid, writes)
                    after = replace(
                        run,
                        read=run.read + len(batch),
                        created=run.created + writes.created,
                        changed=run.changed + writes.changed,
                        unchanged=run.unchanged + writes.unchanged,
                        left_out=run.left_out + len(batch) - len(good),
                        warnings=run.warnings + sum(row.severity == "warning" for row in rows),
                        role_codes_left_out=run.role_codes_left_out or writes.left_codes,
                    )
                    stores.import_runs.add_rows(run.bid, run.id, rows)
                    stores.import_runs.put_run(after)
                order.seen.accounts += len(writes.codes)
                order.seen.lost |= writes.lost_codes
                return after
            except (CustomerExists, Raced):
                # The API made the same account in this moment, or waited for ours while we waited for its: look again.
                if tries == _MAX_TRIES:
                    raise

    def _sound(self, order: _Order) -> None:
        """Tell the biller's staff of role codes that a key changed."""
        key, seen = order.key, order.seen
        if key is not None and (seen.lost or seen.accounts > MANY_ACCOUNTS):
            sound_codes_replaced(self._alarms, key.bid, key.id, accounts=seen.accounts)

    def _save(self, occasion: Occasion, run: ImportRun) -> int:
        """Enter the run. How often one of this file was killed lately."""
        now = self._clock.now()
        with self._begin() as stores:
            _hold(stores, run, now)
            if not run.dry_run:
                # We hold the biller's lease: whatever is still called running was killed.
                for other in stores.import_runs.list_running_of(run.bid):
                    if not other.dry_run:
                        end_lost_run(stores, other, occasion.actor, occasion.request_id, now)
            stores.import_runs.put_run(run)
            return stores.import_runs.count_lost(run.bid, run.file_digest, now - LOST_WITHIN)

    def _noted(self, run: ImportRun, notes: Sequence[bif.Fault]) -> ImportRun:
        """The run with what is to be said about the file itself."""
        if not notes:
            return run
        after = replace(run, warnings=run.warnings + len(notes))
        with self._begin() as stores:
            _hold(stores, run, self._clock.now())
            stores.import_runs.add_rows(run.bid, run.id, [_row(note) for note in notes])
            stores.import_runs.put_run(after)
        return after

    def _finish(self, occasion: Occasion, run: ImportRun) -> ImportRun:
        ended = replace(run, finished_at=self._clock.now())
        with self._begin() as stores:
            stores.import_runs.put_run(ended)
            if not ended.dry_run:
                stores.changelog.append(run_change(occasion.actor, occasion.request_id, ended))
            stores.jobs.drop_lease(ended.lease, str(ended.id))
        return ended


def _row(fault: bif.Fault) -> RowReport:
    return RowReport(fault.line, fault.column, fault.reason, fault.severity)


class _Pulse:
    """Keeps the lease of a run while it reads: between two batches and while the file is checked, minutes may pass."""

    def __init__(self, begin: Begin[ImportStores], clock: Clock, run: ImportRun, alive: Alive, held_at: datetime) -> None:
        self._begin = begin
        self._clock = clock
        self._run = run
        self._alive = alive
        self._held_at = held_at

    def __call__(self) -> None:
        self._alive()
        now = self._clock.now()
        if self._held_at <= now < self._held_at + RENEW_EVERY:
            return
        with self._begin() as stores:
            _hold(stores, self._run, now)
        self._held_at = now


def _hold(stores: ImportStores, run: ImportRun, now: datetime) -> None:
    """Take or prolong the lease, in the transaction that writes: a run that has lost it writes nothing more."""
    if not stores.jobs.take_lease(run.lease, str(run.id), now, now + LEASE):
        raise ImportRunning(f"an import of BID {run.bid} is running")


def _broken_off(fault: BaseException) -> tuple[RunState, str]:
    """The state of a run that ended with this, and why."""
    if isinstance(fault, ImportRunning | JobLost):
        return "interrupted", OVERTAKEN
    if isinstance(fault, _STOPPED):
        return "interrupted", STOPPED
    return "failed", fault.code if isinstance(fault, HubError) else UnexpectedError.code


def _columns(biller: Biller) -> bif.ColumnMap:
    return bif.ColumnMap.default() if biller.column_map is None else bif.ColumnMap.from_mapping(biller.column_map)


def _stored(stores: ImportStores, bid: int, groups: Sequence[bif.Group], *, lock: bool) -> Stored:
    """What the database has of the accounts of a batch.

    With `lock` the customers stay locked until the batch is committed: nobody registers on one while its ghost is written.
    """
    customers = stores.customers.find_by_accounts(bid, {group.account_key for group in groups}, lock=lock)
    ids = [customer.id for customer in customers.values()]
    numbers = [(customers[group.account_key].id, group.invoice.number) for group in groups if group.account_key in customers]
    return Stored(
        customers=customers,
        registered=frozenset(stores.registrations.list_of_customers(bid, ids)),
        ghosts=stores.ghosts.find_ghosts(bid, ids),
        codes=stores.role_codes.list_codes_of(bid, ids),
        invoices=stores.invoices.find_many(bid, numbers),
        newest=stores.invoices.newest_dates(bid, ids),
        newest_of_codes=stores.invoices.newest_dates(bid, ids, tells_codes=True),
    )


def _write(stores: ImportStores, bid: int, writes: Writes) -> None:
    stores.customers.add_customers(writes.new_customers)
    stores.customers.put_customers(writes.changed_customers)
    stores.ghosts.put_ghosts(writes.ghosts)
    stores.role_codes.set_codes_of(bid, writes.codes)
    stores.invoices.put_invoices(writes.invoices)
    stores.changelog.append_all(writes.changes)


def _rules(occasion: Occasion) -> bif.Rules:
    policies = occasion.biller.policies

    def check_custom(number: int, text: str) -> None:
        if occasion.takes_codes and number == policies.role_code_field:
            try:
                parse_codes(policies, text)
            except ValueError:
                raise ValueError("has a role code that begins with none of the biller's prefixes") from None

    return bif.Rules(account_key=lambda text: account_key(policies.account_profile, text), check_custom=check_custom)


def _batches(groups: Iterator[bif.Group | bif.BadGroup], size: int) -> Iterator[list[bif.Group | bif.BadGroup]]:
    batch: list[bif.Group | bif.BadGroup] = []
    for group in groups:
        batch.append(group)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def _copied(file: BinaryIO) -> Iterator[tuple[bif.BinaryFile, str]]:
    """A copy that nobody else can write to, gone at the end, and its SHA-256. Of a file over the limit no more than shows it."""
    hashed = hashlib.sha256()
    left = MAX_FILE_BYTES + 1
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as copy:
        file.seek(0)
        while left and (block := file.read(min(_BLOCK, left))):
            hashed.update(block)
            copy.write(block)
            left -= len(block)
        yield copy, hashed.hexdigest()


def plain_name(file_name: str) -> str:
    """The name without folders and without what cannot be printed, for logs and pages."""
    name = file_name.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in name if character.isprintable())[:200]
