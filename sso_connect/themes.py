"""Themes: stylesheets that partners ask for (CSSUrl), and what of them a biller has approved.

    request    a stylesheet awaits approval; payers see the default theme
    approve    it is fetched (guarded client), read for its custom properties (`stylesheets`), and shown from then on
    refresh    daily, by the worker: a change that passes goes live and is logged; one that fails keeps the last good copy and warns
    shown      the theme of a CSSUrl for a page, from a cache that is exact

A remote stylesheet can cover amounts and draw false fields, so nothing of it is ever served: the properties are written anew, under
an address of our own that changes with them. A theme is one of its biller, by its URL, whoever asked first.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from idp.actor import Actor, System
from idp.alarms import AlarmKind, Alarms
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.hosts import origin_of
from idp.errors import FieldError, HubError, InvalidFields, StoreUnavailable, ThemeNotFound
from idp.kv import KeyValue, Stamps
from idp.opaque import new_id
from idp.transaction import Begin
from idp.versions import VersionedCache, biller_stamp
from sso_connect.stylesheets import MOST_BYTES, Properties, UnusableStylesheet, read_stylesheet, render

_log = logging.getLogger(__name__)

ThemeState = Literal["awaiting", "approved", "refused"]
MOST_URL = 500
CHECKED_EVERY = timedelta(days=1)
_DEADLINE = timedelta(seconds=10)
_WORKER = System("worker")


@dataclass(frozen=True, slots=True)
class Theme:
    """A stylesheet and what became of it. `partner_id`: who asked for it, None: the biller itself.

    `properties`: the last good copy; `digest` names it in addresses, "" without one. `fault`: why the last look failed, or "".
    """

    bid: int
    id: UUID
    css_url: str
    partner_id: UUID | None
    state: ThemeState
    created_at: datetime
    approved_at: datetime | None = None
    properties: Properties | None = None
    digest: str = ""
    fetched_at: datetime | None = None
    checked_at: datetime | None = None
    fault: str = ""


class ThemeStore(Protocol):
    """Themes in the database. Changing one renews the biller's stamp."""

    def add_theme(self, theme: Theme) -> bool:
        """Insert. False, and nothing happens, when the biller has one of that URL."""
        ...

    def list_themes(self, bid: int) -> list[Theme]:
        """All of a biller, oldest first."""
        ...

    def find_theme(self, bid: int, css_url: str, *, lock: bool = False) -> Theme | None:
        """By URL; `lock` keeps the row for this transaction, for whoever writes back what it read."""
        ...

    def put_theme(self, theme: Theme) -> None:
        """Update state, properties, times and fault."""
        ...

    def list_unchecked(self, before: datetime, limit: int) -> list[Theme]:
        """Approved themes of all billers that were not looked at since, the longest ago first."""
        ...


class ThemeStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def themes(self) -> ThemeStore: ...


class Fetch(Protocol):
    """Gets a stylesheet that somebody else wrote: the guarded client (idp.fetch)."""

    def __call__(self, url: str, *, most_bytes: int, deadline: timedelta) -> bytes:
        """The body. Unreachable for every fault, another status or media type included."""
        ...


