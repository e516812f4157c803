"""What billers changed about destinations (sso_connect.redirects)."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import columns, values
from hub.storage.tables.directory import destinations
from hub.storage.work import Work
from idp.versions import biller_stamp
from sso_connect.redirects import DestinationSetting

_LIST = (
    select(*columns(DestinationSetting, destinations))
    .where(destinations.c.bid == bindparam("bid"))
    .order_by(destinations.c.redirect_id)
)
_PUT = Upsert(destinations, key=("bid", "redirect_id"), update=("off", "title"))


class SqlDestinationStore:
    """Satisfies DestinationStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def list_destinations(self, bid: int) -> dict[int, DestinationSetting]:
        return {row.redirect_id: DestinationSetting(*row) for row in self._work.connection.execute(_LIST, {"bid": bid})}

    def put_destination(self, setting: DestinationSetting) -> None:
        self._work.touch(biller_stamp(setting.bid))
        self._work.connection.execute(_PUT.on(self._work), values(setting))
