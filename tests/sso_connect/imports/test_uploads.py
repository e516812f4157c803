"""Uploaded invoice files: received in pieces, kept sealed, taken over by the worker in the order of arrival."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from hub.storage.tables import metadata
from idp.actor import Partner
from idp.directory.api_keys import DEFAULT_SCOPES, ApiKey, KeyPolicies, Scope
from idp.errors import BodyTooLarge, ImportRunning, InvalidFields, InvoiceFileNotFound, StoreUnavailable
from idp.jobs import MAX_TRIES, LongHandler, Worker
from idp.opaque import new_id
from sso_connect.imports.apply import Occasion
from sso_connect.imports.bif_rows import MAX_FILE_BYTES
from sso_connect.imports.runner import InvoiceFileImport
from sso_connect.imports.runs import ImportRun
from sso_connect.imports.uploads import (
    AGAIN_IN,
    DONE_A_MOMENT_AGO,
    IMPORT_UPLOAD,
    KEPT_FOR,
    PIECE,
    RECEIVED_WITHIN,
    Incoming,
    InvoiceFiles,
    Told,
    Upload,
)
from tests.contracts.sql_stores import sample_key, sample_partner
from tests.sso_connect.imports.bif_files import DATA, cr, detail, file_of, ih
from tests.sso_connect.imports.import_house import POWER, WATER, House, bills, one

FILE = (DATA / "9001_11202026.bif").read_bytes()
KINDS = (IMPORT_UPLOAD,)


class Dripping:
    """A sender that gives a little at a time, and remembers how much it was asked for. It may break off."""

    def __init__(self, size: int, drip: int = 64 * 1024, breaks_at: int | None = None) -> None:
        self.left, self.drip, self.asked = size, drip, [0]
        self.breaks_at = size + 1 if breaks_at is None else breaks_at
        self.sent = 0

    def read(self, size: int) -> bytes:
        self.asked.append(size)
        if self.sent >= self.breaks_at:
            raise StoreUnavailable("gone")
        given = min(size, self.drip, self.left)
        self.left -= given
        self.sent += given
        return b"x" * given


@dataclass
class Office:
    """The house of the imports, with two partners that upload and a worker."""

    house: House
    files: InvoiceFiles
    keys: dict[str, ApiKey]

    def send(self, content: bytes | Incoming = FILE, key: str = "one", bid: int = WATER, name: str = "bills.bif") -> Upload:
        self.house.clock.advance(timedelta(seconds=1))
        file = io.BytesIO(content) if isinstance(content, bytes) else content
        held = self.keys[key] if bid == WATER else self.keys["there"]
        return self.files.receive(Partner(held.id, held.partner.id), "request-7", self.house.biller(bid), held, file, name)

    def worker(self, files: InvoiceFiles | None = None) -> Worker:
        doing = files or self.files
        handlers = {IMPORT_UPLOAD: LongHandler(doing.carry_out, doing.give_up)}
        return Worker(self.house.database.begin, self.house.clock, handlers, (), lambda: 0.5)

    def work(self, files: InvoiceFiles | None = None) -> int:
        return self.worker(files).step()

    def told(self, upload: Upload, key: str = "one", **page: Any) -> Told:
        return self.files.show(upload.bid, self.keys[key].partner.id, upload.id, **page)

    def state(self, upload: Upload) -> tuple[str, str]:
        now = self.told(upload).upload
        return now.state, now.reason

    def expire_job(self, upload: Upload) -> None:
        """Let the lease of its job run out, and nothing else."""
        jobs = metadata.tables["jobs"]
        with self.house.engines.writing.begin() as connection:
            over = self.house.clock.now() - timedelta(seconds=1)
            connection.execute(update(jobs).where(jobs.c.id == upload.id).values(leased_until=over))

    def rows(self, table: str) -> int:
        return len(self.house.everything()[table])


@pytest.fixture
def office(house: House) -> Office:
    one_, two = sample_partner("one"), sample_partner("two")
    everything = KeyPolicies(scopes=frozenset(Scope))
    keys = {
        "one": sample_key(WATER, one_, policies=everything),
        "again": sample_key(WATER, one_, policies=everything),
        "two": sample_key(WATER, two, policies=everything),
        "there": sample_key(POWER, one_, policies=everything),
        "no codes": sample_key(WATER, one_, policies=KeyPolicies(scopes=DEFAULT_SCOPES | {Scope.FILES})),
    }
    with house.database.begin() as stores:
        for partner in (one_, two):
            stores.partners.add_partner(partner)
        for key in keys.values():
            stores.api_keys.put_key(key)
    files = InvoiceFiles(house.database.begin, house.clock, house.secrets, house.importer())
    return Office(house, files, keys)


def test_a_file_waits_and_the_worker_takes_it_over_for_its_biller_only(office: Office) -> None:
    sent = office.send()
    assert (sent.state, sent.size, sent.file_name) == ("waiting", len(FILE), "bills.bif")
    assert office.house.customers() == {}
    assert office.work() == 1
    told = office.told(sent)
    assert (told.upload.state, told.upload.reason, told.rows, told.more) == ("done", "", (), False)
    assert told.run is not None
    assert (told.run.id, told.run.read, told.run.created) == (told.upload.run_id, 12, 12)
    assert told.run.file_digest == sent.digest
    assert len(office.house.customers()) == 12
    assert office.house.customers(POWER) == {}
    assert office.rows("upload_chunks") == office.rows("jobs") == 0
    assert office.house.actions().count("file.upload") == 1


def test_role_codes_of_a_waiting_file_are_nowhere_in_the_clear(office: Office) -> None:
    office.send()
    assert "4821" not in repr(office.house.everything())
    office.work()
    assert "4821-3977" not in repr(office.house.everything())


def test_any_bytes_in_any_number_of_pieces_come_out_as_they_went_in(office: Office) -> None:
    content = bytes(range(256)) * (PIECE // 128) + b"\x00\xff"
    assert len(content) > 2 * PIECE
    sent = office.send(content)
    seen: list[bytes] = []

    class Reader(InvoiceFileImport):
        def run(self, *arguments: Any, **named: Any) -> ImportRun:
            seen.append(arguments[3].seek(0) or arguments[3].read())
            return super().run(*arguments, **named)

    reading = Reader(office.house.database.begin, office.house.clock, office.house.secrets, office.house.alarms)
    office.work(InvoiceFiles(office.house.database.begin, office.house.clock, office.house.secrets, reading))
    assert seen == [content]
    assert office.state(sent)[0] == "refused"


def test_a_file_is_read_in_pieces_and_never_asked_for_whole(office: Office) -> None:
    sender = Dripping(3 * PIECE + 5)
    assert office.send(sender).size == 3 * PIECE + 5
    assert max(sender.asked) <= PIECE
    pieces = [len(row[-1]) for row in office.house.everything()["upload_chunks"]]
    assert len(pieces) == 4
    assert max(pieces) < 2 * PIECE


def test_more_than_the_limit_is_refused_while_it_comes_in_and_nothing_of_it_stays(office: Office) -> None:
    sender = Dripping(MAX_FILE_BYTES + 5 * PIECE, drip=PIECE)
    with pytest.raises(BodyTooLarge):
        office.send(sender)
    assert sender.sent <= MAX_FILE_BYTES + PIECE
    assert office.rows("uploads") == office.rows("upload_chunks") == office.rows("jobs") == 0


@pytest.mark.parametrize("breaks_at", [0, 100, PIECE, 2 * PIECE + 1])
def test_a_sender_that_breaks_off_leaves_nothing(office: Office, breaks_at: int) -> None:
    with pytest.raises(StoreUnavailable):
        office.send(Dripping(3 * PIECE, breaks_at=breaks_at))
    assert office.rows("uploads") == office.rows("upload_chunks") == office.rows("jobs") == 0
    assert office.house.actions() == []


def test_an_empty_file_is_refused_and_nothing_stays(office: Office) -> None:
    with pytest.raises(InvalidFields):
        office.send(b"")
    assert office.rows("uploads") == 0


def test_the_same_file_again_is_the_upload_that_is_there_while_it_waits_runs_or_was_done_a_moment_ago(office: Office) -> None:
    first = office.send()
    assert office.send(key="again", name="other.bif") == first
    assert (office.rows("uploads"), office.rows("jobs"), office.rows("upload_chunks")) == (1, 1, 1)
    office.work()
    assert office.send().id == first.id
    office.house.clock.advance(DONE_A_MOMENT_AGO)
    assert office.send().id != first.id


def test_a_file_that_was_refused_or_followed_by_another_is_taken_again(office: Office) -> None:
    broken = FILE.replace(b"|12|3263.14", b"|12|3263.15")
    refused = office.send(broken)
    office.work()
    assert office.state(refused)[0] == "refused"
    assert office.send(broken).id != refused.id
    first = office.send()
    between = office.send(bills(*one(), count=1).read())
    assert office.send().id not in (first.id, between.id)


def test_another_partners_or_billers_upload_is_no_file_here_and_stands_in_nobodys_way(office: Office) -> None:
    sent = office.send()
    for partner, bid, upload_id in (("two", WATER, sent.id), ("one", POWER, sent.id), ("one", WATER, new_id())):
        with pytest.raises(InvoiceFileNotFound):
            office.files.show(bid, office.keys[partner].partner.id, upload_id)
    theirs = office.send(key="two")
    assert theirs.id != sent.id, "whether another partner sent the same is not told"
    assert office.send(bid=POWER).id not in (sent.id, theirs.id)


def test_of_the_same_file_sent_at_once_one_is_entered(office: Office) -> None:
    with ThreadPoolExecutor(4) as threads:
        sent = list(threads.map(lambda _n: office.send(), range(4)))
    assert len({each.id for each in sent}) == 1
    assert (office.rows("uploads"), office.rows("jobs")) == (1, 1)


def test_a_file_of_another_biller_is_refused_with_the_reason_and_nothing_of_it_is_in(office: Office) -> None:
    with office.house.database.begin() as stores:
        stores.billers.put_biller(replace(office.house.biller(POWER), column_map=None))
    sent = office.send(bid=POWER)
    office.work()
    assert office.state(sent) == ("refused", "line 1: BillerGuid is that of another biller")
    assert office.house.customers() == office.house.customers(POWER) == {}


def test_the_report_is_paged_row_by_row_even_within_a_line(office: Office) -> None:
    bad = (ih(InvoiceNumber="A-2", InvoiceDate="soon", Custom58="HUSH77"), cr(AccountNumber="1001-02", EmailAddress="no"), detail())
    more = (ih(InvoiceNumber="A-3", InvoiceDate="late"), cr(AccountNumber="1001-03"), detail())
    sent = office.send(file_of(ih(), cr(), detail(), *bad, *more, count=3, total="30.00").read())
    office.work()
    whole = office.told(sent).rows
    assert [(row.line, row.column) for row in whole] == [
        (5, "Custom58"),
        (5, "InvoiceDate"),
        (6, "EmailAddress"),
        (8, "InvoiceDate"),
    ]
    seen: list[Any] = []
    after = (0, 0)
    while True:
        told = office.told(sent, after=after, limit=1)
        seen += told.rows
        if not told.more:
            break
        line = told.rows[-1].line
        after = (line, sum(row.line == line for row in seen))
    assert tuple(seen) == whole
    assert "HUSH77" not in repr(whole) + repr(office.house.everything())


def test_files_of_a_biller_are_taken_over_in_the_order_of_arrival(office: Office) -> None:
    first = office.send(bills(*one(), count=1).read())
    second = office.send(bills(*one(), count=1).read().replace(b"Avery Brandt", b"Later Name"))
    with office.house.database.begin() as stores:
        now = office.house.clock.now()
        jobs = stores.jobs.lease_jobs("another", now, now + timedelta(minutes=2), 1, KINDS)
    assert jobs[0].payload == str(first.id)
    office.work()  # the second's job alone: it gives way
    assert (office.state(first)[0], office.state(second)[0]) == ("waiting", "waiting")
    office.files.carry_out(jobs[0])
    office.work()  # woken by the first
    assert (office.state(first)[0], office.state(second)[0]) == ("done", "done")
    assert office.house.customer().name == "Later Name"


def test_a_file_waits_without_losing_a_try_while_another_import_of_the_biller_runs(office: Office) -> None:
    sent = office.send()
    now = office.house.clock.now()
    with office.house.database.begin() as stores:
        assert stores.jobs.take_lease(f"import:{WATER}", "somebody", now, now + timedelta(minutes=5))
    office.work()
    assert office.state(sent) == ("waiting", "")
    assert office.work() == 0
    office.house.clock.advance(timedelta(minutes=5))
    assert office.work() == 1
    assert office.state(sent) == ("done", "")


def test_a_worker_that_is_killed_in_the_middle_is_followed_by_one_that_takes_nothing_twice(office: Office) -> None:
    class Killed(BaseException):
        pass

    class Dying(InvoiceFileImport):
        def run(self, *arguments: Any, **named: Any) -> ImportRun:
            def progress(done: int, _all: int) -> None:
                if done:
                    raise Killed

            return super().run(*arguments, **named, progress=progress)

        def _finish(self, occasion: Occasion, run: ImportRun) -> ImportRun:  # noqa: ARG002
            # Dead before it could say so: lease, run and upload stay as they are.
            return run

    sent = office.send()
    dying = Dying(office.house.database.begin, office.house.clock, office.house.secrets, office.house.alarms, batch=5)
    with pytest.raises(Killed):
        office.work(InvoiceFiles(office.house.database.begin, office.house.clock, office.house.secrets, dying))
    told = office.told(sent)
    assert told.upload.state == "running"
    assert told.run is not None
    assert told.run.read == 5, "how far it came is seen while it runs"
    assert len(office.house.customers()) == 5
    for _ in range(40):
        office.house.clock.advance(AGAIN_IN)
        office.work()
    told = office.told(sent)
    assert told.upload.state == "done"
    assert told.run is not None
    assert (told.run.created, told.run.unchanged) == (7, 5)
    assert len(office.house.customers()) == 12
    assert office.rows("jobs") == 0


def test_a_second_worker_leaves_a_file_alone_whose_import_outlived_the_lease_of_its_job(office: Office) -> None:
    second: list[tuple[str, str]] = []

    class Slow(InvoiceFileImport):
        def run(self, *arguments: Any, **named: Any) -> ImportRun:
            def progress(done: int, _all: int) -> None:
                if done == 5:
                    office.expire_job(sent)
                    office.work()
                    second.append(office.state(sent))

            return super().run(*arguments, **named, progress=progress)

    sent = office.send()
    slow = Slow(office.house.database.begin, office.house.clock, office.house.secrets, office.house.alarms, batch=5)
    office.work(InvoiceFiles(office.house.database.begin, office.house.clock, office.house.secrets, slow))
    assert second == [("running", "")]
    office.house.clock.advance(AGAIN_IN)
    office.work()
    told = office.told(sent)
    assert told.run is not None
    assert (told.upload.state, told.run.id, told.run.created) == ("done", told.upload.run_id, 12)
    assert (office.rows("import_runs"), office.rows("jobs")) == (1, 0)


def test_a_worker_that_was_taken_for_dead_does_not_undo_what_another_one_wrote(office: Office) -> None:
    class Overtaken(InvoiceFileImport):
        def run(self, *_arguments: Any, **_named: Any) -> ImportRun:
            office.house.clock.advance(timedelta(minutes=3))
            office.work()
            assert office.state(sent)[0] == "done"
            raise ImportRunning("by another")

    sent = office.send()
    overtaken = Overtaken(office.house.database.begin, office.house.clock, office.house.secrets, office.house.alarms)
    office.work(InvoiceFiles(office.house.database.begin, office.house.clock, office.house.secrets, overtaken))
    assert office.state(sent) == ("done", "")
    assert (office.rows("upload_chunks"), office.rows("jobs")) == (0, 0)


def test_a_job_that_comes_twice_changes_nothing(office: Office) -> None:
    sent = office.send()
    with office.house.database.begin() as stores:
        (job,) = stores.jobs.lease_jobs("a", office.house.clock.now(), office.house.clock.now() + timedelta(minutes=2), 5, KINDS)
    office.files.carry_out(job)
    before = office.house.everything()
    office.files.carry_out(job)
    office.files.carry_out(replace(job, payload=str(new_id())))
    office.files.carry_out(replace(job, bid=POWER))
    assert office.house.everything() == before
    assert office.state(sent)[0] == "done"


def test_a_file_that_cannot_be_taken_over_is_failed_after_the_last_try_and_the_next_one_goes_on(office: Office) -> None:
    sent = office.send()
    with office.house.database.begin() as stores:
        stores.upload_pieces.drop_pieces(WATER, sent.id)
    later = office.send(bills(*one(), count=1).read())
    for _ in range(MAX_TRIES):
        office.house.clock.advance(timedelta(hours=2))
        office.work()
    assert office.state(sent) == ("failed", "DamagedCiphertext")
    office.house.clock.advance(timedelta(hours=2))
    office.work()
    assert office.state(later)[0] == "done"


def test_a_biller_that_went_out_of_service_takes_no_more_files_over(office: Office) -> None:
    sent = office.send()
    with office.house.database.begin() as stores:
        stores.billers.put_biller(replace(office.house.biller(), disabled=True))
    office.work()
    assert office.state(sent) == ("refused", "the biller is out of service")
    assert office.rows("upload_chunks") == 0


def test_a_column_map_that_cannot_be_used_fails_the_file_at_once(office: Office) -> None:
    sent = office.send()
    with office.house.database.begin() as stores:
        stores.billers.put_biller(replace(office.house.biller(), column_map={"IH": ["Nonsense"]}))
    office.work()
    assert office.state(sent) == ("failed", "the biller's column map cannot be used")


def test_a_purge_removes_old_uploads_and_what_lost_its_sender(office: Office) -> None:
    old = office.send()
    office.work()
    lost = replace(old, id=new_id(), state="receiving", created_at=office.house.clock.now())
    with office.house.database.begin() as stores:
        stores.uploads.add_upload(lost)
        stores.upload_pieces.add_piece(lost.bid, lost.id, 0, "sealed")
    assert office.files.purge() == 0
    with pytest.raises(InvoiceFileNotFound):
        office.told(lost)
    office.house.clock.advance(RECEIVED_WITHIN + timedelta(seconds=1))
    assert office.files.purge() == 1
    assert office.rows("upload_chunks") == 0
    office.house.clock.advance(KEPT_FOR)
    assert (office.files.purge(), office.rows("uploads")) == (1, 0)


def test_a_name_is_kept_without_folders_and_without_what_cannot_be_printed(office: Office) -> None:
    assert office.send(name="../../etc/b\nills\x00.bif").file_name == "bills.bif"


def test_a_job_names_the_upload_and_nothing_of_it(office: Office) -> None:
    sent = office.send()
    with office.house.database.begin() as stores:
        (job,) = stores.jobs.lease_jobs("a", office.house.clock.now(), office.house.clock.now(), 5, KINDS)
    assert (job.kind, UUID(job.payload), job.bid) == (IMPORT_UPLOAD, sent.id, WATER)
