"""Registrations: a user tied to a customer with one login type.

`grant` decides the login type of a newcomer, `raised` what a code gives to somebody who is registered already, `settled` what
becomes of a registration that waits; who asks, how it is proved and whether a code is right are settled before
(idp.accounts.register). A customer has at most one Owner, and a user at most one registration per customer that has not ended:
unique indexes say so too.

    active      gives its login type
    until_code  the first registrant where the biller wants a role code first: a Guest who sees and pays, until a code is shown
    waiting     registered beside others without proof: gives NOTHING until it is approved, and is over after 30 days
    objected    registered without proof, and the contact on record objected: gives NOTHING until the biller decides

The first two stand. The other two are kept apart everywhere: stores list them by `WaitingStore` only, and a payer's record has them
beside its accounts (idp.directory.payers), so that no caller can give away by forgetting what nobody has proved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from idp.directory.billers import Policies
from idp.directory.rights import LoginType
from idp.directory.role_codes import ShownCode

WAITS_FOR = timedelta(days=30)
"""How long a registration waits for approval."""


class RegistrationState(StrEnum):
    """What a registration is worth. See the module."""

    ACTIVE = "active"
    UNTIL_CODE = "until_code"
    WAITING = "waiting"
    OBJECTED = "objected"

    @property
    def stands(self) -> bool:
        """Whether it gives its login type."""
        return self in (RegistrationState.ACTIVE, RegistrationState.UNTIL_CODE)


@dataclass(frozen=True, slots=True)
class Registration:
    """A tie between user and customer. One that does not stand has login type GUEST."""

    id: UUID
    bid: int
    user_id: UUID
    customer_id: UUID
    login_type: LoginType
    registered_at: datetime
    state: RegistrationState = RegistrationState.ACTIVE
    key_id: UUID | None = None
    ended_at: datetime | None = None
    waits_until: datetime | None = None
    """Of a waiting one: over from this instant on, whether or not anybody has tidied it away yet."""
    held_login_type: LoginType | None = None
    """Of an objected one: what it gave before."""

    @property
    def pending(self) -> bool:
        """The wire's Pending: more may come of it."""
        return self.state is not RegistrationState.ACTIVE

    def is_over(self, now: datetime) -> bool:
        """Whether it waited in vain."""
        return self.state is RegistrationState.WAITING and self.waits_until is not None and self.waits_until <= now


class RegistrationStore(Protocol):
    """Registrations in the database; the lists have those that stand. A write renews the user's stamp."""

    def list_of_user(self, bid: int, user_id: UUID) -> list[Registration]:
        """Those that stand, oldest first."""
        ...

    def list_of_customers(self, bid: int, customer_ids: Iterable[UUID]) -> dict[UUID, list[Registration]]:
        """Those that stand by customer, oldest first."""
        ...

    def add_registration(self, registration: Registration) -> None:
        """Insert. Raced when the seat, or the tie itself, was taken in the meantime."""
        ...

    def put_registration(self, registration: Registration) -> None:
        """Update login type, state and end. Raced as in add_registration."""
        ...


