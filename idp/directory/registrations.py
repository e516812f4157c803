"""Registrations: a user tied to a customer with one login type.

`grant` decides the login type of a newcomer; who asks and how it is proved is settled before (idp.accounts.register). A customer
has at most one Owner, and a user at most one active registration per customer: unique indexes say so too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from idp.directory.billers import Policies
from idp.directory.rights import LoginType


@dataclass(frozen=True, slots=True)
class Registration:
    """A tie between user and customer. `pending`: Guest until somebody with full access or the biller gives more."""

    id: UUID
    bid: int
    user_id: UUID
    customer_id: UUID
    login_type: LoginType
    pending: bool
    registered_at: datetime
    key_id: UUID | None = None
    ended_at: datetime | None = None


class RegistrationStore(Protocol):
    """Registrations in the database. A write renews the user's stamp."""

    def list_of_user(self, bid: int, user_id: UUID) -> list[Registration]:
        """Active ones, oldest first."""
        ...

    def list_of_customers(self, bid: int, customer_ids: Iterable[UUID]) -> dict[UUID, list[Registration]]:
        """Active ones by customer, oldest first."""
        ...

    def add_registration(self, registration: Registration) -> None:
        """Insert. Raced when the seat, or the tie itself, was taken in the meantime."""
        ...

    def put_registration(self, registration: Registration) -> None:
        """Update login type, pending and end. Raced as in add_registration."""
        ...


@dataclass(frozen=True, slots=True)
class Grant:
    """What a newcomer gets. `note` is a word for the answer: why it is not what was asked, or ""."""

    login_type: LoginType
    pending: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a newcomer gets nothing: a Status word of the partner API."""

    status: str


def grant(policies: Policies, asked: LoginType, others: int, *, proved: bool, by_staff: bool) -> Grant | Refused:
    """The login type of a newcomer without a role code.

    `others`: registered users of the account besides the newcomer (a ghost is none). `proved`: the caller may state that the
    person has proved the account (`account_proof`). `by_staff`: the biller itself registers somebody, and needs no code for that.
    """
    if policies.role_codes == "required" and not by_staff:
        return Refused("RoleCodeRequired")
    if others and not policies.multi_user:
        return Refused("AccountAlreadyRegistered")
    if not others:
        if policies.first_registrant == "guest" and asked is not LoginType.GUEST:
            return Grant(LoginType.GUEST, pending=True, note="GuestUntilRoleCode")
        return Grant(asked)
    if proved:
        if asked is LoginType.OWNER:
            return Grant(LoginType.CO_OWNER, note="OwnerSeatTaken")
        return Grant(asked)
    if asked is LoginType.GUEST:
        return Grant(LoginType.GUEST)
    return Grant(LoginType.GUEST, pending=True, note="GuestUntilApproved")


def registration_values(registration: Registration) -> dict[str, Any]:
    """What the change log keeps of a registration."""
    return {
        "login_type": registration.login_type.value,
        "pending": registration.pending,
        "ended_at": registration.ended_at,
    }
