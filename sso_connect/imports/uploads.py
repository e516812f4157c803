"""Invoice files that partners upload: received piece by piece, kept sealed, taken over by the worker.

    receiving   pieces of 1 MiB come in, each sealed (an invoice file holds role codes) and committed by itself, so that a slow
                sender holds up nobody; a sender that breaks off leaves nothing
    waiting     all of it is there; committed together with its job and the change-log row
    running     the worker runs the import (runner.py), in the order of arrival within a biller
    done        imported, rows with faults left out and reported
    refused     nothing of it was imported; the reason says why
    failed      given up after many tries; whole batches of it may be in, and the same file sent again completes them

Role codes of a file count only where the key that sent it has the scopes `files` and `role_codes:write`, when it sends the file and
again when that is imported; else they are left out, and answer and report say so.

Each upload has one job, under its own id. A file whose turn has not come lets it sleep; the one before wakes the next when it is
done. Order is kept by a lock on the biller's row, so that no file falls asleep while the one before it ends.

The pieces are deleted with the last state. The same file again, while nothing else of the biller came after it and it waits, runs
or was done a moment ago, is the upload that is there already (docs/adr/0016): a retry after a lost answer does no work twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import IO, Final, Literal, Protocol
from uuid import UUID

from idp.actor import Actor, Partner
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey, ApiKeyStore, Scope
from idp.directory.billers import Biller, BillerStore
from idp.errors import (
    BodyTooLarge,
    DamagedCiphertext,
    FieldError,
    HubError,
    ImportRunning,
    InvalidFields,
    InvoiceFileNotFound,
    Raced,
    TooManyUploads,
    UnexpectedError,
)
from idp.jobs import MAX_LOST, MAX_TRIES, Job, JobLost, JobStore, LeaseStore, Renew, WorkStopped
from idp.opaque import new_id
from idp.secrets import Place, Secrets
from idp.transaction import Begin
from sso_connect.imports.bif_rows import MAX_FILE_BYTES
from sso_connect.imports.runner import InvoiceFileImport, plain_name
from sso_connect.imports.runs import ImportRun, RowReport, import_lease

IMPORT_UPLOAD: Final = "invoice-file.import"
"""The kind of the job; its payload is the upload's id."""

PIECE: Final = 1 << 20
"""Bytes of a piece: so much of a file is in memory at a time."""

KEPT_FOR: Final = timedelta(days=30)
RECEIVED_WITHIN: Final = timedelta(days=1)
"""After this a file that is still being received has lost its sender and its worker."""

COMES_IN_WITHIN: Final = timedelta(minutes=90)
"""After this a file that is still coming in has lost its sender: the largest file at the slowest rate takes 70 minutes."""

MOST_OF_KEY: Final = 5
MOST_OF_BILLER: Final = 20
"""Files of one key, and of one biller, that come in, wait or run at a time."""

DONE_A_MOMENT_AGO: Final = timedelta(minutes=10)
AGAIN_IN: Final = timedelta(seconds=10)
"""When a file whose turn it is, and which another import keeps waiting, is looked at again."""

ASLEEP_FOR: Final = timedelta(minutes=5)
"""When a file behind others is looked at again, should nobody wake it before."""

