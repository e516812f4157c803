"""Registrations (idp.directory.registrations). Partial unique indexes keep one Owner per customer and one tie per pair."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update

from hub.storage.sql.conflicts import broken_means
from hub.storage.sql.rows import batches, columns, given, values
from hub.storage.tables.directory import customers, one_owner, one_tie, registrations
from hub.storage.work import Work
from idp.directory.registrations import Registration
from idp.errors import Raced

_ACTIVE = (
    select(*columns(Registration, registrations))
    .where(registrations.c.bid == bindparam("bid"), registrations.c.ended_at.is_(None))
    .order_by(registrations.c.registered_at, registrations.c.id)
)
_OF_USER = _ACTIVE.where(registrations.c.user_id == bindparam("user_id"))
_OF_CUSTOMERS = _ACTIVE.where(registrations.c.customer_id.in_(bindparam("customer_ids", expanding=True)))
# A change of the customer has to know every user that rests on it: it waits for this registration, or this one for it.
_LOCK_CUSTOMER = (
    select(customers.c.id)
    .where(customers.c.bid == bindparam("bid"), customers.c.id == bindparam("customer_id"))
    .with_for_update(key_share=True)
)
_INSERT = insert(registrations)
_UPDATE = (
    update(registrations)
    .where(registrations.c.bid == bindparam("this_bid"), registrations.c.id == bindparam("this_id"))
    .values(given(registrations, "login_type", "pending", "ended_at"))
)
_TAKEN = "the seat or the tie was taken in the meantime"


class SqlRegistrationStore:
    """Satisfies RegistrationStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def list_of_user(self, bid: int, user_id: UUID) -> list[Registration]:
        rows = self._work.connection.execute(_OF_USER, {"bid": bid, "user_id": user_id})
        return [Registration(*row) for row in rows]

    def list_of_customers(self, bid: int, customer_ids: Iterable[UUID]) -> dict[UUID, list[Registration]]:
        found: dict[UUID, list[Registration]] = {}
        for batch in batches(customer_ids):
            for row in self._work.connection.execute(_OF_CUSTOMERS, {"bid": bid, "customer_ids": batch}):
                found.setdefault(row.customer_id, []).append(Registration(*row))
        return found

    def add_registration(self, registration: Registration) -> None:
        self._work.touch_users(registration.bid, [registration.user_id])
        self._work.connection.execute(_LOCK_CUSTOMER, {"bid": registration.bid, "customer_id": registration.customer_id})
        with broken_means(Raced, _TAKEN, one_owner, one_tie):
            self._work.connection.execute(_INSERT, values(registration))

    def put_registration(self, registration: Registration) -> None:
        self._work.touch_users(registration.bid, [registration.user_id])
        changes = {
            "login_type": registration.login_type,
            "pending": registration.pending,
            "ended_at": registration.ended_at,
        }
        with broken_means(Raced, _TAKEN, one_owner, one_tie):
            self._work.connection.execute(_UPDATE, {"this_bid": registration.bid, "this_id": registration.id, **changes})
