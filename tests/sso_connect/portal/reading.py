"""HTML as a tree, and a page of bills to change: what the tests of the templates read and start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from html.parser import HTMLParser
from typing import Any

from idp.web.templating import View
from sso_connect.portal.views import Bill, BillsView, Due
from tools.preview import sample_page, sample_templates

TEMPLATES, STATICS = sample_templates()
VOID = {"meta", "link", "input", "br", "img", "hr", "path", "rect", "circle"}
BLOCKS = {"form", "div", "p", "ul", "ol", "dl", "table", "section", "details", "h1", "h2", "h3"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)
    words: str = ""

    def walk(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        return [each for each in self.walk() if each.tag == tag and wanted.items() <= each.attributes.items()]

    def one(self, tag: str, **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        return " ".join("".join(each.words for each in self.walk()).split())


class Reader(HTMLParser):
    """A tree from HTML that must be well nested: no end tag without its start, nothing left open."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self._now = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        assert self._now.tag != "p" or tag not in BLOCKS, f"<{tag}> ends the <p> that it stands in"
        child = Element(tag, {name: value or "" for name, value in attrs}, self._now)
        self._now.children.append(child)
        if tag not in VOID:
            self._now = child

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self._now.tag == tag, f"</{tag}> closes <{self._now.tag}>"
        assert self._now.parent is not None
        self._now = self._now.parent

    def handle_data(self, data: str) -> None:
        self._now.children.append(Element("#text", {}, self._now, words=data))


def read(view: View) -> Element:
    reader = Reader()
    reader.feed(TEMPLATES.render(view))
    reader.close()
    assert reader._now is reader.root, f"<{reader._now.tag}> is left open"
    return reader.root


def bills(**changes: Any) -> BillsView:
    due = Due(total=8417, today=date(2026, 11, 21), due_on=date(2026, 12, 10))
    bill = Bill(number="1001", issued_on=date(2026, 11, 18), due_on=date(2026, 12, 10), amount=8417)
    view = BillsView(page=sample_page("bills"), currency="USD", due=due, bills=(bill,), pay_url="/pay-here")
    return replace(view, **changes)
