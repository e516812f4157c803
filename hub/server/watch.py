"""Deadlines of what the loop waits for from a client: cheap to begin and to end, looked at twice a second, exact to half of one.

A task that is over its time is cancelled where it waits. A timer for each would cost every short body a place in the loop's heap.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from hub.server.bodies import Pace
from hub.server.incoming import Incoming

_LOOK_SECONDS = 0.5


@dataclass(slots=True)
class _Paced:
    """A sender that is held to a rate. `next_tick`: when a second of waiting for it is over."""

    pace: Pace
    incoming: Incoming
    next_tick: float


class Watch:
    """The tasks of one loop that wait for a client."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: dict[asyncio.Task[object], float] = {}
        self._paced: dict[asyncio.Task[object], _Paced] = {}
        self._is_looking = False

    def until(self, due: float) -> _Watched:
        """A block in which the present task is cancelled when it is still there at that time of the loop."""
        self._look_soon()
        return _Watched(self._due, due)

    def at(self, pace: Pace, incoming: Incoming) -> _Watched:
        """A block in which the present task is cancelled when its sender falls behind. Time in which the sender waits for us is not
        held against it."""
        self._look_soon()
        return _Watched(self._paced, _Paced(pace, incoming, self._loop.time() + 1.0))

    def _look_soon(self) -> None:
        if not self._is_looking:
            self._is_looking = True
            self._loop.call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        for task in [task for task, due in self._due.items() if due <= now]:
            self._due.pop(task)
            task.cancel()
        for task, paced in list(self._paced.items()):
            if paced.incoming.is_full:
                paced.next_tick = now + 1.0
            elif paced.next_tick <= now:
                paced.next_tick = now + 1.0
                if not paced.pace.tick():
                    self._paced.pop(task)
                    task.cancel()
        self._is_looking = False
        if self._due or self._paced:
            self._look_soon()


class _Watched:
    """The present task is in a table while it is in the block. A class, because a generator costs each short body twice as much."""

    __slots__ = ("_entry", "_table", "_task")

    def __init__(self, table: dict[asyncio.Task[object], Any], entry: float | _Paced) -> None:
        self._table = table
        self._entry = entry

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be over its time")
        self._task = task
        self._table[task] = self._entry

    def __exit__(self, *_fault: object) -> None:
        self._table.pop(self._task, None)
