"""The key-value contract: short-lived records, taken once, voided at once, limited, and versions of cached rows.

One call does everything: `transact(*steps)` runs its steps in order, atomically, in ONE round trip (a Lua script on Redis, one
BEGIN IMMEDIATE on SQLite). A step sees what the steps before it did. The first step that says no stops the transaction and
NOTHING that came before it is written, not even a `Take`; only a `Limit` or `Attempt` that passed and a `Count` stay counted (or
whoever fails is never limited), and stamps made on first sight stay.

Records
    A record has a value (text; JSON by custom) and lives until `expires_at` = min(last slide + idle, absolute), by the store's
    own clock: workers may disagree about the time by minutes. Where that clock is set back, it lives at most `idle` from the next
    look. It dies early when any key of its `unless` list is marked (`Mark`): so one mark ends a family of sessions, and a
    revocation needs no list of what it revokes.
    `watch` names the stamps of the SQL rows that the record rests on: reading the record brings their present stamps along.
    A record made with `parent` (the index of an earlier Read or Take in the same transaction) keeps that record's value and
    inherits its `unless` and `watch`; a `Put` whose parent is a `Gone` (of `Read(optional=True)`) stops with that `Gone`.
    `within` and `bounded` also limit its absolute end by the parent's, on the store's clock.

Stamps
    A stamp is the version of a cached row. `Expect` stops the transaction when one differs from what the caller cached.
    A writer renews the stamps of a row with a hold BEFORE its SQL commit and without one after it. While held, a stamp differs
    at every read, so nobody caches what may change under their feet; a writer that dies in between leaves a hold that runs out.
    Each `Renew` without a hold ends one hold, the earliest: while a second writer is at work, the stamp stays held.
    A stamp that is not there is made on first sight, fresh and random.

Lists
    A list (`Enlist`, `Roll`) remembers which records belong to somebody, so that they can be shown; what ends them is a mark, and a
    list may still name what is gone. It keeps the newest `MOST_MEMBERS` and says when it was cut: "all" never rests on a list.

Epoch
    Everything carries the epoch of the store. A store that may have lost data (Redis restarted without a full log, flushed,
    failed over) begins a new epoch, and everything older is void: nothing that was revoked revives (docs/operations.md). A store
    cannot see that it was restored from a backup: `idp.epochs` finds that by comparing it with the database.

Faults: anything that keeps the store from answering is `idp.errors.StoreUnavailable`; whether the steps were carried out is
then unknown, and `Take` must be treated as spent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

Stamps = Mapping[str, str]
"""Stamp name -> version, opaque text."""


# --- steps ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limit:
    """One unit from a token bucket (GCRA); stops the transaction with `Limited` when the bucket is empty."""

    key: str
    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Refund:
    """Give one unit back to the bucket of a `Limit` with the same numbers: what was counted beforehand turned out not to count.

    A full bucket stays full; in a transaction that stops nothing is given back.
    """

    key: str
    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One guess at something that people choose or copy from paper: a password, a role code.

    The first `free` guesses pass; then each passes only after a delay that begins with `delay` and doubles up to `longest`; until
    then the transaction stops with `Limited`. A guess is counted BEFORE it is judged, so that many at once are no way round it;
    whoever guessed right does `Drop`. All is forgotten `window` after the last guess that passed. A clock that is set back makes
    nobody wait longer than the delay of the last guess.
    """

    key: str
    free: int
    delay: timedelta
    longest: timedelta
    window: timedelta


@dataclass(frozen=True, slots=True)
class Expect:
    """The caller's cached stamps; stops with `Stale` (which brings the present ones) when any differs."""

    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Put:
    """Write a record. `absent`: only where no record is alive (else stops with `Exists`)."""

    key: str
    value: str
    idle: timedelta
    absolute: timedelta | None = None
    """At most this long in all, however often it slides. None: it never slides beyond `idle`."""
    unless: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    parent: int | None = None
    absent: bool = False
    linger: timedelta = timedelta(0)
    """So long after its time a record is still told of (`Gone` with its value): a refusal can say what it was."""
    within: timedelta | None = None
    """With `parent`: the absolute end is at the latest this long after the parent was made."""
    bounded: bool = False
    """With `parent`: the absolute end is at the latest the parent's own."""
    origin: str | None = None
    """With `parent`: what the record keeps as its parent's value, instead of that value."""
    shed: tuple[str, ...] = ()
    """With `parent`: marks of the parent that the record does not inherit."""


