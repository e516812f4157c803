"""PostgreSQL: pg_dump of one snapshot, and pg_restore inside ONE transaction that commits only when everything is in.

    back up    a snapshot is opened; revision and data keys are read from it, and pg_dump writes it in the custom format
    restore    BEGIN -> the tables that are there move into a schema of their own, `before_restore_TIME` -> what pg_restore says
               -> revision checked -> tokens and sessions void -> COMMIT. Whatever ends on the way, ours or the server's, rolls
               everything back

Both need PostgreSQL itself: pg_dump and pg_restore change their session's search_path, and behind a transaction-pooling PgBouncer
that would stay with a connection that others get next. The password goes by the environment, everything else by a private service
file: a command line can be read by everybody on the machine.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql

from hub.storage.backups.manifest import BackupRefused
from hub.storage.backups.programs import Programs, find
from hub.storage.engines import is_pooled, libpq_parameters
from hub.storage.migrations import LOCK
from idp.secrets import DataKey

ASIDE = "before_restore_"
_WAIT = "15s"
_LEAVING_SECONDS = 3.0
_DUMP = (
    *("--format=custom", "--no-password", "--no-owner", "--no-privileges", "--no-tablespaces", "--no-comments"),
    *("--no-publications", "--no-subscriptions", "--no-security-labels", f"--lock-wait-timeout={_WAIT}"),
)
_PLAIN = ("--no-owner", "--no-privileges", "--no-tablespaces", "--no-comments")
_BLOCK = 1 << 20

_OTHERS = """
SELECT coalesce(nullif(application_name, ''), 'a program'), count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
  AND coalesce(backend_type, 'client backend') = 'client backend'
GROUP BY 1 ORDER BY 1
"""
_MOVE_ASIDE = """
DO $move$
DECLARE
  each record;
BEGIN
  FOR each IN
    SELECT c.relname, c.relkind FROM pg_class c
    WHERE c.relnamespace = {here}::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i', 'e'))
  LOOP
    EXECUTE format('ALTER %s {schema}.%I SET SCHEMA {aside}',
      CASE each.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
      each.relname);
  END LOOP;
END
$move$;
"""
_CHECK = """
DO $check$
BEGIN
  IF (SELECT version_num FROM {schema}.alembic_version) IS DISTINCT FROM {revision} THEN
    RAISE EXCEPTION 'the dump has another revision than the manifest says';
  END IF;
END
$check$;
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was dumped: revision, schema, the server's major version, the wrapped data keys."""

    revision: str | None
    schema: str
    server: int
    data_keys: list[DataKey]


def dump(url: str, chosen: Path | None, target: Path) -> Snapshot:
    """Write a dump of the database as it is at this moment into a new private file, synced. BackupRefused."""
    with _connected(url) as connection:
        programs = find(_major(connection), chosen)
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        snapshot = _look(connection)
        exported = _one(connection, "SELECT pg_export_snapshot()")
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        options = [*_DUMP, f"--exclude-schema={ASIDE}*", f"--snapshot={exported}", f"--file={target}"]
        _run(url, [programs.command("pg_dump"), *options])
    # The file is read to its end once, as a restore will.
    _run(url, [programs.command("pg_restore"), "--file=/dev/null", str(target)])
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return snapshot


def check_ready(url: str, chosen: Path | None, schema: str) -> Programs:
    """Nobody else is connected, and the programs are there. BackupRefused."""
    with _connected(url) as connection:
        check_alone(connection)
        here = _one(connection, "SELECT current_schema()")
        if here != schema:
            raise BackupRefused(
                f"the backup is of schema {schema}, and the database's user works in {here}: use the same search_path"
            )
        return find(_major(connection), chosen)


def check_alone(connection: psycopg.Connection[Any]) -> None:
    """Nobody else is connected. The server sees a moment later that a client has left. BackupRefused."""
    give_up = time.monotonic() + _LEAVING_SECONDS
    while others := [f"{count} of {name}" for name, count in connection.execute(_OTHERS)]:
        if time.monotonic() > give_up:
            raise BackupRefused(
                f"the database is in use ({', '.join(others)} connected): stop the hub (serve, worker), every other `idhub` command"
                " and PgBouncer first"
            )
        time.sleep(0.1)


def revision_of(url: str) -> str | None:
    """The revision of the schema that is there; None: none of ours."""
    with _connected(url) as connection:
        return _look(connection).revision


def restore(
    url: str, programs: Programs, dump_file: Path, revision: str, schema: str, aside: str, then: Callable[[], None]
) -> bool:
    """Put a dump in the place of what is there; `then` is done before the commit, when everything is in.

    Whether there was something, which is in schema `aside` now. BackupRefused.
    """
    with _connected(url) as connection:
        check_alone(connection)
        there = bool(_one(connection, "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"))
        names = {"schema": sql.Identifier(schema), "aside": sql.Identifier(aside), "here": sql.Literal(schema)}
        before = ["BEGIN;", f"SET LOCAL lock_timeout = '{_WAIT}';", f"SELECT pg_advisory_xact_lock({LOCK}) \\g /dev/null"]
        if there:
            before.append(sql.SQL("CREATE SCHEMA {aside};").format(**names).as_string(connection))
            before.append(sql.SQL(_MOVE_ASIDE).format(**names).as_string(connection))
        check = sql.SQL(_CHECK).format(**names, revision=sql.Literal(revision)).as_string(connection)
    _in_one_transaction(url, programs, dump_file, "\n".join(before) + "\n", check, then)
    with _connected(url) as connection:
        connection.execute("ANALYZE")
    return there


