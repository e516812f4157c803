"""Mails as they are kept, bodies sealed (contract: idp.messages.mail.MailStore)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update

from hub.storage.tables.jobs import mails
from hub.storage.work import Work
from idp.messages.mail import StoredMail

_ADD = insert(mails).inline()
_FIND = select(
    mails.c.id,
    mails.c.bid,
    mails.c.user_id,
    mails.c.template,
    mails.c.recipient,
    mails.c.subject,
    mails.c.body,
    mails.c.created_at,
    mails.c.sent_at,
).where(mails.c.bid == bindparam("of_bid"), mails.c.id == bindparam("mail_id"))
_MARK_SENT = (
    update(mails).where(mails.c.bid == bindparam("of_bid"), mails.c.id == bindparam("mail_id")).values(sent_at=bindparam("went_at"))
)
_over = (
    select(mails.c.id)
    .where(mails.c.created_at < bindparam("before_time"))
    .order_by(mails.c.created_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("picked")
)
# Counted by RETURNING, because sqlite3 has no row count for a statement that begins with WITH.
_PURGE = delete(mails).where(mails.c.id.in_(select(_over.c.id))).returning(mails.c.id)


class SqlMailStore:
    """Mails in a SQL database."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add_mail(self, mail: StoredMail) -> None:
        """Insert."""
        self._work.connection.execute(
            _ADD,
            {
                "id": mail.id,
                "bid": mail.bid,
                "user_id": mail.user_id,
                "template": mail.template,
                "recipient": mail.to,
                "subject": mail.subject,
                "body": mail.body,
                "created_at": mail.created_at,
                "sent_at": mail.sent_at,
            },
        )

    def find_mail(self, bid: int, mail_id: UUID) -> StoredMail | None:
        """By id."""
        row = self._work.connection.execute(_FIND, {"of_bid": bid, "mail_id": mail_id}).first()
        return None if row is None else StoredMail(*row)

    def mark_sent(self, bid: int, mail_id: UUID, at: datetime) -> None:
        """Note when it went."""
        self._work.connection.execute(_MARK_SENT, {"of_bid": bid, "mail_id": mail_id, "went_at": at})

    def purge_mails(self, before: datetime, limit: int) -> int:
        """Remove those written before `before`, of all billers. How many."""
        return len(self._work.connection.execute(_PURGE, {"before_time": before, "most": limit}).all())
