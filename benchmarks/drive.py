"""Driving a flow with wrk: a load generator that costs little of the two cores it shares with what it measures."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_MARK = "FIGURES "


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement: requests a second, latencies in milliseconds, answers that were not the right one."""

    requests: int
    rate: float
    p50: float
    p95: float
    p99: float
    wrong: int


def drive(wrk: Path, script: str, port: int, seconds: int, connections: int, data: Path) -> Figures:
    """Run one script of benchmarks/*.lua against a port. RuntimeError when wrk fails."""
    command = [
        str(wrk), "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "10s",
        "--script", str(_HERE / script), f"http://127.0.0.1:{port}",
    ]  # fmt: skip
    environment = os.environ | {"IDHUB_BENCH_DATA": str(data), "IDHUB_BENCH_LUA": str(_HERE)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603  (wrk, found by provision)
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            raw = json.loads(line.removeprefix(_MARK))
            return Figures(
                requests=raw["requests"],
                rate=raw["requests"] / raw["seconds"],
                p50=raw["p50"],
                p95=raw["p95"],
                p99=raw["p99"],
                wrong=raw["wrong"],
            )
    raise RuntimeError(f"wrk gave no figures: {done.stdout[-500:]} {done.stderr[-500:]}")


def median(figures: list[Figures]) -> Figures:
    """Of several rounds: the median of each figure, the sum of requests and of wrong answers."""
    return Figures(
        requests=sum(each.requests for each in figures),
        rate=statistics.median(each.rate for each in figures),
        p50=statistics.median(each.p50 for each in figures),
        p95=statistics.median(each.p95 for each in figures),
        p99=statistics.median(each.p99 for each in figures),
        wrong=sum(each.wrong for each in figures),
    )
