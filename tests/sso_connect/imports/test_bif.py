"""The Biller Invoice File: the sample files, the file-level rules, the two passes."""

from __future__ import annotations

import datetime
import io
from decimal import Decimal

import pytest

from idp.errors import InvalidFile
from sso_connect.imports.bif import (
    BadGroup,
    BifSummary,
    ColumnMap,
    Group,
    Line,
    check,
    groups,
    peek_biller,
)
from tests.sso_connect.imports.bif_files import (
    DATA,
    DEFAULT,
    FH,
    PRAIRIE,
    RIVERBEND,
    cr,
    detail,
    file_of,
    ih,
    refusal,
)


class TestSampleFiles:
    def test_riverbends_file_has_twelve_invoices_that_come_to_3263_14(self) -> None:
        with (DATA / "9001_11202026.bif").open("rb") as file:
            assert peek_biller(file) == RIVERBEND
            summary = check(file, DEFAULT, RIVERBEND)
            found = [group for group in groups(file, DEFAULT) if isinstance(group, Group)]
        assert (summary.header.invoice_count, summary.header.total) == (12, 326314)
        assert summary.header.created_on == datetime.date(2026, 11, 20)
        assert summary.rows == 46
        assert len(found) == 12
        assert sum(group.invoice.total_minor for group in found) == 326314
        assert [group.line for group in found][:3] == [2, 7, 11]

    def test_riverbends_special_cases_come_through(self) -> None:
        with (DATA / "9001_11202026.bif").open("rb") as file:
            by_account = {g.customer.account_number: g for g in groups(file, DEFAULT) if isinstance(g, Group)}
        assert by_account["1001-01"].invoice.customs[58] == ("O100-4821-3977;C200-1188-2204;OS300-7090-1112;G500-3310-9081")
        assert by_account["1001-01"].invoice.customs[4] == "321045080000"
        assert by_account["1002-01"].customer.name == "Zoë Lindqvist"
        assert by_account["1002-01"].invoice.past_due_minor == 4820
        assert by_account["1005-01"].customer.block_cc is True
        assert by_account["1005-01"].customer.email == ""
        assert 58 not in by_account["1005-01"].invoice.customs
        assert by_account["1006-01"].customer.name == "O'Neil | Sons Plumbing"
        assert by_account["1007-01"].invoice.total_minor == 0
        assert by_account["1010-01"].lines[0] == Line("Electric 16800 kWh", Decimal(16800), 190050)

    def test_prairies_file_is_read_by_its_own_map(self) -> None:
        column_map = ColumnMap.from_yaml((DATA / "9002_columns.yaml").read_text(encoding="utf-8"))
        with (DATA / "9002_11192026.bif").open("rb") as file:
            assert peek_biller(file) == PRAIRIE
            summary = check(file, column_map, PRAIRIE)
            found = [group for group in groups(file, column_map) if isinstance(group, Group)]
        assert (summary.header.invoice_count, summary.header.total) == (6, 222345)
        assert [g.invoice.invoice_type for g in found] == ["UTIL", "UTIL", "UTIL", "DONATION", "PREPAID", "UTIL"]
        assert [g.invoice.is_donation for g in found].index(True) == 3
        assert [g.invoice.is_prepaid for g in found].index(True) == 4
        assert found[0].customer.account_number == "20001"
        assert found[0].customer.email == "owner@prairierose.example"
        assert found[0].invoice.customs == {2: "20001", 4: "LOC20001", 10: "20001-700", 58: "O100-7777-1234"}
        assert found[4].customer.block_cc is True

    def test_prairies_file_is_refused_with_the_map_of_riverbend(self) -> None:
        file = io.BytesIO((DATA / "9002_11192026.bif").read_bytes())
        assert refusal(file) == "line 2: TotalAmountDue is no amount with two decimals and at most 12 digits, such as 84.17"

    def test_the_file_with_bad_totals_is_refused_with_both_figures(self) -> None:
        file = io.BytesIO((DATA / "9001_bad_totals.bif").read_bytes())
        assert refusal(file) == "line 1: TotalInvoiceAmount is 3273.14, the invoices come to 3263.14"


