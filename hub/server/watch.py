"""Deadlines of what the loop waits for from a client: cheap to begin and to end, looked at twice a second, exact to half of one.

A task that is over its time is cancelled where it waits. A timer for each would cost every short body a place in the loop's heap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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

    @contextmanager
    def until(self, due: float) -> Iterator[None]:
        """Cancel the present task when it is still in the block at that time of the loop."""
        task = _present_task()
        self._due[task] = due
        self._look_soon()
        try:
            yield
        finally:
            self._due.pop(task, None)

    @contextmanager
    def at(self, pace: Pace, incoming: Incoming) -> Iterator[None]:
        """Cancel the present task when its sender falls behind. Time in which the sender waits for us is not held against it."""
        task = _present_task()
        self._paced[task] = _Paced(pace, incoming, self._loop.time() + 1.0)
        self._look_soon()
        try:
            yield
        finally:
            self._paced.pop(task, None)

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


def _present_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("only a task can be over its time")
    return task
