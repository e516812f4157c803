"""How many refusals are kept, and how many were not.

Anybody can be refused, so what is kept is bounded by who is known to have been refused, each with a bucket of its own:

    a call with a known key     the key's, for calls
    a redirect with a token     the payer's, and the key's, for redirects. Payers see their tokens: one must not be able to use up
                                what their partner needs, and what all of them do must not use up what its calls need
    anybody else                one small one of the biller, and one of all billers together

What is not kept is counted per key and day and written every few seconds, so that a reader is told of it: at least so many.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol
from uuid import UUID

from idp.clock import Clock
from idp.errors import HubError
from idp.kv import KeyValue, Limit
from idp.transaction import Begin

OF_A_KEY = (1 / 10, 500)
"""Per second and at once: calls of a key, and redirects with its tokens, each."""
OF_A_PAYER = (1 / 60, 50)
OF_NOBODY = (1 / 60, 100)
"""At one biller, of callers whom nobody knows."""
OF_NOBODY_ANYWHERE = (1 / 2, 1000)

ANONYMOUS = UUID(int=0)
"""In place of a key, where none is known."""
WRITTEN_EVERY = timedelta(seconds=10)
MOST_WAITING = 5000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NotKept:
    """So many refusals of a key (ANONYMOUS: of nobody known) at a biller were not kept on a day (UTC)."""

    bid: int
    key_id: UUID
    day: date
    times: int


class NotKeptStore(Protocol):
    """Counts in the database."""

    def add_not_kept(self, counts: Sequence[NotKept]) -> None:
        """Add to what is there, in one order, whoever writes."""
        ...

    def count_not_kept_of(self, bid: int, partner_id: UUID, since: date) -> int:
        """Of the keys of one partner, from a day on."""
        ...

    def count_not_kept(self, bid: int, since: date) -> tuple[int, int]:
        """Of a biller, from a day on: of known keys, and of nobody known."""
        ...

    def purge_not_kept(self, before: date, limit: int) -> int:
        """Remove those of days before. How many."""
        ...


class NotKeptStores(Protocol):
    """The slice of stores that counts work with."""

    @property
    def not_kept(self) -> NotKeptStore: ...


def limits_of(bid: int, key_id: UUID | None, user_id: UUID | None) -> tuple[Limit, ...]:
    """The buckets that a refusal must find a unit in, all of them. `user_id`: whom the token of a redirect is for."""
    if key_id is None:
        return (Limit(f"refusals:{bid}", *OF_NOBODY), Limit("refusals", *OF_NOBODY_ANYWHERE))
    if user_id is None:
        return (Limit(f"refusals:{bid}:calls:{key_id}", *OF_A_KEY),)
    payer = Limit(f"refusals:{bid}:payer:{key_id}:{user_id}", *OF_A_PAYER)
    return (payer, Limit(f"refusals:{bid}:redirects:{key_id}", *OF_A_KEY))


class RefusalLimits:
    """Says whether a refusal is kept, and counts those that are not. Safe for many threads; counting never fails a call."""

    def __init__(self, begin: Begin[NotKeptStores], kv: KeyValue, clock: Clock) -> None:
        self._begin = begin
        self._kv = kv
        self._clock = clock
        self._waiting: Counter[tuple[int, UUID, date]] = Counter()
        self._written_at: datetime | None = None
        self._lock = threading.Lock()

    def admits(self, bid: int, key_id: UUID | None, user_id: UUID | None) -> bool:
        """Take a unit from the buckets of a refusal; False when one of them is empty. StoreUnavailable."""
        admitted = self._kv.transact(*limits_of(bid, key_id, user_id)).stop is None
        now = self._clock.now()
        with self._lock:
            if not admitted:
                self._waiting[bid, key_id or ANONYMOUS, now.date()] += 1
            due = self._take() if self._is_due(now) else []
        self._write(due)
        return admitted

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            due = self._take()
        self._write(due)

    def _is_due(self, now: datetime) -> bool:
        late = self._written_at is None or not timedelta(0) <= now - self._written_at < WRITTEN_EVERY
        if self._waiting and (late or len(self._waiting) > MOST_WAITING):
            self._written_at = now
            return True
        return False

    def _take(self) -> list[NotKept]:
        due = [NotKept(*name, times) for name, times in sorted(self._waiting.items())]
        self._waiting.clear()
        return due

    def _write(self, due: list[NotKept]) -> None:
        if not due:
            return
        try:
            with self._begin() as stores:
                stores.not_kept.add_not_kept(due)
        except HubError as fault:
            _log.warning("counts of refusals not kept are lost", extra={"counts": len(due), "cause": fault.code})
