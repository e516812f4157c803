"""A long body on its way from the event loop to the thread that reads it as `wsgi.input`.

The loop gives (`give`, `end`, `fail`), the thread takes (`read`). What waits in between is bounded: when it is full, the loop stops
reading from the connection until the thread has caught up (`room`), and the sender waits. However receiving ends, the thread is
told, so it never waits for a sender whose time is over.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from hub.server.bodies import Claims
from idp.errors import HubError, MalformedRequest


class Incoming:
    """The body of one request. Two threads know it: the loop's, and the one that reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, claims: Claims, most_held: int) -> None:
        self._loop = loop
        self._claims = claims
        self._most_held = most_held
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self.is_whole = False
        """All of it has come (whether it was read or not)."""
        self._fault: HubError | None = None
        self._owner = ""
        self._room: asyncio.Event = asyncio.Event()
        self._room.set()

    # --- the loop's side ---

    def give(self, piece: bytes) -> None:
        """A piece has come."""
        with self._changed:
            self._pieces.append(piece)
            self._held += len(piece)
            if self._held >= self._most_held:
                self._room.clear()
            self._changed.notify()

    async def room(self) -> None:
        """Wait until the thread has taken enough for more to be received."""
        if not self._room.is_set():
            await self._room.wait()

    @property
    def is_full(self) -> bool:
        """Whether the thread has to catch up first."""
        return not self._room.is_set()

    def end(self) -> None:
        """All of it has come."""
        with self._changed:
            self.is_whole = True
            self._changed.notify()

    def fail(self, fault: HubError) -> None:
        """No more will come; the reader gets this fault. Without effect when all of it has come."""
        with self._changed:
            if not self.is_whole:
                self._fault = fault
                self._changed.notify()

    # --- the thread's side ---

    def claim(self, owner: str) -> None:
        """Say whose body this is, once that is known and before it is read. Busy when the owner sends too many at once."""
        self._claims.claim(owner)
        self._owner = owner

    def read(self, size: int = -1, /) -> bytes:
        """At least one byte and at most `size`, or everything; b"" at the end. Waits. The fault of the receiving: BodyTooSlow,
        BodyTooLarge, MalformedRequest when the sender broke off."""
        if size == 0:
            return b""
        if size < 0:
            return b"".join(iter(lambda: self.read(self._most_held), b""))
        with self._changed:
            while not self._pieces and not self.is_whole and self._fault is None:
                self._changed.wait()
            if self._fault is not None:
                raise self._fault
            if not self._pieces:
                return b""
            taken = self._take(size)
            has_room = self._held < self._most_held
        if has_room and not self._room.is_set():
            self._loop.call_soon_threadsafe(self._room.set)
        return taken

    def close(self) -> None:
        """The reader is done, whether it has read everything or not."""
        with self._changed:
            # A fault that was raised leads to the frames it passed, and these to the request: nothing here may hold it any longer.
            self._fault = MalformedRequest("the body is not read any more")
            self._pieces.clear()
        if self._owner:
            self._claims.release(self._owner)
            self._owner = ""

    def _take(self, size: int) -> bytes:
        piece = self._pieces.popleft()
        if 0 < size < len(piece):
            self._pieces.appendleft(piece[size:])
            piece = piece[:size]
        self._held -= len(piece)
        return piece
