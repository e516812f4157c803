"""Throttle: how often somebody may guess at what people choose or copy from paper (passwords, role codes).

A guess is counted before it is judged, under a name that says who guesses at what; so many guesses at once, on many workers, are no
way round it. The first few pass, then each waits twice as long as the one before. A right guess forgets the wrong ones of its name.
Only the name that guessed wrong waits: the right secret still works for everybody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from idp.errors import TooManyAttempts
from idp.kv import Attempt, Drop, KeyValue, Limited
from idp.opaque import digest


@dataclass(frozen=True, slots=True)
class Pace:
    """So many guesses are free; then delays from `delay`, doubling, up to `longest`; forgotten `window` after the last."""

    free: int
    delay: timedelta
    longest: timedelta
    window: timedelta = timedelta(hours=24)


PASSWORDS = Pace(free=5, delay=timedelta(seconds=1), longest=timedelta(minutes=15))
"""Of one partner at one user (idp.login.password_guesses)."""

ROLE_CODES = Pace(free=5, delay=timedelta(minutes=1), longest=timedelta(hours=1))
"""Of one caller at one account."""


class Throttle:
    """Counts guesses. `names` are made of parts, so that no two callers can meet under one name."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    def guess(self, pace: Pace, *name: object) -> None:
        """Count one guess. TooManyAttempts, with the time to wait, when it comes too early; it is then not to be judged."""
        step = Attempt(_key(name), pace.free, pace.delay, pace.longest, pace.window)
        stop = self._kv.transact(step).stop
        if isinstance(stop, Limited):
            raise TooManyAttempts("too many wrong guesses", retry_after=stop.retry_after)

    def right(self, *name: object) -> None:
        """Forget the guesses of a name, because one was right."""
        self._kv.transact(Drop(_key(name)))


def _key(name: tuple[object, ...]) -> str:
    return "guesses:" + digest("\x1f".join(map(str, name)))
