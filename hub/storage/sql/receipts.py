"""Receipts of requests with an Idempotency-Key (contract: idp.receipts.ReceiptStore)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update

from hub.storage.sql.conflicts import Upsert
from hub.storage.sql.rows import columns, given, values
from hub.storage.tables.requests import receipts
from hub.storage.work import Work
from idp.receipts import Receipt

_NAMED = (receipts.c.bid == bindparam("this_bid"), receipts.c.name == bindparam("this_name"))
_FIND = select(*columns(Receipt, receipts)).where(*_NAMED)
_ADD = Upsert(receipts, key=("bid", "name"))
# A twin that wrote its answer while we waited for its row must keep it: what is replaced is the receipt as it was read.
_REPLACE = (
    update(receipts)
    .where(
        *_NAMED,
        receipts.c.claim == bindparam("old_claim"),
        receipts.c.status.is_not_distinct_from(bindparam("old_status", type_=receipts.c.status.type)),
    )
    .values(given(receipts, "fingerprint", "claim", "claimed_until", "status", "answer", "expires_at"))
)
_free = select(receipts.c.name).where(*_NAMED).with_for_update(skip_locked=True).scalar_subquery()
_RENEW = (
    update(receipts)
    .where(
        receipts.c.bid == bindparam("this_bid"),
        # A row whose answer is being written is locked until that is committed: no reason for the others to wait.
        receipts.c.name == _free,
        receipts.c.claim == bindparam("this_claim"),
        receipts.c.status.is_(None),
    )
    .values(claimed_until=bindparam("until"))
)
_ANSWER = (
    update(receipts)
    .where(*_NAMED, receipts.c.claim == bindparam("this_claim"), receipts.c.status.is_(None))
    .values(given(receipts, "status", "answer"))
)
_DROP = delete(receipts).where(*_NAMED, receipts.c.claim == bindparam("this_claim"), receipts.c.status.is_(None))
_over = (
    select(receipts.c.bid, receipts.c.name)
    .where(receipts.c.expires_at < bindparam("before_time"))
    .order_by(receipts.c.expires_at)
    .limit(bindparam("most"))
)
_PURGE = delete(receipts).where(receipts.c.bid == bindparam("this_bid"), receipts.c.name == bindparam("this_name"))


class SqlReceiptStore:
    """Satisfies ReceiptStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def find_receipt(self, bid: int, name: str) -> Receipt | None:
        row = self._work.connection.execute(_FIND, {"this_bid": bid, "this_name": name}).one_or_none()
        return None if row is None else Receipt(*row)

    def add_claim(self, receipt: Receipt) -> bool:
        # Told by RETURNING: the drivers do not agree on the row count of an INSERT that did nothing.
        added = self._work.connection.execute(_ADD.on(self._work).returning(receipts.c.name), values(receipt))
        return added.first() is not None

    def replace_claim(self, receipt: Receipt, old: Receipt) -> bool:
        named = {"this_bid": receipt.bid, "this_name": receipt.name, "old_claim": old.claim, "old_status": old.status}
        changes = {name: value for name, value in values(receipt).items() if name not in {"bid", "name"}}
        return self._work.connection.execute(_REPLACE, named | changes).rowcount == 1

    def renew_claims(self, claims: Sequence[Receipt], until: datetime) -> None:
        # In one order: two processes never wait for each other.
        ordered = sorted(claims, key=lambda each: (each.bid, each.name))
        if ordered:
            named = [{"this_bid": each.bid, "this_name": each.name, "this_claim": each.claim, "until": until} for each in ordered]
            self._work.connection.execute(_RENEW, named)

    def put_answer(self, receipt: Receipt) -> bool:
        named = {"this_bid": receipt.bid, "this_name": receipt.name, "this_claim": receipt.claim}
        answered = {"status": receipt.status, "answer": receipt.answer}
        return self._work.connection.execute(_ANSWER, named | answered).rowcount == 1

    def drop_claim(self, bid: int, name: str, claim: UUID) -> None:
        self._work.connection.execute(_DROP, {"this_bid": bid, "this_name": name, "this_claim": claim})

    def purge_receipts(self, before: datetime, limit: int) -> int:
        rows = self._work.connection.execute(_over, {"before_time": before, "most": limit}).all()
        if rows:
            self._work.connection.execute(_PURGE, [{"this_bid": row.bid, "this_name": row.name} for row in rows])
        return len(rows)
