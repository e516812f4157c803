"""What the documents promise is what the code does: generated parts are current, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.docs import PARTS, stale

_ROOT = Path(__file__).resolve().parents[2]
_DOCUMENTS = sorted([*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\[[^\]]+\]\((?!https?:|mailto:|#)([^)#]+)")
_TO_SECTION = re.compile(r"\[[^\]]+\]\((?!https?:|mailto:)([^)#]*)#([^)]+)\)")
_SECTION = re.compile(r"^#+ (.+)$", re.MULTILINE)


def test_the_parts_of_the_documents_that_are_made_from_code_are_current() -> None:
    assert stale() == [], "run `.venv/bin/python -m tools.docs`"


@pytest.mark.parametrize("name", PARTS)
def test_each_generated_part_stands_in_some_document(name: str) -> None:
    assert any(f"<!-- made: {name} -->" in path.read_text(encoding="utf-8") for path in _DOCUMENTS)


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: str(path.relative_to(_ROOT)))
def test_every_link_between_documents_leads_to_a_file(path: Path) -> None:
    missing = [link for link in _LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()]
    assert missing == []


def _sections(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them: lower case, dashes for blanks, no punctuation."""
    headings = _SECTION.findall(path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: str(path.relative_to(_ROOT)))
def test_every_link_to_a_section_leads_to_a_heading(path: Path) -> None:
    links = _TO_SECTION.findall(path.read_text(encoding="utf-8"))
    assert [f"{file}#{section}" for file, section in links if section not in _sections(path.parent / file if file else path)] == []
