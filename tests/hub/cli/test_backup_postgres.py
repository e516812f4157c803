"""`idhub backup` and `idhub restore` on PostgreSQL, with pg_dump and pg_restore as they are."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from idp.errors import StoreUnavailable
from tests.hub.cli.conftest import BILLER, OTHER, Idhub
from tests.processes import Run
from tests.servers import PgBouncer, PostgresCluster, require, start_pgbouncer


class _OnPostgres(Idhub):
    """Refusals are compared by what the tests look at, not by the SQLite file."""

    __slots__ = ()

    def contents(self) -> dict[str, list[Any]]:
        with _session() as connection:
            tables = [
                name
                for (name,) in connection.execute(
                    "SELECT table_schema || '.' || table_name FROM information_schema.tables"
                    " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
                )
            ]
            return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}  # noqa: S608  (our own names)


@contextmanager
def _session() -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(os.environ["IDHUB_DATABASE_URL"].replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@pytest.fixture
def hub(idhub: Idhub, postgres_url: str, fresh_redis: str, clean_environment: pytest.MonkeyPatch) -> Idhub:
    """The command line on PostgreSQL and Redis, with two billers, a backup in `backup`, and a change after it."""
    clean_environment.setenv("IDHUB_DATABASE_URL", postgres_url)
    clean_environment.setenv("IDHUB_KEYVALUE_URL", fresh_redis)
    (idhub.folder / "temporary").mkdir()
    clean_environment.setattr(tempfile, "tempdir", str(idhub.folder / "temporary"))
    made = _OnPostgres(idhub.folder)
    made.make_biller(BILLER)
    made.make_biller(OTHER)
    made.json("backup", "--to", made.folder / "backup")
    made.json("billers", "change", BILLER, "--dba", "Changed later")
    return made


def _dba(idhub: Idhub) -> list[str]:
    return [each["dba"] for each in idhub.json("billers", "list")]


def test_a_restore_brings_back_what_was_backed_up_and_keeps_what_was_there_in_a_schema_of_its_own(hub: Idhub) -> None:
    told = hub.json("restore", hub.folder / "backup", "--yes")
    assert _dba(hub) == ["Utility 9001", "Utility 9002"]
    assert hub.json("audit", "verify")["sound"] is True
    schema = told["before"].removeprefix("schema ")
    with _session() as connection:
        kept = connection.execute(f'SELECT dba FROM "{schema}".billers ORDER BY bid').fetchall()  # noqa: S608  (our own name)
    assert kept == [("Changed later",), ("Utility 9002",)]
    hub.make_biller("9003")  # sequences and indexes came back as well
    hub.json("backup", "--to", hub.folder / "second")
    hub.json("restore", hub.folder / "second", "--yes")
    assert _dba(hub) == ["Utility 9001", "Utility 9002", "Utility 9003"]


def test_the_schema_after_a_restore_is_the_one_that_migrations_make(hub: Idhub) -> None:
    asked = (
        "SELECT table_name, column_name, data_type, column_default, is_nullable FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    indexes = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    with _session() as connection:
        before = [connection.execute(each).fetchall() for each in (asked, indexes)]
    hub.json("restore", hub.folder / "backup", "--yes")
    with _session() as connection:
        assert [connection.execute(each).fetchall() for each in (asked, indexes)] == before


def test_a_backup_is_private_and_is_restored_into_an_empty_database(
    hub: Idhub, empty_postgres: Callable[[], str], clean_environment: pytest.MonkeyPatch
) -> None:
    folder = hub.folder / "backup"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "hub.dump": 0o600,
        "manifest.json": 0o600,
    }
    clean_environment.setenv("IDHUB_DATABASE_URL", empty_postgres())
    assert hub.json("restore", folder)["before"] is None
    assert _dba(hub) == ["Utility 9001", "Utility 9002"]


def test_redis_begins_a_new_epoch_with_a_restore(hub: Idhub, fresh_redis: str) -> None:
    with redis.Redis.from_url(fresh_redis, decode_responses=True) as client:
        before = client.get("idhub:epoch")
        hub.json("restore", hub.folder / "backup", "--yes")
        hub.json("billers", "list")
        hub.json("billers", "change", OTHER, "--dba", "Anything")
        assert str(client.get("idhub:epoch")).split()[0] != str(before).split()[0]


def test_a_restore_is_refused_while_redis_cannot_be_told(hub: Idhub, clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("IDHUB_KEYVALUE_URL", "redis://127.0.0.1:1/0")
    assert "tokens and sessions must end with a restore" in hub.refused("restore", hub.folder / "backup", "--yes")[0]


def test_a_restore_is_refused_while_anybody_is_connected(hub: Idhub) -> None:
    with _session():
        line = hub.refused("restore", hub.folder / "backup", "--yes")[0]
    assert "stop the hub" in line
    assert "1 of a program" in line


@pytest.mark.parametrize("bytes_read", [0, 5_000, 40_000, 10_000_000])
def test_a_restore_that_is_killed_half_way_changes_nothing(
    hub: Idhub, clean_environment: pytest.MonkeyPatch, bytes_read: int
) -> None:
    before = hub.contents()
    killing = _wrapped(hub.folder, pg_restore=f'{{real}} "$@" | head -c {bytes_read}; kill -9 $PPID')
    clean_environment.setenv("IDHUB_POSTGRES_BIN", str(killing))
    child = os.fork()
    if child == 0:
        os._exit(hub.run("restore", hub.folder / "backup", "--yes").exit_code)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    _settle()
    assert hub.contents() == before
    clean_environment.delenv("IDHUB_POSTGRES_BIN")
    hub.json("restore", hub.folder / "backup", "--yes")
    assert _dba(hub)[0] == "Utility 9001"


def _settle() -> None:
    """Until the server has seen that its client is gone."""
    give_up = time.monotonic() + 60
    while True:
        with _session() as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchone()
        if row == (0,):
            return
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_dump_that_does_not_go_in_rolls_everything_back(hub: Idhub, clean_environment: pytest.MonkeyPatch) -> None:
    folder = _wrapped(hub.folder, pg_restore='[ "$2" = --file=/dev/null ] || echo "SELECT broken;"; {real} "$@"')
    clean_environment.setenv("IDHUB_POSTGRES_BIN", str(folder))
    line = hub.refused("restore", hub.folder / "backup", "--yes")[0]
    assert line.startswith("nothing was changed; psql: ")
    folder = _wrapped(hub.folder, pg_restore='{real} "$@" | head -c 20000; exit 1')
    clean_environment.setenv("IDHUB_POSTGRES_BIN", str(folder))
    assert hub.refused("restore", hub.folder / "backup", "--yes")[0].startswith("pg_restore: ")
    assert _dba(hub)[0] == "Changed later"


def test_a_damaged_backup_is_refused_and_nothing_changes(hub: Idhub) -> None:
    dump = hub.folder / "backup" / "hub.dump"
    os.truncate(dump, dump.stat().st_size - 1)
    assert "is cut off" in hub.refused("restore", hub.folder / "backup", "--yes")[0]


def test_a_full_disk_leaves_no_backup(hub: Idhub, clean_environment: pytest.MonkeyPatch) -> None:
    folder = _wrapped(hub.folder, pg_dump='ulimit -f 8; exec {real} "$@"')
    clean_environment.setenv("IDHUB_POSTGRES_BIN", str(folder))
    result = hub.run("backup", "--to", hub.folder / "second")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert not [path for path in hub.folder.iterdir() if path.name.startswith("second")]


# --- programs and passwords ------------------------------------------------------------------------------------------------


def _wrapped(folder: Path, **scripts: str) -> Path:
    """PostgreSQL's programs, some of them behind a script in which {real} is the program."""
    real = require("postgresql")
    made = folder / f"bin-{len(list(folder.iterdir()))}"
    made.mkdir()
    for name in ("pg_dump", "pg_restore", "psql"):
        (made / name).write_text("#!/bin/bash\n" + scripts.get(name, 'exec {real} "$@"').replace("{real}", f"{real / name}") + "\n")
        (made / name).chmod(0o755)
    return made


