"""The house that imports are tried in, and the folder that files are dropped into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.storage.migrations import migrate
from tests.sso_connect.imports.folder_yard import Yard, open_yard
from tests.sso_connect.imports.import_house import house  # noqa: F401  (fixture)


@pytest.fixture
def yard(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """A watched folder, empty."""
    template = tmp_path_factory.getbasetemp() / "yard-template.db"
    if not template.exists():
        migrate(f"sqlite:///{template}")
    with open_yard(template, tmp_path) as made:
        yield made
