"""What a measurement runs on: durable PostgreSQL and Redis, and the hub's own server for hub and floor, with the same workers."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.processes import Process, Run, clean_environment, free_port
from tests.servers import PostgresCluster, RedisServer, require, start_postgres

WORKERS = 2
THREADS = 8
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "autovacuum": "on"}


@dataclass(frozen=True, slots=True)
class Machines:
    """What runs: the stores' URLs, the settings of a hub on them, and the ports of hub and floor."""

    run: Run
    database_url: str
    redis_url: str
    settings: Mapping[str, str]
    hub_port: int
    floor_port: int

    @property
    def portal_domain(self) -> str:
        return f"hub.localhost:{self.hub_port}"


def set_up(run: Run) -> Machines:
    """PostgreSQL and Redis, started and empty."""
    cluster: PostgresCluster = start_postgres(run, require("postgresql"), _DURABLE)
    redis = RedisServer(run, require("redis"))
    database_url = cluster.url(cluster.create())
    hub_port, floor_port = free_port(), free_port()
    settings = {
        "IDHUB_DATABASE_URL": database_url,
        "IDHUB_KEYVALUE_URL": redis.url,
        "IDHUB_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
        "IDHUB_PORTAL_DOMAIN": f"hub.localhost:{hub_port}",
        "IDHUB_PUBLIC_SCHEME": "http",
        "IDHUB_ALLOW_LOOPBACK_ORIGINS": "true",
        "IDHUB_LISTEN": f"127.0.0.1:{hub_port}",
        "IDHUB_WORKERS": str(WORKERS),
        "IDHUB_THREADS": str(THREADS),
        "IDHUB_DATABASE_POOL": "12",
        "IDHUB_LOG_LEVEL": "warning",
    }
    return Machines(run, database_url, redis.url, settings, hub_port, floor_port)


def start_hub(machines: Machines) -> Process:
    """`idhub serve`, ready."""
    process = machines.run.start(
        "hub", [sys.executable, "-m", "hub.cli", "serve"], environment=clean_environment(machines.settings)
    )
    process.wait_ready(f"http://127.0.0.1:{machines.hub_port}/readyz")
    return process


def start_floor(machines: Machines) -> Process:
    """The floor route on the same server."""
    environment = clean_environment(
        {
            "IDHUB_BENCH_DATABASE": machines.database_url,
            "IDHUB_BENCH_REDIS": machines.redis_url.replace("/0", "/1"),
            "IDHUB_BENCH_WORKERS": str(WORKERS),
            "IDHUB_BENCH_THREADS": str(THREADS),
        }
    )
    command = [sys.executable, "-m", "benchmarks.floor", str(machines.floor_port)]
    root = Path(__file__).resolve().parents[1]
    process = machines.run.start("floor", command, environment=environment, working_folder=root)
    process.wait_ready(f"http://127.0.0.1:{machines.floor_port}/readyz")
    return process


def cpu_seconds(process: Process) -> float:
    """Processor time of a process and its children so far, from /proc (Linux)."""
    ticks = os.sysconf("SC_CLK_TCK")
    wanted, total = {process.pid}, 0
    stats: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            stats[int(entry.name)] = (int(fields[1]), int(fields[11]) + int(fields[12]))
    for _ in range(4):
        wanted |= {pid for pid, (parent, _) in stats.items() if parent in wanted}
    total = sum(stats[pid][1] for pid in wanted if pid in stats)
    return total / ticks


def resident_mib(process: Process) -> list[int]:
    """Resident memory of each child (the workers), in MiB."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == process.pid:
                    pages = int((entry / "statm").read_text().split()[1])
                    found.append(pages * os.sysconf("SC_PAGE_SIZE") // 2**20)
            except OSError:
                continue
    return sorted(found)
