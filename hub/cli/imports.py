"""`idhub import`: invoice files, past runs, and their reports."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TextIO
from uuid import UUID

import click

from hub.cli.arguments import OutFile, biller_option, limit_option, optional_biller_option
from hub.cli.context import Operator, pass_operator
from hub.cli.faults import Refusal, why
from hub.cli.output import json_option, note, print_json, print_record, print_rows, say

if TYPE_CHECKING:
    from idp.directory.billers import Biller
    from sso_connect.imports import bif
    from sso_connect.imports.runs import ImportRun, RowReport

_SHOWN_ROWS: Final = 50
_TOLD_ROWS: Final = 3
_PAGE: Final = 500
_COLUMNS: Final = {"line": "Line", "severity": "Severity", "column": "Column", "reason": "Reason"}
_RUNS: Final = {
    "started_at": "Started",
    "state": "State",
    "imported": "Imported",
    "left_out": "Left out",
    "dry_run": "Dry run",
    "file_name": "File",
    "id": "Run ID",
}


@click.group()
def group() -> None:
    """Import invoice files and show past imports."""


@group.command("bif")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@optional_biller_option("The biller: its BID or slug (default: the biller whose BillerGuid is in the file).")
@click.option("--dry-run", is_flag=True, help="Check the file and report, without importing anything.")
@click.option(
    "--map",
    "map_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Column map for this run (YAML), instead of the biller's own.",
)
@click.option("--report", type=OutFile(0o600), help="Write the report, with rows left out and warnings, to this CSV file.")
@json_option
@pass_operator
def bif_file(
    operator: Operator, path: Path, bid: int | None, dry_run: bool, map_file: Path | None, report: TextIO | None, as_json: bool
) -> None:
    """Import a Biller Invoice File.

    The exit code is 0 if the file was imported, even if some invoices were left out because of errors, and 1 if the file was
    refused and nothing was imported. Importing the same file twice changes nothing.
    """
    column_map = None if map_file is None else _column_map(map_file)
    try:
        file = path.open("rb")
    except OSError as fault:
        raise Refusal(f"{path} cannot be read: {why(fault)}.") from fault
    done = [0, 0]
    with file:
        biller = _biller(operator, file, bid)
        try:
            with _progress(f"{biller.dba}{' (dry run)' if dry_run else ''}") as show:

                def progress(read: int, total: int) -> None:
                    done[:] = read, total
                    show(read, total)

                run = operator.parts.invoice_import.run(
                    operator.staff,
                    operator.request_id,
                    biller,
                    file,
                    path.name,
                    column_map=column_map,
                    dry_run=dry_run,
                    progress=progress,
                )
        except KeyboardInterrupt:
            raise Refusal(
                f"Stopped after {done[0]} of {done[1]} invoices. Run the same command again to import the rest."
            ) from None
    rows = list(_rows(operator, run))
    if report is not None:
        _write_csv(report, rows)
    _tell(run, rows, as_json=as_json)
    if run.state != "done":
        raise SystemExit(1)


@group.command("list")
@biller_option
@click.option("--before", type=click.UUID, metavar="RUN_ID", help="Start with the run before this one.")
@limit_option
@json_option
@pass_operator
def list_(operator: Operator, bid: int, before: UUID | None, limit: int, as_json: bool) -> None:
    """List a biller's imports, newest first."""
    found = operator.imports.list_page(operator.staff, operator.request_id, bid, before, limit)
    rows = [
        asdict(run) if as_json else asdict(run) | {"imported": _imported(run), "state": run.state.capitalize()} for run in found
    ]
    print_rows(rows, _RUNS, as_json=as_json)
    if len(found) == limit:
        note(f"There may be more: --before {found[-1].id}")


@group.command("report")
@click.argument("run_id", type=click.UUID)
@biller_option
@json_option
@pass_operator
def report_of(operator: Operator, run_id: UUID, bid: int, as_json: bool) -> None:
    """Show an import and the rows that were left out or warned of."""
    run = operator.imports.get(operator.staff, operator.request_id, bid, run_id)
    _tell(run, list(_rows(operator, run)), as_json=as_json)


def summary(run: ImportRun, rows: Sequence[RowReport]) -> str:
    """What became of a run, in one sentence."""
    if run.state == "refused":
        return f"Nothing was imported: {run.reason}."
    count = _imported(run)
    invoices = f"{count} invoice{'' if count == 1 else 's'}"
    if run.state != "done":
        return f"{run.state.capitalize()} after {invoices}: {run.reason or 'still at work'}."
    told = f"Dry run: {invoices} would be imported" if run.dry_run else f"Imported {invoices}"
    if run.left_out:
        lost = [row for row in rows if row.severity == "error"]
        places = "; ".join(f"line {row.line}{', ' + row.column if row.column else ''}" for row in lost[:_TOLD_ROWS])
        more = len(lost) - _TOLD_ROWS
        told += f"; {run.left_out} left out: {places}{f'; and {more} more' if more > 0 else ''}"
    if run.warnings:
        told += f" ({run.warnings} warning{'' if run.warnings == 1 else 's'})"
    return f"{told}."


def _imported(run: ImportRun) -> int:
    return run.created + run.changed + run.unchanged


def _column_map(path: Path) -> bif.ColumnMap:
    from sso_connect.imports.bif import ColumnMap

    try:
        return ColumnMap.from_yaml(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise Refusal(f"{path} cannot be read: {why(fault)}.") from None
    except UnicodeDecodeError:
        raise Refusal(f"{path} is not UTF-8 text.") from None


def _biller(operator: Operator, file: BinaryIO, bid: int | None) -> Biller:
    """By number; else by the file's BillerGuid. Whether the two agree is checked with the rest of the file."""
    from idp.errors import InvalidFile
    from sso_connect.imports import bif

    if bid is not None:
        return operator.parts.billers.get(bid)
    try:
        guid = bif.peek_biller(file)
    except InvalidFile as refusal:
        raise Refusal(
            f"The file does not say which biller it is for: {refusal.detail}. Give --biller to check the rest of it."
        ) from None
    found = operator.parts.billers.find_by_guid(guid)
    if found is None:
        raise Refusal(f"No biller has the BillerGuid of the file, {guid}.")
    return found


def _rows(operator: Operator, run: ImportRun) -> Iterator[RowReport]:
    after = 0
    while page := operator.parts.import_history.list_rows(run.bid, run.id, after, _PAGE):
        yield from page
        after = page[-1].line


def _tell(run: ImportRun, rows: list[RowReport], *, as_json: bool) -> None:
    record: dict[str, Any] = asdict(run)
    if as_json:
        print_json(record | {"rows": [asdict(row) for row in rows]})
        return
    print_record(record, as_json=False)
    if rows:
        print_rows([asdict(row) for row in rows[:_SHOWN_ROWS]], _COLUMNS, as_json=False)
        if len(rows) > _SHOWN_ROWS:
            note(f"{len(rows) - _SHOWN_ROWS} more rows: idhub import report {run.id} --biller {run.bid} --json")
    say(summary(run, rows))


def _write_csv(file: TextIO, rows: list[RowReport]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["line", "column", "reason", "severity"])
    writer.writerows((row.line, row.column, row.reason, row.severity) for row in rows)


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where somebody watches a terminal that can draw one."""
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield lambda _read, _total: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from hub.cli.streams import clean

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task(escape(clean(title)), total=None)
        yield lambda read, total: bar.update(task, completed=read, total=total)
