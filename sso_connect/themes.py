"""Themes: stylesheets that partners ask for (CSSUrl). What is asked for waits until the biller approves it.

A remote stylesheet can cover amounts and draw false fields, so nothing of it is fetched or used before that; until then payers
see the default theme. A theme is one of its biller, by its URL, whoever asked first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.hosts import origin_of
from idp.errors import FieldError, InvalidFields
from idp.opaque import new_id
from idp.transaction import Begin

ThemeState = Literal["awaiting", "approved", "refused"]
MOST_URL = 500


@dataclass(frozen=True, slots=True)
class Theme:
    """A stylesheet and what became of it. `partner_id`: who asked for it, None: the biller itself."""

    bid: int
    id: UUID
    css_url: str
    partner_id: UUID | None
    state: ThemeState
    created_at: datetime
    approved_at: datetime | None = None


class ThemeStore(Protocol):
    """Themes in the database."""

    def add_theme(self, theme: Theme) -> bool:
        """Insert. False, and nothing happens, when the biller has one of that URL."""
        ...

    def list_themes(self, bid: int) -> list[Theme]:
        """All of a biller, oldest first."""
        ...


class ThemeStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def themes(self) -> ThemeStore: ...


class Themes:
    """Asks for themes, and lists them."""

    def __init__(self, begin: Begin[ThemeStores], clock: Clock) -> None:
        self._begin = begin
        self._clock = clock

    def request(self, actor: Actor, request_id: str, bid: int, css_url: str, partner_id: UUID | None = None) -> Theme:
        """Ask for a stylesheet; the theme that stands when the biller has it already. InvalidFields."""
        check_css_urls([css_url])
        wanted = Theme(bid, new_id(), css_url, partner_id, "awaiting", self._clock.now())
        with self._begin() as stores:
            if stores.themes.add_theme(wanted):
                stores.changelog.append(
                    Change(bid, Action.THEME_REQUEST, actor, request_id, subject=f"theme:{wanted.id}", after={"css_url": css_url})
                )
                return wanted
            return next(theme for theme in stores.themes.list_themes(bid) if theme.css_url == css_url)

    def list_all(self, bid: int) -> list[Theme]:
        """All of a biller, oldest first."""
        with self._begin() as stores:
            return stores.themes.list_themes(bid)


def check_css_urls(css_urls: Iterable[str]) -> None:
    """InvalidFields with each that cannot be a CSSUrl: https, no user information, no fragment, at most 500 characters."""
    faults: list[FieldError] = []
    for url in css_urls:
        try:
            if len(url) > MOST_URL:
                raise ValueError(f"at most {MOST_URL} characters")
            if not origin_of(url).startswith("https://") or urlsplit(url).fragment or "#" in url:
                raise ValueError("an https URL without a fragment is expected")
        except ValueError as fault:
            faults.append(FieldError("CSSUrl", f"{url[:200]}: {fault}"))
    if faults:
        raise InvalidFields(fields=faults)
