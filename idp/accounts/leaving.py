"""Leaving: a user loses registrations, and with them what rests on them. Shared by everybody who ends one.

What goes with a registration: its pages, by the payer's record, with the next request; tokens and sessions that were opened for the
account (sso_connect.visits); and, with the last account, everything of the user, by its generation (docs/adr/0014). Enrolments and
what else hangs on a registration hear of it in the same transaction (`OnRegistrationEnded`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from idp.accounts.departures import Departures
from idp.accounts.ties import Ties, TieStores
from idp.actor import Actor
from idp.changelog import Action, Change
from idp.clock import Clock
from idp.directory.customers import Customer
from idp.directory.registrations import Registration, WaitingStore
from idp.directory.users import User, UserStore


class LeavingStores(TieStores, Protocol):
    """The slice of stores that this works with."""

    @property
    def users(self) -> UserStore: ...

    @property
    def waiting(self) -> WaitingStore: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """A registration that ends in the open transaction, whose it was and where."""

    registration: Registration
    user: User
    customer: Customer
    actor: Actor
    request_id: str


class OnRegistrationEnded(Protocol):
    """Something that hangs on registrations, and ends with them."""

    def __call__(self, stores: LeavingStores, ended: Ended) -> None:
        """Called in the transaction that ends the registration, after it was ended."""
        ...


@dataclass(frozen=True, slots=True)
class Leaving:
    """One user and what it loses, inside the transaction; customers and user are locked by then."""

    stores: LeavingStores
    ties: Ties
    user: User
    departures: Departures
    listeners: tuple[OnRegistrationEnded, ...]
    clock: Clock

    def end(self, tie: Registration, customer: Customer, action: Action = Action.REGISTRATION_END) -> Registration:
        """End one registration."""
        ended = self.ties.end(customer, self.user, tie, self.clock.now(), action)
        for listener in self.listeners:
            listener(self.stores, Ended(ended, self.user, customer, self.ties.actor, self.ties.request_id))
        return ended

    def let_go(self, left: Collection[UUID]) -> User:
        """The user without the accounts that it left: the one that it had picked, and, with the last, every token and session.

        StoreUnavailable: it is noted before the commit, so that coming back revives nothing.
        """
        user = self.user
        self.departures.note(user.bid, user.id, left)
        if user.default_customer_id in left:
            user = replace(user, default_customer_id=None)
        if left and not self._has_any():
            user = replace(user, generation=user.generation + 1)
            self.stores.changelog.append(
                Change(user.bid, Action.USER_REVOKE, self.ties.actor, self.ties.request_id, user_id=user.id)
            )
        if user != self.user:
            self.stores.users.put_user(user)
        return user

    def _has_any(self) -> bool:
        user = self.user
        return bool(
            self.stores.registrations.list_of_user(user.bid, user.id) or self.stores.waiting.list_waiting_of_user(user.bid, user.id)
        )
