"""The watched folder: what is dropped is taken over once, whole, for the biller that it names, and no role code stays behind."""

from __future__ import annotations

import fcntl
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from idp.errors import StoreUnavailable
from idp.secrets import Secrets
from sso_connect.imports.folder import SETTLED
from sso_connect.imports.runner import InvoiceFileImport
from sso_connect.imports.runs import ImportRun
from tests.sso_connect.imports.bif_files import cr, detail, file_of, ih
from tests.sso_connect.imports.folder_yard import FILE, Yard
from tests.sso_connect.imports.import_house import POWER, WATER, bills, one


def test_a_file_goes_to_the_biller_that_it_names_and_only_its_report_stays(yard: Yard) -> None:
    yard.drop(name=f"{POWER}_bills.bif")
    assert yard.look() == 1
    assert len(yard.customers()) == 12
    assert yard.customers(POWER) == {}
    assert yard.names() == [f"done/{POWER}_bills.bif.report.csv"]
    assert yard.report(yard.names()[0]) == [["line", "column", "reason"]]
    assert list((yard.path / "working").iterdir()) == []


def test_a_file_is_left_alone_until_it_stood_still_between_two_looks(yard: Yard) -> None:
    path = yard.drop(FILE[:500])
    assert yard.folder.look() == 0
    yard.clock.advance(SETTLED)
    with path.open("ab") as file:
        file.write(FILE[500:])
    assert yard.folder.look() == 0
    yard.clock.advance(SETTLED / 2)
    assert yard.folder.look() == 0
    os.utime(path, (2_000_000_000, 2_000_000_000))
    yard.clock.advance(SETTLED / 2)
    assert yard.folder.look() == 0
    assert yard.names() == ["bills.bif"]
    yard.clock.advance(SETTLED)
    assert yard.folder.look() == 1
    assert len(yard.customers()) == 12


def test_a_clock_that_was_set_back_keeps_no_file_waiting_until_it_has_caught_up(yard: Yard) -> None:
    yard.drop()
    assert yard.folder.look() == 0
    yard.clock.advance(timedelta(days=-400))
    assert yard.folder.look() == 0
    yard.clock.advance(SETTLED)
    assert yard.folder.look() == 1


def test_a_file_that_another_one_took_the_place_of_is_looked_at_anew(yard: Yard) -> None:
    path = yard.drop()
    assert yard.folder.look() == 0
    yard.clock.advance(SETTLED)
    other = yard.drop(name="other.tmp")
    other.rename(path)
    assert yard.folder.look() == 0


def test_rows_that_were_left_out_stand_in_the_report_without_their_cells(yard: Yard) -> None:
    bad = ih(InvoiceNumber="A-2", InvoiceDate="soon", Custom58="HUSH77"), cr(AccountNumber="1001-02"), detail()
    yard.drop(file_of(ih(), cr(), detail(), *bad, count=2, total="20.00").read())
    yard.look()
    assert yard.report("done/bills.bif.report.csv") == [
        ["line", "column", "reason"],
        ["5", "Custom58", "has a role code that begins with none of the biller's prefixes"],
        ["5", "InvoiceDate", "is no date of the form MM/DD/YYYY"],
    ]
    assert list(yard.customers()) == ["1001-01"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "line 1: the file ends where FH was due"),
        (b"\x00\xff", "line 1: NUL character"),
        (FILE.replace(b"3263.14", b"3263.15"), "line 1: TotalInvoiceAmount is 3263.15, the invoices come to 3263.14"),
        (FILE.replace(b"D99EDA17", b"D99EDA18"), "line 1: no biller has this BillerGuid"),
        (b"FH|none|11/20/2026|0|0.00\n", "line 1: BillerGuid is no GUID"),
    ],
)
def test_a_file_that_is_refused_whole_leaves_its_reason(yard: Yard, content: bytes, reason: str) -> None:
    yard.drop(content)
    assert yard.look() == 1
    assert yard.names() == ["refused/bills.bif.report.csv"]
    assert yard.report("refused/bills.bif.report.csv") == [["line", "column", "reason"], ["", "", reason]]
    assert yard.customers() == {}


def test_no_role_code_stays_behind_whatever_becomes_of_the_file(yard: Yard) -> None:
    yard.drop(name="good.bif")
    yard.drop(FILE.replace(b"3263.14", b"3263.15"), name="bad.bif")
    yard.look()
    assert len(yard.names()) == 2
    assert all(b"4821" not in (yard.path / name).read_bytes() for name in yard.names())


