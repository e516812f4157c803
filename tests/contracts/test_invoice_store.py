"""Invoices in SQL: paging newest first, cursors that are good for one list, and updates by number."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from idp.billing.invoices import DONATION, Invoice, InvoiceLine
from idp.opaque import new_id
from tests import databases
from tests.databases import START, SqlCase

sql = databases.sql

OAKDALE, BIRCHWOOD = 101, 202
CUSTOMER = UUID(int=7)
"""The same id at both billers: no more than a test can bring about, and no reason to show one's bills to the other."""


def invoice(number: str, day: int = 1, *, bid: int = OAKDALE, customer: UUID = CUSTOMER, total: int = 4250) -> Invoice:
    return Invoice(
        id=new_id(),
        bid=bid,
        customer_id=customer,
        number=number,
        record_type="BILL",
        format_guid=UUID(int=3),
        invoice_type="",
        issued_on=date(2031, 1, day),
        due_on=date(2031, 2, day),
        total_minor=total,
        past_due_minor=0,
        currency="USD",
        customs={10: "ten", 2: "two"},
        lines=(InvoiceLine("Water, m³", Decimal("12.340"), 4250), InvoiceLine("Credit", Decimal("-1"), -100)),
        created_at=START,
    )


def put(sql: SqlCase, *invoices: Invoice) -> None:
    with sql.begin() as stores:
        for each in invoices:
            stores.invoices.put_invoice(each)


def page(sql: SqlCase, cursor: str | None = None, limit: int = 2, bid: int = OAKDALE) -> tuple[list[str], str | None]:
    with sql.begin() as stores:
        found = stores.invoices.list_invoices(bid, CUSTOMER, cursor, limit)
    return [each.number for each in found.invoices], found.cursor


def test_an_invoice_comes_back_as_it_was_put(sql: SqlCase) -> None:
    made = replace(invoice("A-1", total=-(2**40)), invoice_type=DONATION, past_due_minor=2**40)
    put(sql, made)
    with sql.begin() as stores:
        (found,) = stores.invoices.list_invoices(OAKDALE, CUSTOMER, None, 10).invoices
    assert found == made
    # Decimal("12.34") would be equal, and yet not what was sent.
    assert str(found.lines[0].quantity) == "12.340"
    assert list(found.customs) == [2, 10]


def test_invoices_come_newest_first_and_the_number_breaks_ties(sql: SqlCase) -> None:
    put(sql, invoice("A", 1), invoice("B", 3), invoice("C", 2), invoice("D", 3), invoice("E", 3))
    assert page(sql, limit=10) == (["E", "D", "B", "C", "A"], None)


