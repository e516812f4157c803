"""Two billers on a database of each kind, and the import of invoice files into it, with everything that it may have written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from sqlalchemy import select

from hub.storage.database import Database
from hub.storage.engines import Engines, open_engines
from hub.storage.kv_sqlite import SqliteKeyValue
from hub.storage.migrations import migrate
from hub.storage.tables import metadata
from idp.actor import Staff
from idp.alarms import Alarms
from idp.billing.invoices import Invoice
from idp.clock import FixedClock
from idp.directory.billers import Biller, Policies
from idp.directory.customers import Customer
from idp.directory.ghosts import Ghost
from idp.directory.registrations import Registration
from idp.directory.rights import LoginType
from idp.directory.role_codes import RoleCode
from idp.directory.users import User
from idp.secrets import Secrets
from sso_connect.imports.runner import InvoiceFileImport
from sso_connect.imports.runs import ImportRun, RowReport
from tests.contracts.sql_stores import START, RecordedKeyValue, sample_biller, sample_registration, sample_user
from tests.sso_connect.imports.bif_files import DATA, PRAIRIE, RIVERBEND, cr, detail, file_of, ih

WATER, POWER = 9001, 9002
"""Riverbend Water & Light, with the default column order, and Prairie Electric Cooperative, with one of its own."""

ACTOR = Staff("ann", "operator")
_ABOUT_RUNS = {"import_runs", "import_rows", "leases", "change_log", "change_values", "data_keys"}


def sample(name: str) -> io.BytesIO:
    """One of the files of examples/data."""
    return io.BytesIO((DATA / name).read_bytes())


def bills(*rows: str, count: int) -> io.BytesIO:
    """A file with `count` invoices of 10.00."""
    return file_of(*rows, count=count, total=f"{count * 10}.00")


def one(account: str = "1001-01", number: str = "A-1", **invoice: str) -> tuple[str, str, str]:
    """The rows of one invoice."""
    return ih(InvoiceNumber=number, **invoice), cr(AccountNumber=account), detail()


@dataclass
class House:
    """A database with two billers."""

    database: Database
    engines: Engines
    kv: RecordedKeyValue
    clock: FixedClock
    secrets: Secrets

    def biller(self, bid: int = WATER) -> Biller:
        """As stored."""
        with self.database.read() as stores:
            found = stores.billers.find_biller(bid)
        assert found is not None
        return found

    def set_policies(self, bid: int = WATER, **changes: Any) -> None:
        """Change some of a biller's policies."""
        with self.database.begin() as stores:
            before = self.biller(bid)
            policies = Policies.model_validate(before.policies.model_dump() | changes)
            stores.billers.put_biller(replace(before, policies=policies))

    def importer(self, batch: int = 200) -> InvoiceFileImport:
        """The importer."""
        return InvoiceFileImport(self.database.begin, self.clock, self.secrets, self.alarms, batch)

    @property
    def alarms(self) -> Alarms:
        """The alarms."""
        return Alarms(self.database.begin, self.kv, self.clock)

    def take(self, file: io.BytesIO, bid: int = WATER, *, batch: int = 200, **options: Any) -> ImportRun:
        """Import a file; a minute passes before it."""
        self.clock.advance(timedelta(minutes=1))
        return self.importer(batch).run(ACTOR, "request-1", self.biller(bid), file, "bills.bif", **options)

    def rows(self, run: ImportRun) -> list[RowReport]:
        """The report of a run."""
        return self.importer().list_rows(run.bid, run.id)

    def customer(self, number: str = "1001-01", bid: int = WATER) -> Customer:
        """By account number, which is there."""
        with self.database.read() as stores:
            return stores.customers.find_by_accounts(bid, [number])[number]

    def customers(self, bid: int = WATER) -> dict[str, Customer]:
        """All of a biller, by account number as it came."""
        with self.database.read() as stores:
            return {each.account_number: each for each in stores.customers.list_customers(bid, "", 1000)}

    def change_customer(self, customer: Customer, **changes: Any) -> None:
        """What the API would do."""
        with self.database.begin() as stores:
            stores.customers.put_customer(replace(customer, **changes))

    def invoices(self, number: str = "1001-01", bid: int = WATER) -> list[Invoice]:
        """Of an account, newest first."""
        customer = self.customer(number, bid)
        with self.database.read() as stores:
            return list(stores.invoices.list_invoices(bid, customer.id, None, 200).invoices)

    def ghost(self, number: str = "1001-01", bid: int = WATER) -> Ghost | None:
        """Of an account."""
        customer = self.customer(number, bid)
        with self.database.read() as stores:
            return stores.ghosts.find_ghost(bid, customer.id)

    def put_ghost(self, ghost: Ghost) -> None:
        """What staff would do."""
        with self.database.begin() as stores:
            stores.ghosts.put_ghost(ghost)

    def codes(self, number: str = "1001-01", bid: int = WATER) -> list[RoleCode]:
        """Of an account."""
        customer = self.customer(number, bid)
        with self.database.read() as stores:
            return stores.role_codes.list_codes(bid, customer.id)

    def kinds(self, number: str = "1001-01", bid: int = WATER) -> list[tuple[LoginType, bool]]:
        """(login type, bare) of each code of an account."""
        return [(code.login_type, code.bare) for code in self.codes(number, bid)]

    def register(self, number: str = "1001-01", bid: int = WATER, name: str = "avery") -> tuple[User, Registration]:
        """A user on an account."""
        user = sample_user(bid, name)
        registration = sample_registration(user, self.customer(number, bid), LoginType.OWNER)
        with self.database.begin() as stores:
            stores.users.add_user(user)
            stores.registrations.add_registration(registration)
        return user, registration

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, but for what a run leaves of itself."""
        return {name: rows for name, rows in self.everything().items() if name not in _ABOUT_RUNS}

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
        with self.engines.reading.connect() as connection:
            return {
                table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
                for table in metadata.sorted_tables
            }

    def changes(self) -> list[tuple[str, dict[str, Any]]]:
        """The change log: action, and before and after, oldest first."""
        log, values = metadata.tables["change_log"], metadata.tables["change_values"]
        wanted = select(log.c.action, values.c.content).outerjoin(values, values.c.change_id == log.c.id).order_by(log.c.id)
        with self.engines.reading.connect() as connection:
            return [(row.action, json.loads(row.content or "{}")) for row in connection.execute(wanted)]

    def actions(self) -> list[str]:
        """The words of the change log, oldest first."""
        return [action for action, _ in self.changes()]


@pytest.fixture(params=["sqlite", "postgres"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """Two billers and nothing else, on each kind of database."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    else:
        url = f"sqlite:///{tmp_path / 'hub.db'}"
        migrate(url)
    clock = FixedClock(START)
    kv = RecordedKeyValue(SqliteKeyValue(tmp_path / "kv.db"))
    database = Database(url, kv, clock, pool=8)
    engines = open_engines(url, 2)
    columns = yaml.safe_load((DATA / "9002_columns.yaml").read_text(encoding="utf-8"))
    with database.begin() as stores:
        stores.billers.add_biller(_biller(WATER, "riverbend", RIVERBEND))
        stores.billers.add_biller(
            _biller(POWER, "prairie", PRAIRIE, column_map=columns, policies=Policies(account_profile="digits_only"))
        )
    yield House(database, engines, kv, clock, Secrets((bytes(range(32)),), database.data_keys))
    engines.dispose()
    database.close()
    kv.close()


def _biller(bid: int, slug: str, guid: UUID, **changes: Any) -> Biller:
    return sample_biller(bid, slug, guid=guid, **changes)
