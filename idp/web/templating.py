"""Views in, HTML out: the one Jinja environment, and the static files beside it. Knows no Flask; previews and tests use it too.

    StaticFiles   css and js under `/static/{digest}/{name}`: the digest is in the address, so a copy may be kept for ever
    View          what a page is made from: a `template`, a `page` (language, zone, chrome), and plain data of its own
    Templates     renders a View. In every template: `view`, `page`, `t(key, ...)` (idp.texts), `static(name)`, `content(name)`
                  (the file itself), and the filters money, number, date, moment. Autoescaping is on, an undefined name an error.

Templates format, they do not decide: a view carries ready URLs, integers in minor units, dates. No template builds an address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from idp.texts import Length, Texts

_HERE = Path(__file__).parent
_MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
)
_DIGEST_LENGTH = 12


class Head(Protocol):
    """The part of a page that rendering itself needs."""

    @property
    def locale(self) -> str:
        """A language of idp.texts."""

    @property
    def zone(self) -> str:
        """The biller's IANA zone."""


class View(Protocol):
    """Everything that one page shows. Frozen; `template` belongs to the class."""

    template: ClassVar[str]

    @property
    def page(self) -> Head:
        """Language, zone and whatever the layout asks for."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it goes over the wire; `url` changes whenever `content` does."""

    name: str
    digest: str
    content: bytes
    media_type: str
    url: str


class StaticFiles:
    """The static files of one folder, read and hashed once."""

    def __init__(self, folder: Path = _HERE / "static", prefix: str = "/static") -> None:
        self._files: dict[str, StaticFile] = {}
        for path in sorted(folder.iterdir()):
            if path.suffix in _MEDIA_TYPES:
                content = path.read_bytes()
                digest = hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH]
                self._files[path.name] = StaticFile(
                    path.name, digest, content, _MEDIA_TYPES[path.suffix], f"{prefix}/{digest}/{path.name}"
                )

    def url(self, name: str) -> str:
        """The address of a file by its name; KeyError when there is none (a typo in a template)."""
        return self._files[name].url

    def find(self, digest: str, name: str) -> StaticFile | None:
        """The file behind an address. Another digest is another file: None, never the present content under an old name."""
        file = self._files.get(name)
        return file if file is not None and file.digest == digest else None

    def content(self, name: str) -> Markup:
        """A stylesheet or script as text to stand inside a page; ValueError where it would end its element."""
        text = self._files[name].content.decode()
        if "</" in text:
            raise ValueError(f"{name} cannot stand inside a page")
        return Markup(text)  # noqa: S704  (a file of ours, which holds no end of an element)

    def list_all(self) -> tuple[StaticFile, ...]:
        """All files, by name."""
        return tuple(self._files.values())


class Templates:
    """Renders views. Made once at start with the template folders of every web package; ours comes first."""

    def __init__(self, *folders: Path, statics: StaticFiles) -> None:
        self._environment = _environment((_HERE / "templates", *folders), statics)

    def render(self, view: View) -> str:
        """The HTML of a view, in the language and zone of its page."""
        texts = Texts(view.page.locale, view.page.zone)
        template = self._environment.get_template(view.template)
        return template.render(view=view, page=view.page, texts=texts, t=texts.get)

    def list_names(self) -> tuple[str, ...]:
        """Every template that there is."""
        return tuple(self._environment.list_templates(extensions=("html",)))


def _environment(folders: tuple[Path, ...], statics: StaticFiles) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["static"] = statics.url
    environment.globals["content"] = statics.content
    environment.filters.update(money=_money, number=_number, date=_date, moment=_moment)
    return environment


def _texts(context: Context) -> Texts:
    texts = context["texts"]
    assert isinstance(texts, Texts)  # noqa: S101 - tells mypy what render() put there
    return texts


@pass_context
def _money(context: Context, minor: int, currency: str) -> str:
    return _texts(context).money(minor, currency)


@pass_context
def _number(context: Context, value: int | Decimal) -> str:
    return _texts(context).number(value)


@pass_context
def _date(context: Context, value: date | datetime, length: Length = "medium") -> str:
    return _texts(context).date(value, length)


@pass_context
def _moment(context: Context, value: datetime) -> str:
    return _texts(context).moment(value)
