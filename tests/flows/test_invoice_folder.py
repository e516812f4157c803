"""The worker of a wired hub watches the folder that the settings name, and none where they name none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from sso_connect.imports.folder import SETTLED
from tests.flows.world import PRAIRIE, RIVERBEND, Prepared, open_world
from tests.sso_connect.imports import bif_files

FILE = (bif_files.DATA / "9001_11202026.bif").read_bytes()


def test_a_dropped_file_is_taken_over_by_the_worker_and_its_report_stays(prepared: Prepared, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with open_world(prepared, tmp_path, invoice_folder=str(folder)) as world:
        with world.hub.database.begin() as stores:
            stores.billers.put_biller(replace(world.biller(), guid=bif_files.RIVERBEND))
        (folder / "november.bif").write_bytes(FILE)
        worker = world.hub.worker()
        worker.step()
        assert (folder / "november.bif").exists()
        world.later(seconds=SETTLED.total_seconds())
        worker.step()
        assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["november.bif.report.csv"]
        assert world.hub.customers.get_by_account(world.biller(), "1005-01").name == "Noor Haddad"
        assert len(world.hub.customers.list_page(PRAIRIE)) == 3
        assert (
            world.hub.invoices.list_page(RIVERBEND, world.prepared.customers[RIVERBEND, "1001-01"]).invoices[0].total_minor == 8417
        )


def test_without_the_setting_no_folder_is_watched(prepared: Prepared, tmp_path: Path) -> None:
    (tmp_path / "november.bif").write_bytes(FILE)
    os.utime(tmp_path / "november.bif", (0, 0))
    with open_world(prepared, tmp_path) as world:
        worker = world.hub.worker()
        for _ in range(3):
            worker.step()
            world.later(seconds=60)
    assert (tmp_path / "november.bif").read_bytes() == FILE
