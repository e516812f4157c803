"""Who has access to an account: its registrations with their users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from idp.directory.registrations import Registration, RegistrationStore
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


class Members:
    """Lists the people of an account."""

    def __init__(self, begin: Begin[MemberStores]) -> None:
        self._begin = begin

    def list_of(self, bid: int, customer_id: UUID) -> list[Member]:
        """By login type (full access first), then oldest first."""
        with self._begin() as stores:
            ties = stores.registrations.list_of_customers(bid, [customer_id]).get(customer_id, [])
            users = stores.users.list_by_ids(bid, [tie.user_id for tie in ties])
        members = [Member(users[tie.user_id], tie) for tie in ties if tie.user_id in users]
        return sorted(members, key=lambda member: (member.registration.login_type, member.registration.registered_at))
