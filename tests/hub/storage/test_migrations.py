"""Migrations: the migrated schema is that of the tables, on both databases, however many migrate at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from hub.storage import migrations
from hub.storage.database import migrate, migrations_pending
from hub.storage.engines import Engines, open_engines
from hub.storage.tables import metadata
from idp.opaque import new_id

_CATALOGUE = """
    SELECT 'column', concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default, collation_name,
                               identity_generation)
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION SELECT 'constraint', concat_ws(' ', CAST(conrelid AS regclass), conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = CAST('public' AS regnamespace)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Two databases of one kind with nothing in them."""
    if request.param == "postgres":
        make = request.getfixturevalue("empty_postgres")
        return make(), make()
    return f"sqlite:///{tmp_path / 'one.db'}", f"sqlite:///{tmp_path / 'two.db'}"


@pytest.fixture
def both(urls: tuple[str, str]) -> Iterator[tuple[Engines, Engines]]:
    """The first migrated, the second made from the tables as they are."""
    migrate(urls[0])
    migrated, made = (open_engines(url, 2) for url in urls)
    with made.writing.begin() as connection:
        metadata.create_all(connection)
    yield migrated, made
    migrated.dispose()
    made.dispose()


def schema(connection: Connection) -> list[str]:
    """Everything that the database says about its tables, in its own words."""
    if connection.dialect.name == "postgresql":
        rows = [f"{kind}: {words}" for kind, words in connection.execute(text(_CATALOGUE))]
    else:
        stored = connection.execute(text("SELECT tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all()
        # A column that a later migration added stands behind the last one in its line.
        lines = [(table, line) for table, sql in stored for line in re.split(r"\n|, (?=[a-z_]+ [A-Z])", sql)]
        rows = [f"{table}: {' '.join(line.split()).strip(' ,')}" for table, line in lines]
    return sorted(row for row in rows if "alembic_version" not in row)


def test_alembic_finds_no_difference_between_the_migrated_schema_and_the_tables(both: tuple[Engines, Engines]) -> None:
    with both[0].reading.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []


def test_the_migrated_schema_is_word_for_word_that_of_the_tables(both: tuple[Engines, Engines]) -> None:
    with both[0].reading.connect() as migrated, both[1].reading.connect() as made:
        assert schema(migrated) == schema(made)
        assert len(inspect(migrated).get_table_names()) == len(metadata.tables) + 1


def test_migrating_twice_and_by_many_at_once_is_migrating_once(urls: tuple[str, str]) -> None:
    assert migrations_pending(urls[0])
    with ThreadPoolExecutor(4) as threads:
        for each in [threads.submit(migrate, urls[0]) for _ in range(4)]:
            each.result()
    assert not migrations_pending(urls[0])


def test_a_migration_that_fails_leaves_nothing(urls: tuple[str, str]) -> None:
    engines = open_engines(urls[0], 2)
    with engines.writing.begin() as connection:
        connection.execute(text("CREATE TABLE import_rows (n INTEGER)"))
    with pytest.raises(Exception, match="import_rows"):
        migrate(urls[0])
    with engines.reading.connect() as connection:
        assert inspect(connection).get_table_names() == ["import_rows"]
    engines.dispose()


def test_a_revision_is_the_number_of_its_file() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    directory = ScriptDirectory.from_config(config)
    assert directory.get_heads() == [migrations.head()]
    for revision in directory.walk_revisions():
        assert Path(revision.path).name.startswith(f"{revision.revision}_")
        assert len(revision.revision) == 4


def test_a_database_is_behind_only_when_it_lacks_a_step() -> None:
    assert migrations.is_behind(None)
    assert migrations.is_behind("0000")
    assert not migrations.is_behind(migrations.head())
    assert not migrations.is_behind("9999")


# --- what a step makes of rows from before ---------------------------------------------------------------------------------


def upgrade(url: str, revision: str) -> None:
    """Bring a database to a revision that is not the newest."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engines = open_engines(url, 1)
    with engines.writing.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engines.dispose()


def test_an_upgrade_trusts_the_address_of_users_whom_no_partner_made_or_changed(urls: tuple[str, str]) -> None:
    upgrade(urls[0], "0003")
    engines = open_engines(urls[0], 1)
    user = (
        "INSERT INTO users (bid, id, user_name, user_name_key, email, email_key, created_at, email_verified, first_name, last_name,"
        " phone, locale, disabled, generation) VALUES (:bid, :id, :name, :name, :email, :email, '2030-01-01 00:00:00', :no, '', '',"
        " '', '', :no, 0)"
    )
    biller = (
        "INSERT INTO billers (bid, guid, slug, dba, origin, time_zone, locale, policies, sso_login_url, disabled, created_at)"
        " VALUES (:bid, :guid, :slug, 'x', :slug, 'UTC', 'en', '{}', '', :no, '2030-01-01 00:00:00')"
    )
    change = (
        "INSERT INTO change_log (at, bid, action, actor_kind, actor_id, user_id, subject, request_id, commitment)"
        " VALUES ('2030-01-01 00:00:00', :bid, :action, :kind, 'x', :id, '', 'r', '')"
    )
    people = {
        "by-staff": [("user.create", "staff"), ("user.change", "staff")],
        "by-partner": [("user.create", "partner")],
        "moved": [("user.create", "staff"), ("user.change", "partner"), ("user.change", "payer")],
        "by-cis": [("user.create", "system"), ("user.change", "cis")],
        "proved": [("user.create", "system"), ("user.prove", "partner"), ("registration.create", "partner")],
        "unlogged": [],
    }
    with engines.writing.begin() as connection:
        for bid in (101, 202):
            connection.execute(text(biller), {"bid": bid, "guid": new_id().hex, "slug": f"b{bid}", "no": False})
            for name, changes in people.items():
                user_id = new_id().hex
                email = f"{name}@example.com"
                connection.execute(text(user), {"bid": bid, "id": user_id, "name": name, "email": email, "no": False})
                for action, kind in changes:
                    connection.execute(text(change), {"bid": bid, "action": action, "kind": kind, "id": user_id})
    migrate(urls[0])
    with engines.reading.connect() as connection:
        rows = connection.execute(text("SELECT bid, user_name, trusted_email FROM users")).all()
    engines.dispose()
    trusted = {"by-staff", "proved", "unlogged"}
    assert {(bid, name): email for bid, name, email in rows} == {
        (bid, name): f"{name}@example.com" if name in trusted else "" for bid in (101, 202) for name in people
    }
