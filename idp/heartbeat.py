"""A thread that keeps doing something small while a process has reason to: renews what it holds, writes what it has counted.

It begins with the first `wake` (so a forked worker has a thread of its own), sleeps without a timer while there is nothing to do,
and ends with `close` or with the process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

_log = logging.getLogger(__name__)


class Heartbeat:
    """Calls `beat` at every interval after a `wake`, for as long as it answers True. Safe for many threads."""

    def __init__(self, name: str, every: timedelta, beat: Callable[[], bool]) -> None:
        self._name = name
        self._every = every.total_seconds()
        self._beat = beat
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is something to do, at the next beat."""
        if self._wanted.is_set():
            return
        with self._lock:
            self._wanted.set()
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread, after the beat that it may be in."""
        self._ended.set()
        self._wanted.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._wanted.wait()
            if self._ended.wait(self._every):
                return
            self._wanted.clear()
            try:
                more = self._beat()
            except Exception as fault:  # noqa: BLE001  (the next beat may do better, and nobody else would start one)
                _log.error("heartbeat failed", extra={"name_of": self._name, "cause": type(fault).__name__})
                more = True
            if more:
                self._wanted.set()
