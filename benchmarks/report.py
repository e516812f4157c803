"""What a measurement comes to: a table on the terminal and in results.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.drive import Figures


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow, measured: processor seconds of its server's processes over all rounds, resident MiB of each worker at the end."""

    name: str
    figures: Figures
    cpu_seconds: float
    memory: str


def write(path: Path, flows: Sequence[Flow], target: float, options: Mapping[str, object], say: Callable[[str], None]) -> None:
    """Write results.md and say the table. The first flow is the floor."""
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
    path.write_text(_TEXT.format(made=made, cores=os.cpu_count(), python=platform.python_version(), options=shown, table=table))
    say(table)
    say(f"written to {path}")


_TEXT = """# Results

Made by `make bench` on {made}: {cores} cores shared by PostgreSQL, Redis, two workers and the load generator (wrk), Python
{python}; {options}. Compare figures of one run only with each other: the ratios are what counts.

{table}

- **floor**: bare Flask, one Redis script, one committed INSERT, on the same server with the same workers and threads.
- **authenticate**: `POST /api/v1/remote-authentication/authenticate`: key, rate, user and registrations, audit row, token.
- **SSO redirect**: `POST /b/{{slug}}/sso/connect` (ViewMode 0): token redeemed, session opened, audit row, 303.

PostgreSQL runs with fsync and synchronous_commit on; Redis without persistence.
"""
