"""The methods of the stores that imports use: several rows in a few statements, on each kind of database, with two billers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select

from hub.storage.sql.rows import MOST_IN_LIST
from hub.storage.tables.log import change_log, change_values
from idp.actor import System
from idp.billing.invoices import Invoice, InvoiceLine
from idp.changelog import Action, Change
from idp.directory.customers import Customer
from idp.directory.ghosts import Ghost
from idp.directory.rights import LoginType
from idp.directory.role_codes import RoleCode
from idp.errors import CustomerExists
from idp.opaque import new_id
from tests.contracts.sql_stores import (
    BIRCHWOOD,
    OAKDALE,
    START,
    DirectoryCase,
    later,
    sample_customer,
    sample_registration,
    sample_user,
    stranger,
)

MANY = MOST_IN_LIST + 3


def customers(directory: DirectoryCase, bid: int = OAKDALE, count: int = 2) -> list[Customer]:
    """Stored customers."""
    made = [sample_customer(bid, f"{number:05}") for number in range(count)]
    directory.put(lambda stores: stores.customers.add_customers(made))
    return made


def ghost(customer: Customer, email: str = "a@example.com") -> Ghost:
    return Ghost(customer.bid, customer.id, "A", email, email, "", START, START)


def code(customer: Customer, digest: str, login_type: LoginType = LoginType.OWNER) -> RoleCode:
    return RoleCode(customer.bid, customer.id, login_type, bare=False, key_version=1, digest=digest)


def invoice(customer: Customer, number: str = "A-1", issued_on: date = date(2031, 4, 1), kind: str = "") -> Invoice:
    lines = (InvoiceLine("Water", Decimal("4.25"), 1000),)
    return Invoice(
        id=new_id(),
        bid=customer.bid,
        customer_id=customer.id,
        number=number,
        record_type="R",
        format_guid=UUID(int=1),
        invoice_type=kind,
        issued_on=issued_on,
        due_on=issued_on,
        total_minor=1000,
        past_due_minor=0,
        currency="USD",
        customs={4: "L"},
        lines=lines,
        created_at=START,
    )


class TestCustomers:
    def test_many_are_added_and_put_at_once(self, directory: DirectoryCase) -> None:
        made = customers(directory, count=MANY)
        keys = [customer.account_key for customer in made]
        assert directory.get(lambda stores: stores.customers.find_by_accounts(OAKDALE, keys)) == dict(zip(keys, made, strict=True))
        changed = [replace(customer, name="New", customs={2: "x"}) for customer in made]
        directory.put(lambda stores: stores.customers.put_customers(changed))
        found = directory.get(lambda stores: stores.customers.find_by_accounts(OAKDALE, keys))
        assert list(found.values()) == changed
        assert directory.get(lambda stores: stores.customers.find_by_accounts(BIRCHWOOD, keys)) == {}

    def test_a_number_that_is_taken_adds_none(self, directory: DirectoryCase) -> None:
        customers(directory, count=1)
        new = [sample_customer(OAKDALE, "99999"), sample_customer(OAKDALE, "00000")]
        with pytest.raises(CustomerExists):
            directory.put(lambda stores: stores.customers.add_customers(new))
        assert directory.get(lambda stores: stores.customers.find_by_accounts(OAKDALE, ["99999"])) == {}

    def test_a_write_renews_the_stamps_of_the_users_on_any_of_them(self, directory: DirectoryCase) -> None:
        first, second = customers(directory)
        avery, blake = sample_user(OAKDALE, "avery"), sample_user(OAKDALE, "blake")
        directory.add(avery, blake, sample_registration(avery, first, LoginType.OWNER))
        directory.add(sample_registration(blake, second, LoginType.OWNER))
        assert directory.renewed_by(lambda stores: stores.customers.put_customers([first, second])) == {
            f"user:{avery.id}", f"user:{blake.id}",
        }  # fmt: skip
        assert directory.renewed_by(lambda stores: stores.customers.put_customers([])) == set()


class TestGhosts:
    def test_several_are_found_by_customer_at_their_biller_only(self, directory: DirectoryCase) -> None:
        made = customers(directory, count=MANY)
        ghosts = [ghost(customer) for customer in made[:-1]]
        directory.put(lambda stores: stores.ghosts.put_ghosts(ghosts))
        ids = [customer.id for customer in made] + [stranger()]
        found = directory.get(lambda stores: stores.ghosts.find_ghosts(OAKDALE, ids))
        assert found == {each.customer_id: each for each in ghosts}
        assert directory.get(lambda stores: stores.ghosts.find_ghosts(BIRCHWOOD, ids)) == {}

    def test_the_one_ghost_of_a_customer_is_updated(self, directory: DirectoryCase) -> None:
        first, second = customers(directory)
        directory.put(lambda stores: stores.ghosts.put_ghosts([ghost(first), ghost(second)]))
        changed = replace(ghost(first, "b@example.com"), email_since=later(5))
        directory.put(lambda stores: stores.ghosts.put_ghosts([changed]))
        found = directory.get(lambda stores: stores.ghosts.find_ghosts(OAKDALE, [first.id, second.id]))
        assert found == {first.id: changed, second.id: ghost(second)}


class TestRoleCodes:
    def test_codes_of_several_customers_are_set_and_found_apart(self, directory: DirectoryCase) -> None:
        first, second = customers(directory)
        (other,) = customers(directory, BIRCHWOOD, count=1)
        directory.put(lambda stores: stores.role_codes.set_codes_of(BIRCHWOOD, {other.id: [code(other, "z")]}))
        wanted = {first.id: [code(first, "a"), code(first, "b", LoginType.GUEST)], second.id: [code(second, "a")]}
        directory.put(lambda stores: stores.role_codes.set_codes_of(OAKDALE, wanted))
        ids = [first.id, second.id, other.id]
        assert directory.get(lambda stores: stores.role_codes.list_codes_of(OAKDALE, ids)) == wanted
        assert directory.get(lambda stores: stores.role_codes.list_codes_of(BIRCHWOOD, ids)) == {other.id: [code(other, "z")]}

    def test_only_unused_codes_of_the_named_customers_are_replaced(self, directory: DirectoryCase) -> None:
        first, second = customers(directory)
        used = replace(code(first, "used"), used_at=later(1))
        before = {first.id: [used, code(first, "old")], second.id: [code(second, "old")]}
        directory.put(lambda stores: stores.role_codes.set_codes_of(OAKDALE, before))
        directory.put(lambda stores: stores.role_codes.set_codes_of(OAKDALE, {first.id: [code(first, "new"), code(first, "used")]}))
        found = directory.get(lambda stores: stores.role_codes.list_codes_of(OAKDALE, [first.id, second.id]))
        assert found == {first.id: [code(first, "new"), used], second.id: [code(second, "old")]}

    def test_a_code_of_another_customer_is_a_mistake(self, directory: DirectoryCase) -> None:
        first, second = customers(directory)
        with pytest.raises(ValueError, match="another customer"):
            directory.put(lambda stores: stores.role_codes.set_codes_of(OAKDALE, {first.id: [code(second, "a")]}))


class TestInvoices:
    def test_many_are_put_and_found_by_customer_and_number(self, directory: DirectoryCase) -> None:
        first, second = customers(directory)
        made = [invoice(first, f"A-{number}") for number in range(MANY)] + [invoice(second, "A-1")]
        directory.put(lambda stores: stores.invoices.put_invoices(made))
        names = [(each.customer_id, each.number) for each in made]
        found = directory.get(lambda stores: stores.invoices.find_many(OAKDALE, [*names, (second.id, "A-2")]))
        assert found == dict(zip(names, made, strict=True))
        assert directory.get(lambda stores: stores.invoices.find_many(BIRCHWOOD, names)) == {}

    def test_one_that_is_there_is_updated_and_keeps_its_id(self, directory: DirectoryCase) -> None:
        (first,) = customers(directory, count=1)
        before = invoice(first)
        directory.put(lambda stores: stores.invoices.put_invoices([before]))
        again = replace(invoice(first), total_minor=7, created_at=later(9))
        directory.put(lambda stores: stores.invoices.put_invoices([again, invoice(first, "A-2")]))
        found = directory.get(lambda stores: stores.invoices.find_many(OAKDALE, [(first.id, "A-1")]))
        assert found == {(first.id, "A-1"): replace(before, total_minor=7)}

    def test_the_newest_date_passes_over_donations(self, directory: DirectoryCase) -> None:
        first, second = customers(directory)
        made = [
            invoice(first, "A-1", date(2031, 1, 1)),
            invoice(first, "A-2", date(2031, 2, 1)),
            invoice(first, "A-3", date(2031, 3, 1), "DONATION"),
            invoice(second, "A-1", date(2031, 3, 1), "DONATION"),
        ]
        directory.put(lambda stores: stores.invoices.put_invoices(made))
        ids = [first.id, second.id]
        assert directory.get(lambda stores: stores.invoices.newest_dates(OAKDALE, ids)) == {first.id: date(2031, 2, 1)}
        assert directory.get(lambda stores: stores.invoices.newest_dates(BIRCHWOOD, ids)) == {}


class TestChangeLog:
    def change(self, subject: str, *, with_values: bool = True) -> Change:
        after = {"subject": subject} if with_values else None
        return Change(OAKDALE, Action.IMPORT_RUN, System("import"), "r-1", subject=subject, after=after)

    @pytest.mark.parametrize("bare", [set(), {"7"}, {str(number) for number in range(MANY)}], ids=["all", "all-but-one", "none"])
    def test_rows_keep_their_order_and_their_values(self, directory: DirectoryCase, bare: set[str]) -> None:
        subjects = [str(number) for number in range(MANY)]
        changes = [self.change(subject, with_values=subject not in bare) for subject in subjects]
        directory.put(lambda stores: stores.changelog.append_all(changes))
        wanted = (
            select(change_log.c.subject, change_log.c.commitment, change_values.c.content)
            .outerjoin(change_values, change_values.c.change_id == change_log.c.id)
            .order_by(change_log.c.id)
        )
        with directory.database.begin() as stores:
            rows = stores.changelog._work.connection.execute(wanted).all()
        assert [row.subject for row in rows] == subjects
        for row in rows:
            assert row.content == (None if row.subject in bare else f'{{"after":{{"subject":"{row.subject}"}},"before":null}}')
            assert bool(row.commitment) == (row.subject not in bare)

    def test_nothing_is_nothing(self, directory: DirectoryCase) -> None:
        directory.put(lambda stores: stores.changelog.append_all([]))

    def test_values_need_a_transaction(self, directory: DirectoryCase) -> None:
        with pytest.raises(RuntimeError, match="transaction"):
            directory.get(lambda stores: stores.changelog.append_all([self.change("a")]))
