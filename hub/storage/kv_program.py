"""What both key-value stores agree on before they look at their data: units, lifetimes and whether the steps make sense.

Times go to a store as whole milliseconds since 1970 (UTC), token buckets as whole microseconds; a lifetime is rounded up, so
that nothing ends before its time. Neighbours: `idp.kv` (the contract), `hub.storage.kv_redis`, `hub.storage.kv_sqlite`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from idp.kv import Attempt, Enlist, Limit, Put, Read, Refund, Step, Take

STAMP_LIFETIME = timedelta(days=1)
"""A stamp that nobody read or renewed for this long is forgotten, and made anew on the next sight."""

STAMP_REFRESH = timedelta(hours=12)
"""A stamp older than this is written again when it is read: far from its end, and not at every read."""

_LONGEST_DELAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)


def milliseconds(length: timedelta) -> int:
    """A length of time in milliseconds, rounded up."""
    return -(-length // _MILLISECOND)


def microseconds_since_1970(instant: datetime) -> int:
    """An aware instant as the stores count it."""
    return (instant - _EPOCH) // _MICROSECOND


def instant(ms: int) -> datetime:
    """Milliseconds since 1970 as an aware UTC instant, exactly."""
    return _EPOCH + timedelta(milliseconds=ms)


def bucket(limit: Limit | Refund) -> tuple[int, int]:
    """Microseconds in which a bucket gains one unit, and in which an empty one fills up."""
    interval = max(1, round(1_000_000 / limit.per_second))
    return interval, interval * limit.burst


def delay_after(attempt: Attempt, count: int) -> timedelta:
    """How long the guess after this one, the `count`th, must wait."""
    if count < attempt.free:
        return timedelta(0)
    # Beyond 30 doublings the longest was reached long ago, and the product would leave the range of a timedelta.
    return min(attempt.longest, attempt.delay * (1 << min(count - attempt.free, 30)))


def check_program(steps: Sequence[Step]) -> None:
    """Raise ValueError for steps that no store can carry out: a mistake of the caller, found before anything is written."""
    for index, step in enumerate(steps):
        if isinstance(step, Put):
            parent = step.parent
            if parent is not None and not (0 <= parent < index and isinstance(steps[parent], Read | Take)):
                raise ValueError(f"step {index}: parent {parent} is not an earlier Read or Take")
            if parent is None and (step.within is not None or step.bounded or step.origin is not None or step.shed):
                raise ValueError(f"step {index}: within, bounded, origin and shed need a parent")
        elif isinstance(step, Enlist) and not step.member:
            raise ValueError(f"step {index}: a member of a list needs a name")
        elif isinstance(step, Limit | Refund) and not (step.per_second > 0 and step.burst >= 1):
            raise ValueError(f"step {index}: a limit needs a rate above 0 and a burst of at least 1")
        elif isinstance(step, Attempt) and not (step.free >= 1 and timedelta(0) < step.delay <= step.longest <= _LONGEST_DELAY):
            raise ValueError(f"step {index}: an attempt needs at least one free guess and delays of at most a day")
