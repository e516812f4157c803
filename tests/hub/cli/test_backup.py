"""`idhub backup` and `idhub restore` on SQLite; tests/hub/cli/test_backup_postgres.py has the same for PostgreSQL."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from hub.storage.kv_sqlite import SqliteKeyValue
from hub.storage.presence import claim, join
from hub.wiring import wire
from idp.errors import StoreUnavailable
from idp.settings import load
from tests.conftest import StartProcess
from tests.hub.cli.conftest import BILLER, OTHER, Idhub
from tests.processes import free_port

_IDHUB = Path(sys.executable).parent / "idhub"
_PATIENCE = 60.0
_OTHER_KEY = "HxwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEAHx8="


def _dba(idhub: Idhub) -> list[str]:
    return [each["dba"] for each in idhub.json("billers", "list")]


def _files(idhub: Idhub) -> set[str]:
    return {path.name for path in idhub.folder.iterdir()}


@pytest.fixture
def backed_up(idhub: Idhub) -> Idhub:
    """Two billers, a backup in `backup`, and a change after it."""
    idhub.make_biller(BILLER)
    idhub.make_biller(OTHER)
    idhub.json("backup", "--to", idhub.folder / "backup")
    idhub.json("billers", "change", BILLER, "--dba", "Changed later")
    return idhub


def _url(idhub: Idhub) -> str:
    return f"sqlite:///{idhub.folder}/hub.sqlite3"


# --- the way that works --------------------------------------------------------------------------------------------------


def test_a_restore_brings_back_what_was_backed_up_and_keeps_what_was_there_aside(backed_up: Idhub) -> None:
    assert _dba(backed_up) == ["Changed later", "Utility 9002"]
    told = backed_up.json("restore", backed_up.folder / "backup", "--yes")
    assert _dba(backed_up) == ["Utility 9001", "Utility 9002"]
    assert backed_up.json("audit", "verify")["sound"] is True
    with closing(sqlite3.connect(told["before"])) as connection:
        kept = connection.execute("SELECT dba FROM billers ORDER BY bid").fetchall()
    assert kept == [("Changed later",), ("Utility 9002",)]


def test_a_backup_is_private_whatever_the_umask_and_holds_one_complete_file_and_a_manifest(idhub: Idhub) -> None:
    before = os.umask(0)
    try:
        told = idhub.json("backup", "--to", idhub.folder / "backup")
    finally:
        os.umask(before)
    folder = Path(told["folder"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "hub.sqlite3": 0o600,
        "manifest.json": 0o600,
    }
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["revision"] == told["revision"]
    assert manifest["database"] == "sqlite"
    assert "AAECAwQF" not in json.dumps(manifest)


def test_old_wal_and_shm_of_a_crashed_hub_do_not_damage_what_is_restored(backed_up: Idhub) -> None:
    """What copying a backup over the database did: the pages in the old -wal were applied to the new file."""
    database = backed_up.folder / "hub.sqlite3"
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA wal_autocheckpoint = 0'); c.execute('BEGIN');"
        "[c.execute('CREATE TABLE crash%d AS SELECT * FROM sqlite_master' % n) for n in range(40)];"
        "c.execute('DELETE FROM billers'); c.execute('COMMIT'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, database], check=False)
    assert database.with_name("hub.sqlite3-wal").stat().st_size > 100_000
    told = backed_up.json("restore", backed_up.folder / "backup", "--yes")
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'crash%'").fetchone() == (0,)
    assert _dba(backed_up) == ["Utility 9001", "Utility 9002"]
    with closing(sqlite3.connect(told["before"])) as connection:
        assert connection.execute("SELECT count(*) FROM billers").fetchone() == (0,)


def test_a_damaged_database_can_be_replaced_and_goes_aside_with_its_wal(backed_up: Idhub) -> None:
    database = backed_up.folder / "hub.sqlite3"
    database.write_bytes(b"not a database" * 1000)
    database.with_name("hub.sqlite3-wal").write_bytes(b"left over")
    told = backed_up.json("restore", backed_up.folder / "backup", "--yes")
    assert _dba(backed_up) == ["Utility 9001", "Utility 9002"]
    assert Path(told["before"]).read_bytes().startswith(b"not a database")
    assert Path(told["before"] + "-wal").read_bytes() == b"left over"


def test_tokens_and_sessions_end_with_a_restore(backed_up: Idhub) -> None:
    key_value = backed_up.folder / "keyvalue.sqlite3"
    SqliteKeyValue(key_value).close()
    with closing(sqlite3.connect(key_value)) as connection, connection:
        connection.execute("INSERT INTO entry VALUES ('r:token', '{}', 9999999999999)")
    key_value.with_name("keyvalue.sqlite3-wal").touch()
    result = backed_up.run("restore", backed_up.folder / "backup", "--yes")
    assert result.exit_code == 0
    assert "All tokens and sessions have ended" in result.stderr
    assert not {"keyvalue.sqlite3", "keyvalue.sqlite3-wal", "keyvalue.sqlite3-shm"} & _files(backed_up)
    SqliteKeyValue(key_value).close()
    with closing(sqlite3.connect(key_value)) as connection:
        assert connection.execute("SELECT count(*) FROM entry WHERE key = 'r:token'").fetchone() == (0,)


def test_a_backup_is_restored_where_there_is_no_database_yet(backed_up: Idhub) -> None:
    for name in ("hub.sqlite3", "hub.sqlite3-wal", "hub.sqlite3-shm"):
        (backed_up.folder / name).unlink(missing_ok=True)
    told = backed_up.json("restore", backed_up.folder / "backup")
    assert told["before"] is None
    assert _dba(backed_up) == ["Utility 9001", "Utility 9002"]


def test_a_backup_that_is_taken_while_others_write_is_one_moment_and_its_change_log_is_sound(idhub: Idhub) -> None:
    idhub.make_biller(BILLER)
    script = (
        "import sys; from hub.wiring import wire; from idp.settings import load; from idp.actor import System; hub = wire(load());"
        "biller = hub.billers.get(9001); number = 0\n"
        "while True:\n"
        "    number += 1\n"
        "    hub.customers.create(System('test'), 'r', biller, f'{number:06d}', name='Payer')\n"
        "    number % 5 or hub.sealer.run()\n"
        "    print(number, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        read = threading.Thread(target=lambda: [None for _ in writer.stdout or ()])
        assert writer.stdout.readline() == "1\n"
        read.start()
        for number in range(3):
            idhub.json("backup", "--to", idhub.folder / f"backup-{number}")
        writer.kill()
        read.join()
    counts = []
    for number in range(3):
        idhub.json("restore", idhub.folder / f"backup-{number}", "--yes")
        verdict = idhub.json("audit", "verify")
        assert verdict["sound"] is True
        accounts = len(idhub.contents()["customers"])
        assert verdict["sealed"] + verdict["unsealed"] == accounts + 1  # one row for the biller
        counts.append(accounts)
    assert counts == sorted(counts)
    assert counts[0] > 0


def test_a_backup_of_an_older_revision_is_restored_and_the_pending_migration_is_told(idhub: Idhub, tmp_path: Path) -> None:
    from alembic import command as alembic
    from alembic.config import Config

    import hub.storage.migrations as migrations
    from hub.storage.engines import open_engines

    old = tmp_path / "old.sqlite3"
    engines = open_engines(f"sqlite:///{old}", 1)
    with engines.writing.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        alembic.upgrade(config, "0001")
    engines.dispose()
    os.environ["IDHUB_DATABASE_URL"] = f"sqlite:///{old}"
    idhub.json("backup", "--to", tmp_path / "backup")
    os.environ["IDHUB_DATABASE_URL"] = _url(idhub)
    result = idhub.run("restore", tmp_path / "backup", "--yes")
    assert result.exit_code == 0
    assert "Next: idhub migrate" in result.stderr
    idhub.text("migrate")
    assert idhub.json("billers", "list") == []


# --- what is refused, and changes nothing ----------------------------------------------------------------------------------


def _refused_restore(idhub: Idhub, *arguments: object) -> str:
    before = _files(idhub)
    (line,) = idhub.refused("restore", *arguments)
    assert _files(idhub) == before
    return line


def test_without_yes_a_program_is_told_to_say_so_and_nothing_changes(backed_up: Idhub) -> None:
    assert "add --yes" in _refused_restore(backed_up, backed_up.folder / "backup")
    assert _dba(backed_up)[0] == "Changed later"


def test_a_restore_is_refused_while_the_hub_or_its_worker_runs(backed_up: Idhub, start_process: StartProcess) -> None:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name.startswith("IDHUB_")}
    environment["IDHUB_LISTEN"] = f"127.0.0.1:{port}"
    serve = start_process("serve", [_IDHUB, "serve"], environment=environment, ready_url=f"http://127.0.0.1:{port}/readyz")
    assert "stop the hub" in backed_up.refused("restore", backed_up.folder / "backup", "--yes")[0]
    serve.stop(_PATIENCE)
    worker = start_process("worker", [_IDHUB, "worker"], environment=environment)
    give_up = time.monotonic() + _PATIENCE
    while "worker started" not in worker.output():
        assert time.monotonic() < give_up
        time.sleep(0.05)
    refused = backed_up.run("restore", backed_up.folder / "backup", "--yes")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "stop the hub" in refused.stderr
    worker.stop(_PATIENCE)
    backed_up.json("restore", backed_up.folder / "backup", "--yes")


def test_a_restore_is_refused_while_another_command_or_a_program_of_another_maker_uses_the_database(backed_up: Idhub) -> None:
    with closing(join(_url(backed_up))):
        assert "stop the hub" in _refused_restore(backed_up, backed_up.folder / "backup", "--yes")
    with closing(sqlite3.connect(backed_up.folder / "hub.sqlite3")) as shell:
        shell.execute("SELECT count(*) FROM billers").fetchone()
        line = backed_up.refused("restore", backed_up.folder / "backup", "--yes")[0]
        assert "in use by another program" in line
    assert _dba(backed_up)[0] == "Changed later"


def test_nobody_starts_while_a_restore_is_running_or_after_one_that_was_killed_while_it_swapped(backed_up: Idhub) -> None:
    held = claim(_url(backed_up))
    assert "being restored" in backed_up.refused("billers", "list")[0]
    assert "being restored" in backed_up.refused("backup", "--to", backed_up.folder / "second")[0]
    held.begin_swap()
    held.close()
    for command in (("billers", "list"), ("serve",), ("migrate",)):
        assert "run `idhub restore` again" in backed_up.run(*command).stderr
    backed_up.json("restore", backed_up.folder / "backup", "--yes")
    assert _dba(backed_up) == ["Utility 9001", "Utility 9002"]


def test_a_backup_under_another_master_key_is_refused_in_one_line(backed_up: Idhub, clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("IDHUB_MASTER_KEY", _OTHER_KEY)
    assert "under another master key" in _refused_restore(backed_up, backed_up.folder / "backup", "--yes")
    assert "under another master key" in backed_up.refused("backup", "--to", backed_up.folder / "second")[0]
    clean_environment.setenv("IDHUB_PREVIOUS_MASTER_KEYS", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    backed_up.json("restore", backed_up.folder / "backup", "--yes")


def _damage(folder: Path, how: str) -> None:
    data, manifest = folder / "hub.sqlite3", folder / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    match how:
        case "cut off":
            os.truncate(data, data.stat().st_size - 4096)
        case "one bit":
            raw = bytearray(data.read_bytes())
            raw[len(raw) // 2] ^= 1
            data.write_bytes(raw)
        case "no data":
            data.unlink()
        case "no manifest":
            manifest.unlink()
        case "manifest cut off":
            os.truncate(manifest, 40)
        case "manifest of a list":
            manifest.write_text("[]", encoding="utf-8")
        case "manifest changed":
            manifest.write_text(json.dumps(content | {"revision": "0001"}), encoding="utf-8")
        case "manifest without a seal":
            manifest.write_text(json.dumps({name: value for name, value in content.items() if name != "seal"}), encoding="utf-8")
        case "a member more":
            manifest.write_text(json.dumps(content | {"more": 1}), encoding="utf-8")
        case "a link out":
            data.unlink()
            data.symlink_to("/etc/passwd")
        case "a pipe":
            data.unlink()
            os.mkfifo(data)
        case "a newer format":
            manifest.write_text(json.dumps(content | {"format": 2, "version": "9.9"}), encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("cut off", "is cut off"),
        ("one bit", "is damaged"),
        ("no data", "hub.sqlite3 is missing"),
        ("no manifest", "is not a backup"),
        ("manifest cut off", "cannot be read: it is damaged"),
        ("manifest of a list", "is damaged"),
        ("manifest changed", "was changed after the backup was made"),
        ("manifest without a seal", "was changed after the backup was made"),
        ("a member more", "is damaged"),
        ("a link out", "hub.sqlite3"),
        ("a pipe", "is cut off"),
        ("a newer format", "made by a newer version of the hub (9.9)"),
    ],
)
def test_a_damaged_or_altered_backup_is_refused_and_nothing_is_half_written(backed_up: Idhub, how: str, said: str) -> None:
    _damage(backed_up.folder / "backup", how)
    assert said in _refused_restore(backed_up, backed_up.folder / "backup", "--yes")
    assert _dba(backed_up)[0] == "Changed later"


def test_a_backup_of_a_newer_schema_is_refused(backed_up: Idhub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.storage.backups.verbs.head", lambda: "0001")
    line = _refused_restore(backed_up, backed_up.folder / "backup", "--yes")
    assert "knows revisions up to 0001: install that version first" in line


def test_a_backup_of_sqlite_is_not_restored_into_postgresql(backed_up: Idhub, clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("IDHUB_DATABASE_URL", "postgresql+psycopg://hub@127.0.0.1:1/hub")
    assert "names another kind of database" in backed_up.refused("restore", backed_up.folder / "backup", "--yes")[0]


def test_a_target_that_exists_is_refused_and_left_alone(backed_up: Idhub) -> None:
    folder = backed_up.folder
    (folder / "link").symlink_to(folder / "nowhere")
    (folder / "file").write_text("mine", encoding="utf-8")
    (folder / "empty").mkdir()
    for name in ("backup", "link", "file", "empty"):
        assert "exists already" in backed_up.refused("backup", "--to", folder / name)[0]
    assert "is not a folder" in backed_up.refused("backup", "--to", folder / "nowhere" / "backup")[0]
    assert not (folder / "nowhere").exists()
    assert (folder / "file").read_text(encoding="utf-8") == "mine"


def test_a_damaged_database_is_not_backed_up(idhub: Idhub) -> None:
    idhub.make_biller(BILLER)
    with closing(sqlite3.connect(idhub.folder / "hub.sqlite3")) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET rootpage = 3 WHERE name = 'ix_change_log_user'")
        connection.execute("UPDATE sqlite_master SET rootpage = 5 WHERE type = 'table' AND name = 'customers'")
        connection.commit()
    line = idhub.run("backup", "--to", idhub.folder / "backup")
    assert line.exit_code == 1
    assert "is damaged" in line.stderr
    assert not [name for name in _files(idhub) if name.startswith("backup")]


# --- full disks and kills ------------------------------------------------------------------------------------------------


def _small_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(backed_up: Idhub, command: str) -> None:
    folder = backed_up.folder
    arguments = ["backup", "--to", f"{folder}/second"] if command == "backup" else ["restore", f"{folder}/backup", "--yes"]
    with closing(sqlite3.connect(folder / "hub.sqlite3")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = _files(backed_up)
    done = subprocess.run([_IDHUB, *arguments], capture_output=True, text=True, check=False, preexec_fn=_small_disk)
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert _files(backed_up) == before
    assert _dba(backed_up)[0] == "Changed later"


def test_a_backup_that_is_killed_leaves_no_backup_and_the_next_of_its_name_works(backed_up: Idhub) -> None:
    target = backed_up.folder / "second"
    for pause in (0.0, 0.3, 0.6, 0.9, 1.2, 1.5):
        with subprocess.Popen([_IDHUB, "backup", "--to", target]) as process:
            time.sleep(pause)
            process.kill()
        assert not target.exists() or (target / "manifest.json").exists()
        if target.exists():
            backed_up.json("restore", target, "--yes")
            backed_up.json("billers", "change", BILLER, "--dba", "Changed later")
            for path in sorted(target.iterdir()):
                path.unlink()
            target.rmdir()
    backed_up.json("backup", "--to", target)
    assert "second.partial" not in _files(backed_up)


def _restore_and_die(idhub: Idhub, die_at: int) -> bool:
    """Restore in a process that is killed before the `die_at`th change of a file that matters. Whether it came to its end."""
    child = os.fork()
    if child == 0:
        changes = 0

        def look(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal changes
            if event in {"os.rename", "os.remove", "os.truncate"} and "sqlite3" in str(arguments):
                changes += 1
                if changes == die_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(look)
        os._exit(idhub.run("restore", idhub.folder / "backup", "--yes").exit_code)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}
    return status == 0


def test_a_restore_that_is_killed_anywhere_leaves_the_old_or_the_new_database_or_asks_for_the_next_restore(
    backed_up: Idhub,
) -> None:
    seen = set()
    for die_at in range(1, 40):
        if _restore_and_die(backed_up, die_at):
            break
        listed = backed_up.run("billers", "list", "--json")
        if listed.exit_code:
            assert "run `idhub restore` again" in listed.stderr
            seen.add("asks")
            backed_up.json("restore", backed_up.folder / "backup", "--yes")
        else:
            seen.add(json.loads(listed.stdout)[0]["dba"])
        assert backed_up.json("audit", "verify")["sound"] is True
        backed_up.json("billers", "change", BILLER, "--dba", "Changed later")
    else:
        pytest.fail("it never came to its end")
    assert {"Changed later", "asks"} <= seen
    assert _dba(backed_up) == ["Utility 9001", "Utility 9002"]


# --- whose files -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_what_root_restores_belongs_to_the_user_of_the_hub(backed_up: Idhub) -> None:
    for path in (backed_up.folder, backed_up.folder / "hub.sqlite3"):
        os.chown(path, 65534, 65534)
    backed_up.json("restore", backed_up.folder / "backup", "--yes")
    for name in ("hub.sqlite3", "hub.sqlite3.lock"):
        found = (backed_up.folder / name).stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (65534, 0o600)


def test_a_database_behind_a_link_is_restored_where_the_link_leads(backed_up: Idhub, clean_environment: pytest.MonkeyPatch) -> None:
    link = backed_up.folder / "elsewhere.sqlite3"
    link.symlink_to("hub.sqlite3")
    clean_environment.setenv("IDHUB_DATABASE_URL", f"sqlite:///{link}")
    with closing(join(_url(backed_up))), pytest.raises(StoreUnavailable, match="in use"):
        claim(f"sqlite:///{link}")
    backed_up.json("restore", backed_up.folder / "backup", "--yes")
    assert link.is_symlink()
    assert _dba(backed_up) == ["Utility 9001", "Utility 9002"]


def _seal() -> None:
    hub = wire(load())
    try:
        assert hub.sealer.run() > 0
    finally:
        hub.close()


def test_after_a_restore_from_before_the_first_checkpoint_a_checkpoint_kept_elsewhere_says_that_the_chain_ends_before_it(
    idhub: Idhub,
) -> None:
    idhub.text("migrate")
    idhub.json("backup", "--to", idhub.folder / "backup")
    idhub.make_biller(BILLER)
    _seal()
    idhub.json("audit", "checkpoint", "--out", idhub.folder / "checkpoint")
    idhub.json("restore", idhub.folder / "backup", "--yes")
    result = idhub.run("audit", "verify", "--checkpoint", idhub.folder / "checkpoint", "--json")
    assert result.exit_code == 1
    verdict = json.loads(result.stdout)
    assert [(each["fault"], each["what"]) for each in verdict["findings"]] == [
        ("missing", "a checkpoint knows this seal, the chain ends before it")
    ]


def test_the_sealer_makes_its_key_before_it_seals_so_that_no_backup_with_seals_lacks_it(idhub: Idhub) -> None:
    idhub.make_biller(BILLER)
    _seal()
    assert len(idhub.json("signing-keys", "list")) == 1
