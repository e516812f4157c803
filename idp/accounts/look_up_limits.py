"""How often a key may ask about one account or one user, and who hears when it asks for many that are not there.

A key that asks about one account again and again is trying names on it; one that asks for many accounts or users that are not there
is trying out numbers or names. The first has to wait; the second is told to the biller's staff, for a portal's first load asks for
many unknown accounts, too. No honest portal meets either (docs/adr/0015, 0029). Whatever operation asks, it counts here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from idp.alarms import AlarmKind, Alarms
from idp.directory.api_keys import ApiKey
from idp.errors import RateLimited
from idp.kv import KeyValue, Limit, Limited
from idp.opaque import digest

MOST_AT_ONCE = 120
PER_SECOND = 0.5
"""Questions of one key about one account or user: a payer's sign-in asks two or three."""
MOST_MISSES_AN_HOUR = 500
"""Of one key: answers that there is no such account or user, or none that it may speak for."""


class LookUpLimits:
    """Counts what keys ask for."""

    def __init__(self, kv: KeyValue, alarms: Alarms) -> None:
        self._kv = kv
        self._alarms = alarms

    def ask_all(self, key: ApiKey, subjects: Sequence[str]) -> frozenset[str]:
        """Count a question about each: those that are not to be answered now. One round trip while none has to wait."""
        wanted = list(dict.fromkeys(subjects))
        waiting: set[str] = set()
        while wanted:
            outcome = self._kv.transact(*(_limit(key, subject) for subject in wanted))
            if outcome.stopped_at is None:
                break
            waiting.add(wanted[outcome.stopped_at])
            wanted = wanted[outcome.stopped_at + 1 :]
        return frozenset(waiting)

    def ask(self, key: ApiKey, *subjects: str) -> None:
        """Count a question about one user or account, by each of its names. RateLimited."""
        if not subjects:
            return
        stop = self._kv.transact(*(_limit(key, subject) for subject in subjects)).stop
        if isinstance(stop, Limited):
            raise RateLimited("the key asks about one account or user too often", retry_after=stop.retry_after)

    def missed(self, key: ApiKey, count: int) -> None:
        """Count answers that there is no such account or user; too many within an hour sound an alarm."""
        if not count:
            return
        one = Limit(f"look-ups-missed:{key.id}", MOST_MISSES_AN_HOUR / timedelta(hours=1).total_seconds(), MOST_MISSES_AN_HOUR)
        if self._kv.transact(*[one] * count).stop is not None:
            detail = f"more than {MOST_MISSES_AN_HOUR} look-ups within an hour of accounts or users that are not there"
            self._alarms.sound(key.bid, AlarmKind.LOOK_UPS_MISSED, f"key:{key.id}", detail)


def _limit(key: ApiKey, subject: str) -> Limit:
    return Limit(f"look-up:{key.id}:{digest(subject)}", PER_SECOND, MOST_AT_ONCE)
