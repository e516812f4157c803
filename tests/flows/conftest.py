"""The world of the flows: one for each test, and one for tests of a module that leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sso_connect import refusal_limits
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
    with pytest.MonkeyPatch.context() as patch, open_world(prepared, tmp_path_factory.mktemp("shared")) as made:
        # Its clock stands still, so no bucket fills up again; every refusal of the module is looked at.
        for name in ("OF_A_KEY", "OF_A_PAYER", "OF_NOBODY", "OF_NOBODY_ANYWHERE"):
            patch.setattr(refusal_limits, name, (1.0, 100_000))
        yield made