UploadState = Literal["receiving", "waiting", "running", "done", "refused", "failed"]
UNFINISHED: Final[tuple[UploadState, ...]] = ("waiting", "running")


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file. `created_at`: when all of it had come in. `run_id`: its import, once there is one."""

    bid: int
    id: UUID
    key_id: UUID
    file_name: str
    size: int
    digest: str
    state: UploadState
    request_id: str
    created_at: datetime
    run_id: UUID | None = None
    reason: str = ""
    sets_role_codes: bool = False
    """Whether the key might set role codes when it sent the file."""


class UploadStore(Protocol):
    """Uploads in the database, without their pieces."""

    def add_upload(self, upload: Upload) -> None:
        """Insert."""
        ...

    def put_upload(self, upload: Upload) -> None:
        """Update size, digest, state, time, run and reason."""
        ...

    def find_upload(self, bid: int, upload_id: UUID, *, partner_id: UUID | None = None, lock: bool = False) -> Upload | None:
        """By id within a biller, and with `partner_id` only by the keys of that partner. `lock`: for whoever writes it back."""
        ...

    def find_newest(self, bid: int) -> Upload | None:
        """The one that came in last, of any key; those that are still coming in do not count."""
        ...

    def is_first(self, upload: Upload) -> bool:
        """Whether no older one of the biller waits or runs."""
        ...

    def count_unfinished(self, bid: int, key_id: UUID, receiving_since: datetime) -> tuple[int, int]:
        """How many of this key, and how many of the biller, wait, run, or have begun to come in since then."""
        ...

    def find_first(self, bid: int) -> Upload | None:
        """The oldest one of the biller that waits or runs."""
        ...

    def drop_upload(self, bid: int, upload_id: UUID) -> None:
        """Delete one, with its pieces."""
        ...

    def purge_uploads(self, before: datetime, receiving_before: datetime, limit: int) -> int:
        """Delete those from before `before`, and those still coming in from before `receiving_before`. How many."""
        ...


class PieceStore(Protocol):
    """The pieces of uploads, sealed."""

    def add_piece(self, bid: int, upload_id: UUID, n: int, content: str) -> None:
        """Insert the piece number `n`, from 0."""
        ...

    def find_piece(self, bid: int, upload_id: UUID, n: int) -> str | None:
        """One piece."""
        ...

    def drop_pieces(self, bid: int, upload_id: UUID) -> None:
        """Delete all of an upload."""
        ...


class _JobsAndLeases(JobStore, LeaseStore, Protocol):
    """Both."""


class UploadStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def uploads(self) -> UploadStore: ...

    @property
    def upload_pieces(self) -> PieceStore: ...

    @property
    def billers(self) -> BillerStore: ...

    @property
    def api_keys(self) -> ApiKeyStore: ...

    @property
    def jobs(self) -> _JobsAndLeases: ...


class Incoming(Protocol):
    """A body that is read piece by piece."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """An upload with its run, as far as it has come, and a page of the run's report. `more`: the report goes on."""

    upload: Upload
    run: ImportRun | None
    rows: tuple[RowReport, ...]
    more: bool


