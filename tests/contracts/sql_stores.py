"""What the suites of the directory's stores share: a database of each kind, a key-value store that keeps a record, samples.

    directory       a SQLite file, then a PostgreSQL database: two billers and a partner in it, nothing else
    postgres_only   PostgreSQL only: what SQLite cannot have, because its writers come one at a time

Samples are values only: a test puts them where it wants them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import text

from hub.storage.database import Database, migrate
from hub.storage.engines import open_engines
from hub.storage.kv_sqlite import SqliteKeyValue
from hub.storage.stores import Stores
from idp.clock import FixedClock
from idp.directory.api_keys import ApiKey, KeyPolicies
from idp.directory.billers import Biller, Policies
from idp.directory.customers import Customer
from idp.directory.partners import Partner
from idp.directory.registrations import Registration
from idp.directory.rights import LoginType
from idp.directory.users import PartnerUser, User
from idp.errors import StoreUnavailable
from idp.kv import KeyValue, Look, Outcome, Renew, Seen, Step
from idp.opaque import new_id

T = TypeVar("T")

START = datetime(2031, 5, 4, 12, 30, 15, 250_000, tzinfo=UTC)
OAKDALE, BIRCHWOOD = 101, 202
"""The two billers of every test."""

PATIENCE = 60.0
"""Seconds after which something that should happen is taken for something that never will."""


@dataclass
class RecordedKeyValue:
    """A real key-value store that remembers what was renewed, and that can be told to be away."""

    inner: KeyValue
    renewals: list[Renew] = field(default_factory=list)
    fail: Callable[[Renew], bool] = lambda _step: False

    def transact(self, *steps: Step) -> Outcome:
        for step in steps:
            if isinstance(step, Renew):
                if self.fail(step):
                    raise StoreUnavailable("told to be away")
                self.renewals.append(step)
        return self.inner.transact(*steps)

    def check(self) -> None:
        self.inner.check()

    def purge(self, limit: int) -> int:
        return self.inner.purge(limit)

    def close(self) -> None:
        self.inner.close()

    def look(self, stamp: str) -> str:
        """The present version of a stamp."""
        seen = self.inner.transact(Look((stamp,))).results[0]
        assert isinstance(seen, Seen)
        return seen.stamps[stamp]


@dataclass(frozen=True, slots=True)
class DirectoryCase:
    """A database under test with two billers and a partner in it."""

    database: Database
    kv: RecordedKeyValue
    url: str
    clock: FixedClock
    threads: ThreadPoolExecutor
    partner: Partner

    def put(self, write: Callable[[Stores], T]) -> T:
        """One transaction."""
        with self.database.begin() as stores:
            return write(stores)

    def get(self, read: Callable[[Stores], T]) -> T:
        """One statement."""
        with self.database.read() as stores:
            return read(stores)

    def add(self, *rows: Biller | Customer | User | Registration | ApiKey | PartnerUser) -> None:
        """Insert all, in one transaction."""
        with self.database.begin() as stores:
            for row in rows:
                match row:
                    case Biller():
                        stores.billers.add_biller(row)
                    case Customer():
                        stores.customers.add_customer(row)
                    case User():
                        stores.users.add_user(row)
                    case Registration():
                        stores.registrations.add_registration(row)
                    case ApiKey():
                        stores.api_keys.put_key(row)
                    case PartnerUser():
                        stores.partner_users.add_partner_user(row)

    def biller(self, bid: int) -> Biller:
        """As stored."""
        found = self.get(lambda stores: stores.billers.find_biller(bid))
        assert found is not None
        return found

    def renewed_by(self, write: Callable[[Stores], object]) -> set[str]:
        """Run a transaction: the stamps that it renewed, each once before and once after the commit."""
        self.kv.renewals.clear()
        self.put(write)
        if not self.kv.renewals:
            return set()
        before, after = self.kv.renewals
        assert before.stamps == after.stamps
        assert before.hold is not None
        assert after.hold is None
        return set(after.stamps)

    def race(self, *writes: Callable[[], T]) -> list[T | Exception]:
        """Run all at once, each in a thread of its own; what came of each."""
        together = threading.Barrier(len(writes))

        def run(write: Callable[[], T]) -> T:
            together.wait(PATIENCE)
            return write()

        begun = [self.threads.submit(run, write) for write in writes]
        came: list[T | Exception] = []
        for each in begun:
            outcome = result_of(each)
            came.append(outcome)
        return came

    def run_beside(self, write: Callable[[], T]) -> Future[T]:
        """Do something in another thread."""
        return self.threads.submit(write)

    def wait_for_lock(self) -> None:
        """Until a session of this database waits for a lock of another (PostgreSQL)."""
        asked = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        engines = open_engines(self.url, 1)
        give_up = time.monotonic() + PATIENCE
        with engines.reading.connect() as connection:
            while not connection.execute(asked).scalar():
                assert time.monotonic() < give_up, "nobody waits"
                time.sleep(0.01)
        engines.dispose()


def result_of(future: Future[T]) -> T | Exception:
    """What came of it, an exception as a value."""
    try:
        return future.result(PATIENCE)
    except Exception as fault:  # noqa: BLE001  (the caller looks at it)
        return fault


def _open(url: str, folder: Path) -> Iterator[DirectoryCase]:
    clock = FixedClock(START)
    kv = RecordedKeyValue(SqliteKeyValue(folder / "kv.db"))
    database = Database(url, kv, clock, pool=16)
    partner = sample_partner("aquabill")
    with database.begin() as stores:
        stores.partners.add_partner(partner)
        stores.billers.add_biller(sample_biller(OAKDALE, "oakdale"))
        stores.billers.add_biller(sample_biller(BIRCHWOOD, "birchwood"))
    with ThreadPoolExecutor(16) as threads:
        yield DirectoryCase(database, kv, url, clock, threads, partner)
    database.close()
    kv.close()


@pytest.fixture(params=["sqlite", "postgres"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DirectoryCase]:
    """Two billers and a partner, on each kind of database."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    else:
        url = f"sqlite:///{tmp_path / 'hub.db'}"
        migrate(url)
    yield from _open(url, tmp_path)


