"""What the key-value suites share: a store with a way to let time pass, other processes on it, readers of outcomes."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.queues import Queue as ProcessQueue
from multiprocessing.synchronize import Barrier as ProcessBarrier
from pathlib import Path

from hub.storage.kv_redis import RedisKeyValue
from hub.storage.kv_sqlite import SqliteKeyValue
from idp.clock import Clock, FixedClock
from idp.kv import Counted, Gone, KeyValue, Look, Outcome, Record, Seen, Stamps, Step

PATIENCE = 60.0
"""Seconds after which something that should happen is taken for something that never will."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is, in words that another process understands."""

    kind: str
    address: str
    namespace: str = "idhub"

    def open(self, clock: Clock | None = None) -> KeyValue:
        """A store there. Redis goes by its own clock."""
        if self.kind == "redis":
            return RedisKeyValue(self.address, max_connections=32, namespace=self.namespace)
        return SqliteKeyValue(Path(self.address), clock=clock)


@dataclass(frozen=True, slots=True)
class Case:
    """A store under test. `clock` is set where time is ours to move."""

    kv: KeyValue
    place: Place
    clock: FixedClock | None = field(default=None)

    def until(self, happened: Callable[[], bool], after: timedelta) -> None:
        """Let `after` pass, at least, and see that `happened`."""
        if self.clock is not None:
            self.clock.advance(after)
            assert happened()
            return
        give_up = time.monotonic() + PATIENCE
        while True:
            time.sleep(after.total_seconds() * 1.5 + 0.01)
            if happened():
                return
            assert time.monotonic() < give_up, "it never happened"


# --- outcomes ----------------------------------------------------------------------------------------------------------------


def went_through(outcome: Outcome) -> Outcome:
    """The outcome of a transaction that nothing stopped."""
    assert outcome.stop is None, outcome
    assert outcome.stopped_at is None
    return outcome


def record(outcome: Outcome, index: int = 0) -> Record:
    """What a Read or Take gave."""
    found = went_through(outcome).results[index]
    assert isinstance(found, Record)
    return found


def gone(outcome: Outcome) -> Gone:
    """Why a transaction was stopped that found no live record."""
    assert isinstance(outcome.stop, Gone), outcome
    return outcome.stop


def look(kv: KeyValue, *names: str) -> Stamps:
    """The present stamps."""
    seen = went_through(kv.transact(Look(names))).results[0]
    assert isinstance(seen, Seen)
    return seen.stamps


# --- races -------------------------------------------------------------------------------------------------------------------


def race(place: Place, step: Step, *, processes: int, threads: int, rounds: int = 1) -> list[Outcome]:
    """Do `step` in so many threads of so many processes at the same time; all outcomes."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(processes)
    answers: ProcessQueue[list[Outcome]] = context.Queue()
    runners = [context.Process(target=_run, args=(place, step, threads, rounds, start, answers)) for _ in range(processes)]
    for runner in runners:
        runner.start()
    try:
        outcomes = [outcome for _ in runners for outcome in answers.get(timeout=PATIENCE)]
        for runner in runners:
            runner.join(PATIENCE)
            assert runner.exitcode == 0
    finally:
        for runner in runners:
            runner.kill()
            runner.join()
            runner.close()
        answers.close()
        answers.join_thread()
    return outcomes


def _run(
    place: Place,
    step: Step,
    threads: int,
    rounds: int,
    start: ProcessBarrier,
    answers: ProcessQueue[list[Outcome]],
) -> None:
    kv = place.open()

    def all_processes() -> None:
        start.wait(PATIENCE)

    # The last thread of each process waits for the other processes: then all threads of all of them set off together.
    ready = threading.Barrier(threads, action=all_processes)

    def act(_: int) -> list[Outcome]:
        ready.wait(PATIENCE)
        return [kv.transact(step) for _ in range(rounds)]

    with ThreadPoolExecutor(threads) as pool:
        outcomes = [outcome for several in pool.map(act, range(threads)) for outcome in several]
    kv.close()
    answers.put(outcomes)


def counts(outcomes: list[Outcome]) -> list[int]:
    """What every Count of a race gave, in order."""
    found = [outcome.results[0] for outcome in outcomes]
    return sorted(result.count for result in found if isinstance(result, Counted))
