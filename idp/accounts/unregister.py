"""Unregister: end a user's registrations on accounts, and with them everything that rests on them (`leaving`).

| the account ...                | Status         |
| is not there, or another's     | NotFound       |
| does not have the user         | NotRegistered  |
| has the user                   | Unregistered   |

One that waits for approval, or was objected to, ends like any other. An account whose Owner leaves has no Owner until somebody is
made one; registering again later makes a fresh registration. A closed account may be left, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from idp.accounts.batch import Item, check_whole, key_of
from idp.accounts.departures import Departures
from idp.accounts.leaving import Ended, Leaving, LeavingStores, OnRegistrationEnded
from idp.accounts.recognise import may_speak_for
from idp.accounts.ties import Ties
from idp.actor import Actor
from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.customers import Customer, CustomerStore
from idp.directory.registrations import Registration
from idp.directory.users import PartnerUserStore, User
from idp.errors import UserNotFound
from idp.receipts import Also, WithReceipts
from idp.transaction import Begin

__all__ = ["Ended", "OnRegistrationEnded", "Unregister", "UnregisterStores", "Unregistered"]


@dataclass(frozen=True, slots=True)
class Unregistered:
    """The answer: the user, and an item per account in the order sent."""

    user: User
    items: tuple[Item, ...]


class UnregisterStores(LeavingStores, WithReceipts, Protocol):
    """The slice of stores that this verb works with."""

    @property
    def customers(self) -> CustomerStore: ...

    @property
    def partner_users(self) -> PartnerUserStore: ...


class Unregister:
    """Ends registrations."""

    def __init__(
        self,
        begin: Begin[UnregisterStores],
        clock: Clock,
        departures: Departures,
        on_registration_ended: Sequence[OnRegistrationEnded] = (),
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._departures = departures
        self._on_registration_ended = tuple(on_registration_ended)

    def unregister(
        self,
        actor: Actor,
        request_id: str,
        biller: Biller,
        user_id: UUID,
        account_numbers: Sequence[str],
        key: ApiKey | None,
        *,
        atomic: bool = False,
        also: Also[Unregistered] | None = None,
    ) -> Unregistered:
        """End the user's registration on each account, or say per account why not. `key` None: staff.

        UserNotFound, RolledBack (an atomic batch), Raced.
        """
        keys = {key_of(biller, number) for number in account_numbers} - {""}
        with self._begin() as stores:
            customers = stores.customers.find_by_accounts(biller.bid, sorted(keys), lock=True)
            user = stores.users.find_user(biller.bid, user_id, lock=True)
            if user is None or (key is not None and not may_speak_for(stores, key, user)):
                raise UserNotFound(str(user_id))
            held = [
                *stores.registrations.list_of_user(biller.bid, user_id),
                *stores.waiting.list_waiting_of_user(biller.bid, user_id),
            ]
            written = Ties(stores, actor, request_id, None if key is None else key.id)
            leaving = Leaving(stores, written, user, self._departures, self._on_registration_ended, self._clock)
            ties = {tie.customer_id: tie for tie in held}
            items = tuple(_leave(leaving, number, customers.get(key_of(biller, number)), ties) for number in account_numbers)
            if atomic:
                check_whole(items)
            left = [item.customer_id for item in items if item.customer_id is not None]
            done = Unregistered(leaving.let_go(left), items)
            if also is not None:
                also(stores, done)
        return done


def _leave(leaving: Leaving, number: str, customer: Customer | None, ties: dict[UUID, Registration]) -> Item:
    """End one registration; what is left stays in `ties`."""
    if customer is None:
        return Item(number, "NotFound")
    tie = ties.pop(customer.id, None)
    if tie is None:
        return Item(number, "NotRegistered")
    leaving.end(tie, customer)
    return Item(number, "Unregistered", customer.id, tie.login_type, tie.pending)
