"""`python -m benchmarks`: measures, prints, writes results.md.

Flows run in rounds, interleaved, because a shared machine drifts: floor, authenticate, redirect, and again; the median counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import create_engine

from benchmarks.data import Loaded, load
from benchmarks.drive import Figures, drive, median
from benchmarks.floor import metadata
from benchmarks.machines import Machines, cpu_seconds, resident_mib, set_up, start_floor, start_hub
from benchmarks.report import Flow, slow_line, write
from benchmarks.slow import slow_senders
from examples.partner_client import PartnerClient
from hub.storage.database import migrate
from hub.wiring import wire
from idp.settings import load as load_settings
from tests.processes import Process, Run, close_run, open_run
from tests.servers import require

TARGET = 0.8
REDIRECT, BESIDE = "SSO redirect", "SSO redirect beside 200 slow senders"


def main() -> int:
    """0 when every answer was right; the ratios are for people to read."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measure the hot paths beside a floor route.")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--billers", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only-slow-senders", action="store_true", help="redirects with and without slow senders; writes nothing")
    options = parser.parse_args()
    wrk = require("wrk")
    with tempfile.TemporaryDirectory(prefix="idhub-bench-") as folder, _run() as run:
        _say("starting PostgreSQL and Redis, loading data ...")
        machines = set_up(run)
        migrate(machines.database_url)
        hub = wire(load_settings(dict(machines.settings)))
        loaded = load(hub, options.users, options.billers)
        hub.close()
        engine = create_engine(machines.database_url)
        metadata.create_all(engine)
        engine.dispose()
        hub_process, floor_process = start_hub(machines), start_floor(machines)
        data = Path(folder)
        _write_payers(data, machines, loaded)
        _write_tokens(data, machines, loaded)
        flows: tuple[tuple[str, str, int, Process], ...] = (
            ("floor", "floor.lua", machines.floor_port, floor_process),
            ("authenticate", "authenticate.lua", machines.hub_port, hub_process),
            (REDIRECT, "redirect.lua", machines.hub_port, hub_process),
            (BESIDE, "redirect.lua", machines.hub_port, hub_process),
        )
        if options.only_slow_senders:
            flows = flows[2:]
        slug = next(loaded.payers())[0]
        slow = (machines.hub_port, f"{slug}.{machines.portal_domain}", f"/b/{slug}/sso/connect")
        rounds: dict[str, list[Figures]] = {name: [] for name, *_ in flows}
        cpu: dict[str, float] = dict.fromkeys(rounds, 0.0)
        for number in range(options.rounds + 1):
            for name, script, port, process in flows:
                before = cpu_seconds(process)
                with slow_senders(*slow) if name == BESIDE else nullcontext():
                    figures = drive(wrk, script, port, options.seconds if number else 3, options.connections, data)
                if number:  # the first round warms up
                    rounds[name].append(figures)
                    cpu[name] += cpu_seconds(process) - before
                _say(f"  {'warm-up' if not number else f'round {number}'}: {name}: {figures.rate:.0f}/s, p95 {figures.p95:.1f} ms")
        measured = [Flow(name, median(rounds[name]), cpu[name], _memory(process)) for name, _, _, process in flows]
    by_name = {flow.name: flow for flow in measured}
    _say(slow_line(by_name[REDIRECT], by_name[BESIDE]))
    if not options.only_slow_senders:
        shown = {name: value for name, value in vars(options).items() if name != "only_slow_senders"}
        write(Path(__file__).parent / "results.md", measured, TARGET, shown, _say)
    return 1 if any(flow.figures.wrong for flow in measured) else 0


@contextmanager
def _run() -> Iterator[Run]:
    """A folder and a reaper for what is started (tests/processes.py)."""
    run, reaping = open_run()
    try:
        yield run
    finally:
        close_run(reaping)


def _write_payers(folder: Path, machines: Machines, loaded: Loaded) -> None:
    api = f"api.{machines.portal_domain}"
    lines = (f"{slug}\t{secret}\t{user}\t{api}\n" for slug, secret, user in loaded.payers())
    (folder / "payers.tsv").write_text("".join(lines), encoding="ascii")


def _write_tokens(folder: Path, machines: Machines, loaded: Loaded, most: int = 2000) -> None:
    """Tokens that may be redeemed many times (policy `session`), issued by the hub itself."""
    clients = {secret: PartnerClient(f"http://api.{machines.portal_domain}", secret) for secret in loaded.secrets}
    payers = list(loaded.payers())
    step = max(1, len(payers) // most)
    with (folder / "tokens.tsv").open("w", encoding="ascii") as file:
        for slug, secret, user in payers[::step]:
            answer = clients[secret].call("POST", "/remote-authentication/authenticate", {"UserName": user})
            file.write(f"{slug}\t{slug}.{machines.portal_domain}\t{answer['RemoteAuthenticationToken']}\n")
    for client in clients.values():
        client.close()


def _memory(process: Process) -> str:
    return ", ".join(str(mib) for mib in resident_mib(process))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
