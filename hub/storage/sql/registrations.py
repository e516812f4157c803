"""Registrations (idp.directory.registrations). Partial unique indexes keep one Owner per customer and one tie per pair.

A state is two columns: `pending`, which a program one version back reads and writes, and `state`, which it does not know. Where the
two disagree, `pending` is right about whether the registration is active, and whatever is pending for a reason that this program
does not know gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, func, insert, not_, or_, select, update

from hub.storage.sql.conflicts import broken_means
from hub.storage.sql.rows import batches, given, values
from hub.storage.tables.directory import customers, one_owner, one_tie, registrations
from hub.storage.work import Work
from idp.directory.registrations import WAITS_FOR, Registration, RegistrationState
from idp.errors import Raced

STANDS = or_(not_(registrations.c.pending), registrations.c.state == RegistrationState.UNTIL_CODE.value)
"""As `state_of(...).stands`, in SQL."""

_COLUMNS = (
    registrations.c.id,
    registrations.c.bid,
    registrations.c.user_id,
    registrations.c.customer_id,
    registrations.c.login_type,
    registrations.c.registered_at,
    registrations.c.pending,
    registrations.c.state,
    registrations.c.key_id,
    registrations.c.ended_at,
    registrations.c.waits_until,
    registrations.c.held_login_type,
)
_ALL = select(*_COLUMNS)
_OF_BILLER = registrations.c.bid == bindparam("bid")
_OPEN = _ALL.where(_OF_BILLER, registrations.c.ended_at.is_(None)).order_by(registrations.c.registered_at, registrations.c.id)
_OF_USER = registrations.c.user_id == bindparam("user_id")
_OF_CUSTOMERS = registrations.c.customer_id.in_(bindparam("customer_ids", expanding=True))
_STANDING_OF_USER = _OPEN.where(_OF_USER, STANDS)
_STANDING_OF_CUSTOMERS = _OPEN.where(_OF_CUSTOMERS, STANDS)
_WAITING_OF_USER = _OPEN.where(_OF_USER, registrations.c.pending, not_(STANDS))
_WAITING_OF_CUSTOMERS = _OPEN.where(_OF_CUSTOMERS, registrations.c.pending, not_(STANDS))
_ENDED = _ALL.where(
    _OF_BILLER,
    _OF_CUSTOMERS,
    registrations.c.pending,
    registrations.c.ended_at > bindparam("since"),
    not_(STANDS),
).order_by(registrations.c.ended_at.desc(), registrations.c.id.desc())
_IS_OVER = and_(
    not_(registrations.c.state.in_((RegistrationState.UNTIL_CODE.value, RegistrationState.OBJECTED.value))),
    or_(
        registrations.c.waits_until <= bindparam("now_time"),
        and_(registrations.c.waits_until.is_(None), registrations.c.registered_at <= bindparam("begun_before")),
    ),
)
"""As `Registration.is_over`, in SQL, of one that is pending."""

_GIVES_NOTHING = _ALL.where(registrations.c.pending, registrations.c.ended_at.is_(None), not_(STANDS)).limit(bindparam("most"))
_WAITING = _GIVES_NOTHING.where(_OF_BILLER, func.coalesce(not_(_IS_OVER), True)).order_by(registrations.c.id)
_WAITING_AFTER = _WAITING.where(registrations.c.id > bindparam("after"))
_OVERDUE = _GIVES_NOTHING.where(_IS_OVER).order_by(registrations.c.bid, registrations.c.id)
# A change of the customer has to know every user that rests on it: it waits for this registration, or this one for it.
_LOCK_CUSTOMER = (
    select(customers.c.id)
    .where(customers.c.bid == bindparam("bid"), customers.c.id == bindparam("customer_id"))
    .with_for_update(key_share=True)
)
_INSERT = insert(registrations)
_CHANGING = ("login_type", "pending", "state", "ended_at", "waits_until", "held_login_type")
_UPDATE = (
    update(registrations)
    .where(registrations.c.bid == bindparam("this_bid"), registrations.c.id == bindparam("this_id"))
    .values(given(registrations, *_CHANGING))
)
_TAKEN = "the seat or the tie was taken in the meantime"


def state_of(pending: bool, stored: str) -> RegistrationState:
    """What the two columns say."""
    if not pending:
        return RegistrationState.ACTIVE
    if stored in (RegistrationState.UNTIL_CODE, RegistrationState.OBJECTED):
        return RegistrationState(stored)
    return RegistrationState.WAITING


def waits_until(state: RegistrationState, stored: datetime | None, registered_at: datetime) -> datetime | None:
    """When a waiting one is over; where a program one version back wrote it, WAITS_FOR after it was made."""
    return (stored or registered_at + WAITS_FOR) if state is RegistrationState.WAITING else None


class SqlRegistrationStore:
    """Satisfies RegistrationStore and WaitingStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def list_of_user(self, bid: int, user_id: UUID) -> list[Registration]:
        rows = self._work.connection.execute(_STANDING_OF_USER, {"bid": bid, "user_id": user_id})
        return [_registration(row) for row in rows]

    def list_of_customers(self, bid: int, customer_ids: Iterable[UUID]) -> dict[UUID, list[Registration]]:
        return self._by_customer(_STANDING_OF_CUSTOMERS, bid, customer_ids)

    def list_waiting_of_user(self, bid: int, user_id: UUID) -> list[Registration]:
        rows = self._work.connection.execute(_WAITING_OF_USER, {"bid": bid, "user_id": user_id})
        return [_registration(row) for row in rows]

    def list_waiting_of_customers(self, bid: int, customer_ids: Iterable[UUID]) -> dict[UUID, list[Registration]]:
        return self._by_customer(_WAITING_OF_CUSTOMERS, bid, customer_ids)

    def list_ended_waiting(self, bid: int, customer_ids: Iterable[UUID], since: datetime) -> dict[UUID, list[Registration]]:
        return self._by_customer(_ENDED, bid, customer_ids, since=since)

    def list_waiting(self, bid: int, now: datetime, after: UUID | None, limit: int) -> list[Registration]:
        wanted: dict[str, Any] = {"bid": bid, "now_time": now, "begun_before": now - WAITS_FOR, "most": limit}
        statement, more = (_WAITING, {}) if after is None else (_WAITING_AFTER, {"after": after})
        return [_registration(row) for row in self._work.connection.execute(statement, wanted | more)]

    def list_overdue(self, now: datetime, limit: int) -> list[Registration]:
        wanted = {"now_time": now, "begun_before": now - WAITS_FOR, "most": limit}
        return [_registration(row) for row in self._work.connection.execute(_OVERDUE, wanted)]

    def add_registration(self, registration: Registration) -> None:
        self._work.touch_users(registration.bid, [registration.user_id])
        self._work.connection.execute(_LOCK_CUSTOMER, {"bid": registration.bid, "customer_id": registration.customer_id})
        with broken_means(Raced, _TAKEN, one_owner, one_tie):
            self._work.connection.execute(_INSERT, _values(registration))

    def put_registration(self, registration: Registration) -> None:
        self._work.touch_users(registration.bid, [registration.user_id])
        changes = {name: value for name, value in _values(registration).items() if name in _CHANGING}
        with broken_means(Raced, _TAKEN, one_owner, one_tie):
            self._work.connection.execute(_UPDATE, {"this_bid": registration.bid, "this_id": registration.id, **changes})

    def _by_customer(self, statement: Any, bid: int, customer_ids: Iterable[UUID], **more: Any) -> dict[UUID, list[Registration]]:
        found: dict[UUID, list[Registration]] = {}
        for batch in batches(customer_ids):
            for row in self._work.connection.execute(statement, {"bid": bid, "customer_ids": batch, **more}):
                found.setdefault(row.customer_id, []).append(_registration(row))
        return found


def _values(registration: Registration) -> dict[str, Any]:
    return values(registration) | {"pending": registration.pending, "state": registration.state.value}


def _registration(row: Any) -> Registration:
    stored = row._asdict()
    state = state_of(stored.pop("pending"), stored["state"])
    return Registration(
        **(stored | {"state": state, "waits_until": waits_until(state, stored["waits_until"], stored["registered_at"])})
    )
