"""The echo application, served by the real server."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import StartProcess
from tests.processes import Process, free_port

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Echo:
    """A running server."""

    port: int
    process: Process


def start_echo(start: StartProcess) -> Echo:
    """Start one."""
    port = free_port()
    process = start(
        "echo",
        [sys.executable, "-m", "tests.hub.server.echo", str(port)],
        ready_url=f"http://127.0.0.1:{port}/readyz",
        working_folder=ROOT,
    )
    return Echo(port, process)


@pytest.fixture(scope="module")
def echo(start_module_process: StartProcess) -> Echo:
    """One server for the module."""
    return start_echo(start_module_process)
