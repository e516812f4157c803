"""Files that only we may read: whatever the umask, whatever was there, whoever else can write beside them."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.private_files import create, fault_of_folder, make_file, make_folder, write_over, write_whole

OTHER_UID = 65_534


@pytest.fixture(params=[0o000, 0o002, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")


@pytest.mark.usefixtures("umask")
def test_a_folder_and_what_is_missing_above_it_are_made_for_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    with make_folder(path) as folder:
        write_whole(folder, "x", b"1")
    assert {mode(each) for each in (tmp_path / "a", tmp_path / "a" / "b", path)} == {0o700}
    assert (mode(path / "x"), (path / "x").read_bytes()) == (0o600, b"1")
    assert fault_of_folder(path) == ""


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("before", [0o755, 0o750, 0o700, 0o711])
def test_a_folder_of_ours_that_others_may_read_is_tightened(tmp_path: Path, before: int) -> None:
    path = tmp_path / "box"
    path.mkdir()
    path.chmod(before)
    assert fault_of_folder(path) == ""
    with make_folder(path):
        assert mode(path) == 0o700


@pytest.mark.parametrize("before", [0o770, 0o707, 0o777, 0o1777, 0o720])
def test_a_folder_that_others_can_write_is_refused_in_a_line_and_left_as_it_is(tmp_path: Path, before: int) -> None:
    path = tmp_path / "box"
    path.mkdir()
    path.chmod(before)
    assert fault_of_folder(path).startswith("can be written by others")
    with pytest.raises(PermissionError, match="can be written by others"), make_folder(path):
        pass
    assert mode(path) == before


def test_a_folder_of_somebody_else_is_refused_in_a_line(tmp_path: Path) -> None:
    needs_root()
    path = tmp_path / "box"
    path.mkdir(mode=0o700)
    os.chown(path, OTHER_UID, OTHER_UID)
    assert fault_of_folder(path).startswith(f"belongs to uid {OTHER_UID}")
    with pytest.raises(PermissionError, match=f"belongs to uid {OTHER_UID}"), make_folder(path):
        pass


def test_a_link_or_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "file").touch()
    for name in ("link", "dangling", "file"):
        assert fault_of_folder(tmp_path / name)
        with pytest.raises(OSError, match="must be a folder"), make_folder(tmp_path / name):
            pass
    assert not (tmp_path / "nothing").exists()
    assert fault_of_folder(tmp_path / "not yet") == ""


def test_a_file_replaces_a_link_of_its_name_and_never_goes_through_it(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"theirs")
    box = tmp_path / "box"
    with make_folder(box) as folder:
        for planted in ("x", ".x.part"):
            (box / planted).symlink_to(victim)
        write_whole(folder, "x", b"ours")
    assert victim.read_bytes() == b"theirs"
    assert [(each.name, each.is_symlink(), each.read_bytes()) for each in box.iterdir()] == [("x", False, b"ours")]


def test_a_file_goes_into_the_folder_that_was_opened_though_its_name_leads_elsewhere_by_now(tmp_path: Path) -> None:
    box, elsewhere = tmp_path / "box", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with make_folder(box) as folder:
        box.rename(tmp_path / "aside")
        box.symlink_to(elsewhere)
        write_whole(folder, "x", b"1")
    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / "aside" / "x").read_bytes() == b"1"


@pytest.mark.usefixtures("umask")
def test_a_new_file_is_new_and_has_its_mode(tmp_path: Path) -> None:
    os.close(create(tmp_path / "x", 0o600))
    os.close(create(tmp_path / "y", 0o644))
    assert (mode(tmp_path / "x"), mode(tmp_path / "y")) == (0o600, 0o644)
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for name in ("x", "link"):
        with pytest.raises(FileExistsError):
            create(tmp_path / name, 0o600)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.usefixtures("umask")
def test_a_file_that_an_operator_names_is_written_over_and_a_link_is_not(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"long before")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    with pytest.raises(OSError, match="Too many levels"):
        write_over(tmp_path / "link", 0o600)
    assert (tmp_path / "x").read_bytes() == b"long before"
    with os.fdopen(write_over(tmp_path / "x", 0o600), "wb") as file:
        file.write(b"now")
    assert ((tmp_path / "x").read_bytes(), mode(tmp_path / "x")) == (b"now", 0o600)


@pytest.mark.usefixtures("umask")
def test_a_database_file_is_made_for_us_alone_and_an_open_one_is_tightened_with_those_beside_it(tmp_path: Path) -> None:
    make_file(tmp_path / "db", "-wal")
    assert mode(tmp_path / "db") == 0o600
    for name in ("db", "db-wal", "db-other"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o664)
    make_file(tmp_path / "db", "-wal")
    assert [mode(tmp_path / name) for name in ("db", "db-wal", "db-other")] == [0o600, 0o600, 0o664]


def test_a_database_file_behind_a_link_is_made_and_tightened_where_the_link_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "db")
    make_file(tmp_path / "link", "-wal")
    assert mode(tmp_path / "db") == 0o600
    (tmp_path / "db").chmod(0o644)
    make_file(tmp_path / "link", "-wal")
    assert mode(tmp_path / "db") == 0o600


def test_a_link_beside_a_database_leads_to_no_change_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "victim").touch()
    (tmp_path / "victim").chmod(0o644)
    (tmp_path / "db-wal").symlink_to(tmp_path / "victim")
    make_file(tmp_path / "db", "-wal")
    assert mode(tmp_path / "victim") == 0o644


def test_a_file_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    needs_root()
    (tmp_path / "db").touch()
    (tmp_path / "db").chmod(0o644)
    os.chown(tmp_path / "db", OTHER_UID, OTHER_UID)
    make_file(tmp_path / "db")
    assert mode(tmp_path / "db") == 0o644


def test_tightening_drops_no_lock_that_this_process_holds(tmp_path: Path) -> None:
    path = tmp_path / "db"
    make_file(path)
    path.chmod(0o644)
    asked = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with path.open("r+b") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        make_file(path)
        other = subprocess.run([sys.executable, "-c", asked, path], capture_output=True, check=False)
        assert other.returncode != 0, "another process got the lock that is held here"
