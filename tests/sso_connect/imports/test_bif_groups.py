"""The Biller Invoice File: the values of one invoice, and what leaves it out."""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

import pytest

from idp.directory.customers import Meter
from sso_connect.imports.bif import (
    BadGroup,
    ColumnMap,
    Fault,
    Group,
    Line,
    Rules,
    check,
    groups,
    repeated_accounts,
)
from sso_connect.imports.bif_values import Unreadable, parse_meters
from tests.sso_connect.imports.bif_files import (
    CR,
    DEFAULT,
    IH,
    cr,
    detail,
    file_of,
    ih,
    only_faults,
    only_group,
    refusal,
)


class TestBadGroups:
    @pytest.mark.parametrize(
        ("column", "value"),
        [
            *((name, "") for name in ("RecordType", "InvoiceFormatGuid", "InvoiceNumber", "InvoiceDate", "InvoiceDueDate")),
            ("Custom10", ""),
            ("Custom10", "  "),
            ("InvoiceFormatGuid", "5B53D6A0"),
            ("InvoiceNumber", "A\u200b1"),
            ("InvoiceNumber", "x" * 65),
            ("RecordType", "x" * 11),
            ("InvoiceDate", "02/30/2026"),
            ("InvoiceDate", "2026-11-18"),
            ("InvoiceDate", "1/2/2026"),
            ("InvoiceDate", "11/18/26"),
            ("InvoiceDueDate", "13/01/2026"),
            ("InvoiceDueDate", "12/10/0026"),
            ("InvoiceDueDate", "12/10/２０２６"),
            ("PastDue", "1"),
            ("PastDue", "1.00E2"),
            ("Custom4", "x" * 501),
            ("Custom58", "O100\x07"),
        ],
    )
    def test_a_bad_or_empty_required_cell_of_the_invoice_leaves_it_out(self, column: str, value: str) -> None:
        (fault,) = only_faults(file_of(ih(**{column: value}), cr(), detail()))
        assert (fault.line, fault.column) == (2, column)

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("AccountNumber", ""),
            ("AccountNumber", "1001\u202e01"),
            ("AccountNumber", "10\t01"),
            ("AccountNumber", "1" * 65),
            ("CustomerName", ""),
            ("CustomerName", "x" * 201),
            ("Zip", "1" * 21),
            ("Phone", "1" * 33),
            ("State", "x" * 51),
            ("BlockPaymentsCC", "y"),
            ("BlockPaymentsCC", "1"),
            ("DisplayAccountNumber", "x" * 65),
        ],
    )
    def test_a_bad_or_empty_required_cell_of_the_customer_leaves_the_invoice_out(self, column: str, value: str) -> None:
        (fault,) = only_faults(file_of(ih(), cr(**{column: value}), detail()))
        assert (fault.line, fault.column) == (3, column)

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("Quantity", "one"),
            ("Quantity", "1e3"),
            ("Quantity", "NaN"),
            ("Quantity", "1.2345678"),
            ("Amount", "3"),
            ("Amount", "1,000.00"),
            ("Description", "x" * 201),
        ],
    )
    def test_a_bad_cell_of_a_detail_line_leaves_the_invoice_out(self, column: str, value: str) -> None:
        (fault,) = only_faults(file_of(ih(), cr(), detail(), detail(**{column: value})))
        assert (fault.line, fault.column) == (5, column)

    def test_everything_that_is_wrong_with_an_invoice_is_reported_at_once(self) -> None:
        faults = only_faults(
            file_of(ih(InvoiceDate="soon", Custom10=""), cr(EmailAddress="nobody", Zip="1" * 30), detail(Amount="x"))
        )
        assert [(fault.line, fault.column, fault.severity) for fault in faults] == [
            (2, "Custom10", "error"),
            (2, "InvoiceDate", "error"),
            (3, "Zip", "error"),
            (3, "EmailAddress", "warning"),
            (4, "Amount", "error"),
        ]

    def test_the_rest_of_the_file_goes_in(self) -> None:
        file = file_of(
            *(ih(), cr(), detail()),
            *(ih(InvoiceNumber="A-2", InvoiceDate="99/99/2026"), cr(), detail()),
            *(ih(InvoiceNumber="A-3"), cr(AccountNumber="1001-03"), detail()),
            count=3,
            total="30.00",
        )
        check(file, DEFAULT)
        first, second, third = groups(file, DEFAULT)
        assert isinstance(first, Group)
        assert isinstance(second, BadGroup)
        assert isinstance(third, Group)
        assert (first.line, second.line, third.line) == (2, 5, 8)

    def test_neither_reports_nor_representations_show_a_role_code(self) -> None:
        bad = file_of(ih(Custom58="SECRETCODE" + "x" * 600), cr(), detail())
        check(bad, DEFAULT)
        assert "SECRETCODE" not in repr(list(groups(bad, DEFAULT)))
        good = only_group(file_of(ih(Custom58="SECRETCODE"), cr(), detail()))
        assert good.invoice.customs[58] == "SECRETCODE"
        assert "SECRETCODE" not in repr(good)
        assert "SECRETCODE" not in refusal(file_of(ih(TotalAmountDue="SECRETCODE"), cr(), detail()))
        assert "SECRETCODE" not in refusal(file_of(ih(), "SECRETCODE|x", detail()))