def _in_one_transaction(url: str, programs: Programs, dump_file: Path, before: str, check: str, then: Callable[[], None]) -> None:
    """psql reads `before`, what pg_restore writes, `check`, and a COMMIT.

    It gets the COMMIT only when pg_restore ended well, psql has said that all of it went in, and `then` is done. If this process
    dies, psql comes to the end of its input without it, and the server rolls back.
    """
    apply = [programs.command("psql"), "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-d", "service=hub", "-f", "-"]
    read = [programs.command("pg_restore"), *_PLAIN, "--file=-", str(dump_file)]
    with (
        _environment(url) as environment,
        tempfile.TemporaryDirectory(prefix="idhub-") as told_by,
        tempfile.TemporaryFile() as told,
        tempfile.TemporaryFile() as read_told,
    ):
        with subprocess.Popen(  # noqa: S603  (found by `programs`)
            apply, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told
        ) as psql:
            assert psql.stdin is not None  # noqa: S101  (PIPE)
            try:
                psql.stdin.write(before.encode())
                with subprocess.Popen(read, env=environment, stdout=subprocess.PIPE, stderr=read_told) as reading:  # noqa: S603
                    assert reading.stdout is not None  # noqa: S101  (PIPE)
                    while block := reading.stdout.read(_BLOCK):
                        psql.stdin.write(block)
                if reading.returncode:
                    raise BackupRefused(f"pg_restore: {_last_line(read_told)}")
                # psql keeps its output back while it is read by a program; a file it closes.
                all_in = Path(told_by) / "all-in"
                psql.stdin.write(f"{check}\nSELECT 'all in' \\g '{all_in}'\n".encode())
                psql.stdin.flush()
                while psql.poll() is None and not all_in.exists():
                    time.sleep(0.02)
                if psql.poll() is None:
                    then()
                    psql.stdin.write(b"COMMIT;\n")
                psql.stdin.close()
            except BrokenPipeError:
                pass  # psql ended early; it says why
            except BaseException:
                psql.kill()
                raise
        if psql.returncode:
            raise BackupRefused(f"nothing was changed; psql: {_last_line(told)}")


def _look(connection: psycopg.Connection[Any]) -> Snapshot:
    schema = str(_one(connection, "SELECT current_schema()"))
    known = _one(connection, "SELECT to_regclass('alembic_version') IS NOT NULL AND to_regclass('data_keys') IS NOT NULL")
    if not known:
        return Snapshot(None, schema, _major(connection), [])
    revision = _one(connection, "SELECT version_num FROM alembic_version")
    keys = [DataKey(key, bid, wrapped) for key, bid, wrapped in connection.execute("SELECT id, bid, wrapped FROM data_keys")]
    return Snapshot(None if revision is None else str(revision), schema, _major(connection), keys)


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to PostgreSQL itself, with no time limits. BackupRefused for one to a pooler, and for every fault."""
    try:
        with psycopg.connect(**libpq_parameters(url), autocommit=True) as connection:
            if is_pooled(connection):
                raise BackupRefused(
                    "the database URL leads to PgBouncer, and pg_dump needs PostgreSQL itself: set IDHUB_DIRECT_DATABASE_URL"
                )
            connection.execute("SET statement_timeout = 0")
            yield connection
    except psycopg.Error as fault:
        raise BackupRefused(f"database: {' '.join(str(fault).split())}") from fault


def _run(url: str, command: list[str]) -> None:
    with _environment(url) as environment, tempfile.TemporaryFile() as told:
        full = [command[0], "--dbname=service=hub", *command[1:]] if command[0].endswith("pg_dump") else command
        done = subprocess.run(full, env=environment, stdin=subprocess.DEVNULL, stderr=told, check=False)  # noqa: S603
        if done.returncode:
            raise BackupRefused(f"{Path(command[0]).name}: {_last_line(told)}")


@contextmanager
def _environment(url: str) -> Iterator[Mapping[str, str]]:
    """How the programs find the server: a private service file, and the password in the environment."""
    parameters = {name: str(value) for name, value in libpq_parameters(url).items()}
    password = parameters.pop("password", None)
    if any("\n" in value or value != value.strip() for value in parameters.values()):
        raise BackupRefused("the database URL has a line break or a blank at the end of a value")
    with tempfile.TemporaryDirectory(prefix="idhub-") as folder:
        service = Path(folder) / "service"
        service.touch(mode=0o600)
        service.write_text("[hub]\n" + "".join(f"{name}={value}\n" for name, value in parameters.items()), encoding="utf-8")
        given = {"PGSERVICEFILE": str(service), "PGSERVICE": "hub", "PGAPPNAME": "idhub backup"}
        if password is not None:
            given["PGPASSWORD"] = password
        yield {**os.environ, **given}


def _last_line(told: IO[bytes]) -> str:
    told.seek(0)
    lines = [line.strip() for line in told.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line.lower()]
    return (errors or lines or ["it failed without a word"])[0]


def _major(connection: psycopg.Connection[Any]) -> int:
    return connection.info.server_version // 10_000


def _one(connection: psycopg.Connection[Any], statement: str) -> Any:
    row = connection.execute(statement).fetchone()
    return None if row is None else row[0]
