"""The partners' documents (docs/partner-*.md) as pages of the running hub: a partner needs nothing but a key and this host.

They are part of the package; in a checkout they are read from docs/. Links between them lead to each other's pages, those to
documents that are not for partners are text. Addresses of the demo become those of the hub that shows the page. The Markdown is
ours, and still no HTML in it is let through.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from sso_connect.api.operation import PREFIX

DOCUMENTS: Mapping[str, str] = MappingProxyType(
    {"": "partner-guide.md", "reference": "partner-reference.md", "flows": "partner-flows.md"}
)
"""Last part of the address -> file. "": /guide itself."""

_CALLED = MappingProxyType(
    {
        "partner-guide.md": "Partner guide",
        "partner-reference.md": "Partner reference",
        "partner-flows.md": "Partner flows",
        "problems.md": "Problems",
    }
)
"""What a link that names a file is called here."""

_HERE = Path(__file__).parent
_FOLDERS = (_HERE / "guide", _HERE.parents[1] / "docs")
_DEMO = "hub.localhost:8080"
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_NOT_OF_ANCHORS = re.compile(r"[^\w -]")


@dataclass(frozen=True, slots=True)
class Heading:
    """A section of a document, for its contents."""

    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class GuidePage:
    """One document. `body` is HTML that we made."""

    title: str
    body: str
    sections: tuple[Heading, ...]


def guide_url(name: str) -> str:
    """The address of a document by its key in DOCUMENTS."""
    return f"{PREFIX}/guide/{name}" if name else f"{PREFIX}/guide"


def read_guide(name: str, api_origin: str) -> GuidePage | None:
    """A document as a page. None for a name that is none, and where the package came without documents."""
    path = next(
        (folder / DOCUMENTS[name] for folder in _FOLDERS if name in DOCUMENTS and (folder / DOCUMENTS[name]).is_file()), None
    )
    if path is None:
        return None
    return render_guide(_at_home(path.read_text(encoding="utf-8"), api_origin))


def render_guide(text: str) -> GuidePage:
    """Markdown to a page."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("fence", _fence)
    markdown.add_render_rule("table_open", _table_open)
    markdown.add_render_rule("table_close", _table_close)
    tokens = markdown.parse(_COMMENT.sub("", text))
    headings = _with_anchors(tokens)
    _without_empty_headers(tokens)
    for token in tokens:
        token.children = _with_our_links(token.children or [])
    title = headings[0].text if headings else ""
    # The title is the page's own heading.
    start = next((at + 1 for at, token in enumerate(tokens) if token.type == "heading_close" and token.tag == "h1"), 0)
    body: str = markdown.renderer.render(tokens[start:], markdown.options, {})
    return GuidePage(title, body, tuple(each for each in headings[1:] if each.anchor))


def _at_home(text: str, api_origin: str) -> str:
    text = text.replace(f"http://api.{_DEMO}", api_origin)
    domain = api_origin.partition("://api.")[2]
    return text.replace(_DEMO, domain) if domain.partition(":")[0].endswith(".localhost") else text


def _with_anchors(tokens: Sequence[Token]) -> list[Heading]:
    """Gives headings the anchors that links in the documents name. The title, and the sections of the second level."""
    found: list[Heading] = []
    for token, inline in pairwise(tokens):
        if token.type != "heading_open":
            continue
        anchor = _NOT_OF_ANCHORS.sub("", inline.content.lower()).strip().replace(" ", "-")
        token.attrSet("id", anchor)
        if token.tag in {"h1", "h2"}:
            found.append(Heading(anchor, inline.content.replace("`", "")))
    return found


def _without_empty_headers(tokens: Sequence[Token]) -> None:
    """A header that says nothing is a cell: whoever hears the table would hear it with every cell of its column."""
    for opening, inline, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opening.type == "th_open" and not inline.content:
            opening.tag = closing.tag = "td"


def _with_our_links(children: list[Token]) -> list[Token]:
    kept: list[Token] = []
    open_here: list[bool] = []
    for token in children:
        if token.type == "text" and token.content in _CALLED:
            token.content = _CALLED[token.content]
        if token.type == "link_open":
            target = _target(str(token.attrs.get("href", "")))
            open_here.append(target is not None)
            if target is not None:
                token.attrs["href"] = target
                kept.append(token)
        elif token.type == "link_close":
            if open_here.pop():
                kept.append(token)
        else:
            kept.append(token)
    return kept


def _target(href: str) -> str | None:
    """Where a link of a document leads here; None: to nothing that partners have."""
    file, hash_, section = href.partition("#")
    if not file or re.match(r"https?://", href):
        return href
    if file == "problems.md":
        return f"{PREFIX}/problems"
    name = next((name for name, each in DOCUMENTS.items() if each == file), None)
    return None if name is None else f"{guide_url(name)}{hash_}{section}"


def _fence(_self: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    token = tokens[at]
    copied = ' data-copied=""' if token.info in {"sh", "python", "js", "html"} else ""
    said = '<p class="code-said">Answer</p>' if token.info.endswith(" answer") else ""
    return f'{said}<div class="code"{copied}><pre tabindex="0"><code>{html.escape(token.content)}</code></pre></div>\n'


def _table_open(_self: Any, _tokens: Sequence[Token], _at: int, _options: Any, _env: Any) -> str:
    return '<div class="wide" role="group" aria-label="Table" tabindex="0"><table>\n'


def _table_close(_self: Any, _tokens: Sequence[Token], _at: int, _options: Any, _env: Any) -> str:
    return "</table></div>\n"
