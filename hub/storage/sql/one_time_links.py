"""One-time links (contract: idp.accounts.one_time_links.OneTimeLinkStore)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, insert, select, update

from hub.storage.sql.rows import columns, values
from hub.storage.tables.credentials import one_time_links
from hub.storage.work import Work
from idp.accounts.one_time_links import LinkKind, OneTimeLink
from idp.opaque import Digest

_THIS = (one_time_links.c.bid == bindparam("this_bid"), one_time_links.c.id == bindparam("this_id"))
_SELECT = select(*columns(OneTimeLink, one_time_links))
_BY_DIGEST = _SELECT.where(one_time_links.c.bid == bindparam("this_bid"), one_time_links.c.digest == bindparam("this_digest"))
_OPEN = (one_time_links.c.spent_at.is_(None), one_time_links.c.void_at.is_(None))
_ADD = insert(one_time_links)
_SPEND = (
    update(one_time_links)
    .where(*_THIS, *_OPEN, one_time_links.c.expires_at > bindparam("now_time"))
    .values(spent_at=bindparam("now_time"))
)
_OPEN_ABOUT = update(one_time_links).where(
    one_time_links.c.bid == bindparam("this_bid"),
    one_time_links.c.kind == bindparam("this_kind"),
    one_time_links.c.subject == bindparam("this_subject"),
    *_OPEN,
)
_VOID = _OPEN_ABOUT.values(void_at=bindparam("now_time"))
_BIND = _OPEN_ABOUT.values(binding=bindparam("new_binding"))
_OVER = (
    select(one_time_links.c.bid, one_time_links.c.id)
    .where(one_time_links.c.expires_at < bindparam("before_time"))
    .order_by(one_time_links.c.expires_at)
    .limit(bindparam("most"))
)
_PURGE = delete(one_time_links).where(*_THIS)


class SqlOneTimeLinkStore:
    """Satisfies OneTimeLinkStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_link(self, link: OneTimeLink) -> None:
        self._work.connection.execute(_ADD, values(link) | {"kind": link.kind.value})

    def find_link(self, bid: int, secret: Digest) -> OneTimeLink | None:
        row = self._work.connection.execute(_BY_DIGEST, {"this_bid": bid, "this_digest": secret}).one_or_none()
        return None if row is None else _link(row)

    def spend_link(self, bid: int, link_id: UUID, at: datetime) -> bool:
        wanted = {"this_bid": bid, "this_id": link_id, "now_time": at}
        return self._work.connection.execute(_SPEND, wanted).rowcount == 1

    def void_links(self, bid: int, kind: LinkKind, subject: str, at: datetime) -> None:
        wanted = {"this_bid": bid, "this_kind": kind.value, "this_subject": subject, "now_time": at}
        self._work.connection.execute(_VOID, wanted)

    def bind_links(self, bid: int, kind: LinkKind, subject: str, binding: str) -> None:
        wanted = {"this_bid": bid, "this_kind": kind.value, "this_subject": subject, "new_binding": binding}
        self._work.connection.execute(_BIND, wanted)

    def purge_links(self, before: datetime, limit: int) -> int:
        rows = self._work.connection.execute(_OVER, {"before_time": before, "most": limit}).all()
        if rows:
            self._work.connection.execute(_PURGE, [{"this_bid": row.bid, "this_id": row.id} for row in rows])
        return len(rows)


def _link(row: Row[Any]) -> OneTimeLink | None:
    """None where a newer program wrote a kind that this one does not know."""
    stored = row._asdict()
    if stored["kind"] not in set(LinkKind):
        return None
    return OneTimeLink(**(stored | {"kind": LinkKind(stored["kind"])}))
