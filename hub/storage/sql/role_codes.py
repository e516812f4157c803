"""Role codes (idp.directory.role_codes): digests only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update

from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import batches, columns, given, values
from hub.storage.tables.directory import role_codes
from hub.storage.work import Work
from idp.directory.role_codes import RoleCode

_KEY = ("bid", "customer_id", "digest")
_OF_CUSTOMER = (role_codes.c.bid == bindparam("this_bid"), role_codes.c.customer_id == bindparam("this_customer"))
_SELECT = select(*columns(RoleCode, role_codes)).order_by(role_codes.c.login_type, role_codes.c.digest)
_LIST = _SELECT.where(*_OF_CUSTOMER)
_LIST_MANY = _SELECT.where(
    role_codes.c.bid == bindparam("this_bid"), role_codes.c.customer_id.in_(bindparam("customer_ids", expanding=True))
)
_DROP_UNUSED = delete(role_codes).where(
    *_OF_CUSTOMER, role_codes.c.digest == bindparam("this_digest"), role_codes.c.used_at.is_(None)
)
_USE = (
    update(role_codes)
    .where(*_OF_CUSTOMER, role_codes.c.digest == bindparam("this_digest"), role_codes.c.used_at.is_(None))
    .values(given(role_codes, "used_at"))
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

    def list_codes_of(self, bid: int, customer_ids: Iterable[UUID]) -> dict[UUID, list[RoleCode]]:
        found: dict[UUID, list[RoleCode]] = {}
        for batch in batches(customer_ids):
            for row in self._work.connection.execute(_LIST_MANY, {"this_bid": bid, "customer_ids": batch}):
                code = RoleCode(*row)
                found.setdefault(code.customer_id, []).append(code)
        return found

    def set_codes(self, bid: int, customer_id: UUID, codes: list[RoleCode]) -> bool:
        return self._set(bid, {customer_id: codes})

    def set_codes_of(self, bid: int, codes: Mapping[UUID, Sequence[RoleCode]]) -> None:
        self._set(bid, codes)

    def use_code(self, bid: int, customer_id: UUID, digest: str, at: datetime) -> bool:
        code = {"this_bid": bid, "this_customer": customer_id, "this_digest": digest}
        return self._work.connection.execute(_USE, code | {"used_at": at}).rowcount == 1

    def _set(self, bid: int, codes: Mapping[UUID, Sequence[RoleCode]]) -> bool:
        stored = self.list_codes_of(bid, codes)
        over: list[dict[str, object]] = []
        new: list[dict[str, object]] = []
        for customer_id, wanted_codes in codes.items():
            if any((code.bid, code.customer_id) != (bid, customer_id) for code in wanted_codes):
                raise ValueError("a role code of another customer")
            known = {code.digest: code for code in stored.get(customer_id, ())}
            wanted = {code.digest: code for code in wanted_codes}
            over += [
                {"this_bid": bid, "this_customer": customer_id, "this_digest": digest}
                for digest, code in known.items()
                if digest not in wanted and code.used_at is None
            ]
            new += [values(code) for digest, code in wanted.items() if digest not in known]
        if over:
            self._work.connection.execute(_DROP_UNUSED, over)
        if new:
            self._work.connection.execute(_ADD.on(self._work), new)
        return bool(over or new)
