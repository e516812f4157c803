"""Migrations: Alembic steps, numbered, each forward-compatible with the program one version back.

A revision is the number of its file (`versions/0001_*.py` is "0001"). So a worker knows whether the database is behind without
loading Alembic, and one that is AHEAD of it is fine: that is an older worker beside newer ones while an upgrade rolls out.

A new step: add `versions/NNNN_*.py` by hand (script.py.mako is its shape) and run tests/hub/storage/test_migrations.py, which
compares the migrated schema with the tables on both databases.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import inspect, text

from hub.storage.engines import open_engines, translated
from hub.storage.presence import join

_HERE = Path(__file__).parent
LOCK = 7_314_065_222
"""Any number, the same for all: the advisory lock of a migration, and of a restore."""


def migrate(url: str) -> None:
    """Bring a database to the newest revision, all steps or none; several at once wait for each other. StoreUnavailable."""
    # Imported here: workers never migrate, and Alembic costs memory.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    present = join(url)
    engines = open_engines(url, pool=1)
    try:
        with translated(), engines.writing.begin() as connection:
            if connection.dialect.name == "postgresql":
                # A step may take its time over a large table; and of the wait for the lock the transaction must not die.
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SET LOCAL lock_timeout = 0"))
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engines.dispose()
        present.close()


def migrations_pending(url: str) -> bool:
    """Whether `migrate` has something to do. StoreUnavailable."""
    engines = open_engines(url, pool=1)
    try:
        with translated(), engines.reading.connect() as connection:
            known = inspect(connection).has_table("alembic_version")
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
    finally:
        engines.dispose()
    return is_behind(revision)


def is_behind(revision: str | None) -> bool:
    """Whether a database at this revision lacks steps that this program needs. None: never migrated."""
    return revision is None or revision < head()


@cache
def head() -> str:
    """The newest revision that this program knows."""
    return max(path.name.partition("_")[0] for path in (_HERE / "versions").glob("[0-9]*_*.py"))
