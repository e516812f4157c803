"""Imports that are killed: seen as interrupted, followed by the next one within a minute, and given up after five workers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from idp.actor import Partner, System
from idp.errors import ImportRunning
from idp.jobs import MAX_LOST, Job, LongHandler, Renew, Worker, WorkStopped
from idp.opaque import new_id
from sso_connect.imports.history import ImportHistory
from sso_connect.imports.runner import InvoiceFileImport
from sso_connect.imports.runs import KEPT_FOR, LEASE, LOST, STOPPED, ImportRun
from sso_connect.imports.uploads import AGAIN_IN, ASLEEP_FOR, IMPORT_UPLOAD, InvoiceFiles
from tests.sso_connect.imports import test_uploads
from tests.sso_connect.imports.import_house import ACTOR, POWER, WATER, House, bills, one, sample
from tests.sso_connect.imports.test_uploads import Office

office = test_uploads.office

FILE = "9001_11202026.bif"


class Killed(BaseException):
    """What a SIGKILL is to the process: nothing after it happens."""


class Deadly(InvoiceFileImport):
    """Its process is killed after the first batch of FILE, before it could say so."""

    def run(self, *arguments: Any, **named: Any) -> ImportRun:
        def progress(done: int, total: int) -> None:
            if done and total == 12:
                raise Killed

        return super().run(*arguments, **{**named, "progress": progress})

    def _finish(self, _occasion: object, run: ImportRun) -> ImportRun:
        return run


def deadly(house: House) -> Deadly:
    return Deadly(house.database.begin, house.clock, house.secrets, house.alarms, batch=5)


def kill(house: House, actor: Any = ACTOR, **options: Any) -> None:
    with pytest.raises(Killed):
        deadly(house).run(actor, "request-1", house.biller(), sample(FILE), FILE, **options)


def history(house: House) -> ImportHistory:
    return ImportHistory(house.database.begin, house.clock)


def states(house: House, bid: int = WATER) -> list[tuple[str, str]]:
    return [(run.state, run.reason) for run in history(house).list_runs(bid)]


class TestRun:
    @pytest.mark.parametrize("dry_run", [False, True])
    def test_a_run_that_was_killed_is_interrupted_and_not_running_as_soon_as_its_lease_is_over(
        self, house: House, dry_run: bool
    ) -> None:
        kill(house, dry_run=dry_run)
        assert states(house) == [("running", "")]
        house.clock.advance(LEASE)
        assert states(house) == [("interrupted", LOST)]
        (run,) = history(house).list_runs(WATER)
        assert history(house).find_run(WATER, run.id) == run
        assert run.read == 5
        assert states(house, POWER) == []

    @pytest.mark.parametrize("dry_run", [False, True])
    def test_its_end_is_written_down_once_with_a_change_log_row_and_its_lease_is_gone(self, house: House, dry_run: bool) -> None:
        kill(house, dry_run=dry_run)
        assert history(house).end_lost() == 0
        house.clock.advance(LEASE + timedelta(seconds=1))
        assert (history(house).end_lost(), history(house).end_lost()) == (1, 0)
        (row,) = house.everything()["import_runs"]
        assert {"interrupted", LOST} <= set(row)
        assert house.everything()["leases"] == []
        logged = [values["after"] for action, values in house.changes() if action == "import.run"]
        assert [(each["state"], each["read"]) for each in logged] == ([] if dry_run else [("interrupted", 5)])

    def test_a_run_that_is_at_work_is_not_ended_by_the_sweep(self, house: House) -> None:
        seen: list[int] = []

        def progress(_done: int, _all: int) -> None:
            house.clock.advance(LEASE - timedelta(seconds=1))
            seen.append(history(house).end_lost())

        assert house.take(sample(FILE), batch=2, progress=progress).state == "done"
        assert seen == [0] * 7
        assert states(house) == [("done", "")]

    def test_the_biller_of_a_run_that_was_killed_waits_for_less_than_a_minute(self, house: House) -> None:
        kill(house)
        with pytest.raises(ImportRunning):
            house.importer().run(ACTOR, "request-2", house.biller(), sample(FILE), FILE)
        house.clock.advance(timedelta(seconds=59))
        run = house.importer().run(ACTOR, "request-2", house.biller(), sample(FILE), FILE)
        assert (run.state, run.created, run.unchanged) == ("done", 7, 5)
        assert states(house) == [("done", ""), ("interrupted", LOST)]
        assert [values["after"]["state"] for action, values in house.changes() if action == "import.run"] == ["interrupted", "done"]

    def test_a_long_check_of_a_large_file_keeps_its_lease(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sso_connect.imports.runner._LINES_BETWEEN", 1)
        beats: list[bool] = []

        def alive() -> None:
            house.clock.advance(timedelta(seconds=20))
            with house.database.begin() as stores:
                now = house.clock.now()
                beats.append(not stores.jobs.take_lease(f"import:{WATER}", str(new_id()), now, now))

        assert house.take(sample(FILE), alive=alive).state == "done"
        assert len(beats) > 30
        assert all(beats)

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, WorkStopped])
    def test_a_run_that_is_stopped_is_interrupted_keeps_its_whole_batches_and_lets_the_next_one_in_at_once(
        self, house: House, stop: type[BaseException]
    ) -> None:
        def progress(done: int, _all: int) -> None:
            if done == 5:
                raise stop

        with pytest.raises(stop):
            house.take(sample(FILE), batch=5, progress=progress)
        assert states(house) == [("interrupted", STOPPED)]
        assert house.importer().run(ACTOR, "r", house.biller(), sample(FILE), FILE).unchanged == 5

    @pytest.mark.parametrize("actor", [System("invoice-folder"), Partner(new_id(), new_id())])
    def test_a_file_that_was_killed_with_its_process_five_times_is_refused_unless_a_person_runs_it(
        self, house: House, actor: Any
    ) -> None:
        for _ in range(MAX_LOST):
            kill(house, actor)
            house.clock.advance(LEASE)
        run = house.importer().run(actor, "r", house.biller(), sample(FILE), FILE)
        assert (run.state, run.reason) == ("refused", "the process that ran this file was killed 5 times within a day")
        other = house.importer().run(actor, "r", house.biller(), bills(*one(), count=1), "other.bif")
        assert other.state == "done"
        assert house.importer().run(ACTOR, "r", house.biller(), sample(FILE), FILE).state == "done"

    def test_what_was_killed_yesterday_is_tried_again(self, house: House) -> None:
        for _ in range(MAX_LOST):
            kill(house, System("invoice-folder"))
            house.clock.advance(LEASE)
        house.clock.advance(timedelta(days=1))
        assert house.importer().run(System("invoice-folder"), "r", house.biller(), sample(FILE), FILE).state == "done"


class TestHistory:
    def test_runs_are_listed_newest_first_page_by_page_and_of_one_biller_only(self, house: House) -> None:
        runs = [house.take(sample(FILE)).id for _ in range(3)]
        house.take(sample("9002_11192026.bif"), POWER)
        seen = history(house)
        assert [run.id for run in seen.list_runs(WATER)] == runs[::-1]
        first = seen.list_runs(WATER, limit=2)
        assert [run.id for run in seen.list_runs(WATER, first[-1].id, 2)] == [runs[0]]
        assert seen.list_runs(POWER, first[-1].id) == []
        assert len(seen.list_runs(POWER)) == 1

    def test_runs_and_their_reports_are_purged_after_thirteen_months_in_batches(self, house: House) -> None:
        bad = [row for n in range(4) for row in one(number=f"B-{n}", InvoiceDate="soon")]
        house.take(bills(*one(), *bad, count=5))
        house.clock.advance(timedelta(days=100))
        young = house.take(bills(*one(), *bad, count=5))
        house.clock.advance(KEPT_FOR - timedelta(days=100) - timedelta(minutes=3))
        assert history(house).purge() == 0
        house.clock.advance(timedelta(minutes=5))
        assert [history(house).purge(2) for _ in range(4)] == [2, 2, 1, 0]
        assert [run.id for run in history(house).list_runs(WATER)] == [young.id]
        assert len(history(house).list_rows(WATER, young.id)) == 4


class TestUpload:
    def files(self, office: Office) -> InvoiceFiles:
        house = office.house
        return InvoiceFiles(house.database.begin, house.clock, house.secrets, deadly(house))

    def kill(self, office: Office) -> None:
        with pytest.raises(Killed):
            office.work(self.files(office))

    def jobs(self, office: Office) -> list[Any]:
        return office.house.everything()["jobs"]

    def test_another_worker_completes_a_file_within_a_minute_of_the_kill(self, office: Office) -> None:
        sent = office.send()
        self.kill(office)
        told = office.told(sent)
        assert told.run is not None
        assert (told.upload.state, told.run.state) == ("running", "running")
        office.house.clock.advance(timedelta(seconds=46))
        told = office.told(sent)
        assert told.run is not None
        assert (told.run.state, told.run.read) == ("interrupted", 5)
        assert office.work() == 1
        told = office.told(sent)
        assert told.run is not None
        assert (told.upload.state, told.run.created, told.run.unchanged) == ("done", 7, 5)

    def test_a_file_that_kills_five_workers_is_failed_and_the_next_one_goes_on(self, office: Office) -> None:
        sent = office.send()
        later = office.send(bills(*one(), count=1).read())
        died = 0
        for _ in range(60):
            try:
                office.work(self.files(office))
            except Killed:
                died += 1
            office.house.clock.advance(timedelta(seconds=50))
        assert died == MAX_LOST
        assert office.state(sent) == ("failed", "its import was interrupted 5 times")
        assert office.state(later)[0] == "done"
        assert [row[6] for row in self.jobs(office)] == ["dead"]

    def test_files_that_wait_sleep_behind_the_first_and_make_no_jobs(self, office: Office) -> None:
        sent = [office.send(bills(*one(number=f"A-{n}"), count=1).read()) for n in range(4)]
        now = office.house.clock.now()
        with office.house.database.begin() as stores:
            assert stores.jobs.take_lease(f"import:{WATER}", "somebody", now, now + timedelta(minutes=4))
        begun = 0
        for _ in range(20):
            begun += office.work()
            office.house.clock.advance(AGAIN_IN)
        assert begun <= 20, "only the first one looks again"
        assert sorted(row[0] for row in self.jobs(office)) == sorted(each.id for each in sent)
        office.house.clock.advance(timedelta(minutes=4))
        office.work()
        assert {office.state(each)[0] for each in sent} == {"done"}
        assert self.jobs(office) == []

    def test_a_file_that_nobody_wakes_wakes_up_by_itself(self, office: Office) -> None:
        first, second = office.send(), office.send(bills(*one(), count=1).read())
        with office.house.database.begin() as stores:
            upload = stores.uploads.find_upload(WATER, first.id)
            assert upload is not None
            stores.uploads.drop_upload(WATER, first.id)
        office.work()
        assert office.state(second)[0] == "waiting"
        office.house.clock.advance(ASLEEP_FOR)
        office.work()
        assert office.state(second)[0] == "done"

    def test_a_worker_that_is_told_to_end_gives_the_file_back_after_its_batch(self, office: Office) -> None:
        house = office.house
        sent = office.send()
        files = InvoiceFiles(house.database.begin, house.clock, house.secrets, house.importer(5))
        calls = 0

        def renew() -> None:
            nonlocal calls
            calls += 1
            if len(house.customers()) == 5:
                raise WorkStopped

        def run(job: Job, _renew: Renew) -> None:
            files.carry_out(job, renew)

        handlers = {IMPORT_UPLOAD: LongHandler(run, files.give_up)}
        Worker(house.database.begin, house.clock, handlers, (), lambda: 0.5).step(1)
        assert calls > 1
        assert len(house.customers()) == 5
        (job,) = self.jobs(office)
        assert job[5] == 0, "not one try older"
        assert office.work() == 1
        assert office.state(sent)[0] == "done"
