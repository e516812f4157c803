"""What a measurement comes to: a table on the terminal and in results.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.drive import Figures

SLOW_TARGET = 1.2
"""p95 beside slow senders, as a multiple of the p95 without."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow, measured: processor seconds of its server's processes over all rounds, resident MiB of each worker at the end."""

    name: str
    figures: Figures
    cpu_seconds: float
    memory: str


def write(path: Path, flows: Sequence[Flow], target: float, options: Mapping[str, object], say: Callable[[str], None]) -> None:
    """Write results.md and say the table. The first flow is the floor, the last two are those of `slow_line`."""
    floor = flows[0].figures.rate
    rows = [
        "| flow | rate/s | p50 ms | p95 ms | p99 ms | share of floor | target | CPU ms/request | MiB per worker | wrong answers |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for index, flow in enumerate(flows):
        each = flow.figures
        share, wanted = ("", "") if index == 0 else (f"{each.rate / floor:.0%}", f"{target:.0%}")
        rows.append(
            f"| {flow.name} | {each.rate:.0f} | {each.p50:.1f} | {each.p95:.1f} | {each.p99:.1f} | {share} | {wanted} |"
            f" {flow.cpu_seconds / max(1, each.requests) * 1000:.2f} | {flow.memory} | {each.wrong} |"
        )
    table = "\n".join(rows)
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    shown = ", ".join(f"{name} {value}" for name, value in options.items())
    path.write_text(
        _TEXT.format(
            made=made,
            cores=os.cpu_count(),
            python=platform.python_version(),
            options=shown,
            table=table,
            slow=slow_line(*flows[-2:]),
        )
    )
    say(table)
    say(f"written to {path}")


def slow_line(without: Flow, beside: Flow) -> str:
    """The p95 of a redirect with and without slow senders, as a ratio of one run."""
    p95, other = beside.figures.p95, without.figures.p95
    return f"{beside.name}: p95 {p95:.1f} ms, without them {other:.1f} ms: {p95 / other:.2f}x (target: at most {SLOW_TARGET}x)."


_TEXT = """# Results

Made by `make bench` on {made}: {cores} cores shared by PostgreSQL, Redis, two workers and the load generator (wrk), Python
{python}; {options}. Compare figures of one run only with each other: the ratios are what counts.

{table}

- **floor**: bare Flask, one Redis script, one committed INSERT, on the same server with the same workers and threads.
- **authenticate**: `POST /api/v1/remote-authentication/authenticate`: key, rate, user and registrations, audit row, token.
- **SSO redirect**: `POST /b/{{slug}}/sso/connect` (ViewMode 0): token redeemed, session opened, audit row, 303.
- **beside 200 slow senders**: the same while 200 connections each hold a form that is never whole.

{slow}

PostgreSQL runs with fsync and synchronous_commit on; Redis without persistence.
"""
