"""A key-value file that was put back: nothing in it revives. With the real server, stopped and started as an operator does."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tests.conftest import StartProcess
from tests.flows.served import SLUGS, Served, serve
from tests.processes import Process, clean_environment


def again(served: Served, start: StartProcess) -> Process:
    """Start the server once more."""
    return start(
        "serve",
        [sys.executable, "-m", "hub.cli", "serve"],
        environment=clean_environment(served.settings),
        ready_url=f"http://127.0.0.1:{served.port}/readyz",
    )


def test_tokens_of_a_restored_file_are_void_and_those_of_a_plain_restart_are_not(
    tmp_path: Path, start_process: StartProcess
) -> None:
    file, copy = tmp_path / "keyvalue.sqlite3", tmp_path / "backup.sqlite3"
    with serve(tmp_path, start_process) as served:
        tokens = {slug: served.token(slug) for slug in SLUGS}
        served.hub.kv.close()
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        served.process.stop()
        second = again(served, start_process)
        for slug, token in tokens.items():
            assert served.redirect(token, slug=slug).status == 303
        second.stop()
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        shutil.copy(copy, file)
        third = again(served, start_process)
        for slug, token in tokens.items():
            assert served.redirect(token, slug=slug).status == 401
            assert served.redirect(served.token(slug), slug=slug).status == 303
        assert "new epoch" in third.output()


def test_commands_beside_a_running_hub_sign_nobody_out(tmp_path: Path, start_process: StartProcess) -> None:
    with serve(tmp_path, start_process) as served:
        token = served.token()
        for command in (["billers", "list"], ["partners", "list"], ["users", "list", "--bid", "9001"]):
            done = start_process(
                "command", [sys.executable, "-m", "hub.cli", *command], environment=clean_environment(served.settings)
            )
            assert done.wait(60) == 0, done.output()
        assert served.redirect(token).status == 303
