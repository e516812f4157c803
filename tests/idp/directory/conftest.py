"""The fixtures of the directory's suites."""

from __future__ import annotations

from tests.idp.directory.house import house, sql  # noqa: F401  (fixtures)
