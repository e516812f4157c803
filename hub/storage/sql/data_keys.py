"""The billers' wrapped data keys (contract: idp.secrets.DataKeyStore).

The only store that commits on its own: a key that sealed something must not go with the transaction that happened to need it
first. It wants the engine of single statements (hub.storage.engines, `reading`). On SQLite, where one transaction writes at a
time, a biller's key has to be there before a transaction that writes asks for it: what is added then waits for the one that asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, bindparam, select, update

from hub.storage.engines import translated
from hub.storage.sql.dialects import per_dialect
from hub.storage.sql.rows import columns, values
from hub.storage.tables.keys import data_keys
from idp.secrets import DataKey

_COLUMNS = columns(DataKey, data_keys)
_FIND = select(*_COLUMNS).where(data_keys.c.bid == bindparam("of_bid"))
_LIST = select(*_COLUMNS).order_by(data_keys.c.bid)
_ADD = per_dialect(lambda insert_into: insert_into(data_keys).on_conflict_do_nothing(index_elements=[data_keys.c.bid]))
_REPLACE = (
    update(data_keys)
    .where(data_keys.c.id == bindparam("key_id"), data_keys.c.bid == bindparam("of_bid"))
    .values(wrapped=bindparam("rewrapped"))
)


class SqlDataKeyStore:
    """Data keys in a SQL database. StoreUnavailable when it does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find_data_key(self, bid: int) -> DataKey | None:
        """The biller's data key."""
        with self._connect() as connection:
            row = connection.execute(_FIND, {"of_bid": bid}).first()
        return None if row is None else DataKey(*row)

    def add_data_key(self, key: DataKey) -> DataKey:
        """Store a new one, unless another worker was first: answers the one that stands."""
        with self._connect() as connection:
            connection.execute(_ADD.on(connection), values(key))
            connection.commit()
            return DataKey(*connection.execute(_FIND, {"of_bid": key.bid}).one())

    def list_data_keys(self) -> list[DataKey]:
        """All of them, for re-wrapping."""
        with self._connect() as connection:
            return [DataKey(*row) for row in connection.execute(_LIST)]

    def replace_wrapping(self, key: DataKey) -> None:
        """Store a key under its new wrapping."""
        with self._connect() as connection:
            connection.execute(_REPLACE, {"key_id": key.id, "of_bid": key.bid, "rewrapped": key.wrapped})
            connection.commit()

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with translated(), self._engine.connect() as connection:
            yield connection
