"""The world of the API suites."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.storage.migrations import migrate
from tests.sso_connect.api.world import World, open_world


@pytest.fixture
def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two billers and two partners on fresh files."""
    template = tmp_path_factory.getbasetemp() / "api-template.db"
    if not template.exists():
        migrate(f"sqlite:///{template}")
    opened = open_world(Path(shutil.copy(template, tmp_path / "hub.db")))
    yield opened
    opened.hub.close()
