"""Signing keys, private halves sealed (contract: idp.keys.SigningKeyStore)."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from hub.storage.sql.dialects import per_dialect
from hub.storage.sql.rows import columns, values
from hub.storage.tables.keys import signing_keys
from hub.storage.work import Work
from idp.keys import Purpose, SigningKey

_LIST = (
    select(*columns(SigningKey, signing_keys))
    .where(signing_keys.c.bid == bindparam("of_bid"), signing_keys.c.purpose == bindparam("for_purpose"))
    .order_by(signing_keys.c.created_at, signing_keys.c.kid)
)
# Without a target: the partial unique index (one active key) is what it may run into.
_ADD = per_dialect(lambda insert_into: insert_into(signing_keys).on_conflict_do_nothing().returning(signing_keys.c.kid))


class SqlSigningKeyStore:
    """Signing keys in a SQL database."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def list_keys(self, bid: int, purpose: Purpose) -> list[SigningKey]:
        """All keys of a purpose, oldest first."""
        rows = self._work.connection.execute(_LIST, {"of_bid": bid, "for_purpose": purpose})
        return [SigningKey(*row) for row in rows]

    def add_key(self, key: SigningKey) -> bool:
        """Insert; False when another worker made the active one in the meantime."""
        return self._work.connection.execute(_ADD.on(self._work.connection), values(key)).first() is not None