class TestHeader:
    def test_another_billers_file_is_refused(self) -> None:
        good = file_of(ih(), cr(), detail())
        assert check(good, DEFAULT, RIVERBEND).header.biller_guid == RIVERBEND
        assert refusal(good, biller=PRAIRIE) == "line 1: BillerGuid is that of another biller"

    def test_the_billers_guid_is_compared_without_regard_to_case(self) -> None:
        lower = FH.format(count=0, total="0.00").lower().replace("fh", "FH", 1)
        assert check(io.BytesIO(lower.encode()), DEFAULT, RIVERBEND).header.biller_guid == RIVERBEND

    def test_a_file_with_only_a_header_and_zero_counts_is_accepted(self) -> None:
        file = file_of(count=0, total="0.00")
        summary = check(file, DEFAULT, RIVERBEND)
        assert isinstance(summary, BifSummary)
        assert (summary.header.invoice_count, summary.header.total, summary.rows) == (0, 0, 1)
        assert list(groups(file, DEFAULT)) == []

    def test_a_header_that_promises_invoices_alone_is_refused(self) -> None:
        assert refusal(file_of(count=1, total="0.00")) == "line 1: InvoiceCount is 1, the file has 0 IH rows"

    def test_a_wrong_count_is_refused(self) -> None:
        assert refusal(file_of(ih(), cr(), detail(), count=2)) == "line 1: InvoiceCount is 2, the file has 1 IH rows"

    def test_a_total_that_is_a_cent_off_is_refused(self) -> None:
        assert "the invoices come to 10.00" in refusal(file_of(ih(), cr(), detail(), total="10.01"))

    def test_detail_amounts_are_not_summed(self) -> None:
        check(file_of(ih(), cr(), detail(Amount="3.33"), detail(Amount="-99.00")), DEFAULT)

    @pytest.mark.parametrize(
        ("row", "column"),
        [
            ("FH|no-guid|11/20/2026|0|0.00", "BillerGuid"),
            ("FH||11/20/2026|0|0.00", "BillerGuid is empty, and required"),
            ("FH|{D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15}|11/20/2026|0|0.00", "BillerGuid"),
            ("FH|D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15|20/11/2026|0|0.00", "FileCreationDate"),
            ("FH|D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15|11/20/2026|-1|0.00", "InvoiceCount"),
            ("FH|D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15|11/20/2026|٠|0.00", "InvoiceCount"),
            ("FH|D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15|11/20/2026|0|", "TotalInvoiceAmount is empty"),
            ("FH|D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15|11/20/2026|0|0", "TotalInvoiceAmount is no amount"),
            (
                "FH|D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15|11/20/2026|0|-1.00",
                "TotalInvoiceAmount is -1.00, the invoices come to 0.00",
            ),
        ],
    )
    def test_a_bad_cell_in_the_header_refuses_the_file(self, row: str, column: str) -> None:
        assert refusal(io.BytesIO(row.encode())).startswith(f"line 1: {column}")

    def test_the_header_may_have_another_order_and_still_says_whose_file_it_is(self) -> None:
        column_map = ColumnMap.from_mapping({"FH": [4, 5, 6, 2]})
        file = io.BytesIO(b"FH|11/20/2026|0|0.00|D99EDA17-2AF5-5AC0-AE88-9A0D9422BC15\n")
        assert peek_biller(file) == RIVERBEND
        assert check(file, column_map, RIVERBEND).header.invoice_count == 0

    @pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"IH|x\n", b"FH|x|11/20/2026|0|0.00", b"\xff\xfe"])
    def test_a_file_that_does_not_say_whose_it_is_is_refused(self, content: bytes) -> None:
        with pytest.raises(InvalidFile) as caught:
            peek_biller(io.BytesIO(content))
        assert caught.value.detail.startswith("line 1: ")


class TestTotals:
    @pytest.mark.parametrize(
        "amount", ["", " ", "10", "10.0", "10.000", "1,000.00", "1e3", "$10.00", "+10.00", "abc", "٣.٠٠", "10.00\x01"]
    )
    def test_an_unreadable_amount_due_refuses_the_file(self, amount: str) -> None:
        assert refusal(file_of(ih(TotalAmountDue=amount), cr(), detail())).startswith("line 2: TotalAmountDue ")

    def test_an_amount_of_more_than_twelve_digits_refuses_the_file(self) -> None:
        longest = "9999999999.99"
        check(file_of(ih(TotalAmountDue=longest), cr(), detail(), total=longest), DEFAULT)
        assert "TotalAmountDue is no amount" in refusal(file_of(ih(TotalAmountDue="1" + longest), cr(), detail()))

    def test_the_invoice_of_a_bad_group_counts_for_the_totals(self) -> None:
        file = file_of(ih(), cr(CustomerName=""), detail(), ih(InvoiceNumber="A-2"), cr(), detail(), count=2, total="20.00")
        check(file, DEFAULT)
        bad, good = groups(file, DEFAULT)
        assert isinstance(bad, BadGroup)
        assert isinstance(good, Group)
        assert good.invoice.number == "A-2"


