"""`idhub`, run in this process on a database of its own."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub.cli.commands import idhub as command
from hub.storage.migrations import migrate

BILLER, OTHER = "9001", "9002"
_MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@dataclass(frozen=True, slots=True)
class Idhub:
    """The command line, with its settings in the environment."""

    folder: Path

    def run(self, *arguments: object, given: str | None = None) -> Result:
        """Whatever comes of a command line; `given` is its standard input. A traceback fails the test."""
        result = CliRunner().invoke(command, [str(each) for each in arguments], input=given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def text(self, *arguments: object, given: str | None = None) -> str:
        """What a command prints that goes well."""
        result = self.run(*arguments, given=given)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: object) -> Any:
        """The data of a command that goes well."""
        return json.loads(self.text(*arguments, "--json"))

    def refused(self, *arguments: object, given: str | None = None) -> list[str]:
        """The lines of a command that is refused: exit code 1, nothing on standard output, nothing written."""
        before = self._told()
        result = self.run(*arguments, given=given)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        assert self._told() == before
        return result.stderr.splitlines()

    def misread(self, *arguments: object, given: str | None = None) -> str:
        """What is said of a command line that cannot be read: exit code 2, nothing written."""
        before = self._told()
        result = self.run(*arguments, given=given)
        assert result.exit_code == 2, result.output
        assert self._told() == before
        return result.stderr

    def contents(self) -> dict[str, list[Any]]:
        """Every row of every table."""
        with closing(sqlite3.connect(self.folder / "hub.sqlite3")) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}  # noqa: S608

    def sql(self, statement: str, *values: object) -> None:
        """Write what no command writes."""
        with closing(sqlite3.connect(self.folder / "hub.sqlite3")) as connection, connection:
            connection.execute(statement, values)

    def _told(self) -> dict[str, list[Any]]:
        """All but data keys: they are made ahead of the transaction that needs them, and say nothing of anybody."""
        return {name: rows for name, rows in self.contents().items() if name != "data_keys"}

    def make_biller(self, bid: str = BILLER, *more: str) -> Any:
        """A biller."""
        return self.json("billers", "create", bid, "--slug", f"utility{bid}", "--dba", f"Utility {bid}", *more)

    def make_key(self, bid: str = BILLER, *more: str) -> Any:
        """An API key of the partner `portalworks`, which is made when it is not there."""
        if not any(each["slug"] == "portalworks" for each in self.json("partners", "list")):
            self.json("partners", "create", "portalworks", "--name", "Portalworks")
        return self.json("api-keys", "create", "--bid", bid, "--partner", "portalworks", *more)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file with nothing in it, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "hub.sqlite3"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No setting of this machine gets into a test."""
    for name in [each for each in os.environ if each.startswith("IDHUB_")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def idhub(tmp_path: Path, migrated: Path, clean_environment: pytest.MonkeyPatch) -> Idhub:
    """The command line on an empty, migrated database."""
    shutil.copy(migrated, tmp_path / "hub.sqlite3")
    settings = {
        "IDHUB_DATABASE_URL": f"sqlite:///{tmp_path}/hub.sqlite3",
        "IDHUB_KEYVALUE_URL": f"sqlite:///{tmp_path}/keyvalue.sqlite3",
        "IDHUB_MASTER_KEY": _MASTER_KEY,
        "IDHUB_MAILBOX_DIR": f"{tmp_path}/mailbox",
        "IDHUB_PUBLIC_SCHEME": "http",
        "IDHUB_ALLOW_LOOPBACK_ORIGINS": "true",
    }
    for name, value in settings.items():
        clean_environment.setenv(name, value)
    made = Idhub(tmp_path)
    assert made.json("billers", "list") == []  # the first command makes the installation's data key
    return made
