"""tools/setup.sh in the shells and accounts that a service, a container or a careless terminal gives it.

Everything is real but uv, which would fetch: a script stands in for it that makes what uv makes and notes what it was told.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import Run

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0

_UV = """#!/bin/bash
[ "$1" = --version ] && { echo "uv 0.99.0"; exit; }
{ echo "call $*"; env | sed 's/^/env /'; } >>"$(dirname "$0")/../told"
[ "$(cat "$(dirname "$0")/../die-at" 2>/dev/null)" = "$1" ] && kill -9 $PPID
case "$*" in
    venv*) mkdir -p .venv/bin && ln -s PYTHON .venv/bin/python ;;
    *--target*) mkdir -p "$(echo "$*" | sed 's/.*--target \\([^ ]*\\).*/\\1/')" ;;
    *--editable*) printf '#!%s/.venv/bin/python\\n' "$PWD" >.venv/bin/idhub && chmod +x .venv/bin/idhub ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout with what set-up reads, and programs beside it."""

    folder: Path
    outside: Path

    @property
    def environment(self) -> dict[str, str]:
        """The least that a service manager gives."""
        return {"PATH": f"{self.outside / 'bin'}:/usr/bin:/bin"}

    def run(self, *command: str | Path, user: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Set up, by default as a program without HOME, terminal or standard input."""
        return subprocess.run(
            [str(part) for part in command or (self.folder / "tools/setup.sh",)],
            env=self.environment | environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            user=user,
        )

    def use_python_of_everybody(self) -> None:
        """This one may be in a home that others cannot read."""
        uv = self.outside / "bin" / "uv"
        text = uv.read_text(encoding="utf-8").replace(str(Path(sys.executable).resolve()), "/usr/bin/python3")
        uv.write_text(text, encoding="utf-8")

    def calls(self) -> list[str]:
        """What uv was asked to do."""
        told = self.outside / "told"
        lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
        return [line.removeprefix("call ").split()[0] for line in lines if line.startswith("call ")]

    def environment_of_uv(self) -> dict[str, str]:
        """What uv saw."""
        lines = (self.outside / "told").read_text(encoding="utf-8").splitlines()
        return dict(line[4:].split("=", 1) for line in lines if line.startswith("env ") and "=" in line)


@pytest.fixture
def checkout(run: Run) -> Iterator[Checkout]:
    """Nothing is set up yet. Where other users may pass."""
    place = Path(tempfile.mkdtemp(prefix="setup-", dir=run.folder))
    place.chmod(0o755)
    folder, outside = place / "check out", place / "outside"
    (folder / "tools").mkdir(parents=True)
    (outside / "bin").mkdir(parents=True)
    for name in (
        "tools/setup.sh",
        "tools/build-requirements.txt",
        "tools/uv-requirements.txt",
        "pyproject.toml",
        "uv.lock",
        "Makefile",
    ):
        shutil.copy(ROOT / name, folder / name)
    (folder / "hub").mkdir()
    (folder / "hub" / "__init__.py").write_text("ONE = 1\n", encoding="utf-8")
    uv = outside / "bin" / "uv"
    uv.write_text(_UV.replace("PYTHON", str(Path(sys.executable).resolve())), encoding="utf-8")
    uv.chmod(0o755)
    yield Checkout(folder, outside)
    shutil.rmtree(place)


def _good(done: subprocess.CompletedProcess[str], said: str) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"setup: .venv {said}"


def test_without_home_it_sets_up_and_asks_for_no_rights(checkout: Checkout) -> None:
    _good(checkout.run(), "is ready")
    assert checkout.calls() == ["venv", "sync", "pip", "pip"]
    assert checkout.environment_of_uv()["UV_CACHE_DIR"] == f"{checkout.folder}/.tools/cache/uv"
    _good(checkout.run(), "is up to date")
    assert checkout.calls() == ["venv", "sync", "pip", "pip"]


@pytest.mark.parametrize("home", ["/nonexistent", "/proc", ""])
def test_a_home_that_cannot_be_written_to_is_done_without(checkout: Checkout, home: str) -> None:
    _good(checkout.run(HOME=home), "is ready")
    assert checkout.environment_of_uv()["UV_CACHE_DIR"] == f"{checkout.folder}/.tools/cache/uv"


