"""What the documents promise is what the code does: generated parts are current, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.docs import PARTS, stale

_ROOT = Path(__file__).resolve().parents[2]
_DOCUMENTS = sorted([*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\[[^\]]+\]\((?!https?:|mailto:|#)([^)#]+)")


def test_the_parts_of_the_documents_that_are_made_from_code_are_current() -> None:
    assert stale() == [], "run `.venv/bin/python -m tools.docs`"


@pytest.mark.parametrize("name", PARTS)
def test_each_generated_part_stands_in_some_document(name: str) -> None:
    assert any(f"<!-- made: {name} -->" in path.read_text(encoding="utf-8") for path in _DOCUMENTS)


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: str(path.relative_to(_ROOT)))
def test_every_link_between_documents_leads_to_a_file(path: Path) -> None:
    missing = [link for link in _LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()]
    assert missing == []
