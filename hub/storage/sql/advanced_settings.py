"""Advanced settings (idp.directory.advanced_settings). Secrets come and go sealed."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select

from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import columns, values
from hub.storage.tables.directory import advanced_settings
from hub.storage.work import Work
from idp.directory.advanced_settings import SettingValue
from idp.versions import biller_stamp

_LIST = (
    select(*columns(SettingValue, advanced_settings))
    .where(advanced_settings.c.bid == bindparam("bid"))
    .order_by(advanced_settings.c.number)
)
_PUT = Upsert(advanced_settings, key=("bid", "number"), update=("value",))
_DROP = delete(advanced_settings).where(
    advanced_settings.c.bid == bindparam("bid"), advanced_settings.c.number == bindparam("number")
)


class SqlSettingStore:
    """Satisfies SettingStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def list_settings(self, bid: int) -> list[SettingValue]:
        return [SettingValue(*row) for row in self._work.connection.execute(_LIST, {"bid": bid})]

    def put_setting(self, setting: SettingValue) -> None:
        self._work.touch(biller_stamp(setting.bid))
        self._work.connection.execute(_PUT.on(self._work), values(setting))

    def drop_setting(self, bid: int, number: int) -> None:
        self._work.touch(biller_stamp(bid))
        self._work.connection.execute(_DROP, {"bid": bid, "number": number})
