"""Redis and PostgreSQL that answer and take no writes: not ready, 503 everywhere, never a traceback, and well again by itself.

The real server and the real worker on real stores of their own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from idp.errors import StoreUnavailable
from tests.conftest import StartProcess
from tests.contracts.test_kv_redis import SNAPSHOTS, Server
from tests.flows.served import AUTHENTICATE, Served, serve
from tests.processes import Process, Run, clean_environment
from tests.servers import PostgresCluster
from tests.wire import PATIENCE, Answer

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def own_redis(run: Run) -> Iterator[Server]:
    """A Redis of this module's own."""
    made = Server(run, SNAPSHOTS)
    yield made
    made.crash()


@pytest.fixture(scope="module")
def served(
    module_postgres_url: str,
    own_redis: Server,
    tmp_path_factory: pytest.TempPathFactory,
    start_module_process: StartProcess,
) -> Iterator[Served]:
    """A hub on PostgreSQL and that Redis."""
    folder = tmp_path_factory.mktemp("served")
    with serve(folder, start_module_process, database_url=module_postgres_url, keyvalue_url=own_redis.url) as made:
        yield made


@pytest.fixture(scope="module")
def worker(served: Served, start_module_process: StartProcess) -> Process:
    """Its worker."""
    command = [sys.executable, "-m", "hub.cli", "worker"]
    process = start_module_process("worker", command, environment=clean_environment({**served.settings, "IDHUB_LOG_LEVEL": "info"}))
    until(lambda: "worker started" in process.output())  # a worker that starts asks for stores that can write
    return process


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.1)


def readiness(served: Served) -> tuple[int, dict[str, str]]:
    answer = served.get("/readyz")
    return answer.status, json.loads(answer.text)


def check_503(answer: Answer) -> None:
    assert answer.status == 503
    assert int(answer.header("retry-after")) >= 1
    assert "Traceback" not in answer.text


def check_refused(served: Served, token: str) -> None:
    """API and pages, for both billers."""
    for slug in ("riverbend", "prairie"):
        called = served.call(AUTHENTICATE, b'{"UserName": "avery"}', slug=slug)
        check_503(called)
        assert json.loads(called.text)["Code"] == "StoreUnavailable"
    for method in ("GET", "POST"):
        opened = served.redirect(token, method)
        check_503(opened)
        assert opened.header("content-type") == "text/html; charset=utf-8"


def check_well(served: Served) -> None:
    until(lambda: readiness(served)[0] == 200)
    until(lambda: served.call(AUTHENTICATE, b'{"UserName": "avery"}').status == 200)
    for slug in ("riverbend", "prairie"):
        assert served.redirect(served.token(slug), slug=slug).status == 303


def seals(served: Served) -> bool:
    """The worker works: what is committed gets sealed."""
    try:
        with served.hub.database.read() as stores:
            return stores.seals.count_unsealed() == 0
    except StoreUnavailable:  # the connections of this process were closed too
        return False


@pytest.mark.parametrize("state", ["out of memory", "a replica", "cannot save"])
def test_a_redis_that_takes_no_writes(served: Served, worker: Process, own_redis: Server, state: str) -> None:
    token = served.token()
    in_the_way = own_redis.folder / "dump.rdb"
    if state == "out of memory":
        own_redis.raw.config_set("maxmemory", 1)
    elif state == "a replica":
        own_redis.raw.replicaof("127.0.0.1", "1")
    else:
        in_the_way.unlink(missing_ok=True)
        in_the_way.mkdir()
        own_redis.raw.bgsave()
        own_redis.until(lambda: own_redis.raw.info("persistence")["rdb_last_bgsave_status"] == "err")
    until(lambda: readiness(served)[0] == 503)
    assert readiness(served)[1] == {"status": "unavailable", "database": "ok", "keyvalue": "unavailable", "keys": "ok"}
    assert served.get("/healthz").status == 200
    check_refused(served, token)
    if state == "out of memory":
        own_redis.raw.config_set("maxmemory", 0)
    elif state == "a replica":
        own_redis.raw.replicaof("NO", "ONE")
    else:
        in_the_way.rmdir()
        own_redis.raw.bgsave()
    check_well(served)
    assert worker.returncode is None
    until(lambda: seals(served))


def test_a_postgresql_that_takes_no_writes(served: Served, worker: Process, postgres_cluster: PostgresCluster) -> None:
    token = served.token()
    with postgres_cluster.read_only(served.settings["IDHUB_DATABASE_URL"]):
        until(lambda: readiness(served)[0] == 503)
        assert readiness(served)[1] == {"status": "unavailable", "database": "unavailable", "keyvalue": "ok", "keys": "ok"}
        assert served.get("/healthz").status == 200
        check_refused(served, token)
        until(lambda: "worker waits for the store" in worker.output())
    check_well(served)
    assert worker.returncode is None
    until(lambda: seals(served))
    assert "Traceback" not in served.process.output()
    assert "Traceback" not in worker.output()
