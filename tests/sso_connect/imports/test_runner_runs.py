"""Importing invoice files: runs that meet each other, break off, are killed, or meet the API."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest

from hub.storage.stores import Stores
from idp.directory.customers import Customer
from idp.errors import CustomerExists, ImportRunning, StoreUnavailable
from idp.opaque import new_id
from idp.transaction import Begin
from sso_connect.imports.runner import ImportStores, InvoiceFileImport, Progress
from sso_connect.imports.runs import LEASE, ImportRun
from tests.contracts.sql_stores import sample_customer
from tests.sso_connect.imports.import_house import ACTOR, POWER, WATER, House, bills, one, sample

FILE = "9001_11202026.bif"
PATIENCE = 60.0


class Broken(Exception):
    pass


def break_after(batches: int) -> Progress:
    """A progress that raises once so many batches are in."""
    told: list[int] = []

    def progress(done: int, total: int) -> None:
        assert 0 <= done <= total == 12
        told.append(done)
        if len(told) > batches:
            raise Broken

    return progress


def at_once(house: House) -> ImportRun:
    """Import without a minute passing before."""
    return house.importer().run(ACTOR, "request-1", house.biller(), sample(FILE), FILE)


def test_progress_is_told_before_the_first_batch_and_after_each(house: House) -> None:
    told: list[tuple[int, int]] = []
    house.take(sample(FILE), batch=5, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 12), (5, 12), (10, 12), (12, 12)]


class TestBrokenOff:
    def test_a_run_that_breaks_off_keeps_its_whole_batches_and_the_same_file_completes_it(self, house: House) -> None:
        with pytest.raises(Broken):
            house.take(sample(FILE), batch=5, progress=break_after(1))
        assert len(house.customers()) == 5
        (failed,) = house.everything()["import_runs"]
        assert "failed" in failed
        assert house.changes()[-1][1]["after"] == house.changes()[-1][1]["after"] | {
            "state": "failed", "reason": "UnexpectedError", "read": 5, "created": 5,
        }  # fmt: skip
        completed = house.take(sample(FILE), batch=5)
        assert (completed.created, completed.unchanged) == (7, 5)
        whole = house.contents()
        assert house.take(sample(FILE)).unchanged == 12
        assert house.contents() == whole

    def test_a_batch_that_fails_in_the_middle_leaves_nothing_of_itself(self, house: House) -> None:
        class Refusing:
            """Begins transactions of which the third batch's fails at its end."""

            calls = 0

            @contextmanager
            def __call__(self) -> Iterator[Stores]:
                self.calls += 1
                with house.database.begin() as stores:
                    yield stores
                    if self.calls == 4:  # the run's own, then three batches
                        raise StoreUnavailable("told to be away")

        begin: Begin[ImportStores] = Refusing()
        importer = InvoiceFileImport(begin, house.clock, house.secrets, house.alarms, batch=5)
        with pytest.raises(StoreUnavailable):
            importer.run(ACTOR, "request-1", house.biller(), sample(FILE), FILE)
        assert len(house.customers()) == 10
        assert house.changes()[-1][1]["after"]["read"] == 10

    def test_a_run_that_was_killed_keeps_others_out_until_its_lease_is_over(self, house: House) -> None:
        worker = str(new_id())
        with house.database.begin() as stores:
            now = house.clock.now()
            assert stores.jobs.take_lease(f"import:{WATER}", worker, now, now + LEASE)
        with pytest.raises(ImportRunning):
            at_once(house)
        assert house.everything()["import_runs"] == []
        assert house.take(sample(FILE), dry_run=True).state == "done", "a dry run disturbs nobody"
        assert house.take(sample("9002_11192026.bif"), POWER).state == "done", "the other biller is not kept out"
        house.clock.advance(LEASE)
        assert house.take(sample(FILE)).created == 12

    def test_a_run_that_lost_its_lease_writes_nothing_more(self, house: House) -> None:
        def lose(done: int, _total: int) -> None:
            if done == 5:
                house.clock.advance(LEASE + timedelta(seconds=1))
                with house.database.begin() as stores:
                    now = house.clock.now()
                    assert stores.jobs.take_lease(f"import:{WATER}", "another", now, now + LEASE)

        with pytest.raises(ImportRunning):
            house.take(sample(FILE), batch=5, progress=lose)
        assert len(house.customers()) == 5
        (run,) = house.importer().history.list_runs(WATER)
        assert (run.state, run.reason) == ("interrupted", "another import of the biller took over")
        with pytest.raises(ImportRunning):
            at_once(house)

    def test_the_lease_is_given_back_after_every_end(self, house: House) -> None:
        house.take(sample("9001_bad_totals.bif"))
        with pytest.raises(Broken):
            house.take(sample(FILE), progress=break_after(0))
        house.take(sample(FILE))
        assert house.everything()["leases"] == []