class WaitingStore(Protocol):
    """Registrations that give nothing: waiting or objected, those whose time is over among them."""

    def list_waiting_of_user(self, bid: int, user_id: UUID) -> list[Registration]:
        """Of a user, oldest first."""
        ...

    def list_waiting_of_customers(self, bid: int, customer_ids: Iterable[UUID]) -> dict[UUID, list[Registration]]:
        """By customer, oldest first."""
        ...

    def list_ended_waiting(self, bid: int, customer_ids: Iterable[UUID], since: datetime) -> dict[UUID, list[Registration]]:
        """By customer, those that ended as such after `since`, the last one first."""
        ...

    def list_waiting(self, bid: int, now: datetime, after: UUID | None, limit: int) -> list[Registration]:
        """Of a biller, in the order in which they were made, from the one after `after`; without those whose time is over."""
        ...

    def list_overdue(self, now: datetime, limit: int) -> list[Registration]:
        """Of all billers: waiting ones whose time is over."""
        ...


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody gets. `note` is a word for the answer: why it is not what was asked, or "".

    `takes_over`: the seat is another user's now, who becomes Co-owner.
    """

    login_type: LoginType
    state: RegistrationState = RegistrationState.ACTIVE
    note: str = ""
    takes_over: bool = False

    @property
    def pending(self) -> bool:
        """The wire's Pending."""
        return self.state is not RegistrationState.ACTIVE


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a newcomer gets nothing: a Status word of the partner API."""

    status: str


@dataclass(frozen=True, slots=True)
class Others:
    """The registered users of an account besides the one it is about, and whether one is its Owner.

    Neither a ghost nor whoever only waits is one. `disputed`: the contact on record lately objected to a registration.
    """

    count: int = 0
    owner: bool = False
    disputed: bool = False

    @property
    def want_proof(self) -> bool:
        """Whether a newcomer gets nothing without proof."""
        return self.count > 0 or self.disputed


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
    if code is None or (code.bare and others.want_proof):
        # A prefix is no secret: beside others it is worth what no code is.
        return _without_code(policies, asked, others, proved=proved)
    given = _by_code(policies, code, others)
    return given if given.note or given.login_type is asked else replace(given, note="FromRoleCode")


def raised(policies: Policies, standing: Registration, others: Others, code: ShownCode) -> Grant | None:
    """What a right code gives to somebody who holds `standing` already: more, or None. Never less."""
    if code.bare and others.want_proof:
        return None
    given = _by_code(policies, code, others)
    if given.login_type > standing.login_type or (given.login_type is standing.login_type and not standing.pending):
        return None
    return given if given.note else replace(given, note="FromRoleCode")


def settled(
    policies: Policies, waits: Registration, asked: LoginType, others: Others, *, proved: bool, code: ShownCode | None
) -> Grant | None:
    """What becomes of a registration that gives nothing when its user is registered once more. None: it stays as it is.

    A right code with a secret settles it. So does proof, but not where somebody objected: that is the biller's to decide.
    """
    if others.count and not policies.multi_user:
        return None
    if code is not None and not code.bare:
        given = _by_code(policies, code, others)
        return given if given.note else replace(given, note="FromRoleCode")
    if waits.state is RegistrationState.WAITING and proved:
        return _without_code(policies, asked, others, proved=True)
    return None


def approved(asked: LoginType, others: Others) -> Grant:
    """What the biller's yes gives: what it says, but the Owner's seat only where nobody else is registered."""
    if asked is LoginType.OWNER and others.count:
        return Grant(LoginType.CO_OWNER, note="OwnerSeatTaken" if others.owner else "AccountHasUsers")
    return Grant(asked)


def note_of(registration: Registration) -> str:
    """The note of a registration that stays as it is: why it gives nothing, or ""."""
    match registration.state:
        case RegistrationState.WAITING:
            return "GuestUntilApproved"
        case RegistrationState.OBJECTED:
            return "OnHold"
        case _:
            return ""


def _without_code(policies: Policies, asked: LoginType, others: Others, *, proved: bool) -> Grant:
    if proved and others.count:
        if asked is LoginType.OWNER:
            return Grant(LoginType.CO_OWNER, note="OwnerSeatTaken" if others.owner else "AccountHasUsers")
        return Grant(asked)
    if others.want_proof and not proved:
        return Grant(LoginType.GUEST, RegistrationState.WAITING, "GuestUntilApproved")
    if policies.first_registrant == "guest" and asked is not LoginType.GUEST:
        return Grant(LoginType.GUEST, RegistrationState.UNTIL_CODE, "GuestUntilRoleCode")
    return Grant(asked)


def _by_code(policies: Policies, code: ShownCode, others: Others) -> Grant:
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
        "state": registration.state.value,
        "ended_at": registration.ended_at,
    }
