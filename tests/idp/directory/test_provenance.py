"""Who wrote what is known of an account, and against whom it may serve."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Uuid, insert, literal, select, update

from hub.storage.tables.directory import customers
from idp.directory.api_keys import ApiKey, KeyPolicies
from idp.directory.customers import Customer, Meter, fields_of
from idp.directory.provenance import (
    FILE,
    STAFF,
    UNKNOWN,
    Writer,
    Written,
    mark,
    may_be_contact,
    may_prove,
    parse_record,
    record_values,
    rewritten,
    writer_in,
    writer_of,
)
from idp.opaque import new_id
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

ONE, TWO = UUID(int=1), UUID(int=2)
BY_ONE, BY_CIS = Writer("partner", ONE), Writer("partner", ONE, states_cis=True)
HOME = "1001-01"


@pytest.mark.parametrize(
    ("writer", "one", "two", "nobody"),
    [
        (FILE, True, True, True),
        (STAFF, True, True, True),
        (BY_ONE, False, True, True),
        (BY_CIS, True, True, True),
        (UNKNOWN, False, False, False),
    ],
)
def test_what_a_partner_wrote_is_no_proof_for_it_unless_its_key_stated_cis(
    writer: Writer, one: bool, two: bool, nobody: bool
) -> None:
    assert [may_prove(writer, each) for each in (ONE, TWO, None)] == [one, two, nobody]
    assert [may_be_contact(writer, each) for each in (ONE, TWO, None)] == [one or writer is UNKNOWN, two or writer is UNKNOWN, True]


@pytest.mark.parametrize("writer", [UNKNOWN, FILE, STAFF, BY_ONE, BY_CIS])
def test_a_writer_is_read_as_it_was_written(writer: Writer) -> None:
    assert Writer.parse(writer.text()) == writer


@pytest.mark.parametrize(
    "text_", ["nobody", "partner", "partner:", "partner:x", f"partner:{ONE}:more", f"file:{ONE}", "FILE", " file"]
)
def test_a_writer_that_this_program_does_not_know_is_unknown(text_: str) -> None:
    assert Writer.parse(text_) == UNKNOWN


def after(record: Any, before: dict[str, str], now: dict[str, str], by: Writer, *said: str) -> dict[str, Written]:
    return rewritten(record, before, now, by, said or tuple(now))


def test_a_value_that_stays_the_same_keeps_its_first_writer() -> None:
    first = after({}, {}, {"zip": "1", "phone": "2"}, FILE)
    again = after(first, {"zip": "1", "phone": "2"}, {"zip": "1", "phone": "2"}, BY_ONE)
    assert again == first
    changed = after(first, {"zip": "1", "phone": "2"}, {"zip": "9", "phone": "2"}, BY_ONE)
    assert (writer_in(changed, "zip", "9"), writer_in(changed, "phone", "2")) == (BY_ONE, FILE)
    back = after(changed, {"zip": "9", "phone": "2"}, {"zip": "1", "phone": "2"}, BY_ONE)
    assert writer_in(back, "zip", "1") == BY_ONE, "whoever puts a value back has written it"
    laundered = after(back, {"zip": "1"}, {"zip": "1"}, FILE)
    assert writer_in(laundered, "zip", "1") == BY_ONE


def test_a_value_that_changed_without_a_word_of_who_did_it_is_nobodys() -> None:
    record = after({}, {}, {"zip": "1"}, FILE)
    assert writer_in(record, "zip", "2") == UNKNOWN
    assert writer_in(record, "phone", "") == UNKNOWN


@pytest.mark.parametrize(("by", "claimed"), [(FILE, True), (STAFF, True), (BY_ONE, False), (BY_CIS, False)])
def test_a_value_of_nobody_is_claimed_by_a_file_or_by_staff_that_says_the_same(by: Writer, claimed: bool) -> None:
    record = after({}, {"zip": "1"}, {"zip": "1"}, by)
    assert writer_in(record, "zip", "1") == (by if claimed else UNKNOWN)
    assert writer_in(after({}, {"zip": "1"}, {"zip": "1"}, by, "phone"), "zip", "1") == UNKNOWN, "it said nothing of it"


def test_the_last_address_that_no_partner_wrote_is_kept_whatever_partners_write_after_it() -> None:
    record: Any = after({}, {}, {"email": "a"}, FILE)
    for old, new, by in (("a", "b", BY_ONE), ("b", "c", Writer("partner", TWO)), ("c", "", BY_ONE), ("", "d", BY_ONE)):
        record = after(record, {"email": old}, {"email": new}, by)
        assert record["email"].before == "a"
    assert after(record, {"email": "d"}, {"email": "e"}, STAFF)["email"].before == ""
    assert after({}, {"email": "old"}, {"email": "b"}, BY_ONE)["email"].before == "old", "of an unknown writer"
    assert "before" not in str(after({}, {}, {"zip": "1"}, BY_ONE)["zip"].before)


def test_a_record_is_read_as_it_was_written_and_what_is_odd_in_it_is_left_out() -> None:
    record = {"email": Written(BY_ONE, mark("b"), "a"), "zip": Written(FILE, mark("1"))}
    assert parse_record(record_values(record)) == record
    odd = {"zip": ["file"], "phone": "file", "name": None, "city": [1, 2], "email": ["file", mark("x"), "y", "of the next version"]}
    assert parse_record(odd) == {"email": Written(FILE, mark("x"), "y")}
    assert record_values({}) == {}


# --- customers -----------------------------------------------------------------------------------------------------------------


def change(house: House, key: ApiKey | None, **values: Any) -> Customer:
    return house.customers.change(MAKER, "r", house.biller(), house.customer(HOME).id, key=key, **values)


def test_each_value_of_a_customer_keeps_who_wrote_it(house: House) -> None:
    own, proof = house.key("own"), house.key("proof")
    assert house.customer(HOME).writer("name") == STAFF
    change(house, own, phone="555", zip="1", meters=(Meter("M-1", "water"),), custom_changes={4: "L-1"})
    change(house, proof, email="by.cis@example.org")
    found = house.customer(HOME)
    by_two = Writer("partner", own.partner.id)
    assert [found.writer(name) for name in ("phone", "zip", "meters", "custom4")] == [by_two] * 4
    assert found.writer("email") == Writer("partner", proof.partner.id, states_cis=True) == writer_of(proof)
    assert (found.writer("name"), found.writer("city")) == (STAFF, UNKNOWN)
    made = house.customers.create(
        MAKER, "r", house.biller(BIRCHWOOD), "7-7", key=house.key("there own"), name="N", email="n@example.org"
    )
    assert {name for name, value in fields_of(made).items() if value} == set(made.written_by)
    assert {written.by.partner_id for written in made.written_by.values()} == {own.partner.id}


def test_sending_back_what_is_there_writes_nothing_and_logs_nothing(house: House) -> None:
    change(house, None, phone="555", email="holder@example.org")
    before, log = house.customer(HOME), len(house.actions())
    change(house, house.key("own"), phone="555", email="holder@example.org", name=before.name)
    assert house.customer(HOME) == before
    assert len(house.actions()) == log


def test_a_program_one_version_back_that_changes_a_value_leaves_it_without_a_writer(house: House) -> None:
    change(house, None, phone="555", email="holder@example.org")
    this = customers.c.id == house.customer(HOME).id
    with house.sql.engine.begin() as connection:
        connection.execute(update(customers).where(this).values(email="other@example.org"))
    found = house.customer(HOME)
    assert (found.writer("email"), found.writer("phone")) == (UNKNOWN, STAFF)
    assert found.contact(house.key("own").partner.id) == "other@example.org"


def test_a_row_from_before_this_was_recorded_has_values_without_writers(house: House) -> None:
    old = house.customer(HOME)
    # The statement of a program that does not know the column.
    columns = [column for column in customers.c if column.name not in {"id", "account_key", "written_by"}]
    picked = select(literal(new_id(), Uuid()), literal("OLD"), *columns).where(customers.c.id == old.id)
    with house.sql.engine.begin() as connection:
        connection.execute(insert(customers).from_select(["id", "account_key", *(column.name for column in columns)], picked))
    found = house.customers.get_by_account(house.biller(), "old")
    assert (found.written_by, found.writer("name")) == ({}, UNKNOWN)
    changed = house.customers.change(MAKER, "r", house.biller(), found.id, name=found.name)
    assert changed.writer("name") == STAFF


def test_the_contact_on_record_is_never_an_address_that_the_partner_wrote_itself(house: House) -> None:
    one, two = house.key("all").partner.id, house.key("own").partner.id
    assert house.customer(HOME).contact(two) == ""
    assert change(house, house.key("own"), email="b@example.org").contact(two) == ""
    assert house.customer(HOME).contact(one) == "b@example.org"
    assert change(house, None, email="a@example.org").contact(two) == "a@example.org"
    assert change(house, house.key("own"), email="").contact(two) == "a@example.org"
    assert replace(house.customer(HOME), email="odd@example.org").contact(two) == "odd@example.org"


def test_keys_that_state_less_than_cis_write_as_partners_do(house: House) -> None:
    key = house.issue("zip", OAKDALE, "two", KeyPolicies(account_proof=("zip", "name")))
    assert change(house, key, zip="12345").writer("zip").vouches is False


def test_a_text_that_no_database_can_hold_has_a_mark_too() -> None:
    assert mark("a\udcff") != mark("a")
