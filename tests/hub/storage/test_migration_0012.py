"""What the fourth migration makes of the rows that are there: pending guests, keys as legacy set-up makes them, and all others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, Table, insert, select

from hub.storage import migrations
from hub.storage.database import Database, migrate
from hub.storage.engines import Engines, open_engines
from hub.storage.kv_sqlite import SqliteKeyValue
from hub.storage.tables import metadata as today
from idp.clock import FixedClock
from idp.directory.api_keys import Scope
from idp.directory.registrations import WAITS_FOR, RegistrationState
from idp.directory.rights import LoginType
from idp.opaque import new_id

BID, OTHER = 101, 202
START = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
OWNER, GUEST = LoginType.OWNER, LoginType.GUEST


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with nothing in it."""
    if request.param == "postgres":
        make = request.getfixturevalue("empty_postgres")
        return str(make())
    return f"sqlite:///{tmp_path / 'old.db'}"


def migrate_to(engines: Engines, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engines.writing.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


class Old:
    """The tables as a program one version back has them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._metadata = MetaData()

    def add(self, name: str, **values: Any) -> Any:
        table = Table(name, self._metadata, autoload_with=self._connection)
        known = today.tables[name].columns
        for column in table.columns:
            if column.name in known:  # what SQLite keeps does not say that it is an identifier, a time or JSON
                column.type = known[column.name].type
        filled = {
            column.name: values.get(column.name, _blank(column))
            for column in table.columns
            if column.name in values or not (column.nullable or column.server_default)
        }
        self._connection.execute(insert(table).values(**filled))
        return values.get("id")


def _blank(column: Any) -> Any:
    kind = str(column.type).upper()
    if "BOOL" in kind:
        return False
    if "JSON" in kind:
        return {}
    if "INT" in kind:
        return 0
    return ""


def test_pending_guests_wait_beside_users_and_go_on_where_they_were_first(url: str, tmp_path: Path) -> None:
    engines = open_engines(url, 2)
    migrate_to(engines, "0003")
    cases: dict[str, tuple[list[tuple[str, LoginType, bool, int, int | None]], dict[str, str]]] = {
        # account: (user, login type, pending, from hour, ended at hour), and what becomes of the pending ones
        "beside": ([("a1", OWNER, False, 0, None), ("a2", GUEST, True, 1, None)], {"a2": "waiting"}),
        "alone": ([("b1", GUEST, True, 0, None)], {"b1": "until_code"}),
        "both pending": ([("c1", GUEST, True, 0, None), ("c2", GUEST, True, 1, None)], {"c1": "until_code", "c2": "waiting"}),
        "was beside": ([("d1", OWNER, False, 0, 5), ("d2", GUEST, True, 1, None)], {"d2": "waiting"}),
        "came after": ([("e1", OWNER, False, 0, 1), ("e2", GUEST, True, 2, None)], {"e2": "until_code"}),
        "joined later": ([("f1", GUEST, True, 0, None), ("f2", OWNER, False, 1, None)], {"f1": "waiting"}),
        "not pending": ([("g1", OWNER, False, 0, None), ("g2", GUEST, False, 1, None)], {}),
        "same user": ([("h1", GUEST, True, 0, 1), ("h1", GUEST, True, 2, None)], {"h1": "until_code"}),
    }
    users: dict[str, Any] = {}
    with engines.writing.begin() as connection:
        old = Old(connection)
        for bid in (BID, OTHER):
            old.add("billers", bid=bid, guid=new_id(), slug=f"b{bid}", origin=f"https://b{bid}", created_at=START)
            for account, (ties, _) in cases.items():
                customer = old.add("customers", bid=bid, id=new_id(), account_key=account, created_at=START)
                for name, login_type, pending, begun, ended in ties:
                    key = f"{bid}:{name}"
                    if key not in users:
                        users[key] = old.add("users", bid=bid, id=new_id(), user_name_key=name, created_at=START)
                    old.add(
                        "registrations", bid=bid, id=new_id(), user_id=users[key], customer_id=customer, login_type=login_type,
                        pending=pending, registered_at=START + timedelta(hours=begun),
                        ended_at=None if ended is None else START + timedelta(hours=ended),
                    )  # fmt: skip
    before = datetime.now(UTC)
    migrate(url)
    expected = {name: state for _, states in cases.values() for name, state in states.items()}
    database = Database(url, SqliteKeyValue(tmp_path / "kv.db"), FixedClock(START), pool=2)
    for key, user_id in users.items():
        bid, name = int(key.split(":")[0]), key.split(":")[1]
        with database.read() as stores:
            standing = stores.registrations.list_of_user(bid, user_id)
            waiting = stores.waiting.list_waiting_of_user(bid, user_id)
        states = [tie.state.value for tie in (*standing, *waiting) if tie.state is not RegistrationState.ACTIVE]
        assert states == ([expected[name]] if name in expected else []), key
        for tie in waiting:
            assert tie.waits_until is not None
            assert tie.waits_until >= before + WAITS_FOR - timedelta(seconds=1), "thirty days from now, not from long ago"
    database.close()
    engines.dispose()


def test_keys_as_legacy_set_up_makes_them_may_set_role_codes_and_no_others(url: str, tmp_path: Path) -> None:
    engines = open_engines(url, 2)
    migrate_to(engines, "0003")
    keys = {
        "legacy": ("compat", "all", ["cis"]),
        "strict": ("strict", "all", ["cis"]),
        "own": ("compat", "own", ["cis"]),
        "no proof": ("compat", "all", []),
        "zip": ("compat", "all", ["zip"]),
    }
    ids: dict[str, Any] = {}
    with engines.writing.begin() as connection:
        old = Old(connection)
        old.add("billers", bid=BID, guid=new_id(), slug="b", origin="https://b", created_at=START)
        partner = old.add("partners", id=new_id(), slug="p", created_at=START)
        for name, (strictness, whose, proof) in keys.items():
            ids[name] = old.add(
                "api_keys", bid=BID, id=new_id(), partner_id=partner, scopes=["files", "sso"], strictness=strictness,
                authenticate="trusted", token="session", users=whose, account_proof=proof, csr_user="owner", rate_per_second=1,
                burst=1, redirect_ids=[1], frame_origins=[], return_places=[], created_at=START,
            )  # fmt: skip
    migrate(url)
    database = Database(url, SqliteKeyValue(tmp_path / "kv.db"), FixedClock(START), pool=2)
    with database.read() as stores:
        found = {name: stores.api_keys.find_key(BID, key_id) for name, key_id in ids.items()}
    with engines.reading.connect() as connection:
        table = Table("api_keys", MetaData(), autoload_with=connection)
        scopes = connection.execute(select(table.c.scopes)).scalars().all()
    assert {name for name, key in found.items() if key is not None and Scope.ROLE_CODES_WRITE in key.policies.scopes} == {"legacy"}
    assert all(set(each) == {"files", "sso"} for each in scopes), "a program one version back reads its own words only"
    database.close()
    engines.dispose()
