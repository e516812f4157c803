"""What payers were asked by mail (contract: idp.accounts.confirmations.ConfirmationStore)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update

from hub.storage.sql.rows import columns, values
from hub.storage.tables.credentials import confirmations
from hub.storage.work import Work
from idp.accounts.confirmations import NO_ANSWER, VOID, YES, Answer, Confirmation, Kind
from idp.opaque import Digest

_THIS = (confirmations.c.bid == bindparam("this_bid"), confirmations.c.id == bindparam("this_id"))
_SELECT = select(*columns(Confirmation, confirmations)).where(confirmations.c.bid == bindparam("this_bid"))
_BY_DIGEST = _SELECT.where(confirmations.c.digest == bindparam("this_digest"))
_RECENT = (
    _SELECT.where(
        confirmations.c.user_id == bindparam("this_user"),
        confirmations.c.partner_id == bindparam("this_partner"),
        confirmations.c.kind == bindparam("this_kind"),
        confirmations.c.created_at > bindparam("since_time"),
    )
    .order_by(confirmations.c.created_at.desc(), confirmations.c.id.desc())
    .limit(100)
)
_ADD = insert(confirmations)
_ANSWER = (
    update(confirmations)
    .where(*_THIS, confirmations.c.answer == NO_ANSWER, confirmations.c.expires_at > bindparam("now_time"))
    .values(answer=bindparam("new_answer"), answered_at=bindparam("now_time"), expires_at=bindparam("new_expiry"))
)
_SPEND = (
    update(confirmations)
    .where(
        *_THIS,
        confirmations.c.answer == YES,
        confirmations.c.spent_at.is_(None),
        confirmations.c.expires_at > bindparam("now_time"),
    )
    .values(spent_at=bindparam("now_time"))
)
_VOID = (
    update(confirmations)
    .where(
        confirmations.c.bid == bindparam("this_bid"),
        confirmations.c.user_id == bindparam("this_user"),
        confirmations.c.answer.in_((NO_ANSWER, YES)),
        confirmations.c.spent_at.is_(None),
    )
    .values(answer=VOID)
)
_VOID_OF_PARTNER = _VOID.where(confirmations.c.partner_id == bindparam("this_partner"))
_OVER = (
    select(confirmations.c.bid, confirmations.c.id)
    .where(confirmations.c.expires_at < bindparam("before_time"))
    .order_by(confirmations.c.expires_at)
    .limit(bindparam("most"))
)
_PURGE = delete(confirmations).where(*_THIS)


class SqlConfirmationStore:
    """Satisfies ConfirmationStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_confirmation(self, confirmation: Confirmation) -> None:
        self._work.connection.execute(_ADD, values(confirmation))

    def find_by_digest(self, bid: int, digest: Digest) -> Confirmation | None:
        row = self._work.connection.execute(_BY_DIGEST, {"this_bid": bid, "this_digest": digest}).one_or_none()
        return None if row is None else Confirmation(*row)

    def list_recent(self, bid: int, user_id: UUID, partner_id: UUID, kind: Kind, since: datetime) -> list[Confirmation]:
        wanted = {"this_bid": bid, "this_user": user_id, "this_partner": partner_id, "this_kind": kind, "since_time": since}
        return [Confirmation(*row) for row in self._work.connection.execute(_RECENT, wanted)]

    def answer(self, bid: int, confirmation_id: UUID, answer: Answer, at: datetime, expires_at: datetime) -> bool:
        given = {
            "this_bid": bid, "this_id": confirmation_id, "new_answer": answer, "now_time": at, "new_expiry": expires_at,
        }  # fmt: skip
        return self._work.connection.execute(_ANSWER, given).rowcount == 1

    def spend(self, bid: int, confirmation_id: UUID, at: datetime) -> bool:
        return self._work.connection.execute(_SPEND, {"this_bid": bid, "this_id": confirmation_id, "now_time": at}).rowcount == 1

    def void_confirmations(self, bid: int, user_id: UUID, partner_id: UUID | None = None) -> None:
        wanted = {"this_bid": bid, "this_user": user_id}
        if partner_id is None:
            self._work.connection.execute(_VOID, wanted)
        else:
            self._work.connection.execute(_VOID_OF_PARTNER, wanted | {"this_partner": partner_id})

    def purge_confirmations(self, before: datetime, limit: int) -> int:
        rows = self._work.connection.execute(_OVER, {"before_time": before, "most": limit}).all()
        if rows:
            self._work.connection.execute(_PURGE, [{"this_bid": row.bid, "this_id": row.id} for row in rows])
        return len(rows)
