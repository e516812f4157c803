"""docs/traceability.md names tests that exist, and docs/flows.md files that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_NAMED = re.compile(r"\]\(\.\./(tests/[\w/]+\.py)\)::`(\w+)` \|$", re.MULTILINE)
_FILE = re.compile(r"`((?:idp|sso_connect|hub|admin|claims|examples)/[\w/.-]*)`")


def _read(name: str) -> str:
    return (_ROOT / "docs" / name).read_text(encoding="utf-8")


def _tests_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_promise_names_a_test_that_exists() -> None:
    named = _NAMED.findall(_read("traceability.md"))
    promises = [line for line in _read("traceability.md").splitlines() if line.startswith("| ") and line != "| promise | test |"]
    assert len(named) == len(promises) > 50, "a row that names no test"
    known = {file: _tests_in(_ROOT / file) if (_ROOT / file).is_file() else set() for file, _ in named}
    assert [f"{file}::{test}" for file, test in named if test not in known[file]] == []


def test_every_file_that_the_flows_name_exists() -> None:
    files = _FILE.findall(_read("flows.md"))
    assert len(files) > 30
    assert [file for file in files if not (_ROOT / file).exists()] == []
