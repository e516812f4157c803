"""Who has access to an account, and who waits for it: its registrations with their users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from idp.clock import Clock
from idp.directory.registrations import Registration, RegistrationStore, WaitingStore
from idp.directory.users import User, UserStore
from idp.transaction import Begin


@dataclass(frozen=True, slots=True)
class Member:
    """One person with access."""

    user: User
    registration: Registration


class MemberStores(Protocol):
    """The slice of stores that this service works with."""

    @property
    def users(self) -> UserStore: ...

    @property
    def registrations(self) -> RegistrationStore: ...

    @property
    def waiting(self) -> WaitingStore: ...


class Members:
    """Lists the people of an account."""

    def __init__(self, begin: Begin[MemberStores], clock: Clock) -> None:
        self._begin = begin
        self._clock = clock

    def list_of(self, bid: int, customer_id: UUID) -> list[Member]:
        """Those with access, by login type (full access first), then oldest first."""
        with self._begin() as stores:
            ties = stores.registrations.list_of_customers(bid, [customer_id]).get(customer_id, [])
            return _members(stores, bid, ties)

    def list_waiting(self, bid: int, customer_id: UUID) -> list[Member]:
        """Those who have no access (yet), oldest first."""
        now = self._clock.now()
        with self._begin() as stores:
            ties = stores.waiting.list_waiting_of_customers(bid, [customer_id]).get(customer_id, [])
            return _members(stores, bid, [tie for tie in ties if not tie.is_over(now)])


def _members(stores: MemberStores, bid: int, ties: list[Registration]) -> list[Member]:
    users = stores.users.list_by_ids(bid, [tie.user_id for tie in ties])
    members = [Member(users[tie.user_id], tie) for tie in ties if tie.user_id in users]
    return sorted(members, key=lambda member: (member.registration.login_type, member.registration.registered_at))
