"""Customers (idp.directory.customers)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, select, update

from hub.storage.sql.conflicts import broken_means, unique_rule
from hub.storage.sql.rows import batches, columns, given, values
from hub.storage.tables.directory import customers, registrations
from hub.storage.work import Work
from idp.directory.customers import Customer, Meter
from idp.directory.provenance import parse_record, record_values
from idp.errors import CustomerExists

_SELECT = select(*columns(Customer, customers)).where(customers.c.bid == bindparam("bid"))
_BY_ID = _SELECT.where(customers.c.id == bindparam("customer_id"))
# Not FOR UPDATE, which would hold up every row elsewhere that refers to the customer.
_BY_ID_LOCKED = _BY_ID.with_for_update(key_share=True)
_BY_ACCOUNTS = _SELECT.where(customers.c.account_key.in_(bindparam("keys", expanding=True))).order_by(customers.c.account_key)
_BY_ACCOUNTS_LOCKED = _BY_ACCOUNTS.with_for_update(key_share=True)
_PAGE = _SELECT.where(customers.c.account_key > bindparam("after")).order_by(customers.c.account_key).limit(bindparam("most"))
_INSERT = insert(customers)
_UPDATE = (
    update(customers)
    .where(customers.c.bid == bindparam("this_bid"), customers.c.id == bindparam("this_id"))
    .values(given(customers, *(column.name for column in customers.c if column.name not in {"bid", "id"})))
)
_USERS = select(registrations.c.user_id).where(
    registrations.c.bid == bindparam("bid"),
    registrations.c.customer_id.in_(bindparam("customer_ids", expanding=True)),
    registrations.c.ended_at.is_(None),
)
_NUMBER = unique_rule(customers, "bid", "account_key")


class SqlCustomerStore:
    """Satisfies CustomerStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def find_customer(self, bid: int, customer_id: UUID, *, lock: bool = False) -> Customer | None:
        statement = _BY_ID_LOCKED if lock else _BY_ID
        row = self._work.connection.execute(statement, {"bid": bid, "customer_id": customer_id}).one_or_none()
        return None if row is None else _customer(row)

    def find_by_accounts(self, bid: int, keys: Iterable[str], *, lock: bool = False) -> dict[str, Customer]:
        statement = _BY_ACCOUNTS_LOCKED if lock else _BY_ACCOUNTS
        found: dict[str, Customer] = {}
        for batch in batches(sorted(keys)):
            for row in self._work.connection.execute(statement, {"bid": bid, "keys": batch}):
                found[row.account_key] = _customer(row)
        return found

    def list_customers(self, bid: int, after: str, limit: int) -> list[Customer]:
        rows = self._work.connection.execute(_PAGE, {"bid": bid, "after": after, "most": limit})
        return [_customer(row) for row in rows]

    def add_customer(self, customer: Customer) -> None:
        with broken_means(CustomerExists, customer.account_key, _NUMBER):
            self._work.connection.execute(_INSERT, _values(customer))

    def put_customer(self, customer: Customer) -> None:
        self._work.touch()
        execute = self._work.connection.execute
        with broken_means(CustomerExists, customer.account_key, _NUMBER):
            execute(_UPDATE, _values(customer) | {"this_bid": customer.bid, "this_id": customer.id})
        # After the update, which keeps SqlRegistrationStore.add_registration from adding another user until the commit.
        users = execute(_USERS, {"bid": customer.bid, "customer_ids": [customer.id]})
        self._work.touch_users(customer.bid, users.scalars())

    def add_customers(self, customers: Sequence[Customer]) -> None:
        if customers:
            with broken_means(CustomerExists, "one of several", _NUMBER):
                self._work.connection.execute(_INSERT, [_values(customer) for customer in customers])

    def put_customers(self, customers: Sequence[Customer]) -> None:
        if not customers:
            return
        self._work.touch()
        execute = self._work.connection.execute
        with broken_means(CustomerExists, "one of several", _NUMBER):
            rows = [_values(customer) | {"this_bid": customer.bid, "this_id": customer.id} for customer in customers]
            execute(_UPDATE, rows)
        bid = customers[0].bid
        for batch in batches(customer.id for customer in customers):
            self._work.touch_users(bid, execute(_USERS, {"bid": bid, "customer_ids": batch}).scalars())


def _values(customer: Customer) -> dict[str, Any]:
    return values(customer) | {
        "customs": {str(number): value for number, value in customer.customs.items()},
        "meters": [values(meter) for meter in customer.meters],
        "written_by": record_values(customer.written_by),
    }


def _customer(row: Row[Any]) -> Customer:
    stored = row._asdict()
    read = {
        "customs": {int(number): value for number, value in stored["customs"].items()},
        "meters": tuple(Meter(**meter) for meter in stored["meters"]),
        "written_by": parse_record(stored["written_by"]),
    }
    return Customer(**(stored | read))
