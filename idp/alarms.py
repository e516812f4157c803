"""Alarms: something that a person should look at, told once an hour and kept for 90 days.

An alarm has a kind (a closed vocabulary) and a subject: who or what it is about. The first within an hour is a row and a warning in
the log; the following ones of the same kind and subject are nothing new. Never a secret, never a payer's data: they go to the
biller's staff (`idhub alarms list`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from idp.clock import Clock
from idp.errors import StoreUnavailable
from idp.kv import KeyValue, Limit
from idp.opaque import new_id
from idp.transaction import Begin

KEPT_FOR = timedelta(days=90)
QUIET_FOR = timedelta(hours=1)
_log = logging.getLogger(__name__)


class AlarmKind(StrEnum):
    """What happened. A new word is a change of this file."""

    ROLE_CODES_GUESSED = "role_codes.guessed"
    """More wrong role codes at one biller within an hour than payers mistype."""
    PASSWORDS_GUESSED = "passwords.guessed"
    """A partner shows more wrong passwords than payers mistype, or many are shown for one user."""
    NOBODY_TO_ASK = "confirmations.nobody_to_ask"
    """A partner wants what only the payer may allow, of a user without an address that no partner set."""
    MAILS_HELD = "mails.held"
    """More mails to one mailbox, or by one key, than may go: they wait."""
    MAILS_FAILED = "mails.failed"
    """A mail can never be sent: its address is refused, or is one that the mail server cannot take."""
    THEME_UNUSABLE = "theme.unusable"
    """An approved stylesheet cannot be had or read any more; its last good copy stays."""
    FRAME_TOKEN_COPIED = "frame_token.copied"  # noqa: S105  (a word of the vocabulary, not a secret)
    """A frame token was used in two places. The session was ended."""
    LOOK_UPS_MISSED = "look_ups.missed"
    """A key asks for many accounts or users that are not there, or that it may not speak for."""
    ROLE_CODES_REPLACED = "role_codes.replaced"
    """A key changed role codes that it did not write, or those of many accounts."""
    REGISTRATION_UNASKED = "registration.unasked"
    """A user was registered without proof on an account that has no contact on record who could object."""
    REGISTRATION_OBJECTED = "registration.objected"
    """The contact on record objected to a registration: `idhub registrations restore` or `end` decides."""
    REGISTRATION_WAITS = "registration.waits"
    """A registration waits for approval, and nobody on the account has full access: only the biller can approve it."""
    JOB_DEAD = "job.dead"
    """A job was given up: it failed too often, or its workers died over it."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. `subject`: `key:{id}`, `staff:{name}`, `job:{kind}`; `detail`: a sentence for people."""

    bid: int
    id: UUID
    at: datetime
    kind: str
    subject: str
    detail: str


class AlarmStore(Protocol):
    """Alarms in the database."""

    def add_alarm(self, alarm: Alarm) -> None:
        """Insert."""
        ...

    def list_alarms(self, bid: int, limit: int) -> list[Alarm]:
        """Newest first."""
        ...

    def purge_alarms(self, before: datetime, limit: int) -> int:
        """Remove those older than `before`, of all billers. How many."""
        ...


class AlarmStores(Protocol):
    """The slice of stores that this service works with."""

    @property
    def alarms(self) -> AlarmStore: ...


class Alarms:
    """Sounds and lists alarms."""

    def __init__(self, begin: Begin[AlarmStores], kv: KeyValue, clock: Clock) -> None:
        self._begin = begin
        self._kv = kv
        self._clock = clock

    def sound(self, bid: int, kind: AlarmKind, subject: str, detail: str) -> None:
        """Tell people, at most once an hour per kind and subject. Never fails the request that it is about."""
        try:
            # A bucket, not a record: a clock that is set back must not silence an alarm until it has caught up.
            first = Limit(f"alarm:{bid}:{kind}:{subject}", 1 / QUIET_FOR.total_seconds(), 1)
            if self._kv.transact(first).stop is not None:
                return
            _log.warning("alarm", extra={"bid": bid, "kind": kind.value, "subject": subject, "detail": detail})
            with self._begin() as stores:
                stores.alarms.add_alarm(Alarm(bid, new_id(), self._clock.now(), kind.value, subject, detail))
        except StoreUnavailable as fault:
            _log.error("alarm not kept", extra={"bid": bid, "kind": kind.value, "subject": subject, "cause": fault.detail})

    def list_recent(self, bid: int, limit: int = 50) -> list[Alarm]:
        """Newest first."""
        with self._begin() as stores:
            return stores.alarms.list_alarms(bid, limit)

    def purge(self, limit: int = 1000) -> int:
        """Remove what is past its time. How many."""
        with self._begin() as stores:
            return stores.alarms.purge_alarms(self._clock.now() - KEPT_FOR, limit)
