"""The house that imports are tried in."""

from __future__ import annotations

from tests.sso_connect.imports.import_house import house  # noqa: F401  (fixture)
