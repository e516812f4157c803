"""Real workers that are killed (SIGKILL) in the middle of an import, on SQLite and PostgreSQL."""

from __future__ import annotations

import io
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from hub.storage.engines import Engines, open_engines
from hub.storage.migrations import migrate
from hub.storage.tables import metadata
from hub.wiring import Hub, wire
from idp.actor import Partner, Staff
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.settings import load
from sso_connect.imports.runs import LOST, ImportRun
from sso_connect.imports.uploads import Told, Upload
from tests.conftest import StartProcess
from tests.processes import Process
from tests.sso_connect.imports.bif_files import RIVERBEND
from tests.sso_connect.imports.import_house import bills, one

MAKER = Staff("ann", "operator")
BID = 9001
MANY = 3000
PATIENCE = 120.0

POISON = """
import os, signal, sys
from sso_connect.imports.runner import InvoiceFileImport
done = InvoiceFileImport._take_over
def take_over(*arguments):
    done(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
InvoiceFileImport._take_over = take_over
sys.argv = ["idhub", "worker"]
from hub.cli import main
main()
"""


@dataclass(frozen=True, slots=True)
class Yard:
    """A hub on real stores, and workers beside it."""

    hub: Hub
    engines: Engines
    environment: dict[str, str]
    start: StartProcess
    biller: Biller
    key: ApiKey

    def worker(self, *command: str) -> Process:
        idhub = str(Path(sys.executable).parent / "idhub")
        return self.start("worker", command or (idhub, "worker"), environment=self.environment)

    def upload(self, count: int = MANY) -> Upload:
        rows = [row for n in range(count) for row in one(f"{n:06}", f"A-{n}")]
        file = bills(*rows, count=count)
        return self.send(file, "big.bif")

    def send(self, file: io.BytesIO, name: str) -> Upload:
        actor = Partner(self.key.id, self.key.partner.id)
        return self.hub.invoice_files.receive(actor, "r", self.biller, self.key, file, name)

    def told(self, upload: Upload) -> Told:
        return self.hub.invoice_files.show(BID, self.key.partner.id, upload.id)

    def run(self, upload: Upload) -> ImportRun | None:
        return self.told(upload).run

    def is_halfway(self, upload: Upload, but: Sequence[ImportRun] = ()) -> bool:
        """Whether a run that is none of these is at work on it."""
        run = self.run(upload)
        return run is not None and run.id not in {each.id for each in but} and 0 < run.read < MANY

    def count(self, table: str) -> int:
        with self.engines.reading.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(metadata.tables[table])).scalar_one())

    def wait_until(self, happened: Callable[[], object], process: Process | None = None) -> None:
        give_up = time.monotonic() + PATIENCE
        while not happened():
            assert process is None or process.returncode is None, process.tail()
            assert time.monotonic() < give_up, "" if process is None else process.tail()
            time.sleep(0.02)

    def let_leases_run_out(self) -> None:
        """As if a while had passed since the last worker was killed."""
        past = datetime.now(UTC) - timedelta(seconds=1)
        jobs, leases = metadata.tables["jobs"], metadata.tables["leases"]
        with self.engines.writing.begin() as connection:
            connection.execute(update(leases).values(until=past))
            connection.execute(update(jobs).where(jobs.c.leased_until.is_not(None)).values(leased_until=past))

    def end_waits(self) -> bool:
        """Make every job due that nobody has."""
        past = datetime.now(UTC) - timedelta(seconds=1)
        jobs = metadata.tables["jobs"]
        with self.engines.writing.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.leased_until.is_(None)).values(run_at=past))
        return True


