"""The Biller Invoice File: bytes, escapes and limits."""

from __future__ import annotations

import io
import itertools
import tracemalloc

import pytest

from idp.errors import InvalidFile
from sso_connect.imports.bif import (
    MAX_DETAIL_LINES,
    BadGroup,
    ColumnMap,
    Fault,
    check,
    groups,
    peek_biller,
)
from sso_connect.imports.bif_rows import MAX_COLUMNS, MAX_FILE_BYTES, MAX_ROW_BYTES
from tests.sso_connect.imports.bif_files import (
    DEFAULT,
    FH,
    RIVERBEND,
    cr,
    detail,
    file_of,
    ih,
    only_faults,
    only_group,
    refusal,
)


class TestBytes:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_rows_end_with_any_line_end_and_the_last_one_with_the_file(self, end: str) -> None:
        file = file_of(ih(), cr(), detail(), end=end)
        expected = only_group(file)
        assert only_group(io.BytesIO(file.getvalue().removesuffix(end.encode()))) == expected
        assert only_group(file_of(ih(), cr(), detail())) == expected

    def test_a_file_may_mix_all_three_line_ends_and_lines_are_counted_alike(self) -> None:
        rows = (
            *(ih(), cr(), detail()),
            *(ih(InvoiceNumber="A-2"), cr(City="\x01"), detail()),
            *(ih(InvoiceNumber="A-3"), cr(), detail()),
        )
        ends = itertools.cycle(("\r", "\n", "\r\n", "\r"))
        text = "".join(row + next(ends) for row in (FH.format(count=3, total="30.00"), *rows))
        file = io.BytesIO(text.encode())
        assert check(file, DEFAULT).rows == 10
        first, second, third = groups(file, DEFAULT)
        assert [each.line for each in (first, second, third)] == [2, 5, 8]
        assert isinstance(second, BadGroup)
        assert second.faults == (Fault(6, "City", "has a control character in it"),)

    def test_a_carriage_return_ends_a_row_wherever_the_file_is_cut_for_reading(self) -> None:
        # Reads are bounded: somewhere one ends on the carriage return, and somewhere between the letters of the next row type.
        for length in range(16):
            pieces = [detail(Description="x" * (170 + length % 4)) for _ in range(MAX_DETAIL_LINES)]
            file = file_of(ih(), cr(CustomerName="x" * (20 + length)), *pieces, end="\r")
            assert len(only_group(file).lines) == MAX_DETAIL_LINES

    def test_a_row_without_end_in_a_file_of_carriage_returns_is_refused_with_its_line(self) -> None:
        start = file_of(ih(), cr(), end="\r").getvalue()
        assert refusal(io.BytesIO(start + b"ID" + b"|" * 10_000_000)) == "line 4: the row is longer than 64 KiB"

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_an_empty_row_is_refused_but_for_one_at_the_end_whatever_ends_the_rows(self, end: str) -> None:
        check(file_of(ih(), cr(), detail(), "", end=end), DEFAULT)
        assert refusal(file_of(ih(), cr(), detail(), "", "", end=end)) == "line 5: empty row"
        assert refusal(file_of(ih(), "", cr(), detail(), end=end)) == "line 3: empty row"

    def test_a_byte_order_mark_is_accepted_at_the_start(self) -> None:
        file = io.BytesIO(b"\xef\xbb\xbf" + file_of(ih(), cr(), detail()).getvalue())
        assert peek_biller(file) == RIVERBEND
        assert only_group(file).customer.name == "Avery Brandt"

    def test_a_byte_order_mark_inside_a_value_is_a_bad_value(self) -> None:
        (fault,) = only_faults(file_of(ih(), cr(City="\ufeffRiverbend"), detail()))
        assert (fault.line, fault.column) == (3, "City")

    def test_bad_utf8_refuses_the_file_with_line_and_byte(self) -> None:
        content = file_of(ih(), cr(CustomerName="Zoë"), detail()).getvalue()
        latin = content.replace("Zoë".encode(), "Zoë".encode("latin-1"))
        assert refusal(io.BytesIO(latin)) == "line 3: not UTF-8 at byte 14 of the row"

    @pytest.mark.parametrize("bad", [b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80", b"\xe2\x82"])
    def test_overlong_surrogate_and_cut_sequences_are_no_utf8(self, bad: bytes) -> None:
        content = file_of(ih(), cr(CustomerName="@@"), detail()).getvalue().replace(b"@@", bad)
        assert "line 3: not UTF-8" in refusal(io.BytesIO(content))

    def test_utf16_is_refused(self) -> None:
        text = file_of(ih(), cr(), detail()).getvalue().decode()
        assert refusal(io.BytesIO(text.encode("utf-16"))).startswith("line 1: ")

    @pytest.mark.parametrize("row", [1, 2, 3])
    def test_a_nul_anywhere_refuses_the_file(self, row: int) -> None:
        rows = [ih(), cr(), detail()]
        rows[row - 1] = rows[row - 1][:8] + "\0" + rows[row - 1][8:]
        assert refusal(file_of(*rows)) == f"line {row + 1}: NUL character"

    @pytest.mark.parametrize("character", ["\x01", "\x0b", "\x1b", "\x1f", "\x7f", "\x85", "\r"])
    def test_another_control_character_is_a_bad_value(self, character: str) -> None:
        faults = only_faults(file_of(ih(), cr(City=f"River{character}bend"), detail()))
        assert faults == (Fault(3, "City", "has a control character in it"),)

    def test_a_tab_in_a_text_is_kept_and_blanks_around_a_cell_are_not(self) -> None:
        group = only_group(file_of(ih(), cr(Address1="\t12  Mill\tRace Rd  ", AccountNumber=" 1001-01 "), detail()))
        assert group.customer.address1 == "12  Mill\tRace Rd"
        assert group.customer.account_number == "1001-01"


CTRL_Z = b"\x1a"


class TestCtrlZ:
    """The end-of-file mark of DOS, which old billing systems still write."""

    @pytest.mark.parametrize(
        ("end", "tail", "line"),
        [
            ("\r\n", b"\x1a", 5),
            ("\r\n", b"\x1a\r\n", 5),
            ("\n", b"\x1a\n", 5),
            ("\r", b"\x1a", 5),
            ("\r", b"\x1a\r", 5),
            ("\r\n", b"\r\n\x1a", 6),
            ("\r\n", b"\x1a\r\n\r\n", 5),
        ],
    )
    def test_one_at_the_end_is_passed_over_and_named_with_its_line(self, end: str, tail: bytes, line: int) -> None:
        file = io.BytesIO(file_of(ih(), cr(), detail(), end=end).getvalue() + tail)
        assert check(file, DEFAULT).notes == (
            Fault(line, "", "is a Ctrl-Z (0x1A, an old end-of-file mark); it was ignored", "warning"),
        )
        assert only_group(file) == only_group(file_of(ih(), cr(), detail()))

    def test_one_right_behind_the_last_cell_is_passed_over_too(self) -> None:
        whole = file_of(ih(), cr(), detail()).getvalue().removesuffix(b"\r\n")
        file = io.BytesIO(whole + CTRL_Z)
        assert [note.line for note in check(file, DEFAULT).notes] == [4]
        assert only_group(file).lines[0].amount_minor == 1000

    def test_a_file_with_a_header_and_no_invoices_may_end_with_one(self) -> None:
        file = io.BytesIO(FH.format(count=0, total="0.00").encode() + b"\r\n" + CTRL_Z)
        assert len(check(file, DEFAULT).notes) == 1
        assert list(groups(file, DEFAULT)) == []

    def test_a_file_without_one_has_nothing_to_note(self) -> None:
        assert check(file_of(ih(), cr(), detail()), DEFAULT).notes == ()

    def test_one_before_the_end_of_the_file_refuses_it(self) -> None:
        assert refusal(file_of(ih(), cr(), detail(), "\x1a", ih(InvoiceNumber="A-2"), cr(), detail())) == (
            "line 5: Ctrl-Z (0x1A) before the end of the file"
        )
        assert refusal(file_of(ih(), cr(), detail(), "\x1a", "\x1a")) == "line 5: Ctrl-Z (0x1A) before the end of the file"

    def test_one_in_the_middle_of_a_cell_or_behind_a_row_that_is_not_the_last_is_a_bad_value(self) -> None:
        (fault,) = only_faults(file_of(ih(), cr(City="River\x1abend"), detail()))
        assert (fault.line, fault.column) == (3, "City")
        (fault,) = only_faults(file_of(ih(), cr(), detail() + "\x1a", detail()))
        assert (fault.line, fault.column) == (4, "Amount")

    def test_a_file_that_is_nothing_else_is_refused(self) -> None:
        for content in (CTRL_Z, CTRL_Z + b"\r\n", b"\xef\xbb\xbf" + CTRL_Z):
            assert refusal(io.BytesIO(content)) == "line 1: the file ends where FH was due"


class TestEscapes:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            (r"O'Neil \| Sons", "O'Neil | Sons"),
            (r"a\\b", r"a\b"),
            (r"a\\\|b", r"a\|b"),
            (r"\\\\", r"\\"),
            (r"C:\new\t", r"C:\new\t"),
            (r"\|\|", "||"),
        ],
    )
    def test_a_backslash_makes_pipe_and_backslash_literal_and_is_kept_elsewhere(self, written: str, meant: str) -> None:
        assert only_group(file_of(ih(), cr(CustomerName=written), detail())).customer.name == meant

    def test_an_escaped_backslash_does_not_escape_the_pipe_behind_it(self) -> None:
        group = only_group(file_of(ih(), cr(Address1="a\\\\", Address2="b"), detail()))
        assert (group.customer.address1, group.customer.address2) == ("a\\", "b")

    def test_a_backslash_at_the_end_of_a_row_is_kept(self) -> None:
        column_map = ColumnMap.from_mapping({"ID": ["Quantity", "Amount", "Description"]})
        assert only_group(file_of(ih(), cr(), "ID|1|10.00|a\\"), column_map).lines[0].description == "a\\"


