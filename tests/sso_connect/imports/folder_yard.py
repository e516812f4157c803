"""A watched folder for tests, with the billers behind it and a worker that looks into it."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.storage.database import Database
from hub.storage.kv_sqlite import SqliteKeyValue
from idp.alarms import Alarms
from idp.clock import FixedClock
from idp.directory.billers import Billers
from idp.secrets import Secrets
from sso_connect.imports.folder import SETTLED, InvoiceFolder
from sso_connect.imports.runner import InvoiceFileImport
from tests.contracts.sql_stores import START, sample_biller
from tests.sso_connect.imports.bif_files import DATA, RIVERBEND
from tests.sso_connect.imports.import_house import POWER, WATER

FILE = (DATA / "9001_11202026.bif").read_bytes()


@dataclass
class Yard:
    """A folder, the billers behind it, and a worker that looks into it."""

    path: Path
    database: Database
    billers: Billers
    importer: InvoiceFileImport
    clock: FixedClock
    folder: InvoiceFolder
    alarms: Alarms

    def drop(self, content: bytes = FILE, name: str = "bills.bif", age: int = 0) -> Path:
        path = self.path / name
        path.write_bytes(content)
        os.utime(path, (1_000_000_000 - age, 1_000_000_000 - age))
        return path

    def another(self, importer: InvoiceFileImport | None = None) -> InvoiceFolder:
        """As another worker has it."""
        return InvoiceFolder(self.path, self.billers, importer or self.importer, self.clock)

    def look(self, folder: InvoiceFolder | None = None) -> int:
        """Look, wait until what is there has settled, and look until there is nothing left to do. How many files."""
        looking = folder or self.folder
        taken = looking.look()
        self.clock.advance(SETTLED)
        while looking.look():
            taken += 1
        return taken

    def names(self) -> list[str]:
        """Every file that is there, by its place."""
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if not path.is_dir())

    def report(self, name: str) -> list[list[str]]:
        with (self.path / name).open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))

    def customers(self, bid: int = WATER) -> dict[str, str]:
        with self.database.read() as stores:
            return {each.account_number: each.name for each in stores.customers.list_customers(bid, "", 100)}


@contextmanager
def open_yard(template: Path, tmp_path: Path) -> Iterator[Yard]:
    """A yard on a copy of a migrated file."""
    shutil.copy(template, tmp_path / "hub.db")
    clock = FixedClock(START)
    kv = SqliteKeyValue(tmp_path / "kv.db")
    database = Database(f"sqlite:///{tmp_path / 'hub.db'}", kv, clock, pool=4)
    secrets = Secrets((bytes(range(32)),), database.data_keys)
    with database.begin() as stores:
        stores.billers.add_biller(sample_biller(WATER, "riverbend", guid=RIVERBEND))
        stores.billers.add_biller(sample_biller(POWER, "prairie"))
    billers = Billers(
        database.begin, database.read, kv, clock, secrets, scheme="https", portal_domain="hub.example.com", share_origins=False
    )
    alarms = Alarms(database.begin, kv, clock)
    importer = InvoiceFileImport(database.begin, clock, secrets, alarms)
    path = tmp_path / "in"
    path.mkdir()
    yield Yard(path, database, billers, importer, clock, InvoiceFolder(path, billers, importer, clock), alarms)
    database.close()
    kv.close()
