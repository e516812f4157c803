"""Role codes (idp.directory.role_codes): digests only."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, delete, select

from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import columns, values
from hub.storage.tables.directory import role_codes
from hub.storage.work import Work
from idp.directory.role_codes import RoleCode

_KEY = ("bid", "customer_id", "digest")
_OF_CUSTOMER = (role_codes.c.bid == bindparam("this_bid"), role_codes.c.customer_id == bindparam("this_customer"))
_LIST = select(*columns(RoleCode, role_codes)).where(*_OF_CUSTOMER).order_by(role_codes.c.login_type, role_codes.c.digest)
_DROP_UNUSED = delete(role_codes).where(
    *_OF_CUSTOMER, role_codes.c.digest.in_(bindparam("digests", expanding=True)), role_codes.c.used_at.is_(None)
)
# Where the code is there by now it stays as it is: the other transaction, or a payer who used it, was first.
_ADD = Upsert(role_codes, key=_KEY)


class SqlRoleCodeStore:
    """Satisfies RoleCodeStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def list_codes(self, bid: int, customer_id: UUID) -> list[RoleCode]:
        rows = self._work.connection.execute(_LIST, {"this_bid": bid, "this_customer": customer_id})
        return [RoleCode(*row) for row in rows]

    def set_codes(self, bid: int, customer_id: UUID, codes: list[RoleCode]) -> bool:
        if any((code.bid, code.customer_id) != (bid, customer_id) for code in codes):
            raise ValueError("a role code of another customer")
        stored = {code.digest: code for code in self.list_codes(bid, customer_id)}
        wanted = {code.digest: code for code in codes}
        over = [digest for digest, code in stored.items() if digest not in wanted and code.used_at is None]
        new = [values(code) for digest, code in wanted.items() if digest not in stored]
        if over:
            self._work.connection.execute(_DROP_UNUSED, {"this_bid": bid, "this_customer": customer_id, "digests": over})
        if new:
            self._work.connection.execute(_ADD.on(self._work), new)
        return bool(over or new)
