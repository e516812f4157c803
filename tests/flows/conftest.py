"""The world of the flows: one for each test, and one for tests of a module that leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.world import Prepared, World, open_world, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The database file that each world is a copy of."""
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def world(prepared: Prepared, tmp_path: Path) -> Iterator[World]:
    """A world of its own."""
    with open_world(prepared, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for the module. Only for tests that change nothing but their own tokens and sessions."""
    with open_world(prepared, tmp_path_factory.mktemp("shared")) as made:
        yield made
