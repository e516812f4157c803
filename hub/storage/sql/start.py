"""What a start asks the database (contract: hub.start.StartStore)."""

from __future__ import annotations

from sqlalchemy import func, select, text

from hub.storage.engines import pooled
from hub.storage.tables.directory import billers
from hub.storage.tables.partners import partners
from hub.storage.work import Work

_SHARED = select(billers.c.origin).group_by(billers.c.origin).having(func.count() > 1).order_by(billers.c.origin)
_PLAIN_SETTINGS = (
    select(billers.c.bid, billers.c.sso_login_url)
    .where(func.lower(billers.c.sso_login_url).like("http:%"), billers.c.disabled.is_(False))
    .order_by(billers.c.bid)
)
_PLAIN_PARTNERS = (
    select(partners.c.slug, partners.c.url)
    .where(func.lower(partners.c.url).like("http:%"), partners.c.disabled.is_(False))
    .order_by(partners.c.slug)
)
_ROOM = text("SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS room")


class SqlStartStore:
    """One statement per question, whatever the number of billers."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def list_shared_origins(self, limit: int) -> list[str]:
        """Origins on which more than one biller lives."""
        return list(self._work.connection.execute(_SHARED.limit(limit)).scalars())

    def list_plain_addresses(self, limit: int) -> list[tuple[str, str]]:
        """(whose, address) of stored addresses that are plain http: setting 3 of billers, then addresses of partners."""
        execute = self._work.connection.execute
        settings = [(f"setting 3 of BID {row.bid}", row.sso_login_url) for row in execute(_PLAIN_SETTINGS.limit(limit))]
        return [*settings, *((f"partner {row.slug}", row.url) for row in execute(_PLAIN_PARTNERS.limit(limit)))][:limit]

    def connection_room(self) -> int | None:
        """How many connections the server lets ordinary roles have, all together. None: no server, or a pooler before it whose
        limit cannot be asked."""
        if not self._work.is_postgres or pooled(self._work.connection):
            return None
        return self._work.connection.execute(_ROOM).scalar_one()  # type: ignore[no-any-return]
