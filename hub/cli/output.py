"""What commands print: tables for people, `--json` for programs. Data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

F = TypeVar("F", bound=Callable[..., Any])

_PIPE_COLUMNS = 10_000
"""Into a pipe a row stays on its line, however long."""


def json_option(command: F) -> F:
    """`--json`, as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def print_json(value: object) -> None:
    """One JSON value; times in UTC as RFC 3339."""
    click.echo(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, as_json: bool) -> None:
    """A table with `columns` (key of the row -> heading); as JSON an array of the whole rows."""
    if as_json:
        print_json(rows)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in columns.values():
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(key)) for key in columns))
    if rows:
        _console().print(table)
    else:
        click.echo("(none)")


def print_record(record: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing, a line per value; as JSON an object."""
    if as_json:
        print_json(record)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            table.add_row(Text(_heading(name)), Text())
            for inner, each in value.items():
                table.add_row(Text(f"  {inner}"), _cell(each))
        else:
            table.add_row(Text(_heading(name)), _cell(value))
    _console().print(table)


def note(text: str) -> None:
    """A word to the person at the terminal, apart from the data."""
    click.echo(text, err=True)


def _heading(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: object) -> Text:
    match value:
        case None | "":
            shown = "-"
        case bool():
            shown = "yes" if value else "no"
        case datetime():
            shown = _plain(value)
        case Mapping():
            shown = ", ".join(f"{key}={each}" for key, each in value.items()) or "-"
        case list() | tuple():
            shown = ", ".join(str(each) for each in value if each != "") or "-"
        case _:
            shown = str(value)
    # Names come from files and from partners: they must not move the cursor or pose as another line.
    return Text("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shown))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)


def _console() -> Console:
    terminal = sys.stdout.isatty()
    return Console(file=sys.stdout, width=None if terminal else _PIPE_COLUMNS, highlight=False, markup=False)
