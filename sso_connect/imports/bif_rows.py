"""From the lines of a Biller Invoice File to its rows. What is wrong here refuses the file whole.

In the order in which a row is checked:

    size        64 MiB a file, 64 KiB a row without its row end
    NUL         anywhere
    encoding    UTF-8, strictly; a byte order mark at the very start and nowhere else
    columns     200 in a row at most, the row type counted
    row type    FH, IH, CR, ID, in upper case
    row order   FH, then IH, its CR and its ID rows (one at least) for each invoice; a file may end after FH or ID
    width       as many columns as the map has for the row type, no more and no fewer

How rows end, and what may stand at the end of a file: `bif_lines`. `\\|` is a literal pipe and `\\\\` a literal backslash; a
backslash before anything else is kept as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sso_connect.imports.bif_columns import ColumnMap
from sso_connect.imports.bif_lines import MAX_FILE_BYTES, MAX_ROW_BYTES, BinaryFile, read_lines, refused

__all__ = ["MAX_COLUMNS", "MAX_FILE_BYTES", "MAX_ROW_BYTES", "BinaryFile", "Row", "read_rows", "refused", "split_cells"]

MAX_COLUMNS: Final = 200

_FOLLOWS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"": ("FH",), "FH": ("IH",), "IH": ("CR",), "CR": ("ID",), "ID": ("ID", "IH")}
)
"""Row type -> what may come next; the empty one is the start of the file."""

_MAY_END: Final = ("FH", "ID")

_MARKS: Final = re.compile(r"\\[\\|]|\|")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the file (from 1), its type, and its cells without the row type, unescaped and untrimmed."""

    line: int
    row_type: str
    cells: tuple[str, ...]


def read_rows(file: BinaryFile, column_map: ColumnMap, on_ctrl_z: Callable[[int], None] = lambda _line: None) -> Iterator[Row]:
    """The rows of the file from its start. Raises `InvalidFile` at the first row that is wrong in form, order or width.

    `on_ctrl_z` is told the line of a Ctrl-Z that was passed over at the end.
    """
    widths = {row_type: len(column_map.of(row_type)) + 1 for row_type in ("FH", "IH", "CR", "ID")}
    before, line = "", 0
    for line, text in read_lines(file, on_ctrl_z):
        cells = split_cells(text)
        row_type = cells[0]
        if len(cells) > MAX_COLUMNS:
            raise refused(line, f"more than {MAX_COLUMNS} columns")
        if row_type not in widths:
            raise refused(line, "the row type is none of FH, IH, CR, ID")
        if row_type not in _FOLLOWS[before]:
            raise refused(line, f"{row_type} row where {_due(before)} was due")
        if len(cells) != widths[row_type]:
            raise refused(line, f"{row_type} row with {len(cells)} columns, {widths[row_type]} expected (row type counted)")
        before = row_type
        yield Row(line, row_type, tuple(cells[1:]))
    if before not in _MAY_END:
        raise refused(line + 1, f"the file ends where {_due(before)} was due")


def split_cells(text: str) -> list[str]:
    """The cells of a row, unescaped."""
    if "\\" not in text:
        return text.split("|")
    cells: list[str] = []
    pieces: list[str] = []
    start = 0
    for mark in _MARKS.finditer(text):
        pieces.append(text[start : mark.start()])
        start = mark.end()
        if mark[0] == "|":
            cells.append("".join(pieces))
            pieces = []
        else:
            pieces.append(mark[0][1])
    pieces.append(text[start:])
    cells.append("".join(pieces))
    return cells


def _due(before: str) -> str:
    return " or ".join(_FOLLOWS[before])