class TestRowOrder:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "line 1: the file ends where FH was due"),
            (b"\xef\xbb\xbf", "line 1: the file ends where FH was due"),
            (b"\n", "line 1: the file ends where FH was due"),
        ],
    )
    def test_an_empty_file_is_refused(self, content: bytes, reason: str) -> None:
        assert refusal(io.BytesIO(content)) == reason

    def test_a_file_without_header_is_refused(self) -> None:
        file = io.BytesIO("\n".join([ih(), cr(), detail()]).encode())
        assert refusal(file) == "line 1: IH row where FH was due"

    @pytest.mark.parametrize(
        ("rows", "reason"),
        [
            ((FH.format(count=1, total="10.00"),), "line 2: FH row where IH was due"),
            ((ih(), cr(), detail(), FH.format(count=1, total="10.00")), "line 5: FH row where ID or IH was due"),
            ((cr(), detail()), "line 2: CR row where IH was due"),
            ((detail(),), "line 2: ID row where IH was due"),
            ((ih(), ih(), cr(), detail()), "line 3: IH row where CR was due"),
            ((ih(), detail(), cr()), "line 3: ID row where CR was due"),
            ((ih(), cr(), cr(), detail()), "line 4: CR row where ID was due"),
            ((ih(), cr(), detail(), cr()), "line 5: CR row where ID or IH was due"),
            ((ih(), cr(), ih(), cr(), detail()), "line 4: IH row where ID was due"),
            ((ih(),), "line 3: the file ends where CR was due"),
            ((ih(), cr()), "line 4: the file ends where ID was due"),
        ],
        ids=[
            "second FH",
            "late FH",
            "CR without IH",
            "ID without IH",
            "IH without CR",
            "ID before CR",
            "two CR",
            "CR after ID",
            "no ID in between",
            "ends after IH",
            "ends after CR",
        ],
    )
    def test_a_row_out_of_order_refuses_the_file(self, rows: tuple[str, ...], reason: str) -> None:
        assert refusal(file_of(*rows)) == reason

    @pytest.mark.parametrize("row", ["XX|1", "ih|1", " IH|1", "|", "IH", "\ufeffIH|1", "F\\|H"])
    def test_an_unknown_row_type_refuses_the_file(self, row: str) -> None:
        assert refusal(file_of(ih(), cr(), detail(), row)).startswith("line 5: ")

    def test_one_empty_row_at_the_end_is_passed_over_and_no_other(self) -> None:
        check(file_of(ih(), cr(), detail(), ""), DEFAULT)
        assert refusal(file_of(ih(), cr(), detail(), "", "")) == "line 5: empty row"
        assert refusal(file_of(ih(), "", cr(), detail())) == "line 3: empty row"

    @pytest.mark.parametrize(
        ("rows", "reason"),
        [
            ((ih() + "|", cr(), detail()), "line 2: IH row with 15 columns, 14 expected (row type counted)"),
            ((ih().rpartition("|")[0], cr(), detail()), "line 2: IH row with 13 columns, 14 expected (row type counted)"),
            ((ih(), cr() + "|x", detail()), "line 3: CR row with 13 columns, 12 expected (row type counted)"),
            ((ih(), cr(), "ID|Water|1"), "line 4: ID row with 3 columns, 4 expected (row type counted)"),
        ],
    )
    def test_a_column_too_many_or_too_few_refuses_the_file(self, rows: tuple[str, ...], reason: str) -> None:
        assert refusal(file_of(*rows)) == reason


class TestPasses:
    def test_each_pass_reads_from_the_start(self) -> None:
        file = file_of(ih(), cr(), detail())
        file.seek(40)
        assert check(file, DEFAULT) == check(file, DEFAULT)
        assert list(groups(file, DEFAULT)) == list(groups(file, DEFAULT))
        assert peek_biller(file) == RIVERBEND

    def test_a_file_that_breaks_between_the_passes_is_refused_in_the_second(self) -> None:
        file = file_of(ih(), cr(), detail())
        check(file, DEFAULT)
        file.truncate(100)
        with pytest.raises(InvalidFile):
            list(groups(file, DEFAULT))