def test_no_password_is_in_a_command_line_or_in_a_file_that_stays(
    hub: Idhub, postgres_url: str, clean_environment: pytest.MonkeyPatch
) -> None:
    told = hub.folder / "told"
    log = f'{{ echo "$0 $@"; echo "password $PGPASSWORD"; stat -c "mode %a" "$PGSERVICEFILE"; }} >> {told}\nexec {{real}} "$@"'
    folder = _wrapped(hub.folder, pg_dump=log, pg_restore=log, psql=log)
    clean_environment.setenv("IDHUB_POSTGRES_BIN", str(folder))
    clean_environment.setenv("IDHUB_DATABASE_URL", postgres_url.replace("//hub@", "//hub:river-otter-41@"))
    hub.json("backup", "--to", hub.folder / "second")
    hub.json("restore", hub.folder / "second", "--yes")
    lines = told.read_text(encoding="utf-8").splitlines()
    assert {Path(line.split()[0]).name for line in lines if line.startswith("/")} == {"pg_dump", "pg_restore", "psql"}
    assert not [line for line in lines if line.startswith("/") and "otter" in line]
    assert "password river-otter-41" in lines
    assert {line for line in lines if line.startswith("mode")} == {"mode 600"}
    assert list((hub.folder / "temporary").iterdir()) == []