class TestUnusableAddress:
    """An address is optional: one that nobody can write to costs the address, never the bill."""

    @pytest.mark.parametrize(
        "text",
        [
            *("N/A", "n/a", "NA", "none", "NONE", "-", "--", ".", "null", "unknown", "no e-mail", "x" * 255),
            *("none@none.invalid", "None@None.INVALID", "a@invalid", "a@b.invalid."),
            *("avery", "avery@", "@example.com", "avery@example", "a b@example.com", "a@b@example.com", "a@example..com"),
            *("a@-example.com", ".a@example.com", "a..b@example.com", "a@example.com,b@example.com"),
            *("a@example.com;b@example.com", "Avery <a@example.com>", "a" * 255 + "@example.com", "a@" + "b" * 64 + ".com"),
            *("a@" + "b.com." * 50 + "com", "avery@exam\x07ple.com", "\ufeffavery@example.com"),
        ],
    )
    def test_the_bill_goes_in_without_it_and_a_warning_names_line_and_column(self, text: str) -> None:
        group = only_group(file_of(ih(), cr(EmailAddress=text), detail()))
        assert group.customer.email == ""
        (warning,) = group.warnings
        assert (warning.line, warning.column, warning.severity) == (3, "EmailAddress", "warning")
        assert warning.reason.endswith("; it was ignored")
        assert "avery" not in warning.reason, "a report quotes no cell"

    def test_a_good_address_and_an_empty_cell_give_no_warning(self) -> None:
        assert only_group(file_of(ih(), cr(), detail())).warnings == ()
        assert only_group(file_of(ih(), cr(EmailAddress=" "), detail())).warnings == ()

    def test_an_invoice_is_not_left_out_for_its_address_and_not_put_in_for_a_warning(self) -> None:
        file = file_of(ih(Custom10=""), cr(EmailAddress="N/A"), detail())
        assert [fault.severity for fault in only_faults(file)] == ["error", "warning"]

    def test_a_required_cell_that_is_bad_leaves_the_invoice_out_as_before(self) -> None:
        (fault,) = only_faults(file_of(ih(), cr(CustomerName=""), detail()))
        assert fault.severity == "error"


class TestCredits:
    """A payer who has paid too much has a credit: ordinary at utilities, written with a minus sign."""

    def test_a_negative_amount_due_and_a_negative_past_due_are_read(self) -> None:
        group = only_group(file_of(ih(TotalAmountDue="-12.00", PastDue="-20.05"), cr(), detail(), total="-12.00"))
        assert (group.invoice.total_minor, group.invoice.past_due_minor) == (-1200, -2005)

    def test_the_header_total_is_the_sum_with_signs(self) -> None:
        rows = (*(ih(TotalAmountDue="-12.00"), cr(), detail()), *(ih(InvoiceNumber="A-2", TotalAmountDue="10.50"), cr(), detail()))
        assert check(file_of(*rows, count=2, total="-1.50"), DEFAULT).header.total == -150
        assert refusal(file_of(*rows, count=2, total="22.50")) == (
            "line 1: TotalInvoiceAmount is 22.50, the invoices come to -1.50"
        )
        assert refusal(file_of(*rows, count=2, total="-0.05")) == (
            "line 1: TotalInvoiceAmount is -0.05, the invoices come to -1.50"
        )

    @pytest.mark.parametrize("amount", ["-1", "- 1.00", "--1.00", "(1.00)", "1.00-", "−1.00", "-$1.00"])
    def test_a_credit_has_one_spelling(self, amount: str) -> None:
        assert refusal(file_of(ih(TotalAmountDue=amount), cr(), detail())).startswith("line 2: TotalAmountDue ")