def test_with_a_home_the_cache_is_the_usual_one(checkout: Checkout) -> None:
    _good(checkout.run(HOME=str(checkout.outside)), "is ready")
    assert "UV_CACHE_DIR" not in checkout.environment_of_uv()


def test_without_any_environment_in_dash_and_through_make_it_works(checkout: Checkout) -> None:
    script = checkout.folder / "tools" / "setup.sh"
    path = f"PATH={checkout.environment['PATH']}"
    _good(checkout.run("/usr/bin/env", "-i", path, "/bin/sh", script), "is ready")
    _good(checkout.run("/bin/sh", "-c", 'umask 077; exec sh "$0"', script, LANG="C", CDPATH="/"), "is up to date")
    made = checkout.run("make", "-C", checkout.folder, "setup", LC_ALL="POSIX", MAKEFLAGS="w")
    assert made.returncode == 0, made.stderr
    assert "setup: .venv is up to date" in made.stdout


def test_without_a_path_from_outside_python_is_found_and_knows_where_it_is(checkout: Checkout) -> None:
    shutil.copytree(checkout.outside / "bin", checkout.folder / ".tools" / "uv" / "bin")
    done = checkout.run("/usr/bin/env", "-i", "/bin/bash", checkout.folder / "tools" / "setup.sh")
    _good(done, "is ready")


def test_a_checkout_that_was_moved_is_set_up_again_from_the_ground(checkout: Checkout) -> None:
    _good(checkout.run(), "is ready")
    moved = Checkout(checkout.folder.with_name("moved"), checkout.outside)
    checkout.folder.rename(moved.folder)
    _good(moved.run(), "is ready")
    assert moved.calls()[4:] == ["venv", "sync", "pip", "pip"]
    assert (moved.folder / ".venv/bin/idhub").read_text(encoding="utf-8").startswith(f"#!{moved.folder}/")


def test_through_a_link_it_is_the_same_checkout(checkout: Checkout) -> None:
    _good(checkout.run(), "is ready")
    link = checkout.outside / "link"
    link.symlink_to(checkout.folder)
    _good(checkout.run(link / "tools" / "setup.sh"), "is up to date")


@pytest.mark.parametrize("die_at", ["venv", "sync", "pip"])
def test_what_a_killed_run_left_is_made_again_from_the_ground(checkout: Checkout, die_at: str) -> None:
    _good(checkout.run(), "is ready")
    (checkout.folder / "uv.lock").write_text("changed", encoding="utf-8")
    if die_at == "venv":
        shutil.rmtree(checkout.folder / ".venv")
    (checkout.outside / "die-at").write_text(die_at, encoding="utf-8")
    assert checkout.run().returncode == -9
    (checkout.outside / "die-at").unlink()
    (checkout.outside / "told").unlink()
    _good(checkout.run(), "is ready")
    assert checkout.calls() == ["venv", "sync", "pip", "pip"]


def test_a_changed_lock_file_is_brought_into_the_venv_that_is_there(checkout: Checkout) -> None:
    _good(checkout.run(), "is ready")
    (checkout.folder / "uv.lock").write_text("changed", encoding="utf-8")
    _good(checkout.run(), "is ready")
    assert checkout.calls()[4:] == ["sync", "pip", "pip"]


def test_tools_that_were_thrown_away_come_back(checkout: Checkout) -> None:
    _good(checkout.run(), "is ready")
    shutil.rmtree(checkout.folder / ".tools")
    _good(checkout.run(), "is ready")
    assert (checkout.folder / ".tools" / "build").is_dir()


def test_a_venv_whose_python_is_gone_is_made_again(checkout: Checkout) -> None:
    _good(checkout.run(), "is ready")
    python = checkout.folder / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python3.11")
    _good(checkout.run(), "is ready")
    assert checkout.calls()[4:] == ["venv", "sync", "pip", "pip"]