def test_programs_that_are_missing_or_too_old_are_one_line_that_says_what_to_install(
    hub: Idhub, clean_environment: pytest.MonkeyPatch
) -> None:
    old = _wrapped(hub.folder, pg_dump='echo "pg_dump (PostgreSQL) 9.6.24"')
    clean_environment.setenv("IDHUB_POSTGRES_BIN", str(old))
    line = hub.refused("backup", "--to", hub.folder / "second")[0]
    assert "is PostgreSQL 9, the server is " in line
    clean_environment.setenv("IDHUB_POSTGRES_BIN", str(hub.folder))
    assert "is not a folder with pg_dump, pg_restore, psql" in hub.refused("backup", "--to", hub.folder / "second")[0]
    clean_environment.delenv("IDHUB_POSTGRES_BIN")
    clean_environment.setenv("PATH", str(old))
    clean_environment.setattr("hub.storage.backups.programs._FOLDERS", "nowhere/*/bin")
    assert "install postgresql-client-" in hub.refused("backup", "--to", hub.folder / "second")[0]
    shutil.rmtree(old)
    assert "pg_dump, pg_restore and psql are missing" in hub.refused("backup", "--to", hub.folder / "second")[0]


def test_behind_pgbouncer_a_backup_needs_the_address_of_the_server_and_leaves_pooled_connections_alone(
    hub: Idhub, postgres_url: str, pgbouncer: PgBouncer, clean_environment: pytest.MonkeyPatch
) -> None:
    pooled = pgbouncer.url(postgres_url)
    clean_environment.setenv("IDHUB_DATABASE_URL", pooled)
    clean_environment.setenv("IDHUB_DIRECT_DATABASE_URL", "")
    line = hub.run("backup", "--to", hub.folder / "second").stderr
    assert "leads to PgBouncer" in line
    assert "IDHUB_DIRECT_DATABASE_URL" in line
    clean_environment.setenv("IDHUB_DIRECT_DATABASE_URL", postgres_url)
    hub.json("backup", "--to", hub.folder / "second")
    assert _dba(hub)[0] == "Changed later"


def test_a_restore_behind_pgbouncer_waits_for_nobody_but_says_that_its_connections_are_in_the_way(
    hub: Idhub, run: Run, postgres_cluster: PostgresCluster, postgres_url: str, clean_environment: pytest.MonkeyPatch
) -> None:
    made, process = start_pgbouncer(run, require("pgbouncer"), postgres_cluster)
    clean_environment.setenv("IDHUB_DATABASE_URL", made.url(postgres_url))
    clean_environment.setenv("IDHUB_DIRECT_DATABASE_URL", postgres_url)
    try:
        assert _dba(hub)[0] == "Changed later"
        assert "PgBouncer first" in hub.run("restore", hub.folder / "backup", "--yes").stderr
    finally:
        process.stop()
        run.processes.remove(process)
    clean_environment.setenv("IDHUB_DATABASE_URL", postgres_url)
    _settle()
    hub.json("restore", hub.folder / "backup", "--yes")
    assert _dba(hub)[0] == "Utility 9001"


def test_when_tokens_cannot_be_ended_nothing_is_restored(hub: Idhub, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_store: object) -> None:
        raise StoreUnavailable("Redis is gone")

    monkeypatch.setattr("hub.storage.backups.key_value.KeyValueStore.void", fail)
    assert hub.refused("restore", hub.folder / "backup", "--yes") == ["Redis is gone."]
    assert _dba(hub)[0] == "Changed later"
