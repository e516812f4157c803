"""Fixtures that every test may use, and the rules of the run.

    run                             this pytest call: its folder and processes (tests/processes.py)
    start_process                   start(name, command, environment=..., ready_url=...) -> Process, stopped after the test
    start_module_process            the same, stopped after the module
    postgres_url                    SQLAlchemy URL of a migrated database of its own, for one test
    module_postgres_url             the same for one module
    fresh_postgres                  call it: a migrated database each time
    empty_postgres                  call it: a database with nothing in it each time
    postgres_cluster                the cluster behind these, one a run
    pgbouncer                       PgBouncer in transaction mode before the cluster, one a module
    redis_server                    this worker's Redis; may be stopped and started
    redis_url                       its URL, with whatever is in it
    fresh_redis                     its URL, empty
    chromium, docker_compose        paths of the programs
    webkit                          paths of WebKit's driver and of the X server that it draws on
    (`tests.processes.free_port()`: a loopback port)

A test that asks for one of the servers is marked `servers`, one that asks for `chromium` or `webkit` is marked `browser`; so is a
case whose parameter is called postgres or redis. `make test-quick` leaves both out.
All tests of a file run on one worker (`--dist loadfile`), so what a module starts is started once. (`xdist_group` marks do
nothing: pytest-xdist 3.8 does not see them under pytest 9.2.)
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, settings

from tests.processes import Process, Run, close_run, open_run
from tests.servers import TEMPLATE, PgBouncer, PostgresCluster, RedisServer, open_postgres, require, start_pgbouncer
from tools import provision

_RUN = pytest.StashKey[Run]()
_REAPER = pytest.StashKey[subprocess.Popen[bytes]]()

_SERVER_FIXTURES = frozenset({"postgres_cluster", "redis_server", "pgbouncer"})
_SERVER_CASES = frozenset({"postgres", "postgresql", "redis"})


class StartProcess(Protocol):
    """Start a program and, with `ready_url`, wait until that answers 200. `host`: the Host header to ask with."""

    def __call__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        ready_url: str | None = None,
        host: str | None = None,
        working_folder: Path | None = None,
    ) -> Process: ...


# --- the run -----------------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Open the run, or join it as one of its workers."""
    # Deadlines are timed assertions, and a case that only chance finds is no test for others: both belong to tests/fuzz.
    settings.register_profile("hub", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("hub")
    if shared := getattr(config, "workerinput", None):
        config.stash[_RUN] = Run(Path(shared["idhub_run_folder"]))
    else:
        config.stash[_RUN], config.stash[_REAPER] = open_run()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist the run's folder."""
    node.workerinput["idhub_run_folder"] = str(node.config.stash[_RUN].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop everything. A run that does not come to this point is cleaned up by the reaper all the same."""
    if reaping := config.stash.get(_REAPER, None):
        close_run(reaping)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which servers the run uses."""
    try:
        found = {name: provision.find(name) for name in provision.NEEDS["test"]}
    except provision.Unfit as fault:
        raise pytest.UsageError(str(fault)) from fault
    return [f"{name}: {path or 'not here'}" for name, path in found.items()]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs servers or the browser."""
    for item in items:
        names = frozenset(getattr(item, "fixturenames", ()))
        callspec = getattr(item, "callspec", None)
        cases = frozenset(callspec.id.split("-")) if callspec else frozenset()
        if names & _SERVER_FIXTURES or cases & _SERVER_CASES:
            item.add_marker(pytest.mark.servers)
        if names & {"chromium", "webkit"}:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show under a failure what the started processes said."""
    report = yield
    if report.failed:
        for process in (process for process in item.config.stash[_RUN].processes if process.shown):
            state = "running" if process.returncode is None else f"ended with {process.returncode}"
            report.sections.append((f"{process.name} ({state}), end of {process.log.name}", process.tail()))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured: `record_property("figure", ...)`."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Run:
    """This call of pytest."""
    return pytestconfig.stash[_RUN]


def _starter(run: Run) -> Iterator[StartProcess]:
    started: list[Process] = []

    def start(
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        ready_url: str | None = None,
        host: str | None = None,
        working_folder: Path | None = None,
    ) -> Process:
        process = run.start(name, command, environment=environment, working_folder=working_folder)
        started.append(process)
        if ready_url:
            process.wait_ready(ready_url, host=host)
        return process

    yield start
    for process in reversed(started):
        process.stop()
        run.processes.remove(process)


@pytest.fixture
def start_process(run: Run) -> Iterator[StartProcess]:
    """Start programs that are stopped after the test, the last one first."""
    yield from _starter(run)


@pytest.fixture(scope="module")
def start_module_process(run: Run) -> Iterator[StartProcess]:
    """Start programs that are stopped after the module, the last one first."""
    yield from _starter(run)


# --- servers -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_cluster(run: Run) -> PostgresCluster:
    """The run's PostgreSQL; the first test that asks starts it."""
    return open_postgres(run)


@pytest.fixture(scope="session")
def postgres_template(run: Run, postgres_cluster: PostgresCluster) -> str:
    """The name of a database on the newest migration; the first worker that asks migrates it."""
    from hub.storage.database import migrate

    with run.alone("template"):
        postgres_cluster.make_template(migrate)
    return TEMPLATE


def _databases(cluster: PostgresCluster, template: str | None) -> Iterator[Callable[[], str]]:
    made: list[str] = []

    def make() -> str:
        made.append(cluster.create(template))
        return cluster.url(made[-1])

    yield make
    for name in made:
        cluster.drop(name)


@pytest.fixture
def fresh_postgres(postgres_cluster: PostgresCluster, postgres_template: str) -> Iterator[Callable[[], str]]:
    """Each call makes a migrated database and gives its SQLAlchemy URL; all are dropped after the test."""
    yield from _databases(postgres_cluster, postgres_template)


@pytest.fixture
def empty_postgres(postgres_cluster: PostgresCluster) -> Iterator[Callable[[], str]]:
    """Each call makes a database with nothing in it and gives its SQLAlchemy URL; all are dropped after the test."""
    yield from _databases(postgres_cluster, None)


@pytest.fixture
def postgres_url(fresh_postgres: Callable[[], str]) -> str:
    """The SQLAlchemy URL of a migrated database for this test alone."""
    return fresh_postgres()


@pytest.fixture(scope="module")
def module_postgres_url(postgres_cluster: PostgresCluster, postgres_template: str) -> Iterator[str]:
    """The SQLAlchemy URL of a migrated database for this module."""
    for make in _databases(postgres_cluster, postgres_template):
        yield make()


@pytest.fixture(scope="module")
def pgbouncer(run: Run, postgres_cluster: PostgresCluster) -> Iterator[PgBouncer]:
    """PgBouncer before the run's PostgreSQL, for this module."""
    made, process = start_pgbouncer(run, require("pgbouncer"), postgres_cluster)
    yield made
    process.stop()
    run.processes.remove(process)


@pytest.fixture(scope="session")
def redis_server(run: Run) -> Iterator[RedisServer]:
    """This worker's Redis."""
    server = RedisServer(run, require("redis"))
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of this worker's Redis, with whatever earlier tests left in it."""
    return redis_server.url


@pytest.fixture
def fresh_redis(redis_server: RedisServer) -> str:
    """The URL of this worker's Redis, empty."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Debian's Chromium, for Playwright's `executable_path`."""
    return require("chromium")


@pytest.fixture(scope="session")
def webkit() -> tuple[Path, Path]:
    """Debian's WebKitWebDriver, and the X server without a screen that its browser draws on."""
    return require("webkit"), require("xvfb")


@pytest.fixture(scope="session")
def docker_compose() -> Path:
    """docker-compose, which checks a file without an engine."""
    return require("docker-compose")
