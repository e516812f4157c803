"""Passwords as hashes (contract: idp.login.passwords.PasswordStore)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, select, update

from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import columns, values
from hub.storage.tables.credentials import passwords
from hub.storage.work import Work
from idp.login.hashing import PasswordHash
from idp.login.passwords import StoredPassword

_OF_USER = (passwords.c.bid == bindparam("this_bid"), passwords.c.user_id == bindparam("this_user"))
_FIND = select(*columns(StoredPassword, passwords)).where(*_OF_USER)
_PUT = Upsert(passwords, key=("bid", "user_id"), update=("hash", "set_at"))
_SWAP = update(passwords).where(*_OF_USER, passwords.c.hash == bindparam("old_hash")).values(hash=bindparam("new_hash"))


class SqlPasswordStore:
    """Satisfies PasswordStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def find_password(self, bid: int, user_id: UUID) -> StoredPassword | None:
        row = self._work.connection.execute(_FIND, {"this_bid": bid, "this_user": user_id}).one_or_none()
        return None if row is None else StoredPassword(*row)

    def put_password(self, password: StoredPassword) -> None:
        self._work.connection.execute(_PUT.on(self._work), values(password))

    def swap_hash(self, bid: int, user_id: UUID, old: PasswordHash, new: PasswordHash) -> bool:
        wanted = {"this_bid": bid, "this_user": user_id, "old_hash": old, "new_hash": new}
        return self._work.connection.execute(_SWAP, wanted).rowcount == 1
