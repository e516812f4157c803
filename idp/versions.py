"""A cache of SQL rows in the process, exact because every use is checked against stamps in the key-value store.

Use: `entry = cache.find(key)`; send `Expect(entry.stamps)` (or compare the stamps that a record brought along) in the SAME
key-value transaction that acts on it; on a difference load again. A cache is never trusted without that check, so a change on
any worker counts at once on all of them.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from idp.kv import KeyValue, Look, Seen, Stamps

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
R = TypeVar("R")

TRIES = 10
"""So often what is stale is read anew before the caller is told to come again; with the pauses, a quarter of a second."""


def biller_stamp(bid: int) -> str:
    """Changes with the biller's row: state, host, policies, settings."""
    return f"biller:{bid}"


def directory_stamp(bid: int) -> str:
    """Changes with a bulk change of a biller's users and customers (an import)."""
    return f"directory:{bid}"


def key_stamp(key_id: UUID) -> str:
    """Changes with an API key, its secrets, its origins, or its partner."""
    return f"key:{key_id}"


def user_stamp(user_id: UUID) -> str:
    """Changes with a user, its names, its registrations, or the customers that it is registered on."""
    return f"user:{user_id}"


def name_stamp(bid: int, kind: str, name: str) -> str:
    """Changes when the set of users that a name stands for changes (`kind`: email, user_name, partner)."""
    return f"name:{bid}:{kind}:{name}"


def pause_before(attempt: int) -> None:
    """Give a writer that holds the stamps the moment of its commit: 1 ms before the third try, then always doubled."""
    if attempt > 1:
        time.sleep(2 ** (attempt - 2) / 1000)


@dataclass(frozen=True, slots=True)
class Cached(Generic[V]):
    """A value with the stamps that it was read under."""

    value: V
    stamps: Stamps


class VersionedCache(Generic[K, V]):
    """Least recently used, bounded, safe for threads."""

    def __init__(self, kv: KeyValue, capacity: int) -> None:
        self._kv = kv
        self._capacity = capacity
        self._entries: OrderedDict[K, Cached[V]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: K) -> Cached[V] | None:
        """The entry, unchecked."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def is_current(self, entry: Cached[V]) -> bool:
        """Whether an entry still holds, by a look at its stamps (a round trip: join it to another transaction if you can)."""
        return self._look(tuple(entry.stamps)) == entry.stamps

    def read_under(self, stamps: tuple[str, ...], read: Callable[[], R]) -> tuple[Stamps, R]:
        """Look at the stamps, THEN read, so that a change in between makes the entry stale and not wrong."""
        return self._look(stamps), read()

    def load(self, key: K, stamps: tuple[str, ...], read: Callable[[], V]) -> Cached[V]:
        """Read under the stamps, and remember."""
        return self.keep(key, *self.read_under(stamps, read))

    def keep(self, key: K, stamps: Stamps, value: V) -> Cached[V]:
        """Remember a value that was read after `stamps` were looked at."""
        entry = Cached(value, dict(stamps))
        with self._lock:
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
        return entry

    def forget(self, key: K) -> None:
        """Drop an entry that turned out stale."""
        with self._lock:
            self._entries.pop(key, None)

    def _look(self, stamps: tuple[str, ...]) -> Stamps:
        seen = self._kv.transact(Look(stamps)).results[0]
        assert isinstance(seen, Seen)  # noqa: S101  (Look answers Seen: idp.kv)
        return seen.stamps
