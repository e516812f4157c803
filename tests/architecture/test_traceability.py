"""docs/traceability.md names tests that exist, docs/flows.md files that exist, docs/architecture.md every file."""

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
    assert len(set(named)) == len(named), "a test that stands in two rows"
    known = {file: _tests_in(_ROOT / file) if (_ROOT / file).is_file() else set() for file, _ in named}
    assert [f"{file}::{test}" for file, test in named if test not in known[file]] == []


def test_every_file_that_the_flows_name_exists() -> None:
    files = _FILE.findall(_read("flows.md"))
    assert len(files) > 30
    assert [file for file in files if not (_ROOT / file).exists()] == []


def test_the_picture_of_the_architecture_has_every_file_of_idp_and_sso_connect() -> None:
    picture = _read("architecture.md").split("```")[1]
    drawn = set(re.findall(r"\w+", picture))
    files = [path for package in ("idp", "sso_connect") for path in sorted((_ROOT / package).rglob("*.py"))]
    whole = {_ROOT / "idp" / name for name in ("errors", "fetch", "texts")} | {
        _ROOT / "sso_connect" / name for name in ("api", "imports")
    }
    """Packages that the picture names as one."""
    named = [path for path in files if path.stem != "__init__" and not whole & set(path.parents)]
    assert [str(path.relative_to(_ROOT)) for path in named if path.stem not in drawn] == []
