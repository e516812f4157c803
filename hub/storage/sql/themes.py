"""Themes (sso_connect.themes)."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from hub.storage.sql.dialects import per_dialect
from hub.storage.sql.rows import columns, values
from hub.storage.tables.partners import themes
from hub.storage.work import Work
from sso_connect.themes import Theme

_LIST = select(*columns(Theme, themes)).where(themes.c.bid == bindparam("this_bid")).order_by(themes.c.created_at, themes.c.id)
_ADD = per_dialect(
    lambda insert_into: (
        insert_into(themes).on_conflict_do_nothing(index_elements=[themes.c.bid, themes.c.css_url]).returning(themes.c.id)
    )
)


class SqlThemeStore:
    """Satisfies ThemeStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_theme(self, theme: Theme) -> bool:
        added = values(theme) | {"digest": "", "fault": ""}
        return self._work.connection.execute(_ADD.on(self._work.connection), added).first() is not None

    def list_themes(self, bid: int) -> list[Theme]:
        return [Theme(*row) for row in self._work.connection.execute(_LIST, {"this_bid": bid})]
