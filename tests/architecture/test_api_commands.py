"""The commands on the page about the API, word for word against a fresh demo: each one works as it is, after all the others too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hub.cli.demo_site import DemoSite
from sso_connect.api.operations import OPERATIONS
from sso_connect.api.tries import TRIES
from tests.conftest import StartProcess
from tests.processes import clean_environment, free_port
from tests.servers import require

_NAMES = [operation.name for operation in OPERATIONS]


@pytest.fixture(scope="module")
def demo(start_module_process: StartProcess, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """API and KEY of a fresh demo."""
    site = DemoSite(tmp_path_factory.mktemp("demo"), free_port(), free_port())
    prepared = site.prepare()
    serve = [sys.executable, "-m", "hub.cli", "serve"]
    start_module_process("hub", serve, environment=site.environment(), ready_url=f"http://127.0.0.1:{site.port}/readyz")
    return f"{site.api}/api/v1", prepared.secrets["riverbend"]


def test_every_operation_has_a_command_and_no_command_is_of_none() -> None:
    assert set(TRIES) == set(_NAMES)


@pytest.mark.parametrize("name", _NAMES)
def test_the_command_of_an_operation_works_as_it_is(demo: tuple[str, str], tmp_path: Path, name: str) -> None:
    api, key = demo
    path = f"{require('curl').parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", TRIES[name]],
        cwd=tmp_path,
        env=clean_environment({"PATH": path, "API": api, "KEY": key, "LC_ALL": "C.UTF-8"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{TRIES[name]}\n{done.stdout}{done.stderr}"
    assert done.stdout, "whoever tries it sees that something came"
    assert "problems/" not in done.stdout
    assert list(tmp_path.iterdir()) == [], "a command leaves no files"
