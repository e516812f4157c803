"""Takes an invoice file into the database.

    lease     one import per biller at a time; a second one is told so (ImportRunning)
    check     the whole file is read once; a file-level fault refuses it and nothing of it is written
    survey    which invoice of each account speaks for it (apply.py)
    batches   some hundred invoices each, one transaction each: customers, ghosts, role codes, invoices, change log
    report    a run with its counts, and a row for everything that was left out; kept for dry runs too

The same file twice changes nothing: what is stored is compared with what the file says, not the file with itself. So a run that
died between two batches is completed by running the file again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import BinaryIO, Protocol
from uuid import UUID

from idp.actor import Actor
from idp.billing.invoices import InvoiceStore
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.billers import Biller
from idp.directory.customers import CustomerStore
from idp.directory.ghosts import GhostStore
from idp.directory.names import account_key
from idp.directory.registrations import RegistrationStore
from idp.directory.role_codes import RoleCodeStore, parse_codes
from idp.errors import ImportRunning, InvalidFile
from idp.jobs import JobStore
from idp.opaque import new_id
from idp.secrets import Secrets
from idp.transaction import Begin
from sso_connect.imports import bif
from sso_connect.imports.apply import Entry, Occasion, Stored, Writes, plan
from sso_connect.imports.runs import ImportRun, ImportRunStore, RowReport

BATCH = 200
LEASE = timedelta(minutes=5)
_BLOCK = 1 << 20

Progress = Callable[[int, int], None]
"""Told (invoices done, invoices in all) after each batch."""


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
    def jobs(self) -> JobStore: ...


class InvoiceFileImport:
    """Runs imports of invoice files."""

    def __init__(self, begin: Begin[ImportStores], clock: Clock, secrets: Secrets, batch: int = BATCH) -> None:
        self._begin = begin
        self._clock = clock
        self._secrets = secrets
        self._batch = batch

    def run(
        self,
        actor: Actor,
        request_id: str,
        biller: Biller,
        file: BinaryIO,
        file_name: str,
        *,
        dry_run: bool = False,
        progress: Progress = lambda _done, _all: None,
    ) -> ImportRun:
        """Take over one file; the run says what became of it (`refused` with the reason, or `done`). ImportRunning.

        `file` is read several times from its start. A dry run writes its run and report and nothing else.
        """
        run = ImportRun(
            id=new_id(),
            bid=biller.bid,
            kind="bif",
            file_name=file_name[:200],
            file_digest=_digest(file),
            dry_run=dry_run,
            state="running",
            started_at=self._clock.now(),
            actor=f"{actor.kind}:{actor.id}",
        )
        self._take_lease(run, start=True)
        try:
            done = self._import(actor, request_id, biller, file, run, progress)
        except BaseException:
            self._finish(actor, request_id, replace(run, state="failed"))
            raise
        return self._finish(actor, request_id, done)

    def find_run(self, bid: int, run_id: UUID) -> ImportRun | None:
        """By id within a biller."""
        with self._begin() as stores:
            return stores.import_runs.find_run(bid, run_id)

    def list_rows(self, bid: int, run_id: UUID, after_line: int = 0, limit: int = 200) -> list[RowReport]:
        """The report of a run, by line."""
        with self._begin() as stores:
            return stores.import_runs.list_rows(bid, run_id, after_line, limit)

    def _import(
        self, actor: Actor, request_id: str, biller: Biller, file: BinaryIO, run: ImportRun, progress: Progress
    ) -> ImportRun:
        columns = bif.ColumnMap.default() if biller.column_map is None else bif.ColumnMap.from_mapping(biller.column_map)
        try:
            total = bif.check(file, columns, biller.guid).header.invoice_count
        except InvalidFile as fault:
            return replace(run, state="refused", reason=fault.detail)
        self._secrets.prepare(biller.bid)
        occasion = Occasion(biller, columns, actor, request_id, run.started_at, self._secrets)
        rules = _rules(occasion)
        speakers = _speakers(bif.groups(file, columns, rules))
        for batch in _batches(bif.groups(file, columns, rules), self._batch):
            self._take_lease(run, start=False)
            run = self._take_over(occasion, run, batch, speakers)
            progress(run.read, total)
        return replace(run, state="done")

    def _take_over(
        self, occasion: Occasion, run: ImportRun, batch: Sequence[bif.Group | bif.BadGroup], speakers: dict[str, int]
    ) -> ImportRun:
        good = [group for group in batch if isinstance(group, bif.Group)]
        faults = [fault for group in batch if isinstance(group, bif.BadGroup) for fault in group.faults]
        entries = [Entry(group, speaks=speakers[group.account_key] == group.line) for group in good]
        with self._begin() as stores:
            writes = plan(occasion, _stored(stores, occasion.biller.bid, good), entries)
            stores.import_runs.add_rows(run.bid, run.id, [RowReport(each.line, each.column, each.reason) for each in faults])
            if not run.dry_run:
                _write(stores, run.bid, writes)
        return replace(
            run,
            read=run.read + len(batch),
            created=run.created + writes.created,
            changed=run.changed + writes.changed,
            unchanged=run.unchanged + writes.unchanged,
            left_out=run.left_out + len(batch) - len(good),
        )

    def _take_lease(self, run: ImportRun, *, start: bool) -> None:
        now = self._clock.now()
        with self._begin() as stores:
            if not stores.jobs.take_lease(_lease(run.bid), str(run.id), now, now + LEASE):
                raise ImportRunning(f"an import of BID {run.bid} is running")
            if start:
                stores.import_runs.put_run(run)

    def _finish(self, actor: Actor, request_id: str, run: ImportRun) -> ImportRun:
        ended = replace(run, finished_at=self._clock.now())
        told = ("file_name", "file_digest", "dry_run", "state", "read", "created", "changed", "unchanged", "left_out", "reason")
        values = {name: getattr(ended, name) for name in told}
        with self._begin() as stores:
            stores.import_runs.put_run(ended)
            stores.changelog.append(
                Change(ended.bid, Action.IMPORT_RUN, actor, request_id, subject=f"import:{ended.id}", after=values)
            )
            stores.jobs.drop_lease(_lease(ended.bid), str(ended.id))
        return ended


def _stored(stores: ImportStores, bid: int, groups: Sequence[bif.Group]) -> Stored:
    """What the database has of the accounts of a batch. The customers stay locked until the batch is committed."""
    customers = stores.customers.find_by_accounts(bid, sorted({group.account_key for group in groups}), lock=True)
    ids = [customer.id for customer in customers.values()]
    numbers = [(customers[group.account_key].id, group.invoice.number) for group in groups if group.account_key in customers]
    return Stored(
        customers=customers,
        registered=frozenset(stores.registrations.list_of_customers(bid, ids)),
        ghosts=stores.ghosts.find_ghosts(bid, ids),
        codes=stores.role_codes.list_codes_of(bid, ids),
        invoices=stores.invoices.find_many(bid, numbers),
        newest=stores.invoices.newest_dates(bid, ids),
    )


def _write(stores: ImportStores, bid: int, writes: Writes) -> None:
    stores.customers.add_customers(writes.new_customers)
    stores.customers.put_customers(writes.changed_customers)
    stores.ghosts.put_ghosts(writes.ghosts)
    stores.role_codes.set_codes_of(bid, writes.codes)
    stores.invoices.put_invoices(writes.invoices)
    stores.changelog.append_all(writes.changes)


def _speakers(groups: Iterator[bif.Group | bif.BadGroup]) -> dict[str, int]:
    """The line of the invoice that speaks for each account: the newest, on a tie the later; a donation only for want of others."""
    best: dict[str, tuple[bool, date, int]] = {}
    for group in groups:
        if isinstance(group, bif.Group):
            rank = (not group.invoice.is_donation, group.invoice.date, group.line)
            best[group.account_key] = max(best.get(group.account_key, rank), rank)
    return {key: line for key, (_, _, line) in best.items()}


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


def _digest(file: BinaryIO) -> str:
    """SHA-256 of the file, for people who ask which one it was."""
    hashed = hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK):
        hashed.update(block)
    return hashed.hexdigest()


def _lease(bid: int) -> str:
    return f"import:{bid}"