@pytest.fixture(params=["sqlite", "postgres"])
def yard(request: pytest.FixtureRequest, tmp_path: Path, start_process: StartProcess) -> Iterator[Yard]:
    """One biller whose key uploads files; a second one that nobody touches."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    else:
        url = f"sqlite:///{tmp_path / 'hub.db'}"
        migrate(url)
    environment = {
        "IDHUB_DATABASE_URL": url,
        "IDHUB_KEYVALUE_URL": f"sqlite:///{tmp_path / 'kv.db'}",
        "IDHUB_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "IDHUB_MAILBOX_DIR": str(tmp_path / "mailbox"),
        "IDHUB_PORTAL_DOMAIN": "hub.example.com",
    }
    hub = wire(load(environment))
    biller = hub.billers.create(MAKER, "r", bid=BID, slug="riverbend", dba="Riverbend", guid=RIVERBEND)
    hub.billers.create(MAKER, "r", bid=9002, slug="prairie", dba="Prairie")
    hub.partners.create(MAKER, "r", slug="one", name="One")
    key = hub.api_keys.issue(MAKER, "r", bid=BID, partner_slug="one").key
    engines = open_engines(url, 2)
    yield Yard(hub, engines, environment, start_process, biller, key)
    engines.dispose()
    hub.close()


def test_a_file_whose_workers_are_killed_halfway_is_interrupted_and_then_complete_with_nothing_twice(yard: Yard) -> None:
    sent = yard.upload()
    runs: list[ImportRun] = []
    for _ in range(3):
        process = yard.worker()
        yard.wait_until(lambda: yard.is_halfway(sent, but=runs), process)
        assert process.kill() == -signal.SIGKILL
        yard.let_leases_run_out()
        told = yard.told(sent)
        assert told.run is not None
        assert (told.upload.state, told.run.state, told.run.reason) == ("running", "interrupted", LOST)
        runs.append(told.run)
    last = yard.worker()
    yard.wait_until(lambda: yard.told(sent).upload.state == "done", last)
    assert last.stop() == 0
    done = yard.run(sent)
    assert done is not None
    assert (done.state, done.read, done.created + done.unchanged) == ("done", MANY, MANY)
    assert (yard.count("customers"), yard.count("invoices")) == (MANY, MANY)
    assert (yard.count("jobs"), yard.count("upload_chunks"), yard.count("leases")) == (0, 0, 0)
    history = yard.hub.import_history.list_runs(BID)
    assert [each.state for each in history] == ["done", "interrupted", "interrupted", "interrupted"]
    assert yard.hub.import_history.list_runs(9002) == []


def test_a_file_that_kills_every_worker_is_given_up_after_five_with_an_alarm_and_the_next_file_goes_in(yard: Yard) -> None:
    sent = yard.upload(250)
    for _ in range(5):
        process = yard.worker(sys.executable, "-c", POISON)
        yard.wait_until(lambda died=process: yard.end_waits() and died.returncode is not None)  # type: ignore[misc]
        assert process.returncode == -signal.SIGKILL, process.tail()
        yard.let_leases_run_out()
    assert yard.told(sent).upload.state == "running"
    later = yard.send(bills(*one(), count=1), "next.bif")
    process = yard.worker()
    yard.wait_until(lambda: yard.end_waits() and yard.told(later).upload.state == "done", process)
    assert process.stop() == 0
    told = yard.told(sent)
    assert (told.upload.state, told.upload.reason) == ("failed", "its import was interrupted 5 times")
    (alarm,) = yard.hub.alarms.list_recent(BID)
    assert (alarm.kind, alarm.subject) == ("job.dead", "job:invoice-file.import")
    assert yard.hub.alarms.list_recent(9002) == []


def test_a_worker_that_is_told_to_end_stops_between_two_batches_and_gives_the_file_back(yard: Yard) -> None:
    sent = yard.upload()
    process = yard.worker()

    yard.wait_until(lambda: yard.is_halfway(sent), process)
    assert process.stop(within=PATIENCE) == 0
    run = yard.run(sent)
    assert run is not None
    assert (run.state, run.read < MANY) == ("interrupted", True)
    assert yard.count("leases") == 0
    again = yard.worker()
    yard.wait_until(lambda: yard.told(sent).upload.state == "done", again)
    assert again.stop() == 0
    assert yard.count("customers") == MANY
