"""Events that leave the hub: written in the transaction of the change, delivered by the worker (transactional outbox).

An event is never lost and may arrive twice: receivers go by its idempotency key. Within one account events keep their order.
Sinks (webhook, MultiSpeak) are added by the data pump; an event for which a biller has no sink is closed as `unrouted` and
purged with the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Protocol
from uuid import UUID

from idp.clock import Clock
from idp.transaction import Begin

SCHEMA_VERSION = 1
KEPT_FOR = timedelta(days=30)


class EventType(StrEnum):
    """What happened, for the biller's CIS."""

    REGISTRATION_CREATED = "registration.created"
    REGISTRATION_CHANGED = "registration.changed"
    REGISTRATION_ENDED = "registration.ended"
    OWNER_CHANGED = "owner.changed"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `source_key` is the API key that caused it: a change of a CIS is not sent back to that CIS."""

    id: UUID
    bid: int
    type: EventType
    level: Literal["user", "account"]
    account_number: str
    login_guid: UUID | None
    user_name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    actor: str
    source_key: UUID | None = None


class OutboxStore(Protocol):
    """Events in the database."""

    def append(self, event: Event) -> None:
        """Add an event to the open transaction."""
        ...

    def claim_unrouted(self, limit: int) -> int:
        """Close waiting events of billers without a sink. How many."""
        ...

    def purge(self, before: datetime, limit: int) -> int:
        """Remove closed events older than `before`. How many."""
        ...


class OutboxStores(Protocol):
    """The slice of stores that the relay works with."""

    @property
    def outbox(self) -> OutboxStore: ...


class Relay:
    """Moves waiting events on. Without sinks there is one move: to close what nobody receives."""

    def __init__(self, begin: Begin[OutboxStores], clock: Clock) -> None:
        self._begin = begin
        self._clock = clock

    def run(self, limit: int = 500) -> int:
        """Handle up to `limit` waiting events. How many."""
        with self._begin() as stores:
            return stores.outbox.claim_unrouted(limit)

    def purge(self, limit: int = 1000) -> int:
        """Remove closed events that are past their time. How many."""
        with self._begin() as stores:
            return stores.outbox.purge(self._clock.now() - KEPT_FOR, limit)
