"""`idhub import`: invoice files, and the reports of their runs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hub.cli.arguments import OutFile
from hub.cli.context import Operator, pass_operator
from hub.cli.faults import Refusal
from hub.cli.output import json_option, note, print_json, print_record, print_rows
from idp.directory.billers import Biller
from idp.errors import ImportRunNotFound, InvalidFile
from sso_connect.imports import bif
from sso_connect.imports.runs import ImportRun, RowReport

_SHOWN_ROWS = 50
_PAGE = 500
_COLUMNS = {"line": "Line", "severity": "Severity", "column": "Column", "reason": "Reason"}


@click.group()
def group() -> None:
    """Imports: take invoice files over, and see what became of them."""


@group.command("bif")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--bid", type=click.IntRange(1, 2**31 - 1), help="The biller. Without it the file's BillerGuid says whose it is.")
@click.option("--dry-run", is_flag=True, help="Read and report, and take nothing over.")
@click.option(
    "--map",
    "map_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the columns after this YAML file, for this time, and not after the biller's own column map.",
)
@click.option("--report", type=OutFile(0o600), help="Write the report, with rows left out and warnings, to this CSV file.")
@json_option
@pass_operator
def bif_file(
    operator: Operator, path: Path, bid: int | None, dry_run: bool, map_file: Path | None, report: TextIO | None, as_json: bool
) -> None:
    """Take over the Biller Invoice File PATH.

    Exit code 0 when it is in, though rows with faults were left out; 1 when it was refused whole and nothing of it is in. The
    same file twice changes nothing.
    """
    column_map = None if map_file is None else _column_map(map_file)
    with path.open("rb") as file:
        biller = _biller(operator, file, bid)
        with _bar() as bar:
            task = bar.add_task(f"{biller.dba}{' (dry run)' if dry_run else ''}", total=None)
            run = operator.hub.invoice_import.run(
                operator.staff,
                operator.request_id,
                biller,
                file,
                path.name,
                column_map=column_map,
                dry_run=dry_run,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    rows = list(_rows(operator, run))
    if report is not None:
        _write_csv(report, rows)
    _tell(run, rows, as_json=as_json)
    if run.state != "done":
        raise SystemExit(1)


@group.command("report")
@click.argument("run_id", type=click.UUID)
@click.option("--bid", type=click.IntRange(1, 2**31 - 1), required=True, help="The biller.")
@json_option
@pass_operator
def report_of(operator: Operator, run_id: UUID, bid: int, as_json: bool) -> None:
    """Show the run RUN_ID with its rows that were left out or warned of."""
    run = operator.hub.invoice_import.find_run(bid, run_id)
    if run is None:
        raise ImportRunNotFound(str(run_id))
    _tell(run, list(_rows(operator, run)), as_json=as_json)


def _column_map(path: Path) -> bif.ColumnMap:
    try:
        return bif.ColumnMap.from_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise Refusal(f"{path}: cannot be read as UTF-8 text") from None


def _biller(operator: Operator, file: BinaryIO, bid: int | None) -> Biller:
    """By number; else by the file's BillerGuid. Whether the two agree is checked with the rest of the file."""
    if bid is not None:
        return operator.hub.billers.get(bid)
    try:
        guid = bif.peek_biller(file)
    except InvalidFile as refusal:
        raise Refusal(f"The file does not say whose it is: {refusal.detail}. With --bid the rest of it is checked too.") from None
    found = operator.hub.billers.find_by_guid(guid)
    if found is None:
        raise Refusal(f"No biller has the BillerGuid of the file, {guid}.")
    return found


def _rows(operator: Operator, run: ImportRun) -> Iterator[RowReport]:
    after = 0
    while page := operator.hub.invoice_import.list_rows(run.bid, run.id, after, _PAGE):
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
            note(f"and {len(rows) - _SHOWN_ROWS} more: --report FILE, or `idhub import report {run.id} --bid {run.bid} --json`")


def _write_csv(file: TextIO, rows: list[RowReport]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["line", "column", "reason", "severity"])
    writer.writerows((row.line, row.column, row.reason, row.severity) for row in rows)


def _bar() -> Progress:
    """On standard error, and only where somebody watches."""
    console = Console(file=sys.stderr)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console,
        transient=True, disable=not sys.stderr.isatty(),
    )  # fmt: skip