class TestTwice:
    def two(self, first: Mapping[str, str], second: Mapping[str, str], **account: str) -> io.BytesIO:
        """Two invoices; `account` is the second one's account number."""
        return file_of(*(ih(**first), cr(), detail()), *(ih(**second), cr(**account), detail()), count=2, total="20.00")

    def test_the_second_mention_of_an_invoice_is_left_out(self) -> None:
        first, second = groups(self.two({}, {}), DEFAULT)
        assert isinstance(first, Group)
        assert second == BadGroup(5, (Fault(5, "InvoiceNumber", "is in this file already, for the same account"),))

    def test_the_same_number_on_another_account_is_another_invoice(self) -> None:
        assert all(isinstance(group, Group) for group in groups(self.two({}, {}, AccountNumber="1001-02"), DEFAULT))

    def test_another_number_on_the_same_account_is_another_invoice(self) -> None:
        assert all(isinstance(group, Group) for group in groups(self.two({}, {"InvoiceNumber": "A-2"}), DEFAULT))

    def test_a_bad_first_mention_does_not_stand_in_the_way_of_a_good_second_one(self) -> None:
        first, second = groups(self.two({"Custom10": ""}, {}), DEFAULT)
        assert isinstance(first, BadGroup)
        assert isinstance(second, Group)

    def test_two_spellings_of_one_account_meet_in_the_billers_canonical_form(self) -> None:
        file = self.two({}, {}, AccountNumber="100101")
        assert all(isinstance(group, Group) for group in groups(file, DEFAULT))
        _, second = groups(file, DEFAULT, Rules(account_key=lambda number: number.replace("-", "")))
        assert isinstance(second, BadGroup)


class TestRules:
    def test_what_the_billers_rules_refuse_is_a_fault_of_its_cell(self) -> None:
        def account_key(number: str) -> str:
            raise ValueError(number)

        def check_custom(number: int, text: str) -> None:
            if number == 9 and text != "fine":
                raise ValueError("is not fine")

        file = file_of(ih(Custom9="bad", Custom10="bad"), cr(), detail())
        (group,) = groups(file, DEFAULT, Rules(account_key, check_custom))
        assert isinstance(group, BadGroup)
        assert group.faults == (
            Fault(2, "Custom9", "is not fine"),
            Fault(3, "AccountNumber", "is no account number of this biller"),
        )

    def test_a_group_carries_the_canonical_account(self) -> None:
        (group,) = groups(file_of(ih(), cr(), detail()), DEFAULT, Rules(account_key=str.lower))
        assert isinstance(group, Group)
        assert group.account_key == "1001-01"


class TestRepeated:
    def file(self) -> io.BytesIO:
        """Three invoices of 1001-01, the second bad, in two spellings; one of 1001-02."""
        return file_of(
            *(ih(), cr(), detail()),
            *(ih(InvoiceNumber="A-2"), cr(AccountNumber="1001-02"), detail()),
            *(ih(InvoiceNumber="A-3", Custom10=""), cr(AccountNumber=" 100101 "), detail(), detail()),
            *(ih(InvoiceNumber="A-4"), cr(AccountNumber="1001-01"), detail()),
            count=4,
            total="40.00",
        )

    RULES = Rules(account_key=lambda number: number.replace("-", ""))

    def test_accounts_with_several_invoices_are_found_good_or_bad(self) -> None:
        assert repeated_accounts(self.file(), DEFAULT, self.RULES) == {"100101"}
        assert repeated_accounts(self.file(), DEFAULT) == {"1001-01"}

    def test_an_account_without_a_number_is_none(self) -> None:
        empty = cr(AccountNumber="")
        assert repeated_accounts(file_of(ih(), empty, detail(), ih(), empty, detail()), DEFAULT) == frozenset()

    def test_only_the_invoices_of_the_named_accounts_are_read(self) -> None:
        everything = list(groups(self.file(), DEFAULT, self.RULES))
        some = list(groups(self.file(), DEFAULT, self.RULES, accounts={"100101"}))
        assert some == [everything[0], everything[2], everything[3]]


