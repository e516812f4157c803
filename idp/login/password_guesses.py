"""Guesses at passwords: how many a partner may make, at one user and at all users of a biller together.

    before   a guess is counted before it is judged, so that many at once are no way round it: one unit of what the partner may get
             wrong at the biller within ten minutes, and one guess of the partner at whom it means. From the fifth on each makes the
             next one wait twice as long. A guess that has to wait is not judged, be it right or wrong
    right    forgets the partner's guesses at that user, and gives the unit back: only failures use anything up
    wrong    also counts for the user across all partners; the one too many sounds an alarm and makes nobody wait, because one
             partner must not lock a payer out of another partner's portal
    unjudged gives the unit back: nobody was guessed at

Whom a guess means is the user that the names resolve to, whichever names those are, so five guesses by each of four names are
twenty at one user; names that resolve to nobody count as they are, in canonical form. All keys of a partner count together.
Source: docs/adr/0029.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from idp.alarms import AlarmKind, Alarms
from idp.errors import TooManyAttempts
from idp.kv import Attempt, Drop, KeyValue, Limit, Limited, Refund
from idp.login.throttle import PASSWORDS
from idp.opaque import digest

MOST_FAILURES = 50
"""Of a partner at one biller, across users. A portal with ten thousand sign-ins a day sees some ten mistyped ones in this time."""
WITHIN = timedelta(minutes=10)

MOST_FAILURES_OF_USER = 20
"""Of all partners together, at one user within an hour."""
_AN_HOUR = timedelta(hours=1)


class PasswordGuesses:
    """Counts guesses at passwords. `whom`: see `of_user` and `of_name`."""

    def __init__(self, kv: KeyValue, alarms: Alarms) -> None:
        self._kv = kv
        self._alarms = alarms

    def count(self, bid: int, partner_id: UUID, whom: str) -> None:
        """Count one guess. TooManyAttempts, with the time to wait, when it comes too early; it is then not to be judged."""
        attempt = Attempt(_guess(bid, partner_id, whom), PASSWORDS.free, PASSWORDS.delay, PASSWORDS.longest, PASSWORDS.window)
        outcome = self._kv.transact(_failures(bid, partner_id), attempt)
        if not isinstance(outcome.stop, Limited):
            return
        if outcome.stopped_at == 0:
            detail = f"more than {MOST_FAILURES} wrong passwords within {WITHIN // timedelta(minutes=1)} minutes by one partner"
            self._alarms.sound(bid, AlarmKind.PASSWORDS_GUESSED, f"partner:{partner_id}", detail)
            raise TooManyAttempts("too many wrong passwords of the partner", retry_after=outcome.stop.retry_after)
        self.unjudged(bid, partner_id)
        raise TooManyAttempts("too many wrong guesses at the user", retry_after=outcome.stop.retry_after)

    def right(self, bid: int, partner_id: UUID, whom: str) -> None:
        """A counted guess was right."""
        self._kv.transact(Drop(_guess(bid, partner_id, whom)), _unit(bid, partner_id))

    def wrong(self, bid: int, whom: str) -> None:
        """A counted guess was wrong."""
        limit = Limit(
            f"password-failures-of:{bid}:{digest(whom)}", MOST_FAILURES_OF_USER / _AN_HOUR.total_seconds(), MOST_FAILURES_OF_USER
        )
        if self._kv.transact(limit).stop is not None:
            detail = f"more than {MOST_FAILURES_OF_USER} wrong passwords within an hour, by all partners together"
            self._alarms.sound(
                bid, AlarmKind.PASSWORDS_GUESSED, whom if whom.startswith("user:") else f"name:{digest(whom)[:12]}", detail
            )

    def unjudged(self, bid: int, partner_id: UUID) -> None:
        """A counted guess could not be judged."""
        self._kv.transact(_unit(bid, partner_id))


def of_user(user_id: UUID) -> str:
    """Whom a guess means: a user, by whatever name."""
    return f"user:{user_id}"


def of_name(kind: str, canonical: object) -> str:
    """Whom a guess means whose name resolves to nobody."""
    return f"name:{kind}:{canonical}"


def _failures(bid: int, partner_id: UUID) -> Limit:
    return Limit(f"password-failures:{bid}:{partner_id}", MOST_FAILURES / WITHIN.total_seconds(), MOST_FAILURES)


def _unit(bid: int, partner_id: UUID) -> Refund:
    taken = _failures(bid, partner_id)
    return Refund(taken.key, taken.per_second, taken.burst)


def _guess(bid: int, partner_id: UUID, whom: str) -> str:
    return f"password-guesses:{bid}:{partner_id}:{digest(whom)}"
