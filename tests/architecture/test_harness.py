"""The ground that other tests stand on: fresh servers for each test, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis

from tests import reaper
from tests.conftest import StartProcess
from tests.processes import Process, Run, close_run, free_port, open_run
from tests.servers import RedisServer

_WEB_SERVER = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Ready.asked += 1
        print(self.path, self.headers["Host"], flush=True)
        self.send_response(200 if Ready.asked > 2 else 503)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""
_STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def _libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def test_each_test_database_is_one_of_its_own_and_belongs_to_a_role_without_rights(empty_postgres: Callable[[], str]) -> None:
    one, other = _libpq(empty_postgres()), _libpq(empty_postgres())
    with psycopg.connect(one) as first, psycopg.connect(other) as second:
        first.execute("CREATE TABLE meter (id int)")
        first.commit()
        found = second.execute("SELECT to_regclass('meter')").fetchone()
        role = second.execute("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user").fetchone()
    assert found == (None,)
    assert role == (False, False)


@pytest.mark.parametrize("turn", [1, 2])
def test_redis_is_empty_at_the_start_of_a_test_and_evicts_nothing(fresh_redis: str, turn: int) -> None:
    with redis.Redis.from_url(fresh_redis, decode_responses=True) as client:
        assert client.dbsize() == 0
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.set("left", str(turn))


def test_redis_can_be_stopped_and_comes_back_on_the_same_port_without_its_data(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url, retry=None) as client:
        client.set("lost", "1")
        redis_server.stop()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        redis_server.start()
        assert client.get("lost") is None


def test_a_process_is_ready_when_it_answers_200_and_not_when_its_port_is_open(start_process: StartProcess) -> None:
    port = free_port()
    command = [sys.executable, "-c", _WEB_SERVER, str(port)]
    web = start_process("web", command, ready_url=f"http://127.0.0.1:{port}/readyz", host="north.hub.localhost")
    assert web.output().count("/readyz north.hub.localhost") == 3
    assert web.stop() == -signal.SIGTERM


def test_a_process_that_ends_before_it_is_ready_fails_the_test_with_what_it_said(start_process: StartProcess) -> None:
    with pytest.raises(AssertionError, match=r"broken ended with 3 before it was ready\nno master key"):
        start_process(
            "broken",
            [sys.executable, "-c", "print('no master key'); raise SystemExit(3)"],
            ready_url=f"http://127.0.0.1:{free_port()}/readyz",
        )


def test_settings_of_the_developer_do_not_reach_a_program_under_test(
    start_process: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDHUB_DATABASE_URL", "sqlite:///somewhere")
    names = "import os; print(sorted(name for name in os.environ if name.startswith('IDHUB_')))"
    shown = start_process("environment", [sys.executable, "-c", names], environment={"IDHUB_LISTEN": "127.0.0.1:1"})
    assert shown.wait() == 0
    assert shown.output().strip() == "['IDHUB_LISTEN']"


def test_the_end_of_a_run_stops_what_it_started_and_removes_its_folder() -> None:
    inner, reaping = open_run()
    sleeper = inner.start("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"])
    close_run(reaping)
    assert sleeper.wait() == -signal.SIGTERM
    assert not inner.folder.exists()


def test_a_run_that_is_killed_leaves_nothing_behind() -> None:
    script = (
        "import sys, time; from tests.processes import open_run; run, reaping = open_run();"
        "child = run.start('sleeper', [sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(run.folder, child.pid, reaping.pid, flush=True); time.sleep(600)"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        folder, child, reaping = killed.stdout.readline().split()
        killed.kill()
    _wait_gone(int(reaping))
    assert reaper.started_at(int(child)) is None
    assert not Path(folder).exists()


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    stubborn = _start(tmp_path, _STUBBORN)
    while "deaf" not in stubborn.output():
        assert stubborn.returncode is None
        time.sleep(0.01)
    reaper.reap(tmp_path / "run", patience=0.1)
    assert stubborn.wait() == -signal.SIGKILL


def test_a_process_id_that_went_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    somebody = _start(tmp_path, "import time; time.sleep(600)")
    (tmp_path / "run" / "pids" / str(somebody.pid)).write_text("1 15", encoding="ascii")
    reaper.reap(tmp_path / "run", patience=0.1)
    assert somebody.returncode is None
    somebody.stop()


def _start(tmp_path: Path, code: str) -> Process:
    folder = tmp_path / "run"
    folder.mkdir()
    return Run(folder).start("program", [sys.executable, "-c", code])


def _wait_gone(pid: int) -> None:
    """The reaper is nobody's child any more, so it cannot be waited for otherwise."""
    while reaper.started_at(pid) is not None:
        time.sleep(0.01)
