"""Registrations, written: the row, its change-log row and its event for the biller's CIS, always together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from idp import actor as actors
from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.directory.customers import Customer
from idp.directory.registrations import Registration, RegistrationStore, registration_values
from idp.directory.rights import LoginType
from idp.directory.users import User
from idp.opaque import new_id
from idp.outbox import Event, EventType, OutboxStore

CLOCK = actors.System("registrations")
"""Who ends what waited in vain."""


class TieStores(WithChangeLog, Protocol):
    """The slice of stores that this writes to."""

    @property
    def registrations(self) -> RegistrationStore: ...

    @property
    def outbox(self) -> OutboxStore: ...


@dataclass(frozen=True, slots=True)
class Ties:
    """Writes registrations for one call, in its transaction. `key_id`: of the partner's key; None: nobody's."""

    stores: TieStores
    actor: Actor
    request_id: str
    key_id: UUID | None = None

    def add(self, customer: Customer, user: User, made: Registration) -> None:
        """A fresh one. Raced."""
        self.stores.registrations.add_registration(made)
        self._log(Action.REGISTRATION_CREATE, None, made)
        self._event(EventType.REGISTRATION_CREATED, customer, user, None, _told(made))

    def change(
        self, customer: Customer, user: User, tie: Registration, after: Registration, action: Action = Action.REGISTRATION_CHANGE
    ) -> None:
        """Another login type or state. Raced."""
        self.stores.registrations.put_registration(after)
        self._log(action, tie, after)
        self._event(EventType.REGISTRATION_CHANGED, customer, user, _told(tie), _told(after))

    def end(
        self, customer: Customer, user: User, tie: Registration, at: datetime, action: Action = Action.REGISTRATION_END
    ) -> Registration:
        """The registration, ended."""
        ended = replace(tie, ended_at=at)
        self.stores.registrations.put_registration(ended)
        self._log(action, tie, ended)
        self._event(EventType.REGISTRATION_ENDED, customer, user, _told(tie), None)
        if tie.login_type is LoginType.OWNER:
            self.owner_changed(customer, user, before=user, after=None)
        return ended

    def owner_changed(self, customer: Customer, user: User, *, before: User | None, after: User | None) -> None:
        """The seat is another's, or nobody's. `user`: whom it is about."""
        told = [None if each is None else {"LoginGUID": str(each.id)} for each in (before, after)]
        self._event(EventType.OWNER_CHANGED, customer, user, *told)

    def _log(self, action: Action, before: Registration | None, after: Registration) -> None:
        self.stores.changelog.append(
            Change(
                after.bid,
                action,
                self.actor,
                self.request_id,
                user_id=after.user_id,
                customer_id=after.customer_id,
                before=None if before is None else registration_values(before),
                after=registration_values(after),
            )
        )

    def _event(
        self, kind: EventType, customer: Customer, user: User, before: dict[str, Any] | None, after: dict[str, Any] | None
    ) -> None:
        self.stores.outbox.append(
            Event(
                id=new_id(),
                bid=customer.bid,
                type=kind,
                level="account" if kind is EventType.OWNER_CHANGED else "user",
                account_number=customer.account_number,
                login_guid=user.id,
                user_name=user.user_name,
                before=before,
                after=after,
                actor=f"{self.actor.kind}:{self.actor.id}",
                source_key=self.key_id,
            )
        )


def _told(registration: Registration) -> dict[str, Any]:
    return {
        "LoginTypeID": registration.login_type.value,
        "Pending": registration.pending,
        "State": registration.state.value,
    }