def test_a_file_of_a_biller_out_of_service_or_with_a_broken_column_map_is_refused(yard: Yard) -> None:
    for changes, reason in (
        ({"disabled": True}, "the biller is out of service"),
        ({"disabled": False, "column_map": {"IH": ["Nonsense"]}}, "the biller's column map cannot be used"),
    ):
        with yard.database.begin() as stores:
            stores.billers.put_biller(replace(yard.billers.get(WATER), **changes))
        yard.drop(name=f"{len(changes)}.bif")
        yard.look()
        assert yard.report(f"refused/{len(changes)}.bif.report.csv")[1] == ["", "", reason]


def test_older_files_go_first_and_the_later_one_wins(yard: Yard) -> None:
    yard.drop(bills(*one(), count=1).read().replace(b"Avery Brandt", b"Later Name"), name="a.bif", age=1)
    yard.drop(bills(*one(), count=1).read(), name="b.bif", age=2)
    assert yard.look() == 2
    assert yard.customers() == {"1001-01": "Later Name"}


def test_links_folders_pipes_hidden_and_other_files_stay_where_they_are(yard: Yard, tmp_path: Path) -> None:
    outside = tmp_path / "outside.bif"
    outside.write_bytes(FILE)
    (yard.path / "link.bif").symlink_to(outside)
    (yard.path / "broken.bif").symlink_to(tmp_path / "nothing")
    (yard.path / "folder.bif").mkdir()
    os.mkfifo(yard.path / "pipe.bif")
    yard.drop(name=".hidden.bif")
    yard.drop(name="bills.bif.part")
    yard.drop(name="bills.csv")
    before = yard.names()
    assert yard.look() == 0
    assert yard.names() == before
    assert outside.read_bytes() == FILE
    assert yard.customers() == {}


def test_what_became_a_link_after_it_was_looked_at_is_not_followed(yard: Yard, tmp_path: Path) -> None:
    outside = tmp_path / "outside.bif"
    outside.write_bytes(FILE)
    working = yard.path / "working" / "0"
    working.mkdir(parents=True)
    (working / "planted.bif").symlink_to(outside)
    assert yard.look() == 0
    assert outside.exists()
    assert yard.customers() == {}


def test_folders_of_ours_that_are_links_are_neither_read_nor_written(yard: Yard, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "theirs.bif").write_bytes(FILE)
    (yard.path / "working").mkdir()
    (yard.path / "working" / "planted").symlink_to(outside)
    assert yard.look() == 0
    for name in ("done", "refused", "working"):
        shutil.rmtree(yard.path / name)
        (yard.path / name).symlink_to(outside)
        yard.drop()
        with pytest.raises(NotADirectoryError):
            yard.look()
        (yard.path / name).unlink()
    assert [path.name for path in outside.iterdir()] == ["theirs.bif"]
    assert yard.customers() == {}


