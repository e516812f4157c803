"""Threads that run requests: a fixed number at most, each started when it is first needed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

_log = logging.getLogger(__name__)

Task = Callable[[], None]


class Threads:
    """A pool. Tasks wait in one queue, first come, first served; their number is bounded by the connections of the server."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)

    def run(self, task: Task) -> None:
        """Run it when a thread is free."""
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
            self._start_one()
        self._queue.put(task)

    def close(self, within: float) -> None:
        """Let the threads end, and wait for them for so many seconds."""
        for _ in self._threads:
            self._queue.put(None)
        give_up = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, give_up - time.monotonic()))

    def _start_one(self) -> None:
        with self._lock:
            if len(self._threads) < self._most:
                # A daemon: one that hangs in a store must not keep the process from ending.
                thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads) + 1}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while True:
            task = self._queue.get()
            if task is None:
                return
            try:
                task()
            except Exception:  # noqa: BLE001  (whatever the application does, the thread goes on)
                _log.exception("a request could not be answered")
            self._idle.release()
