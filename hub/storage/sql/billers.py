"""Billers (idp.directory.billers)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, String, bindparam, func, insert, select, update

from hub.storage.sql.conflicts import broken_means, primary_key, unique_rule
from hub.storage.sql.rows import columns, given, values
from hub.storage.tables.directory import billers
from hub.storage.work import Work
from idp.directory.billers import Biller, Policies
from idp.errors import AlreadyExists
from idp.versions import biller_stamp

_LOCKS = 731_406
"""The class of the advisory locks of origins: any number, the same for all."""

_SELECT = select(*columns(Biller, billers))
_BY_BID = _SELECT.where(billers.c.bid == bindparam("bid"))
_BY_BID_LOCKED = _BY_BID.with_for_update(key_share=True)
_BY_SLUG = _SELECT.where(billers.c.slug == bindparam("slug"))
_BY_GUID = _SELECT.where(billers.c.guid == bindparam("guid"))
_BY_HOST = _SELECT.where(billers.c.origin.in_([bindparam("https"), bindparam("http")])).order_by(billers.c.bid).limit(2)
_PAGE = _SELECT.where(billers.c.bid > bindparam("after")).order_by(billers.c.bid).limit(bindparam("most"))
_INSERT = insert(billers)
_UPDATE = (
    update(billers)
    .where(billers.c.bid == bindparam("this_bid"))
    .values(given(billers, *(column.name for column in billers.c if column.name != "bid")))
)
_PUT_SSO_LOGIN_URL = update(billers).where(billers.c.bid == bindparam("this_bid")).values(given(billers, "sso_login_url"))
_COUNT_ON_ORIGIN = select(func.count()).select_from(billers).where(billers.c.origin == bindparam("origin"))
_LOCK_ORIGIN = select(func.pg_advisory_xact_lock(_LOCKS, func.hashtext(bindparam("origin", type_=String))))
_NAMES = (primary_key(billers), unique_rule(billers, "guid"), unique_rule(billers, "slug"))


class SqlBillerStore:
    """Satisfies BillerStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def find_biller(self, bid: int, *, lock: bool = False) -> Biller | None:
        statement = _BY_BID_LOCKED if lock else _BY_BID
        row = self._work.connection.execute(statement, {"bid": bid}).one_or_none()
        return None if row is None else _biller(row)

    def find_biller_by(self, *, host: str | None = None, slug: str | None = None, guid: UUID | None = None) -> Biller | None:
        execute = self._work.connection.execute
        match host, slug, guid:
            case str(), None, None:
                # Two billers on one host (IDHUB_SHARED_ORIGIN): the host alone names neither.
                rows = execute(_BY_HOST, {"https": f"https://{host}", "http": f"http://{host}"}).all()
                return _biller(rows[0]) if len(rows) == 1 else None
            case None, str(), None:
                row = execute(_BY_SLUG, {"slug": slug}).one_or_none()
            case None, None, UUID():
                row = execute(_BY_GUID, {"guid": guid}).one_or_none()
            case _:
                raise TypeError("one of host, slug and guid")
        return None if row is None else _biller(row)

    def list_billers(self, after: int, limit: int) -> list[Biller]:
        return [_biller(row) for row in self._work.connection.execute(_PAGE, {"after": after, "most": limit})]

    def add_biller(self, biller: Biller) -> None:
        self._work.touch(biller_stamp(biller.bid))
        with broken_means(AlreadyExists, f"BID {biller.bid}, slug {biller.slug}", *_NAMES):
            self._work.connection.execute(_INSERT, _values(biller))

    def put_biller(self, biller: Biller) -> None:
        self._work.touch(biller_stamp(biller.bid))
        with broken_means(AlreadyExists, f"BID {biller.bid}, slug {biller.slug}", *_NAMES):
            self._work.connection.execute(_UPDATE, _values(biller) | {"this_bid": biller.bid})

    def put_sso_login_url(self, bid: int, url: str) -> None:
        self._work.touch(biller_stamp(bid))
        self._work.connection.execute(_PUT_SSO_LOGIN_URL, {"this_bid": bid, "sso_login_url": url})

    def count_on_origin(self, origin: str) -> int:
        if self._work.is_postgres:
            # Two that come at once do not see each other's row. SQLite has one writer at a time.
            self._work.connection.execute(_LOCK_ORIGIN, {"origin": origin})
        return int(self._work.connection.execute(_COUNT_ON_ORIGIN, {"origin": origin}).scalar_one())


def _values(biller: Biller) -> dict[str, Any]:
    column_map = biller.column_map
    return values(biller) | {
        "policies": biller.policies.model_dump(mode="json"),
        "column_map": None if column_map is None else dict(column_map),
    }


def _biller(row: Row[Any]) -> Biller:
    return read_biller(row._asdict())


def read_biller(stored: dict[str, Any]) -> Biller:
    """A biller from its columns by name; also for a row that holds a biller beside something else."""
    return Biller(**{**stored, "policies": Policies.model_validate(stored["policies"])})
