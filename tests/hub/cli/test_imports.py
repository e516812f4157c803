"""`idhub import`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from idp.errors import ImportRunNotFound
from tests.hub.cli.conftest import BILLER, OTHER, Idhub
from tests.sso_connect.imports.bif_files import DATA, PRAIRIE, RIVERBEND, cr, detail, file_of, ih

WATER, POWER = DATA / "9001_11202026.bif", DATA / "9002_11192026.bif"
COLUMNS = DATA / "9002_columns.yaml"


@pytest.fixture
def billers(idhub: Idhub) -> Idhub:
    """The billers of the sample files."""
    idhub.make_biller(BILLER, "--guid", str(RIVERBEND))
    idhub.make_biller(OTHER, "--guid", str(PRAIRIE))
    return idhub


@pytest.fixture
def half_good(tmp_path: Path) -> Path:
    """A file with a good invoice and a bad one."""
    path = tmp_path / "half.bif"
    bad = ih(InvoiceNumber="A-2", InvoiceDate="soon", Custom58="NONSENSE"), cr(AccountNumber="1001-02"), detail()
    path.write_bytes(file_of(ih(), cr(), detail(), *bad, count=2, total="20.00").read())
    return path


def accounts(idhub: Idhub, bid: str) -> list[str]:
    return [each["account_number"] for each in idhub.json("customers", "list", "--bid", bid)]


def refused(idhub: Idhub, *arguments: object) -> Any:
    """What is printed of a file that is refused whole, with a run of its own."""
    result = idhub.run(*arguments)
    assert result.exit_code == 1, result.output
    return result.stdout


def test_a_file_goes_to_the_biller_that_it_names(billers: Idhub) -> None:
    run = billers.json("import", "bif", WATER)
    assert (run["bid"], run["state"], run["read"], run["created"], run["rows"]) == (9001, "done", 12, 12, [])
    assert len(accounts(billers, BILLER)) == 12
    assert accounts(billers, OTHER) == []


def test_the_same_file_twice_changes_nothing(billers: Idhub) -> None:
    billers.json("import", "bif", WATER)
    again = billers.json("import", "bif", WATER)
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, 12)


def test_a_column_map_is_used_for_this_file_only(billers: Idhub, tmp_path: Path) -> None:
    assert "line 2: TotalAmountDue is no amount" in refused(billers, "import", "bif", POWER)
    assert billers.json("import", "bif", POWER, "--map", COLUMNS)["created"] == 6
    assert "line 2: TotalAmountDue is no amount" in refused(billers, "import", "bif", POWER)
    wrong = tmp_path / "map.yaml"
    wrong.write_text("IH: [Nonsense]")
    assert billers.refused("import", "bif", POWER, "--map", wrong)[0] == "IH.Nonsense: is no column of IH"
    wrong.write_bytes(b"\xff")
    assert "UTF-8" in billers.refused("import", "bif", POWER, "--map", wrong)[0]


def test_a_dry_run_takes_nothing_over(billers: Idhub) -> None:
    run = billers.json("import", "bif", WATER, "--dry-run")
    assert (run["dry_run"], run["created"]) == (True, 12)
    assert accounts(billers, BILLER) == []


def test_rows_that_are_left_out_are_shown_and_written_and_the_code_is_0(billers: Idhub, half_good: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    text = billers.text("import", "bif", half_good, "--report", report)
    assert "is no date of the form MM/DD/YYYY" in text
    with report.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["line", "column", "reason", "severity"],
        ["5", "Custom58", "has a role code that begins with none of the biller's prefixes", "error"],
        ["5", "InvoiceDate", "is no date of the form MM/DD/YYYY", "error"],
    ]
    assert accounts(billers, BILLER) == ["1001-01"]
    assert "NONSENSE" not in text + report.read_text()


def test_a_warning_is_shown_as_one_and_its_invoice_is_in(billers: Idhub, tmp_path: Path) -> None:
    file = tmp_path / "warned.bif"
    file.write_bytes(WATER.read_bytes().replace(b"avery.brandt@example.com", b"N/A") + b"\x1a")
    run = billers.json("import", "bif", file)
    assert (run["created"], run["left_out"], run["warnings"]) == (12, 0, len(run["rows"]))
    assert {(row["column"], row["severity"]) for row in run["rows"]} == {("EmailAddress", "warning"), ("", "warning")}
    shown = billers.text("import", "report", run["id"], "--bid", BILLER)
    assert "warning" in shown
    assert "Ctrl-Z" in shown


def test_a_report_is_found_again_by_the_run_and_only_at_its_biller(billers: Idhub, half_good: Path) -> None:
    run = billers.json("import", "bif", half_good)
    assert billers.json("import", "report", run["id"], "--bid", BILLER) == run
    assert "InvoiceDate" in billers.text("import", "report", run["id"], "--bid", BILLER)
    assert billers.refused("import", "report", run["id"], "--bid", OTHER)[0].startswith(ImportRunNotFound.public)


def test_a_file_that_is_refused_whole_is_told_with_line_and_reason_and_exit_code_1(billers: Idhub) -> None:
    text = refused(billers, "import", "bif", DATA / "9001_bad_totals.bif")
    assert "line 1: TotalInvoiceAmount is 3273.14, the invoices come to 3263.14" in text
    assert accounts(billers, BILLER) == []


def test_the_named_biller_and_the_file_must_agree(billers: Idhub) -> None:
    assert "BillerGuid is that of another biller" in refused(billers, "import", "bif", WATER, "--bid", OTHER)
    assert accounts(billers, OTHER) == []


def test_a_file_that_does_not_say_whose_it_is_or_names_nobody_is_refused(idhub: Idhub, tmp_path: Path) -> None:
    empty = tmp_path / "empty.bif"
    empty.write_bytes(b"")
    assert "does not say which biller it is for: line 1" in idhub.refused("import", "bif", empty)[0]
    assert str(RIVERBEND) in idhub.refused("import", "bif", WATER)[0]
    assert "no such biller" in idhub.refused("import", "bif", WATER, "--bid", "77")[0]


def test_a_command_line_that_cannot_be_read_is_exit_code_2(billers: Idhub, tmp_path: Path) -> None:
    assert "does not exist" in billers.misread("import", "bif", tmp_path / "missing.bif")
    assert "--bid" in billers.misread("import", "report", "00000000-0000-0000-0000-000000000000")
    assert "report" in billers.misread("import", "bif", WATER, "--report", tmp_path / "no" / "folder.csv")


def test_an_import_ends_with_one_sentence(billers: Idhub, half_good: Path, tmp_path: Path) -> None:
    def last(*words: object) -> str:
        return billers.run("import", "bif", *words).stdout.splitlines()[-1]

    assert last(WATER) == "Imported 12 invoices."
    assert last(WATER, "--dry-run") == "Dry run: 12 invoices would be imported."
    assert last(half_good) == "Imported 1 invoice; 1 left out: line 5, Custom58; line 5, InvoiceDate."
    assert last(half_good, "--dry-run").startswith("Dry run: 1 invoice would be imported; 1 left out: line 5,")
    bad = [row for n in range(5) for row in (ih(InvoiceNumber=f"B-{n}", InvoiceDate="soon"), cr(), detail())]
    many = tmp_path / "many.bif"
    many.write_bytes(file_of(*bad, count=5, total="50.00").read())
    assert last(many) == (
        "Imported 0 invoices; 5 left out: line 2, InvoiceDate; line 5, InvoiceDate; line 8, InvoiceDate; and 2 more."
    )
    refused_whole = tmp_path / "refused.bif"
    refused_whole.write_bytes(WATER.read_bytes().replace(b"3263.14", b"3263.15"))
    assert last(refused_whole) == "Nothing was imported: line 1: TotalInvoiceAmount is 3263.15, the invoices come to 3263.14."
    run = billers.json("import", "bif", half_good)
    assert billers.text("import", "report", run["id"], "--biller", BILLER).splitlines()[-1].startswith("Imported 1 invoice; 1 left")


def test_past_imports_are_listed_newest_first_by_their_biller(billers: Idhub, half_good: Path) -> None:
    first = billers.json("import", "bif", WATER)
    second = billers.json("import", "bif", half_good, "--dry-run")
    listed = billers.json("import", "list", "--biller", "utility9001")
    assert [each["id"] for each in listed] == [second["id"], first["id"]]
    assert billers.json("import", "list", "--biller", OTHER) == []
    lines = billers.text("import", "list", "--biller", BILLER).splitlines()
    assert lines[0] == "Started\tState\tImported\tLeft out\tDry run\tFile\tRun ID"
    assert lines[1].split("\t")[1:] == ["Done", "1", "1", "yes", "half.bif", second["id"]]
    page = billers.run("import", "list", "--biller", BILLER, "--limit", 1)
    assert f"--before {second['id']}" in page.stderr
    assert [each["id"] for each in billers.json("import", "list", "--biller", BILLER, "--before", second["id"])] == [first["id"]]
    assert billers.refused("import", "list", "--biller", OTHER, "--before", second["id"])[0].startswith("There is no such import")


def test_an_import_whose_process_was_killed_is_listed_as_interrupted(billers: Idhub) -> None:
    run = billers.json("import", "bif", WATER)
    billers.sql("UPDATE import_runs SET state = 'running', finished_at = NULL WHERE bid = 9001")
    (listed,) = billers.json("import", "list", "--biller", BILLER)
    assert (listed["id"], listed["state"]) == (run["id"], "interrupted")
    assert "Interrupted" in billers.text("import", "list", "--biller", BILLER)
    last = billers.text("import", "report", run["id"], "--biller", BILLER).splitlines()[-1]
    assert last == "Interrupted after 12 invoices: the process that ran it was killed."


def test_ctrl_c_stops_an_import_between_two_batches_and_says_how_to_go_on(
    billers: Idhub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sso_connect.imports.runner import InvoiceFileImport

    run = InvoiceFileImport.run

    def stopped(self: InvoiceFileImport, *arguments: Any, progress: Any, **named: Any) -> Any:
        self._batch = 5

        def show(done: int, total: int) -> None:
            progress(done, total)
            if done == 5:
                raise KeyboardInterrupt

        return run(self, *arguments, progress=show, **named)

    monkeypatch.setattr(InvoiceFileImport, "run", stopped)
    result = billers.run("import", "bif", WATER)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Stopped after 5 of 12 invoices. Run the same command again to import the rest.\n"
    (listed,) = billers.json("import", "list", "--biller", BILLER)
    assert (listed["state"], listed["reason"], listed["created"]) == ("interrupted", "stopped before the end", 5)
    monkeypatch.undo()
