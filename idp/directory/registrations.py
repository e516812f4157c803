"""Registrations: a user tied to a customer with one login type.

`grant` decides the login type of a newcomer, `raised` what a code gives to somebody who is registered already; who asks, how it is
proved and whether a code is right are settled before (idp.accounts.register). A customer has at most one Owner, and a user at most
one active registration per customer: unique indexes say so too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from idp.directory.billers import Policies
from idp.directory.rights import FULL_ACCESS, LoginType
from idp.directory.role_codes import ShownCode


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
    """What somebody gets. `note` is a word for the answer: why it is not what was asked, or "".

    `takes_over`: the seat is another user's now, who becomes Co-owner.
    """

    login_type: LoginType
    pending: bool = False
    note: str = ""
    takes_over: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a newcomer gets nothing: a Status word of the partner API."""

    status: str


@dataclass(frozen=True, slots=True)
class Others:
    """The registered users of an account besides the one it is about (a ghost is none), and whether one is its Owner."""

    count: int = 0
    owner: bool = False


def grant(
    policies: Policies, asked: LoginType, others: Others, *, proved: bool, by_staff: bool, code: ShownCode | None = None
) -> Grant | Refused:
    """The login type of a newcomer.

    `proved`: the caller may state that the person has proved the account (`account_proof`). `by_staff`: the biller itself registers
    somebody, and needs no code for that. `code`: a right one.
    """
    if code is None and policies.role_codes == "required" and not by_staff:
        return Refused("RoleCodeRequired")
    if others.count and not policies.multi_user:
        return Refused("AccountAlreadyRegistered")
    if code is None:
        return _without_code(policies, asked, others, proved=proved)
    given = _by_code(policies, code, others)
    if code.bare and others.count:
        # Showing a bare code never lowers what would have been given without it.
        without = _without_code(policies, asked, others, proved=proved)
        given = without if without.login_type <= given.login_type else given
    return given if given.note or given.login_type is asked else replace(given, note="FromRoleCode")


def raised(policies: Policies, standing: Registration, others: Others, code: ShownCode) -> Grant | None:
    """What a right code gives to somebody who holds `standing` already: more, or None. Never less."""
    given = _by_code(policies, code, others)
    if given.login_type >= standing.login_type:
        return None
    return given if given.note else replace(given, note="FromRoleCode")


def _without_code(policies: Policies, asked: LoginType, others: Others, *, proved: bool) -> Grant:
    if not others.count:
        if policies.first_registrant == "guest" and asked is not LoginType.GUEST:
            return Grant(LoginType.GUEST, pending=True, note="GuestUntilRoleCode")
        return Grant(asked)
    if proved:
        if asked is LoginType.OWNER:
            return Grant(LoginType.CO_OWNER, note="OwnerSeatTaken" if others.owner else "AccountHasUsers")
        return Grant(asked)
    if asked is LoginType.GUEST:
        return Grant(LoginType.GUEST)
    return Grant(LoginType.GUEST, pending=True, note="GuestUntilApproved")


def _by_code(policies: Policies, code: ShownCode, others: Others) -> Grant:
    if code.bare and others.count:
        # A prefix is no secret: who knows it may be anybody by now. It takes no seat and gives no full access.
        return Grant(LoginType.GUEST if code.login_type in FULL_ACCESS else code.login_type)
    if code.login_type is LoginType.OWNER and others.owner:
        if policies.owner_code_takes_over:
            return Grant(LoginType.OWNER, note="OwnerSeatTakenOver", takes_over=True)
        return Grant(LoginType.CO_OWNER, note="OwnerSeatTaken")
    return Grant(code.login_type)


def registration_values(registration: Registration) -> dict[str, Any]:
    """What the change log keeps of a registration."""
    return {
        "login_type": registration.login_type.value,
        "pending": registration.pending,
        "ended_at": registration.ended_at,
    }
