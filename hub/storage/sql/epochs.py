"""The epoch of the key-value store, one row (contract: idp.epochs.EpochStore)."""

from __future__ import annotations

from sqlalchemy import literal, select, update

from hub.storage.sql.dialects import per_dialect
from hub.storage.tables.health import key_value_epoch
from hub.storage.work import Work
from idp.epochs import Recorded

_ROW = key_value_epoch.c.id == literal(1, literal_execute=True)
_MAKE = per_dialect(lambda insert_into: insert_into(key_value_epoch).on_conflict_do_nothing(index_elements=[key_value_epoch.c.id]))
_LOCK = select(key_value_epoch.c.epoch, key_value_epoch.c.beat, key_value_epoch.c.beaten_at).where(_ROW).with_for_update()
_PUT = update(key_value_epoch).where(_ROW)


class SqlEpochStore:
    """On SQLite the transaction itself lets one after the other, on PostgreSQL the row's lock."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def lock_epoch(self) -> Recorded:
        """Read it, and keep everybody else from it until the end of the transaction."""
        connection = self._work.connection
        row = connection.execute(_LOCK).first()
        if row is None:
            connection.execute(_MAKE.on(connection), {"id": 1, "epoch": "", "beat": 0})
            row = connection.execute(_LOCK).one()
        return Recorded(*row)

    def put_epoch(self, recorded: Recorded) -> None:
        """Write it, locked before."""
        self._work.connection.execute(_PUT, {"epoch": recorded.epoch, "beat": recorded.beat, "beaten_at": recorded.beaten_at})
