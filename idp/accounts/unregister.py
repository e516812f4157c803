"""Unregister: end a user's registrations on accounts, and with them everything that rests on them.

| the account ...                | Status         |
| is not there, or another's     | NotFound       |
| does not have the user         | NotRegistered  |
| has the user                   | Unregistered   |

What goes with a registration: its pages, by the payer's record, with the next request; tokens and sessions that were opened for the
account (sso_connect.visits); and, with the last account, everything of the user, by its generation (docs/adr/0014). Enrolments
and what else hangs on a registration hear of it in the same transaction (`OnRegistrationEnded`). An account whose Owner leaves
has no Owner until somebody is made one; registering again later makes a fresh registration. A closed account may be left, too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import UUID

from idp.accounts.batch import Item, check_whole, key_of
from idp.accounts.departures import Departures
from idp.accounts.recognise import may_speak_for
from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.customers import Customer, CustomerStore
from idp.directory.registrations import Registration, RegistrationStore, registration_values
from idp.directory.rights import LoginType
from idp.directory.users import PartnerUserStore, User, UserStore
from idp.errors import UserNotFound
from idp.opaque import new_id
from idp.outbox import Event, EventType, OutboxStore
from idp.receipts import Also, WithReceipts
from idp.transaction import Begin


@dataclass(frozen=True, slots=True)
class Unregistered:
    """The answer: the user, and an item per account in the order sent."""

    user: User
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """A registration that ends in the open transaction, whose it was and where."""

    registration: Registration
    user: User
    customer: Customer
    actor: Actor
    request_id: str


class UnregisterStores(WithChangeLog, WithReceipts, Protocol):
    """The slice of stores that this verb works with."""

    @property
    def customers(self) -> CustomerStore: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def partner_users(self) -> PartnerUserStore: ...

    @property
    def registrations(self) -> RegistrationStore: ...

    @property
    def outbox(self) -> OutboxStore: ...


class OnRegistrationEnded(Protocol):
    """Something that hangs on registrations, and ends with them."""

    def __call__(self, stores: UnregisterStores, ended: Ended) -> None:
        """Called in the transaction that ends the registration, after it was ended."""
        ...


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
            ties = {tie.customer_id: tie for tie in stores.registrations.list_of_user(biller.bid, user_id)}
            leaving = _Leaving(stores, self._on_registration_ended, actor, request_id, key, user, self._clock)
            items = tuple(leaving.leave(number, customers.get(key_of(biller, number)), ties) for number in account_numbers)
            if atomic:
                check_whole(items)
            left = [item.customer_id for item in items if item.customer_id is not None]
            self._departures.note(biller.bid, user_id, left)
            done = Unregistered(leaving.let_go(left, was_last=bool(left) and not ties), items)
            if also is not None:
                also(stores, done)
        return done


@dataclass(frozen=True, slots=True)
class _Leaving:
    """One call, inside its transaction."""

    stores: UnregisterStores
    listeners: tuple[OnRegistrationEnded, ...]
    actor: Actor
    request_id: str
    key: ApiKey | None
    user: User
    clock: Clock

    def leave(self, number: str, customer: Customer | None, ties: dict[UUID, Registration]) -> Item:
        """End one registration; what is left stays in `ties`."""
        if customer is None:
            return Item(number, "NotFound")
        tie = ties.pop(customer.id, None)
        if tie is None:
            return Item(number, "NotRegistered")
        ended = replace(tie, ended_at=self.clock.now())
        self.stores.registrations.put_registration(ended)
        self.stores.changelog.append(
            Change(
                tie.bid,
                Action.REGISTRATION_END,
                self.actor,
                self.request_id,
                user_id=tie.user_id,
                customer_id=customer.id,
                before=registration_values(tie),
                after=registration_values(ended),
            )
        )
        held = {"LoginTypeID": tie.login_type.value, "Pending": tie.pending}
        self._event(EventType.REGISTRATION_ENDED, customer, held)
        if tie.login_type is LoginType.OWNER:
            self._event(EventType.OWNER_CHANGED, customer, {"LoginGUID": str(self.user.id)})
        for listener in self.listeners:
            listener(self.stores, Ended(ended, self.user, customer, self.actor, self.request_id))
        return Item(number, "Unregistered", customer.id, tie.login_type, tie.pending)

    def let_go(self, left: Collection[UUID], *, was_last: bool) -> User:
        """The user without what it left: the account that it had picked, and, with the last one, every token and session."""
        user = self.user
        if user.default_customer_id in left:
            user = replace(user, default_customer_id=None)
        if was_last:
            user = replace(user, generation=user.generation + 1)
            self.stores.changelog.append(Change(user.bid, Action.USER_REVOKE, self.actor, self.request_id, user_id=user.id))
        if user != self.user:
            self.stores.users.put_user(user)
        return user

    def _event(self, kind: EventType, customer: Customer, before: dict[str, Any]) -> None:
        self.stores.outbox.append(
            Event(
                id=new_id(),
                bid=customer.bid,
                type=kind,
                level="account" if kind is EventType.OWNER_CHANGED else "user",
                account_number=customer.account_number,
                login_guid=self.user.id,
                user_name=self.user.user_name,
                before=before,
                after=None,
                actor=f"{self.actor.kind}:{self.actor.id}",
                source_key=None if self.key is None else self.key.id,
            )
        )