class _Endless(io.RawIOBase):
    """A file whose first row never ends, and that counts what is taken of it."""

    def __init__(self, piece: bytes) -> None:
        self._piece = piece
        self.taken = 0

    def readline(self, limit: int | None = -1, /) -> bytes:
        assert limit is not None
        assert limit > 0, "an unbounded read"
        self.taken += limit
        return (self._piece * (limit // len(self._piece) + 1))[:limit]

    def seek(self, offset: int, _whence: int = 0, /) -> int:
        return offset


class TestLimits:
    def test_ten_million_columns_are_refused_after_one_row_of_reading(self) -> None:
        file = _Endless(b"|")
        with pytest.raises(InvalidFile, match="line 1: the row is longer than 64 KiB"):
            check(file, DEFAULT)
        assert file.taken < MAX_ROW_BYTES + 100

    def test_ten_million_columns_behind_a_good_start_are_refused_with_their_line(self) -> None:
        file = io.BytesIO(file_of(ih(), cr()).getvalue() + b"ID" + b"|" * 10_000_000)
        assert refusal(file) == "line 4: the row is longer than 64 KiB"
        assert file.tell() < MAX_ROW_BYTES + 1000

    def test_more_than_200_columns_are_refused_as_such(self) -> None:
        assert refusal(file_of(ih(), cr(), "ID" + "|" * MAX_COLUMNS)) == "line 4: more than 200 columns"
        assert "ID row with 200 columns" in refusal(file_of(ih(), cr(), "ID" + "|" * (MAX_COLUMNS - 1)))

    @pytest.mark.parametrize("end", ["\n", "\r\n", ""])
    def test_a_row_of_64_kib_is_read_and_one_byte_more_is_refused(self, end: str) -> None:
        start = file_of(ih(), cr()).getvalue().decode()
        room = MAX_ROW_BYTES - len(detail(Description=""))
        longest = io.BytesIO((start + detail(Description="x" * room) + end).encode())
        (fault,) = only_faults(longest)
        assert fault == Fault(4, "Description", "is longer than 200 characters")
        over = io.BytesIO((start + detail(Description="x" * (room + 1)) + end).encode())
        assert refusal(over) == "line 4: the row is longer than 64 KiB"

    def test_a_file_over_64_mib_is_refused_where_it_passes_the_limit(self) -> None:
        start = file_of(ih(), cr()).getvalue()
        row = detail(Description="x" * 60_000).encode() + b"\n"
        fits = (MAX_FILE_BYTES - len(start)) // len(row)

        class Long(io.BytesIO):
            """The start, then the same row for ever: no need to hold 64 MiB."""

            def readline(self, limit: int | None = -1, /) -> bytes:
                return super().readline(limit) or row

        with pytest.raises(InvalidFile) as caught:
            check(Long(start), DEFAULT)
        assert caught.value.detail == f"line {3 + fits + 1}: the file is larger than 64 MiB"

    def test_an_invoice_with_too_many_detail_lines_is_left_out(self) -> None:
        most = [detail()] * MAX_DETAIL_LINES
        assert len(only_group(file_of(ih(), cr(), *most)).lines) == MAX_DETAIL_LINES
        faults = only_faults(file_of(ih(), cr(), *most, detail(), detail()))
        assert faults == (Fault(4 + MAX_DETAIL_LINES, "ID", "is one of more than 1000 detail lines"),)

    def test_memory_does_not_grow_with_the_file(self) -> None:
        file = file_of(ih(), cr(), *[detail()] * 30_000)
        tracemalloc.start()
        try:
            check(file, DEFAULT)
            list(groups(file, DEFAULT))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 1024 * 1024
