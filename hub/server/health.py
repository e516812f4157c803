"""/healthz and /readyz: answered whatever the request threads are doing, and however often they are asked.

    /healthz    the process lives: no store is asked
    /readyz     each part is probed in a thread of its own, at most every five seconds, whoever asks; a part that does not answer
                within three seconds is unavailable, and is not probed again before it has answered

They answer on any host, and say nothing that is worth reading to a stranger.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from idp.errors import HubError
from idp.opaque import new_id

FRESH_SECONDS: Final = 5.0
DEADLINE_SECONDS: Final = 3.0
ALIVE: Final = "/healthz"
READY: Final = "/readyz"
PATHS: Final = frozenset({ALIVE, READY})
_METHODS: Final = "GET, HEAD"
_log = logging.getLogger(__name__)

Probe = Callable[[], None]
"""Returns when the part can do its work, raises a HubError when it cannot."""


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """An answer for any wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Readiness:
    """What is known of the parts. For many threads; probes run in threads of their own."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        *,
        fresh: float = FRESH_SECONDS,
        deadline: float = DEADLINE_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes = probes
        self._fresh = fresh
        self._deadline = deadline
        self._now = now
        self._lock = threading.Lock()
        self._running: dict[str, Future[None]] = {}
        self._states: Mapping[str, bool] = MappingProxyType({})
        self._until = now() - 1

    def known(self) -> Mapping[str, bool] | None:
        """Part -> whether it can do its work, when that was found out a moment ago. Asks nobody."""
        return self._states if self._now() < self._until else None

    def states(self) -> Mapping[str, bool]:
        """As known, else found out now: waits for up to the deadline. One caller probes, the others wait for it."""
        with self._lock:
            known = self.known()
            if known is None:
                known = self._states = MappingProxyType(self._probe())
                self._until = self._now() + self._fresh
            return known

    def _probe(self) -> dict[str, bool]:
        for name, probe in self._probes.items():
            running = self._running.get(name)
            if running is None or running.done():
                self._running[name] = _in_a_thread(name, probe)
        wait(self._running.values(), self._deadline)
        states = {name: future.done() and future.exception() is None for name, future in self._running.items()}
        for name, future in self._running.items():
            if not states[name]:
                _log.warning("not ready", extra={"part": name, "cause": _cause(future)})
        return states


def _in_a_thread(name: str, probe: Probe) -> Future[None]:
    future: Future[None] = Future()

    def run() -> None:
        try:
            probe()
        except Exception as fault:  # noqa: BLE001  (whatever keeps a part from answering, it is not ready)
            future.set_exception(fault)
        else:
            future.set_result(None)

    threading.Thread(target=run, name=f"probe-{name}", daemon=True).start()
    return future


def _cause(future: Future[None]) -> str:
    if not future.done():
        return "no answer in time"
    fault = future.exception()
    return (fault.detail or fault.code) if isinstance(fault, HubError) else type(fault).__name__


def answer_alive(method: str) -> HealthAnswer:
    """The answer of /healthz."""
    return _answer(200, {"status": "alive"}) if method in {"GET", "HEAD"} else _wrong_method()


def answer_ready(method: str, states: Mapping[str, bool]) -> HealthAnswer:
    """The answer of /readyz."""
    if method not in {"GET", "HEAD"}:
        return _wrong_method()
    good = all(states.values())
    words = {name: "ok" if state else "unavailable" for name, state in states.items()}
    return _answer(200 if good else 503, {"status": "ready" if good else "unavailable"} | words)


def _wrong_method() -> HealthAnswer:
    return _answer(405, {"status": "method not allowed"}, ("Allow", _METHODS))


def _answer(status: int, told: Mapping[str, str], *more: tuple[str, str]) -> HealthAnswer:
    body = json.dumps(told, separators=(",", ":"), sort_keys=True).encode() + b"\n"
    headers = (
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Request-Id", str(new_id())),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Opener-Policy", "same-origin-allow-popups"),
        *more,
    )
    return HealthAnswer(status, headers, body)
