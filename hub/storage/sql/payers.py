"""Payers (idp.directory.payers): the hot path. One constant statement per question.

`find_payer` has a row for each active account (one with empty account columns when there is none), each with the user beside
it. The partners that may speak for the user come as one JSON object, from a subquery that does not depend on the row.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, and_, bindparam, cast, func, select

from hub.storage.sql.registrations import state_of, waits_until
from hub.storage.sql.rows import columns
from hub.storage.tables.directory import customers, registrations, users
from hub.storage.tables.partners import partner_users
from hub.storage.work import Work
from idp.directory.payers import Account, PayerRecord, WaitingAccount
from idp.directory.rights import LoginType
from idp.directory.users import User

_USER = columns(User, users)
_ACCOUNT = [
    registrations.c.customer_id,
    customers.c.account_key,
    customers.c.account_number,
    customers.c.display_number,
    customers.c.name,
    customers.c.address1,
    customers.c.city,
    customers.c.prepaid,
    registrations.c.login_type,
    registrations.c.pending,
    registrations.c.registered_at,
    registrations.c.state,
    registrations.c.waits_until,
]
_END_OF_USER = len(_USER)


def _payer(collect: Any) -> Select[Any]:
    partners = (
        select(cast(collect(cast(partner_users.c.partner_id, Text), partner_users.c.partner_user_id), Text))
        .where(partner_users.c.bid == bindparam("bid"), partner_users.c.user_id == bindparam("user_id"))
        .scalar_subquery()
    )
    tie = and_(registrations.c.bid == users.c.bid, registrations.c.user_id == users.c.id, registrations.c.ended_at.is_(None))
    account = and_(customers.c.bid == registrations.c.bid, customers.c.id == registrations.c.customer_id)
    return (
        select(*_USER, *_ACCOUNT, partners)
        .select_from(users.outerjoin(registrations, tie).outerjoin(customers, account))
        .where(users.c.bid == bindparam("bid"), users.c.id == bindparam("user_id"))
        .order_by(registrations.c.registered_at, registrations.c.id)
    )


_POSTGRES = _payer(func.json_object_agg)
_SQLITE = _payer(func.json_group_object)
_IDS = select(users.c.id).where(users.c.bid == bindparam("bid"))
_BY_USER_NAME = _IDS.where(users.c.user_name_key == bindparam("key"))
_BY_EMAIL = _IDS.where(users.c.email_key == bindparam("key")).order_by(users.c.created_at, users.c.id).limit(bindparam("most"))
_BY_PARTNER_USER_ID = select(partner_users.c.user_id).where(
    partner_users.c.bid == bindparam("bid"),
    partner_users.c.partner_id == bindparam("partner_id"),
    partner_users.c.partner_user_id == bindparam("partner_user_id"),
)


class SqlPayerStore:
    """Satisfies PayerStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def find_payer(self, bid: int, user_id: UUID) -> PayerRecord | None:
        statement = _POSTGRES if self._work.is_postgres else _SQLITE
        rows = self._work.connection.execute(statement, {"bid": bid, "user_id": user_id}).all()
        if not rows:
            return None
        named: dict[str, str | None] = json.loads(rows[0][-1] or "{}")
        ties = [_tie(*row[_END_OF_USER:-1]) for row in rows if row[_END_OF_USER] is not None]
        return PayerRecord(
            User(*rows[0][:_END_OF_USER]),
            tuple(tie for tie in ties if isinstance(tie, Account)),
            {UUID(partner): partner_user_id for partner, partner_user_id in named.items()},
            tuple(tie for tie in ties if isinstance(tie, WaitingAccount)),
        ).as_of(self._work.now)

    def list_ids_by_user_name(self, bid: int, key: str) -> list[UUID]:
        return self._ids(_BY_USER_NAME, {"bid": bid, "key": key})

    def list_ids_by_email(self, bid: int, key: str, limit: int) -> list[UUID]:
        return self._ids(_BY_EMAIL, {"bid": bid, "key": key, "most": limit})

    def list_ids_by_partner_user_id(self, bid: int, partner_id: UUID, partner_user_id: str) -> list[UUID]:
        wanted = {"bid": bid, "partner_id": partner_id, "partner_user_id": partner_user_id}
        return self._ids(_BY_PARTNER_USER_ID, wanted)

    def _ids(self, statement: Select[Any], wanted: dict[str, Any]) -> list[UUID]:
        return [row[0] for row in self._work.connection.execute(statement, wanted)]


def _tie(
    customer_id: UUID,
    key: str,
    number: str,
    shown: str,
    name: str,
    street: str,
    city: str,
    prepaid: bool,
    login_type: LoginType,
    pending: bool,
    registered_at: datetime,
    stored: str,
    until: datetime | None,
) -> Account | WaitingAccount:
    state = state_of(pending, stored)
    if not state.stands:
        return WaitingAccount(customer_id, key, number, state, waits_until(state, until, registered_at))
    address = ", ".join(part for part in (street, city) if part)
    return Account(customer_id, key, number, shown, name, address, prepaid, login_type, pending, registered_at)