def test_pages_hold_each_invoice_once_and_the_last_has_no_cursor(sql: SqlCase) -> None:
    put(sql, *(invoice(f"N{number}", 1 + number // 3) for number in range(7)))
    shown: list[str] = []
    cursor: str | None = None
    while True:
        numbers, cursor = page(sql, cursor, limit=2)
        shown += numbers
        if cursor is None:
            break
    assert shown == ["N6", "N5", "N4", "N3", "N2", "N1", "N0"]


def test_a_page_that_is_just_full_is_the_last(sql: SqlCase) -> None:
    put(sql, invoice("A"), invoice("B"))
    assert page(sql, limit=2) == (["B", "A"], None)


def test_an_invoice_that_arrives_between_two_pages_shifts_nothing(sql: SqlCase) -> None:
    put(sql, invoice("A", 1), invoice("B", 2), invoice("C", 3))
    _, cursor = page(sql, limit=2)
    put(sql, invoice("D", 4))
    assert page(sql, cursor) == (["A"], None)


def test_a_number_with_dots_and_letters_of_any_kind_is_paged_past(sql: SqlCase) -> None:
    put(sql, invoice("a.b.c"), invoice("Ж/1 %", 2), invoice("'; --", 3))
    _, cursor = page(sql, limit=1)
    second, cursor = page(sql, cursor, limit=1)
    assert second == ["Ж/1 %"]
    assert page(sql, cursor, limit=1) == (["a.b.c"], None)


def test_a_biller_sees_its_own_invoices_only(sql: SqlCase) -> None:
    put(sql, invoice("A"), invoice("B", bid=BIRCHWOOD), invoice("C", customer=UUID(int=8)))
    assert page(sql) == (["A"], None)
    assert page(sql, bid=BIRCHWOOD) == (["B"], None)
    with sql.begin() as stores:
        assert set(stores.invoices.find_invoices(OAKDALE, CUSTOMER, ("A", "B", "C"))) == {"A"}


def test_a_cursor_of_another_list_starts_at_the_beginning(sql: SqlCase) -> None:
    for bid in (OAKDALE, BIRCHWOOD):
        put(sql, *(invoice(number, day, bid=bid) for day, number in enumerate("ABC", 1)))
    _, of_birchwood = page(sql, bid=BIRCHWOOD)
    assert of_birchwood is not None
    assert page(sql, of_birchwood)[0] == ["C", "B"]


def _cursor(text: str | bytes) -> str:
    return base64.urlsafe_b64encode(text.encode() if isinstance(text, str) else text).decode().rstrip("=")


@pytest.mark.parametrize("damage", [["2031-01-02"], ["2031-13-02", "B"], ["x", "B"], ["2031-01-02", "B\0"], ["2031-01-02", 1], []])
def test_a_cursor_that_was_tampered_with_starts_at_the_beginning(sql: SqlCase, damage: list[str | int]) -> None:
    put(sql, *(invoice(number, day) for day, number in enumerate("ABC", 1)))
    _, cursor = page(sql)
    assert cursor is not None
    whose = json.loads(base64.urlsafe_b64decode(cursor + "=="))[0]
    assert page(sql, _cursor(json.dumps([whose, "2031-01-02", "B"])))[0] == ["A"]
    assert page(sql, _cursor(json.dumps([whose, *damage])))[0] == ["C", "B"]


@pytest.mark.parametrize("cursor", ["", "x", "====", "é", "%00", _cursor(b"\xff\xfe"), "A" * 5000])
def test_a_cursor_that_is_no_cursor_starts_at_the_beginning(sql: SqlCase, cursor: str) -> None:
    put(sql, *(invoice(number, day) for day, number in enumerate("ABC", 1)))
    assert page(sql, cursor)[0] == ["C", "B"]


def test_an_invoice_that_is_put_again_is_updated_and_keeps_its_id_and_birth(sql: SqlCase) -> None:
    first = invoice("A")
    put(sql, first, invoice("A", bid=BIRCHWOOD))
    second = replace(
        invoice("A", 9, total=1), customs={3: "x"}, lines=(), invoice_type="LATE", created_at=START + timedelta(days=1)
    )
    put(sql, second)
    with sql.begin() as stores:
        found = stores.invoices.find_invoices(OAKDALE, CUSTOMER, ("A",))
        other = stores.invoices.find_invoices(BIRCHWOOD, CUSTOMER, ("A",))
    assert found == {"A": replace(second, id=first.id, created_at=START)}
    assert other["A"].total_minor == 4250


def test_unknown_numbers_and_no_numbers_are_found_empty(sql: SqlCase) -> None:
    put(sql, invoice("A"))
    with sql.begin() as stores:
        assert stores.invoices.find_invoices(OAKDALE, CUSTOMER, ("Z",)) == {}
        assert stores.invoices.find_invoices(OAKDALE, CUSTOMER, ()) == {}


def test_the_newest_bill_is_no_donation_and_the_number_breaks_ties(sql: SqlCase) -> None:
    put(
        sql, invoice("A", 2), invoice("C", 2), invoice("B", 2), replace(invoice("D", 9), invoice_type=DONATION),
        invoice("E", 20, bid=BIRCHWOOD), invoice("F", 20, customer=UUID(int=8)),
    )  # fmt: skip
    with sql.begin() as stores:
        newest = [stores.invoices.newest_bill(OAKDALE, customer) for customer in (CUSTOMER, UUID(int=9))]
    assert [None if each is None else each.number for each in newest] == ["C", None]


def test_a_cursor_is_known_for_the_list_that_gave_it_and_no_other(sql: SqlCase) -> None:
    put(sql, invoice("A", 1), invoice("B", 2), invoice("C", 3))
    _, cursor = page(sql)
    assert cursor is not None
    with sql.begin() as stores:
        known = stores.invoices.knows_cursor
        assert known(OAKDALE, CUSTOMER, cursor)
        assert not known(BIRCHWOOD, CUSTOMER, cursor)
        assert not known(OAKDALE, UUID(int=8), cursor)
        assert not any(known(OAKDALE, CUSTOMER, text) for text in (cursor[4:], "é", "", "!"))
