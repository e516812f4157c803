"""The watched folder against whoever drops files: links swapped in at any moment, hard links, pipes, foreign folders."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idp.secrets import Secrets
from sso_connect.imports.folder import SETTLED, InvoiceFolder
from sso_connect.imports.runner import InvoiceFileImport
from sso_connect.imports.runs import ImportRun
from tests.sso_connect.imports.folder_yard import FILE, Yard
from tests.sso_connect.imports.import_house import bills, one

OTHER_UID = 65_534


def swapping(yard: Yard, swap: Callable[[], None]) -> InvoiceFolder:
    """A worker during whose import the dropper does something."""

    class Swapping(InvoiceFileImport):
        def run(self, *arguments: Any, **named: Any) -> ImportRun:
            swap()
            return super().run(*arguments, **named)

    secrets = Secrets((bytes(range(32)),), yard.database.data_keys)
    return yard.another(Swapping(yard.database.begin, yard.clock, secrets, yard.alarms))


def swap_for_link(place: Path, target: Path) -> None:
    """Put a folder aside, and a link in its place."""
    place.rename(place.with_name(f"{place.name} aside"))
    place.symlink_to(target)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is none of the dropper's business."""
    made = tmp_path / "outside"
    made.mkdir()
    (made / "theirs").write_text("theirs", encoding="ascii")
    return made


@pytest.mark.parametrize("ending", ["done", "refused"])
def test_a_report_is_not_written_through_a_link_that_took_the_place_of_its_folder(yard: Yard, outside: Path, ending: str) -> None:
    content = FILE if ending == "done" else FILE.replace(b"3263.14", b"3263.15")
    yard.drop(content)
    folder = swapping(yard, lambda: swap_for_link(yard.path / ending, outside))
    folder.look()
    yard.clock.advance(SETTLED)
    assert folder.look() == 1
    assert [each.name for each in outside.iterdir()] == ["theirs"]
    assert [each.name for each in (yard.path / f"{ending} aside").iterdir()] == ["bills.bif.report.csv"]


def test_what_is_deleted_is_the_file_that_was_imported_and_nothing_that_a_link_leads_to(yard: Yard, outside: Path) -> None:
    def swap() -> None:
        (own,) = (yard.path / "working").iterdir()
        (outside / own.name).mkdir()
        (outside / own.name / "bills.bif").write_bytes(b"theirs")
        swap_for_link(yard.path / "working", outside)

    yard.drop()
    folder = swapping(yard, swap)
    folder.look()
    yard.clock.advance(SETTLED)
    assert folder.look() == 1
    assert [each.read_bytes() for each in outside.rglob("bills.bif")] == [b"theirs"]
    assert list((yard.path / "working aside").rglob("*.bif")) == []
    assert len(yard.customers()) == 12


def test_the_folder_of_a_file_that_became_a_link_leads_to_no_deletion_elsewhere(yard: Yard, outside: Path) -> None:
    (outside / "bills.bif").write_bytes(b"theirs")

    def swap() -> None:
        (own,) = (yard.path / "working").iterdir()
        swap_for_link(own, outside)

    yard.drop()
    folder = swapping(yard, swap)
    folder.look()
    yard.clock.advance(SETTLED)
    folder.look()
    assert (outside / "bills.bif").read_bytes() == b"theirs"
    assert sorted(each.name for each in outside.iterdir()) == ["bills.bif", "theirs"]


def test_a_report_does_not_replace_or_follow_what_was_planted_under_its_name(yard: Yard, outside: Path) -> None:
    for name in ("done", "refused", "working"):
        (yard.path / name).mkdir()
    (yard.path / "done" / "bills.bif.report.csv").symlink_to(outside / "theirs")
    yard.drop()
    assert yard.look() == 1
    assert (outside / "theirs").read_text(encoding="ascii") == "theirs"
    reports = [each for each in (yard.path / "done").iterdir() if not each.is_symlink()]
    assert len(reports) == 1
    assert reports[0].read_text(encoding="utf-8") == "line,column,reason\n"


