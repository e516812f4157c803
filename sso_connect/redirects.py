"""Destinations: which page a RedirectID names. One table, and what a biller made of it.

A biller can switch a destination off or rename it. One that is off, or closed to the payer's rights, does not refuse the
hand-off: the session opens and the page says so, with the way back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from idp.actor import Actor, Payer
from idp.changelog import Action, Change, WithChangeLog
from idp.directory.rights import AccountAction, LoginType, may
from idp.errors import FieldError, InvalidFields
from idp.kv import KeyValue, Stamps
from idp.transaction import Begin
from idp.versions import VersionedCache, biller_stamp

Slug = Literal["bills", "paperless", "autopay", "profile", "methods", "pay", "history", "scheduled", "accounts", "users", "text"]
"""The last part of a page's path."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A page: its number, its place in the path, the right that it needs, and the key of its title in the catalogue."""

    redirect_id: int
    slug: Slug
    needs: AccountAction

    @property
    def title_key(self) -> str:
        return f"destinations.{self.slug}"


DESTINATIONS: Mapping[int, Destination] = {
    each.redirect_id: each
    for each in (
        Destination(1, "bills", AccountAction.SEE_BILLS),
        Destination(2, "paperless", AccountAction.OWN_PAPERLESS),
        Destination(3, "autopay", AccountAction.OWN_AUTOPAY),
        Destination(4, "profile", AccountAction.OWN_PROFILE),
        Destination(5, "methods", AccountAction.OWN_METHODS),
        Destination(6, "pay", AccountAction.PAY),
        Destination(7, "history", AccountAction.SEE_BILLS),
        Destination(8, "scheduled", AccountAction.SEE_BILLS),
        Destination(9, "accounts", AccountAction.OWN_ACCOUNTS),
        Destination(10, "users", AccountAction.SEE_USERS),
        Destination(11, "text", AccountAction.OWN_PAY_BY_TEXT),
    )
}
BY_SLUG: Mapping[str, Destination] = {each.slug: each for each in DESTINATIONS.values()}


@dataclass(frozen=True, slots=True)
class DestinationSetting:
    """What a biller changed about a destination: switched off, or another title ("" = ours)."""

    bid: int
    redirect_id: int
    off: bool = False
    title: str = ""


class DestinationStore(Protocol):
    """What billers changed. A write renews the biller's stamp."""

    def list_destinations(self, bid: int) -> dict[int, DestinationSetting]:
        """By RedirectID; only those that were changed."""
        ...

    def put_destination(self, setting: DestinationSetting) -> None:
        """Insert or update one."""
        ...


class DestinationStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def destinations(self) -> DestinationStore: ...


class Destinations:
    """Shows and changes a biller's table."""

    def __init__(self, begin: Begin[DestinationStores], read: Begin[DestinationStores], kv: KeyValue) -> None:
        self._begin = begin
        self._read = read
        self._tables: VersionedCache[int, dict[int, DestinationSetting]] = VersionedCache(kv, capacity=2000)

    def as_of(self, bid: int, stamps: Stamps) -> dict[int, DestinationSetting]:
        """All eleven, no older than the stamps that a session brought along."""
        name = biller_stamp(bid)
        entry = self._tables.find(bid)
        if entry is None or entry.stamps.get(name) != stamps.get(name):
            entry = self._tables.load(bid, (name,), lambda: self.table(bid))
        return entry.value

    def table(self, bid: int) -> dict[int, DestinationSetting]:
        """All eleven, as the biller has them."""
        with self._read() as stores:
            changed = stores.destinations.list_destinations(bid)
        return {number: changed.get(number, DestinationSetting(bid, number)) for number in DESTINATIONS}

    def put(self, actor: Actor, request_id: str, setting: DestinationSetting) -> None:
        """Switch or rename one. InvalidFields."""
        if setting.redirect_id not in DESTINATIONS:
            raise InvalidFields(fields=[FieldError("RedirectID", "1 to 11")])
        if len(setting.title) > 60:
            raise InvalidFields(fields=[FieldError("Title", "at most 60 characters")])
        with self._begin() as stores:
            before = stores.destinations.list_destinations(setting.bid).get(
                setting.redirect_id, DestinationSetting(setting.bid, setting.redirect_id)
            )
            if setting == before:
                return
            stores.destinations.put_destination(setting)
            stores.changelog.append(
                Change(
                    setting.bid, Action.DESTINATION_CHANGE, actor, request_id, subject=f"destination:{setting.redirect_id}",
                    before={"off": before.off, "title": before.title}, after={"off": setting.off, "title": setting.title},
                )
            )  # fmt: skip


def is_open(setting: DestinationSetting, payer: Payer, login_type: LoginType) -> bool:
    """Whether the page is there for this payer on an account where they hold `login_type`."""
    return not setting.off and may(payer, login_type, DESTINATIONS[setting.redirect_id].needs)