def test_a_file_that_cannot_be_read_stays_and_the_others_go_on(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.drop(name="closed.bif", age=5)
    yard.drop(name="open.bif")
    whole = os.open

    def refuse(path: Any, *arguments: Any, **named: Any) -> int:
        if Path(path).name == "closed.bif":
            raise PermissionError(13, "Permission denied")
        return whole(path, *arguments, **named)

    monkeypatch.setattr(os, "open", refuse)
    assert yard.look() == 1
    assert yard.names() == ["closed.bif", "done/open.bif.report.csv"]


@pytest.mark.parametrize(
    ("name", "report"),
    [
        (b"a b\n'\";$(x).BIF", "a b_'\";$(x).BIF"),
        ("größe \u202e.bif".encode(), "größe _.bif"),
        (b"\xff\xfe.bif", "\ufffd\ufffd.bif"),
        (b"-rf *.bif", "-rf *.bif"),
        (b"x" * 251 + b".bif", "x" * 146 + ".bif"),
        ("ü".encode() * 125 + b".bif", "ü" * 73 + ".bif"),
    ],
)
def test_a_name_of_any_kind_is_taken_and_its_report_has_a_plain_one(yard: Yard, name: bytes, report: str) -> None:
    (yard.path / os.fsdecode(name)).write_bytes(FILE)
    assert yard.look() == 1
    assert yard.names() == [f"done/{report}.report.csv"]
    assert len(yard.customers()) == 12


def test_a_report_never_takes_the_place_of_an_earlier_one(yard: Yard) -> None:
    for _ in range(3):
        yard.drop()
        yard.look()
    names = yard.names()
    assert len(names) == 3
    assert "done/bills.bif.report.csv" in names


class Interrupted(BaseException):
    """As if the process had been killed."""


def test_a_worker_that_died_in_the_middle_is_followed_by_one_that_takes_nothing_twice(yard: Yard) -> None:
    class Dying(InvoiceFileImport):
        def run(self, *arguments: Any, **named: Any) -> ImportRun:
            super().run(*arguments, **named)
            raise Interrupted

    dying = yard.another(Dying(yard.database.begin, yard.clock, Secrets((bytes(range(32)),), yard.database.data_keys), yard.alarms))
    yard.drop()
    dying.look()
    yard.clock.advance(SETTLED)
    with pytest.raises(Interrupted):
        dying.look()
    (left,) = yard.names()
    assert left.startswith("working/")
    assert yard.look() == 1
    assert yard.names() == ["done/bills.bif.report.csv"]
    with yard.database.read() as stores:
        first = stores.customers.find_by_accounts(WATER, ["1001-01"])["1001-01"]
        assert len(stores.invoices.list_invoices(WATER, first.id, None, 10).invoices) == 1


def test_a_file_that_another_worker_has_is_left_to_it(yard: Yard) -> None:
    path = yard.drop()
    with path.open("rb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        assert yard.look() == 0
        own = yard.path / "working" / "1"
        own.mkdir()
        path.rename(own / "bills.bif")
        assert yard.look() == 0
    assert yard.look() == 1


def test_two_workers_that_look_at_once_take_each_file_once(yard: Yard) -> None:
    workers = [yard.another(), yard.another()]
    for n in range(6):
        yard.drop(bills(*one(f"100{n}-01", f"A-{n}"), count=1).read(), name=f"{n}.bif")
    for worker in workers:
        worker.look()
    yard.clock.advance(SETTLED)
    with ThreadPoolExecutor(2) as threads:
        for _ in range(12):
            list(threads.map(lambda worker: worker.look(), workers))
    assert yard.names() == [f"done/{n}.bif.report.csv" for n in range(6)]
    assert len(yard.customers()) == 6
    assert list((yard.path / "working").iterdir()) == []


def test_a_file_waits_while_an_import_of_its_biller_runs_and_no_later_one_overtakes_it(yard: Yard) -> None:
    now = yard.clock.now()
    with yard.database.begin() as stores:
        assert stores.jobs.take_lease(f"import:{WATER}", "somebody", now, now + timedelta(minutes=5))
    yard.drop(bills(*one(), count=1).read(), name="first.bif", age=2)
    yard.drop(bills(*one(), count=1).read().replace(b"Avery Brandt", b"Later Name"), name="second.bif", age=1)
    assert yard.look() == 0
    assert any(name.startswith("working/") and name.endswith("first.bif") for name in yard.names())
    assert "second.bif" in yard.names()
    yard.clock.advance(timedelta(minutes=5))
    assert yard.look() == 2
    assert yard.customers() == {"1001-01": "Later Name"}


def test_a_store_that_does_not_answer_leaves_the_file_for_later(yard: Yard) -> None:
    class Away(InvoiceFileImport):
        def run(self, *_arguments: Any, **_named: Any) -> ImportRun:
            raise StoreUnavailable("away")

    away = yard.another(Away(yard.database.begin, yard.clock, Secrets((bytes(range(32)),), yard.database.data_keys), yard.alarms))
    yard.drop()
    with pytest.raises(StoreUnavailable):
        yard.look(away)
    assert yard.look() == 1


def test_a_file_that_nobody_foresaw_does_not_keep_the_later_ones_waiting(yard: Yard) -> None:
    class Odd(InvoiceFileImport):
        def run(self, *arguments: Any, **named: Any) -> ImportRun:
            if "odd" in arguments[4]:
                raise ZeroDivisionError
            return super().run(*arguments, **named)

    odd = yard.another(Odd(yard.database.begin, yard.clock, Secrets((bytes(range(32)),), yard.database.data_keys), yard.alarms))
    yard.drop(name="odd.bif", age=1)
    yard.drop(name="plain.bif")
    assert yard.look(odd) == 2
    assert yard.names() == ["done/plain.bif.report.csv", "refused/odd.bif.report.csv"]