def test_while_a_dropper_swaps_folders_for_links_without_end_nothing_is_written_or_deleted_elsewhere(
    yard: Yard, outside: Path
) -> None:
    (outside / "bills.bif").write_bytes(b"theirs")
    for name in ("done", "refused", "working"):
        (yard.path / name).mkdir()
    stop = threading.Event()

    def swap() -> None:
        names = ("done", "working")
        while not stop.is_set():
            for name in names:
                place, aside = yard.path / name, yard.path / f"{name}.aside"
                try:
                    place.rename(aside)
                    place.symlink_to(outside)
                    place.unlink()
                    aside.rename(place)
                except OSError:  # the worker made a folder of that name in the meantime
                    if place.is_symlink():
                        place.unlink()
                    if aside.exists() and not place.exists():
                        aside.rename(place)

    for n in range(12):
        yard.drop(bills(*one(f"100{n}-01", f"A-{n}"), count=1).read(), name=f"{n}.bif")
    dropper = threading.Thread(target=swap)
    dropper.start()
    try:
        for _ in range(60):
            try:
                yard.folder.look()
            except OSError:  # told, and tried again with the next look
                yard.folder = yard.another()
            yard.clock.advance(SETTLED)
    finally:
        stop.set()
        dropper.join()
    assert sorted(each.name for each in outside.iterdir()) == ["bills.bif", "theirs"]
    assert (outside / "bills.bif").read_bytes() == b"theirs"


def test_a_hard_link_to_somebody_elses_file_is_neither_read_nor_taken_away(yard: Yard, outside: Path) -> None:
    secret = outside / "secret"
    secret.write_bytes(FILE)
    os.link(secret, yard.path / "linked.bif")
    yard.drop(bills(*one(), count=1).read(), name="plain.bif")
    assert yard.look() == 1
    assert yard.names() == ["done/plain.bif.report.csv", "linked.bif"]
    assert (secret.read_bytes(), secret.stat().st_nlink) == (FILE, 2)
    assert list(yard.customers()) == ["1001-01"]
    secret.unlink()  # the one that is left is an ordinary file
    assert yard.look() == 1
    assert len(yard.customers()) == 12


def test_of_a_file_that_gets_a_second_name_while_it_is_imported_only_its_own_name_goes(yard: Yard, outside: Path) -> None:
    def link() -> None:
        (path,) = (yard.path / "working").rglob("*.bif")
        os.link(path, outside / "kept")

    yard.drop()
    folder = swapping(yard, link)
    folder.look()
    yard.clock.advance(SETTLED)
    assert folder.look() == 1
    assert (outside / "kept").read_bytes() == FILE
    assert yard.names() == ["done/bills.bif.report.csv"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_folder_that_took_the_place_of_a_settled_file_stops_nothing(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    path = yard.drop(name="odd.bif", age=5)
    yard.drop(bills(*one(), count=1).read(), name="plain.bif")
    yard.folder.look()
    yard.clock.advance(SETTLED)
    whole = os.open

    def swap_first(name: Any, *arguments: Any, **named: Any) -> int:
        if Path(name).name == "odd.bif" and path.is_file():
            path.unlink()
            make(path)
        return whole(name, *arguments, **named)

    monkeypatch.setattr(os, "open", swap_first)
    assert yard.folder.look() == 1
    assert path.exists()
    assert not path.is_file()
    assert list(yard.customers()) == ["1001-01"]


def test_folders_of_ours_are_made_for_us_alone_and_reports_are_not_for_everybody(yard: Yard) -> None:
    before = os.umask(0)
    try:
        yard.drop()
        assert yard.look() == 1
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((yard.path / name).stat().st_mode) for name in ("working", "done", "refused", *yard.names())}
    assert modes == {"working": 0o700, "done": 0o750, "refused": 0o750, "done/bills.bif.report.csv": 0o640}


def test_a_place_that_the_dropper_made_is_not_used(yard: Yard) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give folders away")
    (yard.path / "working").mkdir()
    os.chown(yard.path / "working", OTHER_UID, OTHER_UID)
    yard.drop()
    with pytest.raises(PermissionError, match="working belongs to uid"):
        yard.look()
    assert yard.names() == ["bills.bif"]
    assert yard.customers() == {}