class InvoiceFiles:
    """Receives, imports and shows uploaded files."""

    def __init__(self, begin: Begin[UploadStores], clock: Clock, secrets: Secrets, importer: InvoiceFileImport) -> None:
        self._begin = begin
        self._clock = clock
        self._secrets = secrets
        self._importer = importer

    def receive(self, actor: Actor, request_id: str, biller: Biller, key: ApiKey, file: Incoming, file_name: str) -> Upload:
        """Take a file in. TooManyUploads, BodyTooLarge, InvalidFields (an empty one), and whatever `file` raises: then nothing
        of it stays."""
        self._secrets.prepare(biller.bid)
        with self._begin() as stores:  # before a byte of it is read
            self._admit(stores, biller.bid, key.id)
        upload = Upload(
            bid=biller.bid,
            id=new_id(),
            key_id=key.id,
            file_name=plain_name(file_name),
            size=0,
            digest="",
            state="receiving",
            request_id=request_id,
            created_at=self._clock.now(),
            sets_role_codes=_may_set_codes(key),
        )
        try:
            return self._enter(actor, key, self._take_in(upload, file))
        except BaseException:
            with suppress(HubError):  # the fault is what the caller must see; what is left here goes with the next purge
                self._drop(upload)
            raise

    def carry_out(self, job: Job, renew: Renew = lambda: None) -> None:
        """The handler of the job. Bears to run twice, beside itself, and after a worker that was killed."""
        upload_id = UUID(job.payload)
        with self._begin() as stores:
            biller = stores.billers.find_biller(job.bid, lock=True)
            upload = stores.uploads.find_upload(job.bid, upload_id, lock=True)
            if upload is None or upload.state not in UNFINISHED:
                return
            now = self._clock.now()
            if not stores.uploads.is_first(upload):
                stores.jobs.defer_job(job, now + ASLEEP_FOR)
                return
            if self._is_being_imported(stores, upload):
                stores.jobs.defer_job(job, now + AGAIN_IN)
                return
            upload = replace(upload, state="running", run_id=new_id())
            stores.uploads.put_upload(upload)
            key = stores.api_keys.find_key(job.bid, upload.key_id)
        if biller is None or key is None or biller.disabled:
            self._finish(upload, replace(upload, state="refused", run_id=None, reason="the biller is out of service"))
            return
        try:
            self._finish(upload, self._import(biller, key, upload, renew))
        except ImportRunning:
            self._wait(job, upload)
        except (JobLost, WorkStopped):
            raise
        except Exception as fault:
            if job.tries < MAX_TRIES:
                raise
            # The last try: whoever asks is told, and the files behind this one go on.
            self._finish(upload, replace(upload, state="failed", reason=getattr(fault, "code", UnexpectedError.code)))

    def give_up(self, job: Job) -> None:
        """The job is dead or was dropped: whoever asks is told, and the files behind this one go on."""
        with self._begin() as stores:
            upload = stores.uploads.find_upload(job.bid, UUID(job.payload))
        if upload is not None and upload.state in UNFINISHED:
            reason = f"its import was interrupted {job.lost} times" if job.lost >= MAX_LOST else "given up by the operator"
            self._finish(upload, replace(upload, state="failed", reason=reason))

    def show(self, bid: int, partner_id: UUID, upload_id: UUID, after: tuple[int, int] = (0, 0), limit: int = 200) -> Told:
        """An upload of the partner's keys, and rows of its report: `limit` of them, from behind the `after[1]`th row of the line
        `after[0]`. InvoiceFileNotFound."""
        with self._begin() as stores:
            upload = stores.uploads.find_upload(bid, upload_id, partner_id=partner_id)
        if upload is None or upload.state == "receiving":
            raise InvoiceFileNotFound(str(upload_id))
        run = self.find_run(upload)
        if upload.run_id is None:
            return Told(upload, None, (), more=False)
        line, shown = after
        rows = self._importer.list_rows(bid, upload.run_id, line - 1 if shown else line, shown + limit + 1)[shown:]
        return Told(upload, run, tuple(rows[:limit]), more=len(rows) > limit)

    def find_run(self, upload: Upload) -> ImportRun | None:
        """Its import, where one has begun."""
        return None if upload.run_id is None else self._importer.find_run(upload.bid, upload.run_id)

    def purge(self, limit: int = 100) -> int:
        """Delete what is past its time. How many."""
        now = self._clock.now()
        with self._begin() as stores:
            return stores.uploads.purge_uploads(now - KEPT_FOR, now - RECEIVED_WITHIN, limit)

    # --- coming in ---

    def _take_in(self, upload: Upload, file: Incoming) -> Upload:
        """Store the pieces; the upload with size and digest."""
        hashed = hashlib.sha256()
        size = 0
        for n, piece in enumerate(_pieces(file)):
            size += len(piece)
            if size > MAX_FILE_BYTES:
                raise BodyTooLarge(f"more than {MAX_FILE_BYTES} bytes")
            hashed.update(piece)
            # Latin-1 gives every byte a character, and most of these files are ASCII.
            sealed = self._secrets.seal(_place(upload, n), piece.decode("latin-1"))
            with self._begin() as stores:
                if n == 0:
                    # Again, one at a time per biller: as many as there are threads may have passed the first look at once.
                    stores.billers.find_biller(upload.bid, lock=True)
                    self._admit(stores, upload.bid, upload.key_id)
                    stores.uploads.add_upload(upload)
                stores.upload_pieces.add_piece(upload.bid, upload.id, n, sealed)
        if not size:
            raise InvalidFields(fields=[FieldError("Body", "the file is empty")])
        return replace(upload, size=size, digest=hashed.hexdigest())

    def _admit(self, stores: UploadStores, bid: int, key_id: UUID) -> None:
        of_key, of_biller = stores.uploads.count_unfinished(bid, key_id, self._clock.now() - COMES_IN_WITHIN)
        if of_key >= MOST_OF_KEY or of_biller >= MOST_OF_BILLER:
            raise TooManyUploads(f"{of_key} of the key and {of_biller} of the biller wait")

    def _enter(self, actor: Actor, key: ApiKey, upload: Upload) -> Upload:
        """Queue it, or answer the one that is the same."""
        with self._begin() as stores:
            # One at a time per biller: of the same file sent twice at once, one is entered.
            stores.billers.find_biller(upload.bid, lock=True)
            newest = stores.uploads.find_newest(upload.bid)
            if newest is not None and self._is_same(stores, key, upload, newest):
                stores.uploads.drop_upload(upload.bid, upload.id)
                return newest
            now = self._clock.now()
            entered = replace(upload, state="waiting", created_at=now)
            if stores.uploads.find_upload(upload.bid, upload.id, lock=True) is None:
                raise Raced("purged while it came in")
            stores.uploads.put_upload(entered)
            turn = now if stores.uploads.is_first(entered) else now + ASLEEP_FOR
            stores.jobs.add_job(_job_of(entered, turn))
            told = {"file_name": entered.file_name, "size": entered.size, "file_digest": entered.digest}
            stores.changelog.append(
                Change(entered.bid, Action.FILE_UPLOAD, actor, entered.request_id, subject=f"file:{entered.id}", after=told)
            )
        return entered

    def _is_same(self, stores: UploadStores, key: ApiKey, upload: Upload, newest: Upload) -> bool:
        since = self._clock.now() - DONE_A_MOMENT_AGO
        stands = newest.state in UNFINISHED or (newest.state == "done" and newest.created_at > since)
        if not stands or (newest.digest, newest.sets_role_codes) != (upload.digest, upload.sets_role_codes):
            return False
        return stores.uploads.find_upload(newest.bid, newest.id, partner_id=key.partner.id) is not None

    def _drop(self, upload: Upload) -> None:
        with self._begin() as stores:
            stores.uploads.drop_upload(upload.bid, upload.id)

    # --- going on ---

    def _import(self, biller: Biller, key: ApiKey, upload: Upload, renew: Renew) -> Upload:
        """Run the import; the upload in its last state."""
        with TemporaryFile() as file:
            self._put_together(upload, file, renew)
            actor = Partner(key.id, key.partner.id)
            try:
                run = self._importer.run(
                    actor,
                    upload.request_id,
                    biller,
                    file,
                    upload.file_name,
                    run_id=upload.run_id,
                    key=key,
                    # Asked again: a key that was revoked, or lost the scope, since it sent the file sets no codes any more.
                    sets_role_codes=upload.sets_role_codes and key.live and _may_set_codes(key),
                    alive=renew,
                )
            except InvalidFields:
                return replace(upload, state="failed", run_id=None, reason="the biller's column map cannot be used")
        return replace(upload, state="done" if run.state == "done" else "refused", reason=run.reason)

    def _put_together(self, upload: Upload, file: IO[bytes], renew: Renew) -> None:
        hashed = hashlib.sha256()
        for n in range(-(-upload.size // PIECE)):
            renew()
            with self._begin() as stores:
                sealed = stores.upload_pieces.find_piece(upload.bid, upload.id, n)
            piece = b"" if sealed is None else self._secrets.open(_place(upload, n), sealed).encode("latin-1")
            hashed.update(piece)
            file.write(piece)
        if hashed.hexdigest() != upload.digest:
            raise DamagedCiphertext("upload_chunks: the pieces are not the file that came in")

    def _is_being_imported(self, stores: UploadStores, upload: Upload) -> bool:
        """Whether the worker that began with it is alive: it outlived its job's lease and holds that of the import."""
        now = self._clock.now()
        # Taken by nobody and for no time at all: whoever holds it keeps it, and nobody is kept from it.
        return upload.state == "running" and not stores.jobs.take_lease(import_lease(upload.bid), str(new_id()), now, now)

    def _wait(self, job: Job, begun: Upload) -> None:
        """Another import of the biller is at work: the file waits for it. To wait is no failed try."""
        with self._begin() as stores:
            if _is_still(stores, begun):
                stores.uploads.put_upload(replace(begun, state="waiting", run_id=None))
                stores.jobs.defer_job(job, self._clock.now() + AGAIN_IN)

    def _finish(self, begun: Upload, ended: Upload) -> None:
        """Write its last state, and wake the next one. Nothing, where another worker has begun with it since."""
        with self._begin() as stores:
            stores.billers.find_biller(begun.bid, lock=True)
            if not _is_still(stores, begun):
                return
            stores.uploads.put_upload(ended)
            stores.upload_pieces.drop_pieces(ended.bid, ended.id)
            following = stores.uploads.find_first(ended.bid)
            if following is not None:
                stores.jobs.wake_job(_job_of(following, self._clock.now()))


def _is_still(stores: UploadStores, begun: Upload) -> bool:
    """Whether nobody has begun with the file since."""
    there = stores.uploads.find_upload(begun.bid, begun.id, lock=True)
    return there is not None and (there.state, there.run_id) == (begun.state, begun.run_id)


def _may_set_codes(key: ApiKey) -> bool:
    return {Scope.FILES, Scope.ROLE_CODES_WRITE} <= key.policies.scopes


def _job_of(upload: Upload, run_at: datetime) -> Job:
    """The job of an upload: the same id, so that it is there once and can be woken."""
    return Job(upload.id, upload.bid, IMPORT_UPLOAD, str(upload.id), run_at)


def _pieces(file: Incoming) -> Iterator[bytes]:
    """Pieces of PIECE bytes, the last one shorter, however little the sender gives at a time."""
    piece = bytearray()
    while block := file.read(PIECE - len(piece)):
        piece += block
        if len(piece) == PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def _place(upload: Upload, n: int) -> Place:
    return Place(upload.bid, "upload_chunks", f"{upload.id}/{n}", "content")
