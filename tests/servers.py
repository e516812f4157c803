"""Real servers for tests: one PostgreSQL cluster a run, databases cloned from a migrated template, a Redis for each worker.

Nothing here trades on a server of the machine: clusters and stores are made in the run's folder, listen on a socket there or on
a loopback port, lose everything at the end, and are stopped by recorded pid (tests/reaper.py).
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg import sql
from sqlalchemy import make_url

from tests.processes import Process, Run, free_port
from tools import provision

TEMPLATE = "hub_template"
_OWNER = "hub"
_ADMIN = "postgres"


def require(name: str) -> Path:
    """The path of a thing of tools/provision.py. Without it the test fails, or is skipped where the run allows that by name."""
    try:
        path = provision.find(name)
        allowed = provision.allowed_missing()
    except provision.Unfit as fault:
        pytest.fail(str(fault), pytrace=False)
    if path is not None:
        return path
    if name in allowed:
        pytest.skip(f"{name} is not on this machine, and {provision.ALLOW_MISSING} lets the run go on without it")
    pytest.fail(provision.missing_hint(name), pytrace=False)


# --- PostgreSQL --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """A running cluster on a Unix socket. Databases belong to the role `hub`, which is no superuser."""

    socket_folder: Path

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database, as role `hub`."""
        return f"postgresql+psycopg://{_OWNER}@/{database}?host={self.socket_folder}"

    def create(self, template: str | None = None) -> str:
        """Make a database, empty or as a copy of `template`, and give its name."""
        name = f"t_{secrets.token_hex(6)}"
        source = sql.Identifier(template or "template1")
        with self._admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(_OWNER), source)
            )
        return name

    def drop(self, database: str) -> None:
        """Remove a database, with the connections that are still open on it."""
        with self._admin() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def make_template(self, migrate: Callable[[str], object]) -> None:
        """Once in the life of the cluster: an empty database, migrated, then closed to everybody, as `TEMPLATE`."""
        with self._admin() as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
                return
        name = self.create()
        migrate(self.url(name))
        with self._admin() as connection:
            # A pool that the migration left open would keep the database from being renamed and copied.
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            closed = sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false").format(sql.Identifier(name))
            connection.execute(closed)
            renamed = sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
            connection.execute(renamed)

    @contextmanager
    def read_only(self, url: str) -> Iterator[None]:
        """A database as after a failover to a server that takes no writes: connections broke, new ones may only read."""
        name = url.partition("?")[0].rpartition("/")[2]
        with self._admin() as connection:
            switch = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
            connection.execute(switch.format(sql.Identifier(name), sql.SQL("on")))
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            yield
            connection.execute(switch.format(sql.Identifier(name), sql.SQL("off")))

    def check(self) -> None:
        """Answer a query, or raise psycopg.OperationalError."""
        with self._admin() as connection:
            connection.execute("SELECT 1")

    def set_up_roles(self) -> None:
        """Make the role that owns the databases."""
        with self._admin() as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(_OWNER)))

    @contextmanager
    def _admin(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(host=str(self.socket_folder), user=_ADMIN, dbname="postgres", autocommit=True) as connection:
            yield connection


def open_postgres(run: Run) -> PostgresCluster:
    """The run's cluster; the first worker that asks starts it."""
    state = run.folder / "postgres.json"
    with run.alone("postgres"):
        if state.exists():
            return PostgresCluster(Path(json.loads(state.read_text(encoding="utf-8"))["socket_folder"]))
        cluster = start_postgres(run, require("postgresql"))
        state.write_text(json.dumps({"socket_folder": str(cluster.socket_folder)}), encoding="utf-8")
    return cluster


def start_postgres(run: Run, programs: Path, other: Mapping[str, str] | None = None) -> PostgresCluster:
    """Make and start a cluster in the run's folder. `other`: settings that differ from those of tests (a durable benchmark)."""
    home = run.folder / "pg"
    home.mkdir(mode=0o700)
    user = _postgres_user()
    if user:
        os.chown(home, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    data = home / "data"
    quiet = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
    made = run.start(
        "initdb",
        [programs / "initdb", "-D", data, "-U", _ADMIN, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
        environment=quiet,
        working_folder=Path("/"),
        user=user,
        shown=False,
    )
    if made.wait(120) != 0:
        raise AssertionError(f"initdb failed\n{made.tail()}")
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(home),
        "unix_socket_permissions": "0700",
        "max_connections": "400",
        "shared_buffers": "128MB",
        # The data is thrown away: nothing has to survive a crash of the machine.
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        # Tables of a test are too small for it, and it would hold the template while it is being copied.
        "autovacuum": "off",
    }
    options = [part for name, value in (settings | dict(other or {})).items() for part in ("-c", f"{name}={value}")]
    server = run.start(
        "postgres",
        [programs / "postgres", "-D", data, *options],
        environment=quiet,
        working_folder=Path("/"),
        user=user,
        polite=signal.SIGINT,
        shown=False,
    )
    cluster = PostgresCluster(home)
    _wait(server, cluster.check, psycopg.OperationalError)
    cluster.set_up_roles()
    return cluster


def _postgres_user() -> str | None:
    """PostgreSQL refuses to run as root: then as `postgres`, or `nobody` where the programs came without that user."""
    if os.geteuid() != 0:
        return None
    known = {account.pw_name for account in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


# --- PgBouncer ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PgBouncer:
    """PgBouncer in transaction mode before the run's PostgreSQL, with few connections to the server, so that clients meet."""

    port: int

    def url(self, direct: str) -> str:
        """The URL of the same database by way of PgBouncer."""
        database = make_url(direct).database
        return f"postgresql+psycopg://{_OWNER}@127.0.0.1:{self.port}/{database}"

    def check(self) -> None:
        """Answer on its own console, or raise psycopg.OperationalError."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=_OWNER, dbname="pgbouncer", autocommit=True, prepare_threshold=None
        ) as console:
            console.pgconn.exec_(b"SHOW VERSION")


def start_pgbouncer(run: Run, program: Path, cluster: PostgresCluster, server_connections: int = 2) -> tuple[PgBouncer, Process]:
    """Start one. It refuses to run as root, as PostgreSQL does."""
    home = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir=run.folder))
    made = PgBouncer(free_port())
    users, settings = home / "users.txt", home / "pgbouncer.ini"
    users.write_text(f'"{_OWNER}" ""\n', encoding="utf-8")
    settings.write_text(
        f"[databases]\n* = host={cluster.socket_folder}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {made.port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {users}\nadmin_users = {_OWNER}\n"
        f"pool_mode = transaction\ndefault_pool_size = {server_connections}\nmax_client_conn = 200\n",
        encoding="utf-8",
    )
    for path, mode in ((home, 0o755), (users, 0o644), (settings, 0o644)):
        path.chmod(mode)
    process = run.start("pgbouncer", [program, settings], working_folder=Path("/"), user=_postgres_user(), shown=False)
    _wait(process, made.check, psycopg.OperationalError)
    return made, process


# --- Redis -------------------------------------------------------------------------------------------------------------------


class RedisServer:
    """A Redis on a loopback port: nothing on disk, nothing evicted. `stop` and `start` keep the port, not the data."""

    def __init__(self, run: Run, program: Path) -> None:
        self._run = run
        self._program = program
        self._process: Process | None = None
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        """Its URL for redis-py, database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        settings = {"bind": "127.0.0.1", "port": str(self.port), "save": "", "appendonly": "no", "maxmemory-policy": "noeviction"}
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._process = self._run.start("redis", [self._program, *options], shown=False)
        _wait(self._process, self._ping, redis.RedisError)

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()

    def flush(self) -> None:
        """Forget every key."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _ping(self) -> None:
        with redis.Redis.from_url(self.url, retry=None) as client:
            client.ping()


def _wait(process: Process, check: Callable[[], None], not_yet: type[Exception], within: float = 60.0) -> None:
    """Until `check` passes. AssertionError with the log when the server ends or the time is over."""
    deadline = time.monotonic() + within
    while True:
        try:
            check()
        except not_yet as fault:
            ended = process.returncode
            if ended is None and time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            state = "did not answer" if ended is None else f"ended with {ended}"
            raise AssertionError(f"{process.name} {state}\n{process.tail()}") from fault
        return