def test_two_at_once_wait_for_each_other(checkout: Checkout) -> None:
    started = [
        subprocess.Popen(
            [checkout.folder / "tools" / "setup.sh"],
            env=checkout.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    said = [each.communicate(timeout=PATIENCE)[0].splitlines()[-1] for each in started]
    assert [each.returncode for each in started] == [0, 0, 0], said
    assert sorted(said) == ["setup: .venv is ready", "setup: .venv is up to date", "setup: .venv is up to date"]
    assert checkout.calls() == ["venv", "sync", "pip", "pip"]


def test_what_the_machine_prefers_does_not_reach_the_tools_but_where_it_fetches_from_does(checkout: Checkout) -> None:
    noise = {
        "VIRTUAL_ENV": "/x",
        "PYTHONPATH": "/x",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": "/x",
        "UV_SYSTEM_PYTHON": "1",
        "UV_NO_SYNC": "1",
        "UV_PROJECT_ENVIRONMENT": "/x",
        "UV_NO_EDITABLE": "1",
        "UV_PYTHON": "3.8",
        "PIP_TARGET": "/x",
        "PIP_USER": "1",
        "PIP_PREFIX": "/x",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_NO_BINARY": ":all:",
    }
    kept = {"UV_DEFAULT_INDEX": "https://mirror.example", "PIP_INDEX_URL": "https://mirror.example", "UV_HTTP_TIMEOUT": "9"}
    _good(checkout.run(**noise, **kept), "is ready")
    seen = checkout.environment_of_uv()
    assert kept.items() <= seen.items()
    assert {name for name in noise if name in seen} == {"PIP_USER", "PIP_REQUIRE_VIRTUALENV"}
    assert (seen["PIP_USER"], seen["PIP_REQUIRE_VIRTUALENV"]) == ("0", "0")


def test_our_own_bytecode_is_there_after_set_up_and_follows_changes(checkout: Checkout) -> None:
    _good(checkout.run(PYTHONDONTWRITEBYTECODE="1"), "is ready")
    (compiled,) = (checkout.folder / "hub" / "__pycache__").iterdir()
    before = compiled.stat().st_mtime_ns
    source = checkout.folder / "hub" / "__init__.py"
    source.write_text("TWO = 22\n", encoding="utf-8")
    os.utime(source, (time.time() + 5, time.time() + 5))
    _good(checkout.run(), "is up to date")
    assert compiled.stat().st_mtime_ns != before


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_user_that_may_not_write_uses_what_the_owner_set_up_and_is_told_when_that_is_old(checkout: Checkout) -> None:
    for folder in (*checkout.folder.parents, checkout.folder):
        if "pytest" in folder.name or folder.parent.name.startswith("pytest"):
            folder.chmod(0o755)
    uv = (checkout.outside / "bin" / "uv").read_text(encoding="utf-8")
    (checkout.outside / "bin" / "uv").write_text(
        uv.replace(str(Path(sys.executable).resolve()), "/usr/bin/python3"), encoding="utf-8"
    )
    _good(checkout.run(), "is ready")
    _good(checkout.run(user="nobody"), "is up to date")
    (checkout.folder / "uv.lock").write_text("changed", encoding="utf-8")
    done = checkout.run(user="nobody")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"setup: {checkout.folder} cannot be written to and .venv is not up to date: run make setup as the user that owns it"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_service_account_that_owns_its_checkout_needs_no_rights_and_no_home(checkout: Checkout) -> None:
    for folder in (*checkout.folder.parents, checkout.folder):
        if "pytest" in folder.name or folder.parent.name.startswith("pytest"):
            folder.chmod(0o755)
    uv = (checkout.outside / "bin" / "uv").read_text(encoding="utf-8")
    (checkout.outside / "bin" / "uv").write_text(
        uv.replace(str(Path(sys.executable).resolve()), "/usr/bin/python3"), encoding="utf-8"
    )
    for path in (checkout.folder, *checkout.folder.rglob("*"), checkout.outside):
        os.chown(path, 65534, 65534)
    _good(checkout.run(user="nobody", HOME="/nonexistent"), "is ready")


def test_without_python_sudo_or_apt_it_says_what_to_install_and_stops(checkout: Checkout) -> None:
    bare = checkout.outside / "bare"
    bare.mkdir()
    for name in ("bash", "env", "cat", "sha256sum", "cut", "id", "mkdir", "flock", "dirname", "awk", "sort", "head", "rm"):
        (bare / name).symlink_to(str(shutil.which(name)))
    script = (
        (checkout.folder / "tools" / "setup.sh").read_text(encoding="utf-8").replace("/usr/bin/python3", "/nonexistent/python3")
    )
    (checkout.folder / "tools" / "setup.sh").write_text(script, encoding="utf-8")
    done = checkout.run(PATH=str(bare))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "setup: python3 python3-venv ca-certificates is missing and cannot be installed here;"
        " run: sudo apt-get install -y --no-install-recommends python3 python3-venv ca-certificates"
    ]
