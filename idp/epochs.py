"""The epoch of the key-value store, kept in the database as well, so that a restored store cannot revive anything.

Tokens, sessions and what revokes them live in the key-value store. Restored from a backup, it would revive what was spent or
revoked since. So both stores keep the same two values, and every process that serves or works compares them (`begin` at its start,
`beat` once a minute):

    epoch    a random name. A store that voids everything by itself (a reboot, a lost log, a flush) begins another one
    beat     a counter that goes up once a minute in both stores: in the key-value store first, inside the database's transaction

    same epoch, key-value beat equal or one ahead     nothing happened (one ahead: a process died between the two writes)
    another epoch that was never recorded             the store began it by itself, empty: recorded
    anything else                                     one of the two was restored: a new epoch begins, everything issued is void

If both were restored from one backup, they match. Only the time can tell then: when no process has run for ten minutes, the next
start begins a new epoch too. So after a longer stop payers sign in again, restored or not (docs/adr/0036). Commands of `idhub`
never begin one: they may run beside a hub, or without one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from idp.clock import Clock
from idp.errors import StoreUnavailable
from idp.transaction import Begin

EVERY: Final = timedelta(minutes=1)
LONGEST_GAP: Final = timedelta(minutes=10)
"""A start after a longer silence cannot tell a pause from a restored backup."""

CLOCKS_MAY_DIFFER: Final = timedelta(minutes=2)
_BEATEN_BY_ANOTHER: Final = timedelta(seconds=50)
_log = logging.getLogger(__name__)


INHERITED: Final = -1
"""The beat of an epoch from before beats were kept."""
FRESH: Final = 0
"""The beat of an epoch that its store began by itself, empty."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Which history the contents of a key-value store belong to. `beat`: INHERITED, FRESH, or the last one that was kept."""

    epoch: str
    beat: int


class LineageStore(Protocol):
    """The same store as idp.kv.KeyValue, asked about its history."""

    def lineage(self) -> Lineage:
        """The present epoch and its beat. StoreUnavailable."""
        ...

    def keep_beat(self, lineage: Lineage) -> bool:
        """Keep a beat of this epoch; False, and nothing is kept, when the epoch is another one by now. StoreUnavailable."""
        ...

    def begin_epoch(self) -> Lineage:
        """Void everything that the store has. The new epoch. StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the database knows of the key-value store. `epoch` "": nothing yet."""

    epoch: str = ""
    beat: int = 0
    beaten_at: datetime | None = None


class EpochStore(Protocol):
    """The one row in the database."""

    def lock_epoch(self) -> Recorded:
        """Read it, and keep everybody else from it until the end of the transaction."""
        ...

    def put_epoch(self, recorded: Recorded) -> None:
        """Write it, locked before."""
        ...


class EpochStores(Protocol):
    """The slice of stores that this service works with."""

    @property
    def epochs(self) -> EpochStore: ...


class Epochs:
    """Compares the two stores. Any number of processes may do so at once: the row's lock lets one after the other."""

    def __init__(self, begin: Begin[EpochStores], kv: LineageStore, clock: Clock) -> None:
        self._begin = begin
        self._kv = kv
        self._clock = clock

    def begin(self) -> None:
        """When a process starts to serve or to work. StoreUnavailable."""
        self._settle(is_start=True)

    def beat(self) -> int:
        """Once a minute while it does. StoreUnavailable. 0: there is never more to do."""
        self._settle(is_start=False)
        return 0

    def _settle(self, *, is_start: bool) -> None:
        now = self._clock.now()
        with self._begin() as stores:
            recorded, there = stores.epochs.lock_epoch(), self._kv.lineage()
            why = _mismatch(recorded, there) or (_silence(recorded, now) if is_start else "")
            if why:
                _log.warning("new epoch: everything issued before is void", extra={"cause": why})
                there = self._kv.begin_epoch()
            elif not is_start and there == Lineage(recorded.epoch, recorded.beat) and _is_recent(recorded, now):
                return
            beat = recorded.beat + 1 if there.epoch == recorded.epoch else 1
            if not self._kv.keep_beat(Lineage(there.epoch, beat)):
                raise StoreUnavailable("the key-value store began another epoch meanwhile")
            stores.epochs.put_epoch(Recorded(there.epoch, beat, now))


def _mismatch(recorded: Recorded, there: Lineage) -> str:
    """Why the two cannot be of one history; "" when they can."""
    if there.epoch == recorded.epoch:
        fits = recorded.beat <= there.beat <= recorded.beat + 1
        return "" if fits else f"beat {there.beat} in the key-value store, {recorded.beat} in the database"
    if there.beat == FRESH or (not recorded.epoch and there.beat < FRESH):
        return ""
    return "the key-value store and the database know different epochs"


def _silence(recorded: Recorded, now: datetime) -> str:
    if recorded.beaten_at is None or -CLOCKS_MAY_DIFFER <= now - recorded.beaten_at <= LONGEST_GAP:
        return ""
    return f"no process since {recorded.beaten_at.isoformat()}"


def _is_recent(recorded: Recorded, now: datetime) -> bool:
    return recorded.beaten_at is not None and now - recorded.beaten_at < _BEATEN_BY_ANOTHER