@dataclass(frozen=True, slots=True)
class Read:
    """Read a record; with `slide` also prolong it. Stops with `Gone` when it is not alive, unless `optional`.

    `spent`: a record that was taken is read as well, while its tombstone stands and no mark ends it. It never slides.
    """

    key: str
    slide: bool = False
    optional: bool = False
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Take:
    """Read a record that is good once, and leave a tombstone that keeps its value for `tombstone`.

    Exactly one caller gets `Record`; every later one is stopped with `Gone(spent=True, value=...)`, so that what came of the
    first use can be revoked.
    """

    key: str
    tombstone: timedelta


@dataclass(frozen=True, slots=True)
class Mark:
    """Mark a key for `lifetime`: every record that names it in `unless` is dead from now on. A mark is never shortened."""

    key: str
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove a record, a mark and the guesses counted under a key; nothing happens when there are none."""

    key: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Give stamps a new version. With `hold`: and let them differ at every read for that long."""

    stamps: tuple[str, ...]
    hold: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Read stamps (made on first sight)."""

    stamps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """Add one to a counter that forgets after `window` without a call."""

    key: str
    window: timedelta


@dataclass(frozen=True, slots=True)
class Enlist:
    """Put a member (never "") on a list for `lifetime`, or prolong its stay. A list keeps its newest `MOST_MEMBERS`."""

    key: str
    member: str
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class Roll:
    """Read a list: its members whose time is not over, oldest first."""

    key: str


MOST_MEMBERS = 100
"""Members of one list; the oldest make room."""

Step = Limit | Refund | Attempt | Expect | Put | Read | Take | Mark | Drop | Renew | Look | Count | Enlist | Roll


# --- results, one per step, in order ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a `Limit` left: units remaining in the bucket and the time until it is full."""

    remaining: int
    full_in: timedelta


@dataclass(frozen=True, slots=True)
class Record:
    """A live record, from `Read` or `Take`. `stamps` are the present versions of its `watch` list."""

    value: str
    expires_at: datetime
    created_at: datetime
    stamps: Stamps = field(default_factory=dict)
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """From `Put`."""

    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """From `Expect` and `Look`: the present stamps."""

    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Counted:
    """From `Count` and `Attempt`: how many, this one included."""

    count: int


@dataclass(frozen=True, slots=True)
class Listed:
    """From `Roll`: the members, oldest first. `cut`: others had to make room whose time is not over."""

    members: tuple[str, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """From `Mark`, `Drop`, `Renew`, `Enlist`, `Refund`."""


# --- what stops a transaction ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limited:
    """The bucket is empty, or the next guess must wait, for `retry_after`; `full_in` until nothing of it is remembered."""

    retry_after: timedelta
    full_in: timedelta


@dataclass(frozen=True, slots=True)
class Stale:
    """The cache is behind: the present stamps of ALL names of the `Expect` step."""

    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Gone:
    """No live record: taken before (`spent`), ended by a mark (`ended_by`), past its time but lingering (`value`), or nothing."""

    spent: bool = False
    ended_by: str | None = None
    value: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """`Put(absent=True)` found a live record."""

    value: str


Result = Allowance | Record | Written | Seen | Counted | Listed | Done | Gone
"""`Gone` is a result (and stops nothing) only of `Read(optional=True)`."""

Stop = Limited | Stale | Gone | Exists


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did: a result per step, or where and why it stopped."""

    results: tuple[Result, ...]
    """Of all steps when it went through; of the steps before `stopped_at` when it did not."""
    stop: Stop | None = None
    stopped_at: int | None = None


class KeyValue(Protocol):
    """A key-value store. Safe for use by many threads; processes share one store."""

    def transact(self, *steps: Step) -> Outcome:
        """Run the steps atomically. Raises StoreUnavailable."""
        ...

    def check(self) -> None:
        """Answer, or raise StoreUnavailable with what is wrong (readiness; also refuses a store that evicts keys)."""
        ...

    def purge(self, limit: int) -> int:
        """Remove up to `limit` records that are over, where the store does not do so itself. How many went."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...
