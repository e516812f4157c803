"""What stands around the code keeps its promises: make targets, CI, the lock file, file sizes, finding servers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import provision

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"help", "setup", "demo", "test", "test-quick", "check", "bench"}
LONGEST_FILE = 500


def committed_files() -> list[Path]:
    """Every file that is, or would be, committed. A copy without git is walked instead."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
        return sorted(path for name in names if (path := ROOT / name).is_file())
    left_out = {".git", ".venv", ".tools", "var", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
    return sorted(path for path in ROOT.rglob("*") if path.is_file() and not left_out & set(path.relative_to(ROOT).parts))


def _commands(script: Path) -> list[str]:
    lines = (line.strip() for line in script.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _recipes() -> dict[str, str]:
    """Target -> help text, of the targets that have one."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+):.*?## (.+)$", makefile, flags=re.MULTILINE))


def test_continuous_integration_is_make_check_and_make_test_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert _commands(script) == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make check", "make test"]


def test_every_promised_make_target_exists_and_says_what_it_does() -> None:
    assert set(_recipes()) == TARGETS
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in shown.splitlines()} == TARGETS


def test_make_test_runs_the_test_runner_last_so_that_its_summary_is_the_last_line() -> None:
    told = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True)
    last = told.stdout.strip().splitlines()[-1]
    assert last.startswith("exec .venv/bin/python -m pytest")


def test_the_lock_file_is_what_pyproject_asks_for() -> None:
    candidates = (ROOT / ".tools" / "uv" / "bin" / "uv", shutil.which("uv"))
    uv = next((str(path) for path in candidates if path and os.access(path, os.X_OK)), None)
    if uv is None:
        pytest.skip("uv is neither in .tools nor on the PATH")
    told = subprocess.run([uv, "lock", "--check", "--offline"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("name", ["uv-requirements.txt", "build-requirements.txt"])
def test_what_installs_and_builds_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / "tools" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert requirements
    for requirement in requirements:
        assert re.match(r"[A-Za-z0-9._-]+==\S+( ;.+?)?\s+--hash=sha256:[0-9a-f]{64}", requirement), requirement


def test_nothing_in_the_repository_points_outside_it() -> None:
    outside = "../" + "shared"
    pointing = [path for path in committed_files() if outside.encode() in path.read_bytes()]
    assert pointing == []


def test_no_python_file_is_longer_than_500_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in committed_files()
        if path.suffix == ".py" and (lines := len(path.read_bytes().splitlines())) > LONGEST_FILE
    }
    assert long == {}


@pytest.mark.parametrize("script", ["tools/setup.sh", "tools/check.sh", ".ci/run"])
def test_shell_scripts_can_be_run_and_parse(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True)


# --- tools/provision.py -------------------------------------------------------------------------------------------------------


def _program(folder: Path, name: str, says: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_program_named_by_its_variable_wins_over_the_path(tmp_path: Path) -> None:
    named, on_path = _program(tmp_path / "a", "redis-server"), _program(tmp_path / "b", "redis-server")
    environment = {"PATH": str(on_path.parent)}
    assert provision.find("redis", environment) == on_path
    assert provision.find("redis", environment | {"IDHUB_TEST_REDIS_SERVER": str(named)}) == named


def test_a_variable_that_names_nothing_usable_is_an_error_and_not_replaced(tmp_path: Path) -> None:
    on_path = _program(tmp_path, "redis-server")
    environment = {"PATH": str(on_path.parent), "IDHUB_TEST_REDIS_SERVER": str(tmp_path / "absent")}
    with pytest.raises(provision.Unfit, match=r"IDHUB_TEST_REDIS_SERVER=.*absent is not a program"):
        provision.find("redis", environment)


def test_postgresql_is_a_folder_with_both_programs_in_a_version_that_is_new_enough(tmp_path: Path) -> None:
    for version in ("13", "15"):
        _program(tmp_path / version, "initdb")
        _program(tmp_path / version, "postgres", says=f"postgres (PostgreSQL) {version}.4")
    _program(tmp_path / "half", "initdb")
    assert provision.find("postgresql", {"IDHUB_TEST_POSTGRES_BIN": str(tmp_path / "15")}) == tmp_path / "15"
    for unfit in ("13", "half"):
        with pytest.raises(provision.Unfit, match="IDHUB_TEST_POSTGRES_BIN"):
            provision.find("postgresql", {"IDHUB_TEST_POSTGRES_BIN": str(tmp_path / unfit)})


def test_what_a_run_may_go_without_is_named_and_a_misspelt_name_is_an_error() -> None:
    assert provision.allowed_missing({}) == frozenset()
    assert provision.allowed_missing({"IDHUB_TEST_ALLOW_MISSING": "chromium, redis"}) == {"chromium", "redis"}
    with pytest.raises(provision.Unfit, match="there is no chrome;"):
        provision.allowed_missing({"IDHUB_TEST_ALLOW_MISSING": "chrome"})


@pytest.mark.parametrize("name", list(provision.THINGS))
def test_what_is_missing_is_named_in_one_line_with_the_command_that_brings_it(name: str) -> None:
    hint = provision.missing_hint(name)
    assert "\n" not in hint
    assert hint.startswith(f"{name} is missing; run: sudo apt-get install -y --no-install-recommends ")
