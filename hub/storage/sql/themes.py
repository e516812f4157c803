"""Themes (sso_connect.themes)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from hub.storage.sql.dialects import per_dialect
from hub.storage.sql.rows import columns, given, values
from hub.storage.tables.partners import themes
from hub.storage.work import Work
from idp.versions import biller_stamp
from sso_connect.stylesheets import Properties
from sso_connect.themes import Theme

_SELECT = select(*columns(Theme, themes))
_OF_BILLER = _SELECT.where(themes.c.bid == bindparam("this_bid"))
_LIST = _OF_BILLER.order_by(themes.c.created_at, themes.c.id)
_BY_URL = _OF_BILLER.where(themes.c.css_url == bindparam("this_url"))
_BY_URL_LOCKED = _BY_URL.with_for_update()
_UNCHECKED = (
    _SELECT.where(themes.c.state == "approved", themes.c.checked_at < bindparam("before_time"))
    .order_by(themes.c.checked_at)
    .limit(bindparam("most"))
)
_ADD = per_dialect(
    lambda insert_into: (
        insert_into(themes).on_conflict_do_nothing(index_elements=[themes.c.bid, themes.c.css_url]).returning(themes.c.id)
    )
)
_CHANGING = ("state", "properties", "digest", "approved_at", "fetched_at", "checked_at", "fault")
_PUT = (
    update(themes)
    .where(themes.c.bid == bindparam("this_bid"), themes.c.id == bindparam("this_id"))
    .values(given(themes, *_CHANGING))
)


class SqlThemeStore:
    """Satisfies ThemeStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_theme(self, theme: Theme) -> bool:
        return self._work.connection.execute(_ADD.on(self._work.connection), _row(theme)).first() is not None

    def list_themes(self, bid: int) -> list[Theme]:
        return [_theme(row) for row in self._work.connection.execute(_LIST, {"this_bid": bid})]

    def find_theme(self, bid: int, css_url: str, *, lock: bool = False) -> Theme | None:
        statement = _BY_URL_LOCKED if lock else _BY_URL
        row = self._work.connection.execute(statement, {"this_bid": bid, "this_url": css_url}).one_or_none()
        return None if row is None else _theme(row)

    def put_theme(self, theme: Theme) -> None:
        self._work.touch(biller_stamp(theme.bid))
        row = _row(theme)
        named = {"this_bid": theme.bid, "this_id": theme.id}
        self._work.connection.execute(_PUT, named | {name: row[name] for name in _CHANGING})

    def list_unchecked(self, before: datetime, limit: int) -> list[Theme]:
        rows = self._work.connection.execute(_UNCHECKED, {"before_time": before, "most": limit})
        return [_theme(row) for row in rows]


def _row(theme: Theme) -> dict[str, Any]:
    return values(theme) | {"properties": None if theme.properties is None else theme.properties.as_dict()}


def _theme(row: Row[Any]) -> Theme:
    named = dict(row._mapping)
    stored = named["properties"]
    return Theme(**(named | {"properties": None if stored is None else Properties.from_dict(stored)}))
