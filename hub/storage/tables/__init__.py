"""The tables: one MetaData, a file per area, UTC times, native UUIDs where the database has them.

Importing this package knows every table (migrations and `metadata.create_all` of tests need that).
"""

from __future__ import annotations

from hub.storage.tables import billing, credentials, diagnostics, directory, health, jobs, keys, log, partners, requests
from hub.storage.tables.columns import metadata

__all__ = [
    "billing",
    "credentials",
    "diagnostics",
    "directory",
    "health",
    "jobs",
    "keys",
    "log",
    "metadata",
    "partners",
    "requests",
]
