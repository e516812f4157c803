"""From bytes to the lines of a Biller Invoice File, read piece by piece.

    row ends    LF, CRLF, or a lone carriage return, mixed as they come. A lone carriage return ends a row only where a row can end:
                before a row type (`FH|`, `IH|`, `CR|`, `ID|`), another row end, or the end of the file. Anywhere else it is a
                control character in a cell, which spoils one invoice and not the file
    the end     the last row may lack its row end; one empty row and one Ctrl-Z (0x1A, the end-of-file mark of DOS) may follow it

Whatever the file holds, no more than one row and one piece of 64 KiB are in memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from idp.errors import InvalidFile

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_ROW_BYTES: Final = 64 * 1024

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CTRL_Z: Final = b"\x1a"
_READ_AT_ONCE: Final = MAX_ROW_BYTES + len(_BYTE_ORDER_MARK) + len(b"\r\n")
_ROW_END: Final = re.compile(rb"\r\n|\n|\r(?=[\r\x1a]|(?:FH|IH|CR|ID)\|)")


class BinaryFile(Protocol):
    """A binary file that can be read again from its start: an opened file, a spooled upload, `io.BytesIO`."""

    def readline(self, limit: int = -1, /) -> bytes:
        """Bytes up to and with the next LF, at most `limit` of them; nothing at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a place."""
        ...


def refused(line: int, reason: str) -> InvalidFile:
    """The refusal of a whole file. Reasons never quote text cells: a custom field may hold a role code."""
    return InvalidFile(f"line {line}: {reason}")


def read_lines(file: BinaryFile, on_ctrl_z: Callable[[int], None]) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and decoded rows without row end and byte order mark. InvalidFile.

    `on_ctrl_z` is told the line of a Ctrl-Z that was passed over at the end.
    """
    waiting: list[tuple[int, bytes]] = []  # what may stand at the end of a file only
    for line, row in enumerate(_split(file), 1):
        if row in (b"", _CTRL_Z):
            waiting.append((line, row))
            if len(waiting) > 2 and row:
                break
            continue
        yield from _not_at_the_end(waiting)
        waiting.clear()
        if row.endswith(_CTRL_Z):
            waiting.append((line, row))
        else:
            yield line, _decoded(line, row)
    yield from _at_the_end(waiting, on_ctrl_z)


def _not_at_the_end(waiting: list[tuple[int, bytes]]) -> Iterator[tuple[int, str]]:
    for line, row in waiting:
        if not row:
            raise refused(line, "empty row")
        if row == _CTRL_Z:
            raise refused(line, "Ctrl-Z (0x1A) before the end of the file")
        yield line, _decoded(line, row)


def _at_the_end(waiting: list[tuple[int, bytes]], on_ctrl_z: Callable[[int], None]) -> Iterator[tuple[int, str]]:
    """The last row, where a Ctrl-Z is right behind it; no more than one Ctrl-Z and one empty row."""
    marks = [line for line, row in waiting if row.endswith(_CTRL_Z)]
    empty = [line for line, row in waiting if not row]
    if len(marks) > 1:
        raise refused(marks[0], "Ctrl-Z (0x1A) before the end of the file")
    if len(empty) > 1:
        raise refused(empty[0], "empty row")
    for line in marks:
        on_ctrl_z(line)
    for line, row in waiting:
        if last := row.removesuffix(_CTRL_Z):
            yield line, _decoded(line, last)


def _decoded(line: int, row: bytes) -> str:
    if b"\0" in row:
        raise refused(line, "NUL character")
    try:
        return row.decode("utf-8")
    except UnicodeDecodeError as undecodable:
        raise refused(line, f"not UTF-8 at byte {undecodable.start + 1} of the row") from None


def _split(file: BinaryFile) -> Iterator[bytes]:
    """The rows of the file from its start, without their ends and the byte order mark. InvalidFile over a limit."""
    file.seek(0)
    line = size = 0
    held = b""
    while piece := file.readline(_READ_AT_ONCE):
        size += len(piece)
        if not line and not held:
            piece = piece.removeprefix(_BYTE_ORDER_MARK)
        # A carriage return at the end of a piece waits: what follows says whether it ends the row.
        held += piece
        start = 0
        for end in _ROW_END.finditer(held):
            line += 1
            if size > MAX_FILE_BYTES:
                raise refused(line, f"the file is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
            yield _bounded(line, held[start : end.start()])
            start = end.end()
        held = held[start:]
        if len(held) > MAX_ROW_BYTES + len(b"\r"):
            raise _too_long(line + 1)
    line += 1
    if size > MAX_FILE_BYTES:
        raise refused(line, f"the file is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    if held:
        yield _bounded(line, held.removesuffix(b"\r"))


def _bounded(line: int, row: bytes) -> bytes:
    if len(row) > MAX_ROW_BYTES:
        raise _too_long(line)
    return row


def _too_long(line: int) -> InvalidFile:
    return refused(line, f"the row is longer than {MAX_ROW_BYTES // 1024} KiB")
