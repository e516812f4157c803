"""Threads that run requests: a fixed number, started when the first request comes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

_log = logging.getLogger(__name__)

Task = Callable[[], None]


class Threads:
    """A pool. Tasks wait in one queue, first come, first served; the server's connections bound their number."""

    def __init__(self, count: int, name: str) -> None:
        # Daemons: one that hangs in a store must not keep the process from ending.
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(1, count + 1)
        ]
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._is_started = False

    def close(self, within: float) -> None:
        """Let the threads end, and wait for them for so many seconds."""
        if not self._is_started:
            return
        for _ in self._threads:
            self._queue.put(None)
        give_up = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, give_up - time.monotonic()))

    def run(self, task: Task) -> None:
        """Run it when a thread is free."""
        if not self._is_started:
            self._is_started = True
            for thread in self._threads:
                thread.start()
        self._queue.put(task)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            try:
                task()
            except Exception:  # noqa: BLE001  (whatever the application does, the thread goes on)
                _log.exception("a request could not be answered")
            # An idle thread must not hold on to a request: its connection stays open as long as somebody may read its body.
            del task
