"""What commands print. Data on standard output, everything else on standard error.

at a terminal   a table where it fits; else each row vertically. Ids, times and addresses are never broken or cut
in a pipe       a heading and a line for each row, columns divided by tabs; a record as lines of `name`, tab, `value`
--json          for programs: arrays and objects, times in UTC as RFC 3339
"""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click

from hub.cli import streams
from hub.cli.streams import clean

F = TypeVar("F", bound=Callable[..., Any])

_GAP: Final = "  "
_LEAST_LAST: Final = 24
"""So wide must the last column of a table be, at least, for its words to be broken over lines."""


def json_option(command: F) -> F:
    """`--json`, as the parameter `as_json`. A command that has it prints data."""
    return click.option("--json", "as_json", is_flag=True, callback=_can_print, help="Print JSON for programs.", expose_value=True)(
        command
    )


def _can_print(_context: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    streams.check_output()
    return value


def print_json(value: object) -> None:
    """One JSON value; times in UTC as RFC 3339."""
    click.echo(streams.escaped_json(json.dumps(value, default=_plain, indent=2, ensure_ascii=False)))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, as_json: bool) -> None:
    """Rows with `columns` (key of the row -> heading); as JSON an array of the whole rows."""
    if as_json:
        print_json(rows)
        return
    cells = [[_cell(row.get(key)) for key in columns] for row in rows]
    width = _terminal_width()
    if width is None:
        for line in ([*columns.values()], *cells):
            click.echo("\t".join(line))
    elif not rows:
        click.echo("(none)")
    else:
        for text in _table([*columns.values()], cells, width) or _records([*columns.values()], cells):
            click.echo(text)


def print_record(record: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing, a line per value; as JSON an object."""
    if as_json:
        print_json(record)
        return
    if _terminal_width() is None:
        for name, value in _flat(record):
            click.echo(f"{name}\t{value}")
        return
    lines: list[tuple[str, str]] = []
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            lines.append((_heading(name), ""))
            lines += [(f"  {clean(str(inner))}", _cell(each)) for inner, each in value.items()]
        else:
            lines.append((_heading(name), _cell(value)))
    for text in _aligned(lines):
        click.echo(text)


def say(text: str) -> None:
    """A sentence that is the result of a command, on standard output."""
    click.echo(clean(text))


def note(text: str) -> None:
    """A word to the person at the terminal, apart from the data."""
    click.echo(streams.clean_lines(text), err=True)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines of a table; none where it does not fit. Only the words of the last column are broken over lines."""
    lines = [headings, *rows]
    widths = [max(_width(line[n]) for line in lines) for n in range(len(headings))]
    before = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
    last = min(widths[-1], width - before)
    longest = max(_width(word) for line in lines for word in line[-1].split(" "))
    if last < widths[-1] and (last < _LEAST_LAST or longest > last):
        return []
    told: list[str] = []
    for line in lines:
        start = "".join(_padded(cell, wide) + _GAP for cell, wide in zip(line[:-1], widths, strict=False))
        first, *further = _broken(line[-1], last)
        told += [f"{start}{first}".rstrip(), *(" " * before + text for text in further)]
    return told


def _records(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Each row vertically, with an empty line between two."""
    for number, row in enumerate(rows):
        if number:
            yield ""
        yield from _aligned([*zip(headings, row, strict=True)])


def _aligned(lines: Sequence[tuple[str, str]]) -> list[str]:
    wide = max((_width(name) for name, _ in lines), default=0)
    return [f"{_padded(name, wide)}{_GAP}{value}".rstrip() for name, value in lines]


def _broken(text: str, width: int) -> list[str]:
    """A text in lines of at most so many columns, broken between words."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if _width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _flat(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            yield from ((f"{name}.{clean(str(inner))}", _cell(each)) for inner, each in value.items())
        else:
            yield name, _cell(value)


def _heading(name: str) -> str:
    return clean(name.replace("_", " "))


def _cell(value: object) -> str:
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
    return clean(shown)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Columns that a text takes at a terminal: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _terminal_width() -> int | None:
    """Columns of the terminal that standard output is; None where it is none."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return max(1, shutil.get_terminal_size().columns)