class Themes:
    """Asks for, approves, refreshes and shows themes."""

    def __init__(
        self, begin: Begin[ThemeStores], read: Begin[ThemeStores], kv: KeyValue, clock: Clock, fetch: Fetch, alarms: Alarms
    ) -> None:
        self._begin = begin
        self._read = read
        self._clock = clock
        self._fetch = fetch
        self._alarms = alarms
        self._of_biller: VersionedCache[int, Mapping[str, Theme]] = VersionedCache(kv, capacity=2000)

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
            return _get(stores, bid, css_url)

    def approve(self, actor: Actor, request_id: str, bid: int, css_url: str) -> Theme:
        """Fetch it now, and show it. ThemeNotFound; InvalidFields, and nothing changes, when it cannot be had or used."""
        with self._read() as stores:
            _get(stores, bid, css_url)
        properties, fault = self._look(css_url)
        if properties is None:
            raise InvalidFields(fields=[FieldError("CSSUrl", fault)])
        now = self._clock.now()
        with self._begin() as stores:
            before = _get(stores, bid, css_url, lock=True)
            after = _with_copy(replace(before, state="approved", approved_at=before.approved_at or now), properties, now)
            self._put(stores, Action.THEME_APPROVE, actor, request_id, before, after)
        return after

    def refuse(self, actor: Actor, request_id: str, bid: int, css_url: str) -> Theme:
        """Do not show it, or no longer. ThemeNotFound."""
        with self._begin() as stores:
            before = _get(stores, bid, css_url, lock=True)
            after = replace(before, state="refused", approved_at=None)
            self._put(stores, Action.THEME_REFUSE, actor, request_id, before, after)
        return after

    def refresh(self, limit: int = 20) -> int:
        """Look at approved themes again whose day is over. How many."""
        now = self._clock.now()
        with self._begin() as stores:
            due = stores.themes.list_unchecked(now - CHECKED_EVERY, limit)
        for theme in due:
            self._refresh(theme)
        return len(due)

    def list_all(self, bid: int) -> list[Theme]:
        """All of a biller, oldest first."""
        with self._read() as stores:
            return stores.themes.list_themes(bid)

    def shown(self, bid: int, css_url: str, stamps: Stamps) -> Theme | None:
        """The approved theme of a CSSUrl, in whatever spelling of its host, no older than the stamps that a session brought along.
        None: the default one."""
        if not css_url:
            return None
        name = biller_stamp(bid)
        entry = self._of_biller.find(bid)
        if entry is None or entry.stamps.get(name) != stamps.get(name):
            entry = self._of_biller.load(bid, (name,), lambda: self._approved(bid))
        return entry.value.get(css_url) or entry.value.get(_spelled(css_url))

    def css(self, bid: int, digest: str, *, restrained: bool) -> str | None:
        """The stylesheet that we serve under a digest; None when no approved theme of the biller has it now."""
        found = next((theme for theme in self._approved(bid).values() if theme.digest == digest), None)
        return None if found is None or found.properties is None else render(found.properties, restrained=restrained)

    def _approved(self, bid: int) -> Mapping[str, Theme]:
        approved = [theme for theme in self.list_all(bid) if theme.state == "approved" and theme.digest]
        return {_spelled(theme.css_url): theme for theme in approved} | {theme.css_url: theme for theme in approved}

    def _refresh(self, theme: Theme) -> None:
        properties, fault = self._look(theme.css_url)
        now = self._clock.now()
        with self._begin() as stores:
            before = stores.themes.find_theme(theme.bid, theme.css_url, lock=True)
            if before is None or before.state != "approved":
                return
            if properties is None:
                stores.themes.put_theme(replace(before, checked_at=now, fault=fault))
            else:
                after = _with_copy(before, properties, now)
                if after.digest == before.digest:
                    stores.themes.put_theme(after)
                else:
                    self._put(stores, Action.THEME_REFRESH, _WORKER, str(new_id()), before, after)
        if properties is None:
            self._alarms.sound(theme.bid, AlarmKind.THEME_UNUSABLE, theme.css_url[:200], f"the last good copy stays: {fault}")

    def _look(self, css_url: str) -> tuple[Properties | None, str]:
        try:
            return read_stylesheet(self._fetch(css_url, most_bytes=MOST_BYTES, deadline=_DEADLINE)).properties, ""
        except UnusableStylesheet as unusable:
            return None, str(unusable)
        except StoreUnavailable:
            raise
        except HubError as fault:
            # The cause is for operators only: told to a biller it would map our network.
            _log.warning("stylesheet not fetched", extra={"host": urlsplit(css_url).hostname, "cause": fault.detail})
            return None, fault.public

    def _put(self, stores: ThemeStores, action: Action, actor: Actor, request_id: str, before: Theme, after: Theme) -> None:
        stores.themes.put_theme(after)
        stores.changelog.append(
            Change(
                after.bid, action, actor, request_id, subject=f"theme:{after.id}", before=_values(before), after=_values(after)
            )
        )  # fmt: skip


def _with_copy(theme: Theme, properties: Properties, now: datetime) -> Theme:
    digest = hashlib.sha256(render(properties, restrained=False).encode()).hexdigest()[:20]
    return replace(theme, properties=properties, digest=digest, fetched_at=now, checked_at=now, fault="")


def _values(theme: Theme) -> dict[str, object]:
    return {
        "css_url": theme.css_url,
        "state": theme.state,
        "properties": None if theme.properties is None else theme.properties.as_dict(),
    }


def _get(stores: ThemeStores, bid: int, css_url: str, *, lock: bool = False) -> Theme:
    found = stores.themes.find_theme(bid, css_url, lock=lock)
    if found is None:
        raise ThemeNotFound(css_url[:200])
    return found


def _spelled(css_url: str) -> str:
    """A CSSUrl with its origin in the normal form; as it is where it has none."""
    try:
        parts = urlsplit(css_url)
        return origin_of(css_url) + parts.path + (f"?{parts.query}" if parts.query else "")
    except ValueError:
        return css_url


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
