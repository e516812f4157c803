"""How large and how slow a body may be, by the address that it is sent to. Pure: no sockets, no loop, no application.

    nobody reads it    no such address, a method that it does not take, a call without any key: answered before the body is there
    a page             a form of at most 16 KiB, within 10 seconds
    a call             JSON of at most 1 MiB, within 30 seconds
    a file             as large as the operation says, at 16 KiB a second or more

Short bodies (16 KiB at most) are received whole before a thread hears of the request. Longer ones go to a thread piece by piece,
because a thread can ask for the key first: so only callers with a key can make the hub hold more than 16 KiB.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from idp.errors import Busy

SHORT: Final = 16 * 1024
"""Bytes of a body that is received before anybody is asked. Also the limit of a page's form."""

SMALLEST_CHUNK: Final = 64
"""A body in pieces smaller than this, on average, costs more to receive than it is worth. No TCP segment is that small for long."""

FREE_CHUNKS: Final = 256
"""So many pieces of any size are never held against a sender."""


@dataclass(frozen=True, slots=True)
class BodyRule:
    """What holds for a body. `seconds` None: no deadline but a rate."""

    most: int
    seconds: float | None


UNREAD: Final = BodyRule(0, 0.0)
"""Nobody will read it: the answer does not wait for it."""

PAGE_SECONDS: Final = 10.0
PAGE: Final = BodyRule(SHORT, PAGE_SECONDS)


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for every body. Only tests have others than these."""

    least_per_second: int = 16 * 1024
    """Bytes that a file's sender must give on average."""
    window: int = 30
    """Seconds over which that average is taken, not counting those in which we were not ready for more."""
    held: int = 256 * 1024
    """Bytes of a long body that wait for its thread; the sender waits beyond that."""
    of_one_key: int = 4
    """Long bodies that one key may send to this process at once."""
    linger_seconds: float = 2.0
    """So long a sender that was refused early may go on sending, so that it gets to read the answer."""
    linger_bytes: int = 256 * 1024


class Pace:
    """The rate of one sender over the window. `tick` once a second while the sender is waited for."""

    __slots__ = ("_history", "_least", "_window", "received")

    def __init__(self, limits: Limits) -> None:
        self._least = limits.least_per_second * limits.window
        self._window = limits.window
        self._history: list[int] = []
        self.received = 0

    def tick(self) -> bool:
        """Whether the sender is still fast enough."""
        self._history.append(self.received)
        if len(self._history) <= self._window:
            return True
        return self._history[-1] - self._history.pop(0) >= self._least


class Claims:
    """How many long bodies each owner (an API key) sends at once. For many threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()

    def claim(self, owner: str) -> None:
        """Count one more. Busy when the owner has as many as it may."""
        with self._lock:
            held = self._held.get(owner, 0)
            if held >= self._most:
                raise Busy("the key sends too many long bodies at once", retry_after=timedelta(seconds=5))
            self._held[owner] = held + 1

    def release(self, owner: str) -> None:
        """Count one less."""
        with self._lock:
            if (left := self._held.get(owner, 1) - 1) > 0:
                self._held[owner] = left
            else:
                self._held.pop(owner, None)


def is_crumbled(chunks: int, size: int) -> bool:
    """Whether a body comes in pieces too small to be worth receiving."""
    return chunks > FREE_CHUNKS + size // SMALLEST_CHUNK
