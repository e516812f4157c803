"""Customers: one per number and biller, what may be set, and that a role code is kept as a digest and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from hub.storage.tables.directory import customers, ghosts, role_codes
from hub.storage.tables.log import change_log, change_values
from idp.directory.customers import Customer
from idp.errors import CustomerExists, CustomerNotFound, InvalidFields
from tests.databases import PATIENCE
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

CODE = "O100-4821-3977"


def everything(house: House) -> str:
    """All that is stored of customers, as text."""
    with house.sql.single.connect() as connection:
        return "".join(repr(connection.execute(select(table)).all()) for table in (customers, role_codes, ghosts, change_values))


@pytest.mark.parametrize("number", ["1001-01", " 1001-01 ", "\t1001-01"])
def test_a_number_exists_once_per_biller_in_any_spelling(house: House, number: str) -> None:
    before = house.count(customers), house.count(change_log)
    with pytest.raises(CustomerExists):
        house.customers.create(MAKER, "r", house.biller(), number)
    assert (house.count(customers), house.count(change_log)) == before


def test_of_calls_that_make_one_number_at_once_one_makes_it(house: House) -> None:
    oakdale = house.biller()
    begun = [house.sql.run_beside(house.customers.create, MAKER, "r", oakdale, "7-07") for _ in range(6)]
    faults = [each.exception(PATIENCE) for each in begun]
    assert [type(fault) for fault in faults if fault is not None] == [CustomerExists] * 5
    assert house.actions().count("customer.create") == 4


@pytest.mark.parametrize("number", ["", "  ", "1" * 51, "1\x00"])
def test_what_is_no_number_is_refused_by_name(house: House, number: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        house.customers.create(MAKER, "r", house.biller(), number)
    assert [each.field for each in refused.value.fields] == ["AccountNumber"]
    with pytest.raises(CustomerNotFound):
        house.customers.get_by_account(house.biller(), number)


@pytest.mark.parametrize("values", [{"closed_at": None}, {"id": "x", "bid": 202}, {"account_key": "x"}])
def test_what_is_ours_cannot_be_set(house: House, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidFields) as made:
        house.customers.create(MAKER, "r", house.biller(), "7-07", **values)
    assert {each.field for each in made.value.fields} == set(values)
    with pytest.raises(InvalidFields):
        house.customers.change(MAKER, "r", house.biller(), house.customer("1001-01").id, **values)


def test_the_same_number_at_two_billers_is_two_customers(house: House) -> None:
    here, there = house.customer("1001-01"), house.customer("1001-01", BIRCHWOOD)
    assert here.id != there.id
    with pytest.raises(CustomerNotFound):
        house.customers.get(BIRCHWOOD, here.id)
    with pytest.raises(CustomerNotFound):
        house.customers.change(MAKER, "r", house.biller(BIRCHWOOD), here.id, name="taken")
    assert house.customer("1001-01") == here


def test_the_log_of_a_change_holds_what_differs_and_an_idle_change_has_none(house: House) -> None:
    made = house.customer("1001-01")
    log = len(house.actions())
    house.customers.change(MAKER, "r", house.biller(), made.id, phone="555-0100", name=made.name)
    house.customers.change(MAKER, "r", house.biller(), made.id, phone="555-0100")
    assert house.actions(after=log) == ["customer.change"]
    with house.sql.single.connect() as connection:
        last = connection.execute(select(change_values.c.content).order_by(change_values.c.change_id.desc()).limit(1)).scalar_one()
    assert last == '{"after":{"phone":"555-0100"},"before":{"phone":""}}'


def test_a_role_code_is_kept_as_a_digest_and_in_no_other_place(house: House) -> None:
    made = house.customers.create(MAKER, "r", house.biller(), "7-07", customs={58: f"{CODE};G500", 3: "kept"})
    assert made.customs == {3: "kept"}
    with house.sql.database.read() as stores:
        codes = stores.role_codes.list_codes(OAKDALE, made.id)
    assert sorted((code.login_type.value, code.bare) for code in codes) == [(1, False), (4, True)]
    assert not any(text in everything(house) for text in (CODE, "48213977", "4821-3977"))


def test_a_role_code_that_comes_with_a_change_replaces_the_codes_and_is_in_no_other_place(house: House) -> None:
    made = house.customer("1001-01")
    house.customers.change(MAKER, "r", house.biller(), made.id, customs={58: "G500;OS300"})
    changed = house.customers.change(MAKER, "r", house.biller(), made.id, customs={58: CODE, 3: "kept"})
    assert changed.customs == {3: "kept"}
    assert "3977" not in everything(house)
    assert house.count(role_codes) == 1
    with house.sql.single.connect() as connection:
        last = connection.execute(select(change_values.c.content).order_by(change_values.c.change_id.desc()).limit(1)).scalar_one()
    assert last == '{"after":{"customs":{"3":"kept"},"role_codes":"changed"},"before":{"customs":{}}}'


def test_the_same_codes_again_or_none_named_change_nothing_and_an_empty_field_takes_them_away(house: House) -> None:
    made = house.customers.create(MAKER, "r", house.biller(), "7-07", customs={58: CODE})
    rows = house.count(change_log)
    house.customers.change(MAKER, "r", house.biller(), made.id, custom_changes={58: CODE})
    house.customers.change(MAKER, "r", house.biller(), made.id, custom_changes={})
    assert (house.count(role_codes), house.count(change_log)) == (1, rows)
    house.customers.change(MAKER, "r", house.biller(), made.id, custom_changes={58: ""})
    assert (house.count(role_codes), house.count(change_log)) == (0, rows + 1)


def test_customs_that_are_named_change_and_the_others_stay(house: House) -> None:
    made = house.customers.create(MAKER, "r", house.biller(), "7-07", customs={1: "one", 2: "two"})
    changed = house.customers.change(MAKER, "r", house.biller(), made.id, custom_changes={2: "", 3: "three"})
    assert changed.customs == {1: "one", 3: "three"}


def test_an_empty_display_number_shows_the_account_number(house: House) -> None:
    made = house.customers.create(MAKER, "r", house.biller(), "7-07", display_number="7/07")
    assert house.customers.change(MAKER, "r", house.biller(), made.id, display_number="").display_number == "7-07"


def test_of_changes_at_once_none_loses_what_another_wrote(house: House) -> None:
    made = house.customers.create(MAKER, "r", house.biller(), "7-07")
    numbers = range(1, 9)
    beside = [
        house.sql.run_beside(house.customers.change, MAKER, "r", house.biller(), made.id, custom_changes={number: f"text {number}"})
        for number in numbers
    ]
    for each in beside:
        each.result(60)
    assert house.customers.get(OAKDALE, made.id).customs == {number: f"text {number}" for number in numbers}


def test_the_ghost_follows_a_changed_address_until_somebody_is_registered(house: House) -> None:
    made = house.customers.create(MAKER, "r", house.biller(), "7-07", name="Holder", email="old@example.com")

    def ghost() -> tuple[str, str, str]:
        with house.sql.database.read() as stores:
            found = stores.ghosts.find_ghost(OAKDALE, made.id)
        assert found is not None
        return found.name, found.email, found.email_key

    house.customers.change(MAKER, "r", house.biller(), made.id, email="New@Example.com", name="Heir")
    assert ghost() == ("Heir", "New@example.com", "new@example.com")
    house.customers.change(MAKER, "r", house.biller(), made.id, email="")
    assert ghost() == ("Heir", "", "")
    house.made("pat", "7-07")
    house.customers.change(MAKER, "r", house.biller(), made.id, email="later@example.com")
    assert ghost() == ("Heir", "", "")


def test_what_a_caller_wants_committed_with_a_new_customer_is_committed_or_nothing_is(house: House) -> None:
    def break_off(_stores: object, _made: Customer) -> None:
        raise RuntimeError

    before = house.count(customers), house.count(change_log)
    with pytest.raises(RuntimeError):
        house.customers.create(MAKER, "r", house.biller(), "7-07", break_off, name="Holder")
    assert (house.count(customers), house.count(change_log)) == before
    seen: list[Customer] = []
    made = house.customers.create(MAKER, "r", house.biller(), "7-07", lambda _stores, customer: seen.append(customer))
    assert seen == [made]


def test_the_field_of_the_role_code_is_the_billers_own_choice(house: House) -> None:
    house.change_policies(role_code_field=7)
    made = house.customers.create(MAKER, "r", house.biller(), "7-07", customs={7: CODE, 58: "plain"})
    assert made.customs == {58: "plain"}
    there = house.customers.create(MAKER, "r", house.biller(BIRCHWOOD), "7-07", customs={7: "plain", 58: CODE})
    assert there.customs == {7: "plain"}
    assert house.count(role_codes) == 2


def test_an_unreadable_role_code_is_refused_by_its_field_without_its_text_and_makes_nothing(house: House) -> None:
    before = house.count(customers)
    with pytest.raises(InvalidFields) as refused:
        house.customers.create(MAKER, "r", house.biller(), "7-07", customs={58: "HUSH77"})
    assert [each.field for each in refused.value.fields] == ["Custom58"]
    assert "HUSH77" not in repr(refused.value.fields) + repr(refused.value)
    assert house.count(customers) == before


def test_a_biller_without_role_codes_neither_reads_nor_keeps_the_field(house: House) -> None:
    house.change_policies(role_codes="off")
    made = house.customers.create(MAKER, "r", house.biller(), "7-07", customs={58: "HUSH77"})
    assert made.customs == {}
    assert "HUSH77" not in everything(house)
    assert house.count(role_codes) == 0


def test_an_account_with_an_address_has_a_ghost_and_one_without_has_none(house: House) -> None:
    made = house.customers.create(MAKER, "r", house.biller(), "7-07", name="Holder", email="Holder@EXAMPLE.com")
    assert house.count(ghosts) == 1
    with house.sql.database.read() as stores:
        ghost = stores.ghosts.find_ghost(OAKDALE, made.id)
        assert stores.ghosts.find_ghost(BIRCHWOOD, made.id) is None
    assert ghost is not None
    assert (ghost.name, ghost.email, ghost.email_key) == ("Holder", "Holder@example.com", "holder@example.com")
    assert house.ties("7-07") == []
    with pytest.raises(InvalidFields):
        house.customers.create(MAKER, "r", house.biller(), "8-08", email="nobody")
