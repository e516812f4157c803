"""From bytes to the rows of a Biller Invoice File. What is wrong here refuses the file whole.

In the order in which a row is checked:

    size        64 MiB a file, 64 KiB a row without its line end
    NUL         anywhere
    encoding    UTF-8, strictly; a byte order mark at the very start and nowhere else
    columns     200 in a row at most, the row type counted
    row type    FH, IH, CR, ID, in upper case
    row order   FH, then IH, its CR and its ID rows (one at least) for each invoice; a file may end after FH or ID
    width       as many columns as the map has for the row type, no more and no fewer

Rows end with LF or CRLF, the last one may end with the file, and one empty row behind it is passed over. `\\|` is a literal pipe
and `\\\\` a literal backslash; a backslash before anything else is kept as it is. Reading is bounded: never more than one row is
in memory, and a row without end is given up after 64 KiB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from idp.errors import InvalidFile
from sso_connect.imports.bif_columns import ColumnMap

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_ROW_BYTES: Final = 64 * 1024
MAX_COLUMNS: Final = 200

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_READ_AT_ONCE: Final = MAX_ROW_BYTES + len(_BYTE_ORDER_MARK) + len(b"\r\n")

_FOLLOWS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"": ("FH",), "FH": ("IH",), "IH": ("CR",), "CR": ("ID",), "ID": ("ID", "IH")}
)
"""Row type -> what may come next; the empty one is the start of the file."""

_MAY_END: Final = ("FH", "ID")

_MARKS: Final = re.compile(r"\\[\\|]|\|")


class BinaryFile(Protocol):
    """A binary file that can be read again from its start: an opened file, a spooled upload, `io.BytesIO`."""

    def readline(self, limit: int = -1, /) -> bytes:
        """Bytes up to and with the next LF, at most `limit` of them; nothing at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a place."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the file (from 1), its type, and its cells without the row type, unescaped and untrimmed."""

    line: int
    row_type: str
    cells: tuple[str, ...]


def refused(line: int, reason: str) -> InvalidFile:
    """The refusal of a whole file. Reasons never quote text cells: a custom field may hold a role code."""
    return InvalidFile(f"line {line}: {reason}")


def read_rows(file: BinaryFile, column_map: ColumnMap) -> Iterator[Row]:
    """The rows of the file from its start. Raises `InvalidFile` at the first row that is wrong in form, order or width."""
    widths = {row_type: len(column_map.of(row_type)) + 1 for row_type in ("FH", "IH", "CR", "ID")}
    before, line = "", 0
    for line, text in _read_lines(file):
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


def _read_lines(file: BinaryFile) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and decoded rows without line end and byte order mark."""
    file.seek(0)
    line = size = empty = 0
    while raw := file.readline(_READ_AT_ONCE):
        line += 1
        size += len(raw)
        if size > MAX_FILE_BYTES:
            raise refused(line, f"the file is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
        if line == 1:
            raw = raw.removeprefix(_BYTE_ORDER_MARK)
        row = raw[: -2 if raw.endswith(b"\r\n") else -1] if raw.endswith(b"\n") else raw
        if len(row) > MAX_ROW_BYTES:
            raise refused(line, f"the row is longer than {MAX_ROW_BYTES // 1024} KiB")
        if empty:
            raise refused(empty, "empty row")
        if not row:
            empty = line
            continue
        if b"\0" in row:
            raise refused(line, "NUL character")
        try:
            text = row.decode("utf-8")
        except UnicodeDecodeError as undecodable:
            raise refused(line, f"not UTF-8 at byte {undecodable.start + 1} of the row") from None
        yield line, text


def _due(before: str) -> str:
    return " or ".join(_FOLLOWS[before])
