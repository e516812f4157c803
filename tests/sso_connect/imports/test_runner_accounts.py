"""Importing invoice files: what an invoice says of its account, its ghost and its role codes, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from sqlalchemy import update

from hub.storage.tables.directory import role_codes
from idp.directory.customers import Meter, customer_values
from idp.directory.rights import LoginType
from sso_connect.imports.bif import ColumnMap
from tests.sso_connect.imports.bif_files import CR, IH, cr, detail, ih
from tests.sso_connect.imports.import_house import POWER, WATER, House, bills, one, sample

NO_OPTIONAL = ColumnMap.from_mapping(
    {
        "IH": ["RecordType", "InvoiceFormatGuid", "InvoiceNumber", "InvoiceDate", "InvoiceDueDate", "TotalAmountDue", "Custom10"],
        "CR": ["AccountNumber", "CustomerName"],
        "ID": ["Description"],
    }
)
WITH_TYPE = ColumnMap.from_mapping({"IH": [*IH, "InvoiceType"], "CR": [*CR, "Meters"]})


def bare_rows(name: str = "Avery Brandt") -> tuple[str, str, str]:
    """One invoice in the columns of NO_OPTIONAL."""
    wanted = [IH[column] for column in NO_OPTIONAL.invoice]
    return "|".join(["IH", *wanted]), f"CR|1001-01|{name}", "ID|Water"


def typed(invoice_type: str, meters: str = "", **invoice: str) -> tuple[str, str, str]:
    """One invoice in the columns of WITH_TYPE."""
    return f"{ih(**invoice)}|{invoice_type}", f"{cr()}|{meters}", detail()


class TestCustomer:
    def test_columns_that_the_map_lacks_leave_stored_values_alone(self, house: House) -> None:
        house.take(bills(*one(), count=1))
        before, codes, ghost = house.customer(), house.codes(), house.ghost()
        house.change_customer(before, block_cc=True, block_ach=True, protected=True, customs={7: "api"})
        run = house.take(bills(*bare_rows("New Name"), count=1), column_map=NO_OPTIONAL)
        assert run.changed == 1
        after = house.customer()
        assert customer_values(after) == customer_values(
            replace(before, name="New Name", block_cc=True, block_ach=True, protected=True, customs={7: "api"})
        )
        assert house.codes() == codes
        assert house.ghost() == ghost, "the file says nothing of an address"

    def test_an_empty_cell_empties_the_value(self, house: House) -> None:
        house.take(bills(*one(), count=1))
        empty = dict.fromkeys(("Address1", "City", "State", "Zip", "Phone", "EmailAddress", "DisplayAccountNumber"), "")
        house.take(bills(ih(), cr(**empty, BlockPaymentsCC=""), detail(), count=1))
        customer = house.customer()
        assert (customer.address1, customer.city, customer.zip, customer.phone, customer.email) == ("", "", "", "", "")
        assert customer.display_number == "1001-01", "an empty display number shows the account number"

    def test_an_empty_block_says_nothing_and_y_and_n_say_what_they_mean(self, house: House) -> None:
        for cell, blocked in (("Y", True), ("", True), ("N", False), ("", False)):
            house.take(bills(ih(), cr(BlockPaymentsCC=cell), detail(), count=1))
            assert house.customer().block_cc is blocked

    def test_an_account_is_found_again_in_any_spelling_and_keeps_its_first(self, house: House) -> None:
        house.set_policies(WATER, account_profile="digits_only")
        house.take(bills(*one("1001-01"), count=1))
        run = house.take(bills(*one("10 01/01"), count=1))
        assert (run.created, run.unchanged) == (0, 1)
        assert list(house.customers()) == ["1001-01"]

    def test_the_same_account_number_at_another_biller_is_another_account(self, house: House) -> None:
        house.take(sample("9002_11192026.bif"), POWER)
        power = house.contents()
        house.take(bills(*one("20001"), count=1))
        assert house.customer("20001", POWER).id != house.customer("20001", WATER).id
        for name, rows in power.items():
            assert set(map(repr, rows)) <= set(map(repr, house.contents()[name])), name

    def test_customs_set_by_api_stay_and_win_for_the_service_location(self, house: House) -> None:
        house.take(bills(*one(Custom4="LOC1"), count=1))
        house.change_customer(house.customer(), customs={4: "BY-API"}, service_location_id="BY-API")
        assert house.take(bills(*one(Custom4="LOC2"), count=1)).changed == 1, "the invoice has its own custom"
        assert house.customer().service_location_id == "BY-API"
        assert house.customer().customs == {4: "BY-API"}
        assert house.invoices()[0].customs[4] == "LOC2"

    def test_an_empty_service_location_leaves_the_known_one(self, house: House) -> None:
        house.take(bills(*one(Custom4="LOC1"), count=1))
        house.take(bills(*one(number="A-2", Custom4="", InvoiceDate="12/18/2026"), count=1))
        assert house.customer().service_location_id == "LOC1"

    def test_prepaid_is_set_by_an_invoice_and_never_lowered_by_one(self, house: House) -> None:
        house.take(bills(*typed("UTIL"), count=1), column_map=WITH_TYPE)
        assert not house.customer().prepaid
        house.take(bills(*typed("prepaid", InvoiceNumber="A-2"), count=1), column_map=WITH_TYPE)
        assert house.customer().prepaid
        house.take(bills(*typed("UTIL", InvoiceNumber="A-3", InvoiceDate="12/18/2026"), count=1), column_map=WITH_TYPE)
        assert house.customer().prepaid

    def test_meters_are_replaced_and_known_ones_keep_what_the_api_said_of_them(self, house: House) -> None:
        house.take(bills(*typed("", "W-1:water;E-1:electric"), count=1), column_map=WITH_TYPE)
        assert house.customer().meters == (Meter("W-1", "water"), Meter("E-1", "electric"))
        house.change_customer(house.customer(), meters=(Meter("W-1", "water", "LOC9", active=False), Meter("E-1", "electric")))
        house.take(bills(*typed("", "W-1:water;G-1:gas"), count=1), column_map=WITH_TYPE)
        assert house.customer().meters == (Meter("W-1", "water", "LOC9", active=False), Meter("G-1", "gas"))
        house.take(bills(*one(), count=1))
        assert len(house.customer().meters) == 2, "a file without the column says nothing"
        house.take(bills(*typed("", ""), count=1), column_map=WITH_TYPE)
        assert house.customer().meters == ()

    def test_users_of_a_changed_customer_are_read_again_and_others_are_not(self, house: House) -> None:
        house.take(bills(*one(), *one("1001-02", "B-1"), count=2))
        user, _ = house.register("1001-01", name="avery")
        house.register("1001-02", name="blake")
        house.kv.renewals.clear()
        house.take(bills(ih(), cr(CustomerName="New Name"), detail(), *one("1001-02", "B-1"), count=2))
        assert {stamp for renewal in house.kv.renewals for stamp in renewal.stamps} == {f"user:{user.id}"}


class TestInvoices:
    def test_a_corrected_invoice_is_updated_in_place(self, house: House) -> None:
        house.take(bills(*one(), count=1))
        (before,) = house.invoices()
        run = house.take(bills(*one(PastDue="3.21"), count=1))
        assert (run.created, run.changed) == (0, 1)
        assert house.invoices() == [replace(before, past_due_minor=321)]

    def test_the_same_number_on_two_accounts_is_two_invoices(self, house: House) -> None:
        house.take(bills(*one("1001-01"), *one("1001-02"), count=2))
        assert house.invoices("1001-01")[0].id != house.invoices("1001-02")[0].id

    def test_empty_quantity_and_amount_of_a_line_read_as_one_of_nothing(self, house: House) -> None:
        house.take(bills(ih(), cr(), detail(Quantity="", Amount=""), count=1))
        (line,) = house.invoices()[0].lines
        assert (line.quantity, line.amount_minor) == (Decimal(1), 0)


class TestNewest:
    def test_a_late_file_adds_its_invoices_and_leaves_location_and_codes_of_the_newer_one(self, house: House) -> None:
        house.take(bills(*one(number="DEC", InvoiceDate="12/18/2026", Custom4="NEW", Custom58="O100-2"), count=1))
        codes = house.codes()
        late = (ih(InvoiceNumber="NOV", InvoiceDate="11/18/2026", Custom4="OLD", Custom58="O100-1"), cr(Zip="1"), detail())
        assert house.take(bills(*late, count=1)).created == 1
        assert [bill.number for bill in house.invoices()] == ["DEC", "NOV"]
        assert house.customer().service_location_id == "NEW"
        assert house.codes() == codes, "a code that was taken back does not come back"
        assert house.customer().zip == "1", "the customer row goes by the order of arrival"

    def test_within_a_file_the_newest_invoice_speaks_wherever_it_stands(self, house: House) -> None:
        older = (ih(InvoiceNumber="A-1", InvoiceDate="10/18/2026", Custom4="OLD"), cr(Zip="1"), detail())
        newer = (ih(InvoiceNumber="A-2", InvoiceDate="11/18/2026", Custom4="NEW"), cr(Zip="2"), detail())
        for number, rows in (("1001-01", (*older, *newer)), ("1001-02", (*newer, *older))):
            house.take(bills(*(row.replace("1001-01", number, 1) for row in rows), count=2), batch=1)
            assert (house.customer(number).zip, house.customer(number).service_location_id) == ("2", "NEW")

    def test_a_newer_donation_does_not_speak(self, house: House) -> None:
        donation = typed("DONATION", InvoiceNumber="A-2", InvoiceDate="12/18/2026", Custom4="GIFT", Custom58="")
        house.take(bills(*typed("UTIL"), *donation, count=2), column_map=WITH_TYPE)
        assert house.customer().service_location_id == "LOC1"
        assert len(house.codes()) == 1
        house.take(bills(*typed("UTIL", InvoiceNumber="A-3", Custom4="LOC3"), count=1), column_map=WITH_TYPE)
        assert house.customer().service_location_id == "LOC3", "and does not make an ordinary invoice look late"

    def test_an_account_with_a_donation_only_has_its_name_and_address_and_no_codes(self, house: House) -> None:
        house.take(bills(*typed("DONATION", Custom58="O100-1"), count=1), column_map=WITH_TYPE)
        assert (house.customer().name, house.customer().service_location_id, house.codes()) == ("Avery Brandt", "", [])


class TestRoleCodes:
    def test_new_codes_replace_the_unused_ones_and_an_empty_field_removes_them(self, house: House) -> None:
        house.take(bills(*one(Custom58="O100-1;G500"), count=1))
        assert house.kinds() == [(LoginType.OWNER, False), (LoginType.GUEST, True)]
        house.take(bills(*one(Custom58="C200-9"), count=1))
        assert house.kinds() == [(LoginType.CO_OWNER, False)]
        house.take(bills(*one(Custom58=""), count=1))
        assert house.kinds() == []

    def test_the_change_log_counts_codes_by_kind(self, house: House) -> None:
        house.take(bills(*one(Custom58="O100-1;O100-2;G500"), count=1))
        house.take(bills(*one(Custom58="C200-9"), count=1))
        contents = [content for action, content in house.changes() if action.startswith("customer.")]
        assert contents[0]["after"]["role_codes"] == {"Guest": 1, "Owner": 2}
        assert contents[1] == {"before": {"role_codes": {"Guest": 1, "Owner": 2}}, "after": {"role_codes": {"Co-owner": 1}}}

    def test_dashes_blanks_and_case_do_not_make_another_code(self, house: House) -> None:
        house.take(bills(*one(Custom58="O100-4821-OI"), count=1))
        assert house.take(bills(*one(Custom58="o100 4821 01;"), count=1)).unchanged == 1

    def test_a_used_code_is_not_armed_again_and_is_not_a_change(self, house: House) -> None:
        house.take(bills(*one(Custom58="O100-1"), count=1))
        with house.engines.writing.begin() as connection:
            connection.execute(update(role_codes).values(used_at=house.clock.now()))
        assert house.take(bills(*one(Custom58="O100-1"), count=1)).unchanged == 1
        assert house.take(bills(*one(Custom58=""), count=1)).unchanged == 1
        house.take(bills(*one(Custom58="O100-1;G500-1"), count=1))
        assert [code.used_at is not None for code in house.codes()] == [True, False]

    def test_the_field_is_the_billers_choice_and_is_taken_out_wherever_it_is(self, house: House) -> None:
        house.set_policies(WATER, role_code_field=4)
        house.take(bills(*one(Custom4="O100-HUSH1", Custom58="plain"), count=1))
        assert house.kinds() == [(LoginType.OWNER, False)]
        assert house.customer().service_location_id == ""
        assert house.invoices()[0].customs == {10: "1001-12345", 58: "plain"}
        assert "HUSH" not in repr(house.everything())

    def test_with_role_codes_off_the_field_is_neither_read_nor_kept(self, house: House) -> None:
        house.set_policies(WATER, role_codes="off")
        run = house.take(bills(*one(Custom58="HUSH-1"), count=1))
        assert (run.created, run.left_out, house.codes()) == (1, 0, [])
        assert "HUSH" not in repr(house.everything())

    def test_the_same_code_on_two_accounts_has_two_digests(self, house: House) -> None:
        house.take(bills(*one("1001-01"), *one("1001-02"), count=2))
        (first,), (second,) = house.codes("1001-01"), house.codes("1001-02")
        assert first.digest != second.digest


class TestGhosts:
    def test_an_address_that_changes_is_on_record_from_now(self, house: House) -> None:
        house.take(bills(*one(), count=1))
        first = house.ghost()
        assert first is not None
        house.take(bills(ih(), cr(Phone="1"), detail(), count=1))
        same = house.ghost()
        assert same == replace(first, phone="1")
        house.take(bills(ih(), cr(Phone="1", EmailAddress="New@EXAMPLE.com"), detail(), count=1))
        changed = house.ghost()
        assert changed is not None
        assert (changed.email, changed.email_key) == ("New@example.com", "new@example.com")
        assert (changed.email_since, changed.created_at) == (house.clock.now(), first.created_at)

    def test_an_account_with_a_user_gets_the_address_and_no_ghost_and_the_user_stays_as_it_is(self, house: House) -> None:
        house.take(bills(ih(), cr(EmailAddress=""), detail(), count=1))
        user, registration = house.register()
        house.take(bills(*one(), count=1))
        assert house.customer().email == "avery.brandt@example.com"
        assert house.ghost() is None
        with house.database.read() as stores:
            assert stores.users.find_user(WATER, user.id) == user
            assert stores.registrations.list_of_user(WATER, user.id) == [registration]

    def test_a_ghost_stands_still_while_somebody_is_registered_and_follows_again_afterwards(self, house: House) -> None:
        house.take(bills(*one(), count=1))
        _, registration = house.register()
        new = (ih(), cr(EmailAddress="new@example.com"), detail())
        house.take(bills(*new, count=1))
        ghost = house.ghost()
        assert ghost is not None
        assert ghost.email == "avery.brandt@example.com"
        with house.database.begin() as stores:
            stores.registrations.put_registration(replace(registration, ended_at=house.clock.now()))
        assert house.take(bills(*new, count=1)).changed == 1
        ghost = house.ghost()
        assert ghost is not None
        assert (ghost.email, ghost.email_since) == ("new@example.com", house.clock.now())

    def test_an_address_that_the_biller_withdraws_is_taken_off(self, house: House) -> None:
        house.take(bills(*one(), count=1))
        house.take(bills(ih(), cr(EmailAddress=""), detail(), count=1))
        ghost = house.ghost()
        assert ghost is not None
        assert (ghost.email, ghost.email_key, ghost.email_since) == ("", "", house.clock.now())

    def test_what_staff_found_out_stays_unless_the_file_has_an_address(self, house: House) -> None:
        house.take(bills(ih(), cr(EmailAddress="", Phone=""), detail(), count=1))
        house.take(bills(*one(), count=1))
        ghost = house.ghost()
        assert ghost is not None
        house.put_ghost(replace(ghost, name="A. Brandt", email="found@example.com", email_key="found@example.com", phone="9"))
        house.take(bills(ih(), cr(EmailAddress="", CustomerName="Brandt"), detail(), count=1))
        kept = house.ghost()
        assert kept is not None
        assert (kept.name, kept.email, kept.phone) == ("A. Brandt", "found@example.com", "9")
        house.take(bills(*one(), count=1))
        after = house.ghost()
        assert after is not None
        assert (after.name, after.email, after.phone) == ("A. Brandt", "avery.brandt@example.com", "9")
