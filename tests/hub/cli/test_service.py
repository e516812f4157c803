"""`idhub serve`, `idhub worker` and `idhub openapi`."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import sys
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import urllib3

from hub.server.run import KILL_SECONDS
from tests.conftest import StartProcess
from tests.hub.cli.conftest import Idhub
from tests.processes import free_port

_IDHUB = Path(sys.executable).parent / "idhub"
_PATIENCE = 60.0


def _settings(idhub: Idhub, **more: object) -> dict[str, str]:
    given = {
        "database_url": f"sqlite:///{idhub.folder}/hub.sqlite3",
        "keyvalue_url": f"sqlite:///{idhub.folder}/keyvalue.sqlite3",
        "master_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "mailbox_dir": f"{idhub.folder}/mailbox",
        "public_scheme": "http",
    } | more
    return {f"IDHUB_{name.upper()}": str(value) for name, value in given.items()}


def test_serve_answers_and_ends_politely_and_logs_no_query_string(idhub: Idhub, start_process: StartProcess) -> None:
    port = free_port()
    environment = _settings(idhub, listen=f"127.0.0.1:{port}", workers=2, log_format="json", log_level="debug")
    url = f"http://127.0.0.1:{port}/healthz?secret=river-otter-41"
    process = start_process("serve", [_IDHUB, "serve"], environment=environment, ready_url=url)
    with urllib3.PoolManager(retries=False, timeout=10.0) as pool:
        ready = pool.request("GET", f"http://127.0.0.1:{port}/readyz?secret=river-otter-41")
        assert (ready.status, ready.json()["status"]) == (200, "ready")
    assert process.stop(within=_PATIENCE) == 0
    assert "river-otter-41" not in process.output()
    assert "refused to gracefully stop" not in process.output()
    assert all(isinstance(json.loads(line), dict) for line in process.output().splitlines())


def test_serve_that_is_stopped_while_its_workers_start_does_not_wait_for_them(idhub: Idhub, start_process: StartProcess) -> None:
    environment = _settings(idhub, listen=f"127.0.0.1:{free_port()}", workers=2)
    process = start_process("serve", [_IDHUB, "serve"], environment=environment)
    give_up = time.monotonic() + _PATIENCE
    while "Spawning worker-2" not in process.output():
        assert process.returncode is None, process.tail()
        assert time.monotonic() < give_up, process.tail()
        time.sleep(0.01)
    assert process.stop(within=_PATIENCE) == 0
    # The server may say that a worker refused which has ended this very moment: what counts is that it waited for none.
    told = [json.loads(line) for line in process.output().splitlines()]
    at = {each["event"].partition(",")[0]: datetime.fromisoformat(each["timestamp"]) for each in told}
    assert at["Granian shutdown completed"] - at["Shutting down granian"] < timedelta(seconds=KILL_SECONDS)


def test_serve_that_other_machines_reach_without_a_proxy_warns_in_one_line(idhub: Idhub, start_process: StartProcess) -> None:
    port = free_port()
    for more, warned in (({}, 1), ({"trusted_proxies": "10.0.0.2/32"}, 0)):
        environment = _settings(idhub, listen=f"0.0.0.0:{port}", log_level="warning", **more)
        process = start_process("serve", [_IDHUB, "serve"], environment=environment, ready_url=f"http://127.0.0.1:{port}/readyz")
        assert process.stop(within=_PATIENCE) == 0
        lines = process.output().splitlines()
        assert len(lines) == warned
        for line in lines:
            assert line.startswith(f"warning: IDHUB_LISTEN: 0.0.0.0:{port} ")
            assert "IDHUB_TRUSTED_PROXIES" in line
            assert "docs/operations.md" in line


def test_serve_takes_its_settings_from_a_file(idhub: Idhub, start_process: StartProcess) -> None:
    port = free_port()
    file = idhub.folder / "hub.env"
    lines = _settings(idhub, listen=f"127.0.0.1:{port}")
    file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()), encoding="utf-8")
    process = start_process("serve", [_IDHUB, "--settings", file, "serve"], ready_url=f"http://127.0.0.1:{port}/readyz")
    assert process.stop(within=_PATIENCE) == 0


def test_serve_with_an_address_that_is_none_does_not_start(idhub: Idhub, clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("IDHUB_LISTEN", "8080")
    assert idhub.refused("serve") == ["IDHUB_LISTEN: ADDRESS:PORT is expected, for example 127.0.0.1:8080"]


def test_the_worker_seals_what_is_committed_and_ends_at_sigterm(idhub: Idhub, start_process: StartProcess) -> None:
    idhub.make_biller()
    process = start_process("worker", [_IDHUB, "worker"], environment=_settings(idhub))
    give_up = time.monotonic() + _PATIENCE
    while idhub.json("audit", "verify")["sealed"] == 0:
        assert process.returncode is None, process.tail()
        assert time.monotonic() < give_up, process.tail()
        time.sleep(0.1)
    process.signal(signal.SIGTERM)
    assert process.wait(_PATIENCE) == 0
    said = [json.loads(line) for line in process.output().splitlines()]
    assert [line["event"] for line in said] == ["worker started", "worker stopped"]
    with closing(sqlite3.connect(idhub.folder / "hub.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM leases").fetchone() == (0,)


def test_the_openapi_document_is_printed_without_any_settings(idhub: Idhub, tmp_path: Path) -> None:
    document = json.loads(idhub.text("openapi"))
    assert document["openapi"].startswith("3.1")
    assert "/remote-authentication/authenticate" in document["paths"]
    file = tmp_path / "openapi.json"
    idhub.text("openapi", "--out", file)
    assert json.loads(file.read_text(encoding="utf-8")) == document


def test_a_second_hub_on_the_port_ends_with_one_line_and_the_first_goes_on(idhub: Idhub, start_process: StartProcess) -> None:
    port = free_port()
    first = start_process(
        "first",
        [_IDHUB, "serve"],
        environment=_settings(idhub, listen=f"127.0.0.1:{port}", workers=2),
        ready_url=f"http://127.0.0.1:{port}/readyz",
    )
    for listen in (f"127.0.0.1:{port}", f"0.0.0.0:{port}", f"[::]:{port}"):
        second = start_process("second", [_IDHUB, "serve"], environment=_settings(idhub, listen=listen))
        assert second.wait(_PATIENCE) == 1
        said = f"{listen} is in use by another hub or program: stop it, or set IDHUB_LISTEN to another port"
        assert second.output().splitlines() == [said]
    first.wait_ready(f"http://127.0.0.1:{port}/readyz")
    assert first.stop(within=_PATIENCE) == 0


def test_the_port_stays_reserved_while_the_only_worker_is_replaced(idhub: Idhub, start_process: StartProcess) -> None:
    port = free_port()
    environment = _settings(idhub, listen=f"127.0.0.1:{port}")
    ready = f"http://127.0.0.1:{port}/readyz"
    first = start_process("first", [_IDHUB, "serve"], environment=environment, ready_url=ready)
    worker = int(re.findall(r"Spawning worker-1 with PID: (\d+)", first.output())[-1])
    os.kill(worker, signal.SIGKILL)
    second = start_process("second", [_IDHUB, "serve"], environment=environment)
    assert second.wait(_PATIENCE) == 1
    assert f"127.0.0.1:{port} is in use" in second.output()
    first.wait_ready(ready, within=_PATIENCE)
    assert first.stop(within=_PATIENCE) == 0


def test_of_hubs_that_start_together_one_serves_and_the_port_is_free_after_it(idhub: Idhub, start_process: StartProcess) -> None:
    port = free_port()
    environment = _settings(idhub, listen=f"127.0.0.1:{port}")
    ready = f"http://127.0.0.1:{port}/readyz"
    together = [start_process(f"hub-{number}", [_IDHUB, "serve"], environment=environment) for number in range(3)]
    give_up = time.monotonic() + _PATIENCE
    while sum(each.returncode is None for each in together) > 1:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    (first,) = (each for each in together if each.returncode is None)
    assert [each.returncode for each in together if each is not first] == [1, 1]
    first.wait_ready(ready, within=_PATIENCE)
    assert first.stop(within=_PATIENCE) == 0
    after = start_process("after", [_IDHUB, "serve"], environment=environment, ready_url=ready)
    assert after.stop(within=_PATIENCE) == 0
