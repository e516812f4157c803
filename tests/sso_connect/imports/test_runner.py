"""Importing invoice files: the samples of both billers, the same file twice, dry runs, what is refused and what is left out."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from idp.billing.invoices import InvoiceLine
from idp.directory.names import MAX_ACCOUNT_CHARACTERS
from idp.directory.rights import LoginType
from idp.errors import InvalidFields
from sso_connect.imports.bif import ColumnMap
from sso_connect.imports.runs import RowReport
from tests.sso_connect.imports.bif_files import cr, detail, file_of, ih
from tests.sso_connect.imports.import_house import POWER, WATER, House, bills, one, sample

WATER_FILE, POWER_FILE = "9001_11202026.bif", "9002_11192026.bif"


class TestSamples:
    def test_both_samples_go_in_each_at_its_own_biller(self, house: House) -> None:
        water, power = house.take(sample(WATER_FILE)), house.take(sample(POWER_FILE), POWER)
        assert (water.state, water.read, water.created, water.left_out) == ("done", 12, 12, 0)
        assert (power.state, power.read, power.created, power.left_out) == ("done", 6, 6, 0)
        assert len(house.customers(WATER)) == 12
        assert sorted(house.customers(POWER)) == ["20001", "20002", "20003", "20004", "20005"]
        assert {customer.bid for customer in house.customers(WATER).values()} == {WATER}

    def test_a_customer_has_what_the_file_says(self, house: House) -> None:
        house.take(sample(WATER_FILE))
        avery = house.customer("1001-01")
        assert (avery.name, avery.address1, avery.city, avery.state, avery.zip) == (
            "Avery Brandt", "12 Mill Race Rd", "Riverbend", "MI", "49331",
        )  # fmt: skip
        assert (avery.email, avery.phone, avery.display_number) == ("avery.brandt@example.com", "6165550101", "1001-01")
        assert (avery.service_location_id, avery.prepaid, avery.block_cc, avery.customs) == ("321045080000", False, False, {})
        assert house.customer("1005-01").block_cc
        assert house.customer("1006-01").name == "O'Neil | Sons Plumbing"

    def test_an_invoice_has_what_the_file_says_and_no_role_code(self, house: House) -> None:
        house.take(sample(WATER_FILE))
        (bill,) = house.invoices("1001-01")
        assert (bill.number, bill.record_type, bill.invoice_type, bill.currency) == ("100101261100", "R", "", "USD")
        assert (bill.issued_on, bill.due_on) == (date(2026, 11, 18), date(2026, 12, 10))
        assert (bill.total_minor, bill.past_due_minor) == (8417, 0)
        assert bill.customs == {2: "1001", 3: "01", 4: "321045080000", 9: "12345", 10: "1001-12345"}
        assert bill.lines[0] == InvoiceLine("Water 4.2 kgal", Decimal(1), 3840)
        assert [line.amount_minor for line in bill.lines] == [3840, 2977, 1600]

    def test_role_codes_are_kept_as_digests_of_their_kind(self, house: House) -> None:
        house.take(sample(WATER_FILE))
        assert house.kinds("1001-01") == [
            (LoginType.OWNER, False), (LoginType.CO_OWNER, False), (LoginType.OVERSIGHT, False), (LoginType.GUEST, False),
        ]  # fmt: skip
        assert house.kinds("1002-01") == [(LoginType.OWNER, True)]
        assert house.kinds("1005-01") == []

    def test_a_ghost_has_the_address_of_the_file(self, house: House) -> None:
        house.take(sample(WATER_FILE))
        ghost = house.ghost("1001-01")
        assert ghost is not None
        assert (ghost.name, ghost.email, ghost.phone) == ("Avery Brandt", "avery.brandt@example.com", "6165550101")
        assert ghost.email_since == house.clock.now()
        assert house.ghost("1005-01") is None, "that account has no address"

    def test_a_donation_says_nothing_of_the_account_and_a_prepaid_invoice_that_it_is_prepaid(self, house: House) -> None:
        house.take(sample(POWER_FILE), POWER)
        assert [bill.invoice_type for bill in house.invoices("20003", POWER)] == ["DONATION", "UTIL"]
        assert house.customer("20003", POWER).service_location_id == "LOC20003"
        assert len(house.codes("20003", POWER)) == 1, "the donation's empty field removes no code"
        assert house.customer("20004", POWER).prepaid
        assert not house.customer("20003", POWER).prepaid

    def test_neither_log_nor_rows_nor_run_hold_a_role_code_or_its_digest(self, house: House) -> None:
        house.take(sample(WATER_FILE))
        digests = {code.digest for number in house.customers() for code in house.codes(number)}
        assert len(digests) > 12
        for name, rows in house.everything().items():
            told = repr(rows)
            assert "4821-3977" not in told, name
            assert "48213977" not in told, name
            assert name == "role_codes" or not any(digest in told for digest in digests), name


class TestTwice:
    @pytest.mark.parametrize(("bid", "name"), [(WATER, WATER_FILE), (POWER, POWER_FILE)])
    @pytest.mark.parametrize("batch", [1, 200])
    def test_the_same_file_twice_changes_nothing(self, house: House, bid: int, name: str, batch: int) -> None:
        house.take(sample(name), bid, batch=batch)
        before, logged = house.contents(), house.actions()
        house.kv.renewals.clear()
        again = house.take(sample(name), bid, batch=batch)
        assert (again.state, again.created, again.changed, again.left_out) == ("done", 0, 0, 0)
        assert again.unchanged == again.read > 0
        assert house.contents() == before
        assert house.actions() == [*logged, "import.run"]
        assert house.kv.renewals == []

    def test_what_was_changed_by_hand_since_is_set_right_by_the_same_file(self, house: House) -> None:
        house.take(sample(WATER_FILE))
        house.change_customer(house.customer(), name="Somebody Else")
        again = house.take(sample(WATER_FILE))
        assert (again.changed, again.unchanged) == (1, 11)
        assert house.customer().name == "Avery Brandt"

    def test_two_invoices_of_one_account_that_contradict_each_other_change_nothing_the_second_time(self, house: House) -> None:
        def contradictory() -> io.BytesIO:
            return bills(
                *(ih(InvoiceNumber="A-2", InvoiceDate="11/18/2026", Custom58="O100-1", Custom4="NEW"), cr(Zip="2"), detail()),
                *one("1001-02", "B-1"),
                *(ih(InvoiceNumber="A-1", InvoiceDate="10/18/2026", Custom58="O100-2", Custom4="OLD"), cr(Zip="1"), detail()),
                count=3,
            )

        for batch in (1, 200):
            house.take(contradictory(), batch=batch)
            assert (house.customer().zip, house.customer().service_location_id) == ("2", "NEW")
            before = house.contents()
            assert house.take(contradictory(), batch=batch).unchanged == 3
            assert house.contents() == before

    def test_one_change_log_row_for_each_customer_that_changes_and_one_for_the_run(self, house: House) -> None:
        house.take(bills(*one(), *one("1001-02", "B-1"), count=2))
        assert house.actions() == ["customer.create", "ghost.change", "customer.create", "ghost.change", "import.run"]
        house.take(bills(ih(), cr(Zip="49999"), detail(), *one("1001-02", "B-1"), count=2))
        action, content = house.changes()[-2]
        assert action == "customer.change"
        assert (content["before"]["address"][-1], content["after"]["address"][-1]) == ("49331", "49999")
        assert list(content["after"]) == ["address"], "only what differs"
        action, content = house.changes()[-1]
        assert action == "import.run"
        counts = ("state", "read", "created", "changed", "unchanged", "left_out")
        assert [content["after"][name] for name in counts] == ["done", 2, 0, 1, 1, 0]


class TestDryRun:
    def test_a_dry_run_writes_nothing_but_its_run_and_report(self, house: House) -> None:
        before = house.everything()
        run = house.take(bills(*one(), ih(InvoiceNumber="A-2", Custom10=""), cr(), detail(), count=2), dry_run=True)
        after = house.everything()
        assert (run.state, run.dry_run, run.created, run.left_out) == ("done", True, 1, 1)
        assert [len(after[name]) for name in ("import_runs", "import_rows")] == [1, 1]
        about = {"import_runs", "import_rows", "data_keys"}
        assert {name: rows for name, rows in after.items() if name not in about} == {
            name: rows for name, rows in before.items() if name not in about
        }

    @pytest.mark.parametrize(("bid", "name"), [(WATER, WATER_FILE), (POWER, POWER_FILE)])
    def test_a_dry_run_counts_what_the_run_will_count(self, house: House, bid: int, name: str) -> None:
        def counts(dry_run: bool) -> tuple[int, ...]:
            run = house.take(sample(name), bid, batch=2, dry_run=dry_run)
            return run.read, run.created, run.changed, run.unchanged, run.left_out

        assert counts(dry_run=True) == counts(dry_run=False)
        assert counts(dry_run=True) == counts(dry_run=False)

    def test_a_refused_dry_run_leaves_no_log_row(self, house: House) -> None:
        run = house.take(sample("9001_bad_totals.bif"), dry_run=True)
        assert run.state == "refused"
        assert house.actions() == []


class TestRefusedWhole:
    def test_wrong_totals_refuse_the_file_and_nothing_of_it_is_written(self, house: House) -> None:
        before = house.contents()
        run = house.take(sample("9001_bad_totals.bif"))
        assert run.state == "refused"
        assert run.reason == "line 1: TotalInvoiceAmount is 3273.14, the invoices come to 3263.14"
        assert (run.read, house.contents(), house.rows(run)) == (0, before, [])
        (change,) = house.changes()
        assert (change[0], change[1]["after"]["state"], change[1]["after"]["reason"]) == ("import.run", "refused", run.reason)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "line 1: the file ends where FH was due"),
            (b"\xff\xfe", "line 1: not UTF-8 at byte 1 of the row"),
            (b"FH" + b"|" * 300, "line 1: more than 200 columns"),
            (b"FH" + b"|" * 10_000_000, "line 1: the row is longer than 64 KiB"),
            (b"FH\0", "line 1: NUL character"),
        ],
        ids=["empty", "bad-utf8", "300-columns", "ten-million-columns", "nul"],
    )
    def test_a_file_that_is_no_invoice_file_is_refused(self, house: House, content: bytes, reason: str) -> None:
        run = house.take(io.BytesIO(content))
        assert (run.state, run.reason) == ("refused", reason)
        assert house.customers() == {}

    def test_a_missing_row_type_refuses_the_file(self, house: House) -> None:
        run = house.take(bills(ih(), detail(), count=1))
        assert (run.state, run.reason) == ("refused", "line 3: ID row where CR was due")

    def test_the_file_of_another_biller_is_refused(self, house: House) -> None:
        run = house.take(sample(WATER_FILE), POWER)
        assert run.state == "refused"
        assert house.customers(POWER) == {} == house.customers(WATER)

    def test_a_file_over_the_limit_is_refused_without_being_read_to_its_end(self, house: House) -> None:
        class Endless(io.BytesIO):
            asked = 0

            def read(self, size: int | None = -1, /) -> bytes:
                assert size is not None
                assert size > 0
                self.asked += size
                return b"FH|\n" * (size // 4) + b"\n" * (size % 4)

        endless = Endless()
        assert house.take(endless).state == "refused"
        assert endless.asked <= 65 * 1024 * 1024

    def test_a_column_map_that_cannot_be_used_is_told_before_anything_begins(self, house: House) -> None:
        with house.database.begin() as stores:
            stores.billers.put_biller(replace(house.biller(), column_map={"IH": ["Nonsense"]}))
        with pytest.raises(InvalidFields):
            house.take(sample(WATER_FILE))
        assert house.everything()["import_runs"] == []
        assert house.take(sample(WATER_FILE), column_map=ColumnMap.default()).state == "done"


class TestLeftOut:
    def test_bad_invoices_are_left_out_with_line_column_and_reason_and_the_rest_goes_in(self, house: House) -> None:
        run = house.take(
            bills(
                *one(),
                *(ih(InvoiceNumber="A-2", InvoiceDate="02/30/2026"), cr(EmailAddress="nobody"), detail()),
                *one("1001-03", "A-3"),
                count=3,
            ),
            batch=1,
        )
        assert (run.state, run.read, run.created, run.left_out) == ("done", 3, 2, 1)
        assert house.rows(run) == [
            RowReport(5, "InvoiceDate", "is a day that the calendar does not have"),
            RowReport(6, "EmailAddress", "is not an e-mail address; it was ignored", "warning"),
        ]
        assert sorted(house.customers()) == ["1001-01", "1001-03"]
        assert run.warnings == 1

    def test_an_address_that_nobody_can_write_to_costs_the_address_and_not_the_bill(self, house: House) -> None:
        run = house.take(
            bills(
                *(ih(), cr(EmailAddress="N/A"), detail()),
                *(ih(InvoiceNumber="B-1"), cr(AccountNumber="1001-02"), detail()),
                count=2,
            )
        )
        assert (run.state, run.created, run.left_out, run.warnings) == ("done", 2, 0, 1)
        (row,) = house.rows(run)
        assert (row.line, row.column, row.severity) == (3, "EmailAddress", "warning")
        assert house.customer("1001-01").email == ""
        assert house.ghost("1001-01") is None
        assert house.customer("1001-02").email == "avery.brandt@example.com"

    def test_an_address_that_is_withdrawn_by_such_a_word_is_taken_off_as_by_an_empty_cell(self, house: House) -> None:
        house.take(bills(*one(), count=1))
        house.take(bills(ih(), cr(EmailAddress="none"), detail(), count=1))
        assert house.customer().email == ""
        ghost = house.ghost()
        assert ghost is None or ghost.email == ""
        before = house.contents()
        again = house.take(bills(ih(), cr(EmailAddress="none"), detail(), count=1))
        assert (again.unchanged, again.warnings) == (1, 1)
        assert house.contents() == before

    def test_an_account_number_over_the_limit_is_told_its_limit(self, house: House) -> None:
        longest = "1" * MAX_ACCOUNT_CHARACTERS
        run = house.take(bills(*one(longest), *one("1" + longest, "B-1"), *one("1" * 65, "C-1"), count=3))
        assert [(row.line, row.column, row.reason) for row in house.rows(run)] == [
            (6, "AccountNumber", "is longer than 50 characters"),
            (9, "AccountNumber", "is longer than 50 characters"),
        ]
        assert list(house.customers()) == [longest]

    def test_a_ctrl_z_at_the_end_is_named_in_the_report_also_of_a_file_without_invoices(self, house: House) -> None:
        for file in (bills(*one(), count=1), bills(count=0)):
            ended = io.BytesIO(file.getvalue() + b"\x1a")
            run = house.take(ended)
            assert (run.state, run.left_out, run.warnings) == ("done", 0, 1)
            (row,) = house.rows(run)
            assert (row.column, row.severity) == ("", "warning")
            assert "Ctrl-Z" in row.reason

    def test_an_unreadable_role_code_leaves_the_invoice_out_and_is_not_quoted(self, house: House) -> None:
        run = house.take(bills(*one(Custom58="O100-1;HUSH-77"), *one("1001-02", "B-1"), count=2))
        (row,) = house.rows(run)
        assert (row.line, row.column) == (2, "Custom58")
        assert row.reason == "has a role code that begins with none of the biller's prefixes"
        assert "HUSH" not in repr(house.everything())
        assert sorted(house.customers()) == ["1001-02"]

    def test_an_account_number_that_is_nothing_in_the_billers_form_is_left_out(self, house: House) -> None:
        house.set_policies(WATER, account_profile="digits_only")
        run = house.take(bills(*one("ABC"), *one("1001-02", "B-1"), count=2))
        assert [(row.line, row.column) for row in house.rows(run)] == [(3, "AccountNumber")]
        assert list(house.customers()) == ["1001-02"]

    def test_the_second_mention_of_an_invoice_is_left_out_in_any_spelling_of_the_account(self, house: House) -> None:
        house.set_policies(WATER, account_profile="digits_only")
        run = house.take(bills(*one("1001-01"), *one("100101"), count=2))
        assert (run.created, run.left_out) == (1, 1)
        assert len(house.customers()) == 1

    def test_a_bad_invoice_does_not_speak_for_its_account(self, house: House) -> None:
        newer_but_bad = (ih(InvoiceNumber="A-2", InvoiceDate="12/18/2026", Custom10=""), cr(Zip="9"), detail())
        house.take(bills(*one(), *newer_but_bad, count=2))
        assert house.customer().zip == "49331"


class TestCredits:
    def test_a_credit_is_stored_with_its_sign_and_the_same_file_changes_nothing(self, house: House) -> None:
        def credit() -> io.BytesIO:
            rows = (
                *one(TotalAmountDue="-12.00", PastDue="-12.00"),
                *one("1001-02", "B-1"),
                *one("1001-03", "C-1", TotalAmountDue="0.00"),
            )
            return file_of(*rows, count=3, total="-2.00")

        run = house.take(credit())
        assert (run.state, run.created) == ("done", 3)
        amounts = [house.invoices(number)[0].total_minor for number in ("1001-01", "1001-02", "1001-03")]
        assert amounts == [-1200, 1000, 0]
        assert house.invoices()[0].past_due_minor == -1200
        assert house.take(credit()).unchanged == 3


class TestLineEnds:
    @pytest.mark.parametrize(("bid", "name"), [(WATER, WATER_FILE), (POWER, POWER_FILE)])
    def test_a_sample_with_carriage_returns_alone_is_the_same_file(self, house: House, bid: int, name: str) -> None:
        house.take(sample(name), bid)
        before = house.contents()
        run = house.take(io.BytesIO(sample(name).getvalue().replace(b"\r\n", b"\n").replace(b"\n", b"\r")), bid)
        assert (run.state, run.unchanged) == ("done", run.read)
        assert house.contents() == before