class TestValues:
    def test_all_optional_cells_may_be_empty(self) -> None:
        nothing = dict.fromkeys(
            ("Address1", "City", "State", "Zip", "Phone", "EmailAddress", "BlockPaymentsCC", "DisplayAccountNumber"), ""
        )
        group = only_group(file_of(ih(Custom4="", Custom58="", PastDue=""), cr(**nothing), "ID|||"))
        assert group.invoice.past_due_minor == 0
        assert group.invoice.customs == {10: "1001-12345"}
        assert (group.customer.email, group.customer.zip, group.customer.block_cc) == ("", "", None)
        assert group.lines == (Line("", None, None),)

    def test_columns_that_the_map_lacks_are_not_known(self) -> None:
        column_map = ColumnMap.from_mapping({"CR": ["AccountNumber", "CustomerName"], "ID": ["Amount"]})
        customer = only_group(file_of(ih(), "CR|1001-01|Avery Brandt", "ID|-4.50"), column_map)
        assert customer.customer.email is None
        assert customer.customer.phone is None
        assert customer.customer.block_cc is None
        assert customer.customer.meters is None
        assert customer.lines == (Line("", None, -450),)

    def test_money_dates_and_flags_are_typed(self) -> None:
        group = only_group(
            file_of(
                ih(TotalAmountDue="1234.05", PastDue="0.07", InvoiceDate="02/29/2028"),
                cr(BlockPaymentsCC="Y"),
                detail(Quantity="-4.25", Amount="-0.00"),
                total="1234.05",
            )
        )
        assert (group.invoice.total_minor, group.invoice.past_due_minor) == (123405, 7)
        assert group.invoice.date == datetime.date(2028, 2, 29)
        assert group.customer.block_cc is True
        assert group.lines == (Line("Water", Decimal("-4.25"), 0),)
        assert group.invoice.format_guid == UUID(IH["InvoiceFormatGuid"])

    def test_customs_cannot_be_changed(self) -> None:
        customs = only_group(file_of(ih(), cr(), detail())).invoice.customs
        with pytest.raises(TypeError):
            customs[58] = "G500"  # type: ignore[index]

    def test_the_invoice_type_is_read_in_any_case(self) -> None:
        column_map = ColumnMap.from_mapping({"IH": [*IH, "InvoiceType"]})
        assert only_group(file_of(ih() + "|Donation", cr(), detail()), column_map).invoice.is_donation
        assert only_group(file_of(ih() + "|prepaid", cr(), detail()), column_map).invoice.is_prepaid
        assert only_group(file_of(ih() + "|", cr(), detail()), column_map).invoice.invoice_type == ""

    @pytest.mark.parametrize("address", ["o'neil+bills@example.com", "zoë@exämple.example", "a@b-c.example"])
    def test_ordinary_addresses_are_taken_as_they_come(self, address: str) -> None:
        assert only_group(file_of(ih(), cr(EmailAddress=address), detail())).customer.email == address


class TestMeters:
    METERS = (Meter("W-1", "water"), Meter("E:7", "electric"))

    def test_meters_are_read_with_the_commodity_behind_the_last_colon(self) -> None:
        assert parse_meters("W-1:water;E:7:Electric;") == self.METERS
        assert parse_meters(" ") == ()

    @pytest.mark.parametrize(
        "text",
        ["W-1", ":water", "W-1:", "W-1:steam", "W-1:water;;E-1:gas", "W-1:water;W-1:gas", ";", "x" * 65 + ":gas"],
    )
    def test_bad_meters_are_unreadable(self, text: str) -> None:
        with pytest.raises(Unreadable):
            parse_meters(text)

    def test_more_than_a_hundred_meters_or_4000_characters_are_unreadable(self) -> None:
        assert len(parse_meters(";".join(f"{n}:gas" for n in range(100)))) == 100
        for text in (";".join(f"{n}:gas" for n in range(101)), "1:gas;" * 700):
            with pytest.raises(Unreadable):
                parse_meters(text)

    def test_the_meters_column_may_stand_in_ih_or_cr(self) -> None:
        in_invoice = ColumnMap.from_mapping({"IH": [*IH, "Meters"]})
        in_customer = ColumnMap.from_mapping({"CR": [*CR, "Meters"]})
        cell = "|W-1:water;E:7:electric"
        assert only_group(file_of(ih() + cell, cr(), detail()), in_invoice).customer.meters == self.METERS
        assert only_group(file_of(ih(), cr() + cell, detail()), in_customer).customer.meters == self.METERS
        assert only_group(file_of(ih(), cr() + "|", detail()), in_customer).customer.meters == ()
        assert only_faults(file_of(ih(), cr() + "|W-1:steam", detail()), in_customer)[0].column == "Meters"
