"""docs/operations.md, "Backup and restore", word for word: its commands are run by a shell, as an operator would."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub.cli.conftest import BILLER, OTHER, Idhub

_DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
_PATIENCE = 180.0


def _blocks() -> list[str]:
    """The two blocks of the section that any installation can run: back up, restore."""
    section = _DOCUMENT.read_text(encoding="utf-8").split("\n## Backup and restore\n")[1].split("\n## ")[0]
    return re.findall(r"^```\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def _typed(block: str, folder: Path) -> str:
    """Run at a terminal, with `y` as the answer to every question. What was said."""
    main, side = pty.openpty()
    os.write(main, b"y\ny\n")
    try:
        done = subprocess.run(
            ["/bin/bash", "-euc", block.replace("/srv/", f"{folder}/")],
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdin=side,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
    finally:
        os.close(main)
        os.close(side)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_the_commands_of_the_document_back_up_and_restore(
    idhub: Idhub, request: pytest.FixtureRequest, clean_environment: pytest.MonkeyPatch, database: str
) -> None:
    if database == "postgres":
        clean_environment.setenv("IDHUB_DATABASE_URL", request.getfixturevalue("postgres_url"))
        clean_environment.setenv("IDHUB_KEYVALUE_URL", request.getfixturevalue("fresh_redis"))
    (idhub.folder / "backups").mkdir()
    back_up, restore = _blocks()
    idhub.make_biller(BILLER)
    idhub.make_biller(OTHER)
    _typed(back_up, idhub.folder)
    idhub.json("billers", "change", BILLER, "--dba", "Changed later")
    said = _typed(restore, idhub.folder)
    assert "Replace the database with the backup of " in said
    assert "All tokens and sessions have ended" in said
    assert [each["dba"] for each in idhub.json("billers", "list")] == ["Utility 9001", "Utility 9002"]
