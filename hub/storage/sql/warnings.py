"""What partners were warned of (contract: sso_connect.warnings.WarningStore)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, delete, or_, select, tuple_

from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import columns, values
from hub.storage.tables.diagnostics import warnings
from hub.storage.tables.partners import api_keys
from hub.storage.work import Work
from sso_connect.checks import Check
from sso_connect.warnings import Standing

_NAME = (warnings.c.key_id, warnings.c.place, warnings.c.code, warnings.c.subject)
_COLUMNS = columns(Standing, warnings)


_PUT = Upsert(
    warnings,
    key=("bid", *(each.name for each in _NAME)),
    update={
        "times": lambda new: warnings.c.times + new.times,
        # Another process may have seen it later, and written earlier.
        "last_at": lambda new: case((new.last_at > warnings.c.last_at, new.last_at), else_=warnings.c.last_at),
        "request_id": lambda new: new.request_id,
        "checks": lambda new: new.checks,
    },
)
_newest = select(*_COLUMNS).where(warnings.c.bid == bindparam("of_bid")).order_by(warnings.c.last_at.desc(), *_NAME)
_LIST = _newest.limit(bindparam("most"))
_of_partner = _newest.join(api_keys, (api_keys.c.id == warnings.c.key_id) & (api_keys.c.bid == warnings.c.bid)).where(
    api_keys.c.partner_id == bindparam("of_partner")
)
_LIST_OF = {
    False: _of_partner.limit(bindparam("most")),
    True: _of_partner.where(
        or_(
            warnings.c.last_at < bindparam("last_time"),
            (warnings.c.last_at == bindparam("last_time"))
            & (tuple_(*_NAME) > tuple_(*(bindparam(f"last_{each.name}", type_=each.type) for each in _NAME))),
        )
    ).limit(bindparam("most")),
}
"""From the beginning; after one."""
_OF_REQUEST = _of_partner.where(warnings.c.request_id == bindparam("of_request"))
_over = (
    select(warnings.c.bid, *_NAME)
    .where(warnings.c.last_at < bindparam("before_time"))
    .order_by(warnings.c.last_at)
    .limit(bindparam("most"))
)
_PURGE = delete(warnings).where(
    *(each == bindparam(f"this_{each.name}") for each in (warnings.c.bid, *_NAME)),
    # Seen again since it was picked: it stays.
    warnings.c.last_at < bindparam("before_time"),
)


class SqlWarningStore:
    """Satisfies WarningStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def put_warnings(self, heard: Sequence[Standing]) -> None:
        # In one order: two processes that write the same rows must not wait for each other.
        ordered = sorted(heard, key=lambda each: (each.bid, str(each.key_id), *each.name[2:]))
        if ordered:
            self._work.connection.execute(
                _PUT.on(self._work), [values(each) | {"checks": [asdict(check) for check in each.checks]} for each in ordered]
            )

    def list_warnings(self, bid: int, limit: int) -> list[Standing]:
        return _read(self._work.connection.execute(_LIST, {"of_bid": bid, "most": limit}))

    def list_warnings_of(
        self, bid: int, partner_id: UUID, after: tuple[datetime, UUID, str, str, str] | None, limit: int
    ) -> list[Standing]:
        wanted: dict[str, Any] = {"of_bid": bid, "of_partner": partner_id, "most": limit}
        if after is not None:
            named = {f"last_{column.name}": value for column, value in zip(_NAME, after[1:], strict=True)}
            wanted |= {"last_time": after[0]} | named
        return _read(self._work.connection.execute(_LIST_OF[after is not None], wanted))

    def list_warnings_of_request(self, bid: int, partner_id: UUID, request_id: str) -> list[Standing]:
        wanted = {"of_bid": bid, "of_partner": partner_id, "of_request": request_id}
        return _read(self._work.connection.execute(_OF_REQUEST, wanted))

    def purge_warnings(self, before: datetime, limit: int) -> int:
        rows = self._work.connection.execute(_over, {"before_time": before, "most": limit}).all()
        if rows:
            named = [{f"this_{name}": value for name, value in row._mapping.items()} for row in rows]
            self._work.connection.execute(_PURGE, [each | {"before_time": before} for each in named])
        return len(rows)


def _read(rows: Iterable[Sequence[Any]]) -> list[Standing]:
    return [_standing(*row) for row in rows]


def _standing(bid: int, key_id: UUID, place: str, code: str, subject: str, checks: list[dict[str, Any]], *more: Any) -> Standing:
    return Standing(bid, key_id, place, code, subject, tuple(map(Check.of, checks)), *more)
