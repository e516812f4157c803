"""The stores that the suites run on: key-value here, the directory in sql_stores.py."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.clock import FixedClock, SystemClock
from tests.contracts.kv_stores import Case, Place
from tests.contracts.sql_stores import directory, postgres_only  # noqa: F401  (fixtures)


@pytest.fixture(params=["sqlite", "redis"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """An empty store of each kind, with the time of SQLite standing still until it is moved."""
    clock = None
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        place = Place("redis", server.url, f"t{secrets.token_hex(6)}")
    else:
        clock = FixedClock(SystemClock().now())
        place = Place("sqlite", str(tmp_path / "kv.db"))
    kv = place.open(clock)
    yield Case(kv, place, clock)
    kv.close()