@pytest.fixture
def postgres_only(postgres_url: str, tmp_path: Path) -> Iterator[DirectoryCase]:
    """Two billers and a partner, on PostgreSQL."""
    yield from _open(postgres_url, tmp_path)


# --- samples -------------------------------------------------------------------------------------------------------------


def later(minutes: int) -> datetime:
    """An instant after START."""
    return START + timedelta(minutes=minutes)


def sample_biller(bid: int, slug: str, **changes: Any) -> Biller:
    """A biller."""
    made = Biller(
        bid=bid,
        guid=new_id(),
        slug=slug,
        dba=f"{slug.title()} Water",
        origin=f"https://{slug}.portal.example.com",
        time_zone="America/Detroit",
        locale="en",
        policies=Policies(),
        column_map=None,
        sso_login_url="",
        disabled=False,
        created_at=START,
    )
    return replace(made, **changes)


def sample_partner(slug: str, **changes: Any) -> Partner:
    """A partner."""
    return replace(Partner(new_id(), slug, slug.title(), f"https://{slug}.example.com", False, START), **changes)


def sample_key(bid: int, partner: Partner, **changes: Any) -> ApiKey:
    """An API key."""
    return replace(ApiKey(new_id(), bid, partner, partner.name, KeyPolicies(), (), (), created_at=START), **changes)


def sample_customer(bid: int, number: str, **changes: Any) -> Customer:
    """A customer."""
    return replace(Customer(new_id(), bid, number.upper(), number, number, f"Holder of {number}", START), **changes)


def sample_user(bid: int, name: str, **changes: Any) -> User:
    """A user; the e-mail address follows the name."""
    address = f"{name}@example.com"
    return replace(User(new_id(), bid, name, name.lower(), address, address.lower(), START), **changes)


def sample_registration(user: User, customer: Customer, login_type: LoginType, **changes: Any) -> Registration:
    """A registration."""
    made = Registration(new_id(), user.bid, user.id, customer.id, login_type, registered_at=START)
    return replace(made, **changes)


def stranger() -> UUID:
    """An id that nothing has."""
    return new_id()