class TestTogether:
    def test_of_two_imports_of_one_biller_at_once_the_second_is_told_so(self, house: House) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def wait(done: int, _total: int) -> None:
            if done == 5:
                begun.set()
                assert go_on.wait(PATIENCE)

        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(house.take, sample(FILE), batch=5, progress=wait)
            try:
                assert begun.wait(PATIENCE)
                with pytest.raises(ImportRunning):
                    at_once(house)
                assert house.take(sample("9002_11192026.bif"), POWER).created == 6
            finally:
                go_on.set()
            assert first.result(PATIENCE).created == 12
        assert house.take(sample(FILE)).unchanged == 12

    def test_an_account_that_the_api_makes_in_the_same_moment_is_taken_up(self, house: House) -> None:
        made = sample_customer(WATER, "1001-01", name="By API", protected=True)

        class Interfering:
            """Begins transactions; the API makes the account while the first batch is at work, which then has to begin again."""

            calls = 0

            @contextmanager
            def __call__(self) -> Iterator[Stores]:
                self.calls += 1
                try:
                    with house.database.begin() as stores:
                        yield stores
                        if self.calls == 2:  # behind the run's own
                            raise CustomerExists("taken in this moment")
                except CustomerExists:
                    with house.database.begin() as stores:
                        stores.customers.add_customer(made)
                    raise

        importer = InvoiceFileImport(Interfering(), house.clock, house.secrets, house.alarms)
        run = importer.run(ACTOR, "request-1", house.biller(), bills(*one(), count=1), "bills.bif")
        assert (run.state, run.created) == ("done", 1)
        customer: Customer = house.customer()
        assert (customer.id, customer.name, customer.protected) == (made.id, "Avery Brandt", True)
        assert house.actions() == ["customer.change", "ghost.change", "import.run"]


class TestRun:
    def test_a_run_says_who_sent_what_when_and_is_found_at_its_biller_only(self, house: House) -> None:
        run = house.importer().run(ACTOR, "request-1", house.biller(), sample(FILE), "/drop/..\\x\n\x1b9001_11202026.bif")
        assert (run.file_name, run.actor, run.started_at) == ("x9001_11202026.bif", "staff:ann", house.clock.now())
        assert len(run.file_digest) == 64
        assert house.importer().find_run(WATER, run.id) == run
        assert house.importer().find_run(POWER, run.id) is None

    def test_counts_and_report_are_there_while_the_run_goes_on(self, house: House) -> None:
        seen: list[tuple[str, int, int]] = []

        def look(_done: int, _total: int) -> None:
            (row,) = house.everything()["import_runs"]
            rows = house.everything()["import_rows"]
            seen.append(("running" if "running" in row else "", row[11], len(rows)))

        bad = one(number="A-9", Custom10="")
        house.take(bills(*one(), *bad, *one("1001-02"), count=3), batch=1, progress=look)
        assert seen == [("running", 0, 0), ("running", 1, 0), ("running", 1, 1), ("running", 2, 1)]
