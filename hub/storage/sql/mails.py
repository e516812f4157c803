"""Mails as they are kept, bodies sealed, and what is counted of them (contracts: idp.messages.mail, idp.messages.held_mail).

Workers that count for the same mailbox or key take turns: by an advisory lock on PostgreSQL, by being writers on SQLite.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, text, update

from hub.storage.tables.jobs import mails
from hub.storage.work import Work
from idp.messages.held_mail import HeldLine, HeldMailbox
from idp.messages.mail import StoredMail
from idp.messages.mail_caps import Taken

MOST_TAKEN = 200
_NAMES = {field.name: "recipient" if field.name == "to" else field.name for field in fields(StoredMail)}

_THIS = (mails.c.bid == bindparam("of_bid"), mails.c.id == bindparam("mail_id"))
_OF_MAILBOX = (mails.c.bid == bindparam("of_bid"), mails.c.mailbox == bindparam("of_mailbox"), mails.c.state == "held")
_NOTICES = (*_OF_MAILBOX, mails.c.handling == "notice")

_ADD = insert(mails).inline()
_SELECT = select(*(mails.c[column] for column in _NAMES.values()))
_FIND = _SELECT.where(*_THIS)
_MARK_SENT = update(mails).where(*_THIS).values(sent_at=bindparam("went_at"))
_MARK_FAILED = update(mails).where(*_THIS).values(state="failed", reason=bindparam("why"))

# Two numbers of the lock: what it is about, and the name. Names that meet share a lock, and only wait longer.
_LOCK = text("SELECT pg_advisory_xact_lock(7314065, hashtext(:name))")
_TAKEN = (
    select(mails.c.bid, mails.c.template, mails.c.user_id, mails.c.taken_at)
    .where(
        mails.c.mailbox == bindparam("of_mailbox"),
        mails.c.taken_at > bindparam("since_time"),
        mails.c.taken_at <= bindparam("until_time"),
    )
    .order_by(mails.c.taken_at.desc())
    .limit(MOST_TAKEN)
)
_OF_KEY = (
    select(func.count())
    .select_from(mails)
    .where(
        mails.c.key_id == bindparam("of_key"),
        mails.c.bid == bindparam("of_bid"),
        mails.c.taken_at > bindparam("since_time"),
        mails.c.taken_at <= bindparam("until_time"),
    )
)
_TAKE = (
    update(mails).where(*_THIS).values(taken_at=bindparam("now_time"), mailbox=bindparam("new_mailbox"), state="queued", reason="")
)
_HOLD = update(mails).where(*_THIS).values(state="held", reason=bindparam("why"), mailbox=bindparam("new_mailbox"))
_HELD_MAILBOXES = (
    select(mails.c.bid, mails.c.mailbox)
    .where(
        mails.c.state == "held",
        or_(
            mails.c.bid > bindparam("after_bid"),
            and_(mails.c.bid == bindparam("after_bid"), mails.c.mailbox > bindparam("after_mailbox")),
        ),
    )
    .group_by(mails.c.bid, mails.c.mailbox)
    .order_by(mails.c.bid, mails.c.mailbox)
    .limit(bindparam("most"))
)
_HELD = (
    _SELECT.where(*_OF_MAILBOX, mails.c.handling == bindparam("of_handling"))
    .order_by(mails.c.created_at, mails.c.id)
    .limit(bindparam("most"))
)
_LINES = (
    select(mails.c.line, func.max(mails.c.locale), func.count(), func.max(mails.c.created_at))
    .where(*_NOTICES)
    .group_by(mails.c.line)
    .order_by(func.min(mails.c.created_at), mails.c.line)
    .limit(bindparam("most"))
)
_COUNT = select(func.count()).select_from(mails).where(*_NOTICES)
_FOLD = update(mails).where(*_NOTICES).values(state="folded", reason=bindparam("why"))
_GIVE_UP = update(mails).where(*_THIS).values(state="given_up", reason=bindparam("why"))
_PAGE = (
    _SELECT.where(mails.c.bid == bindparam("of_bid"), or_(bindparam("of_state") == "", mails.c.state == bindparam("of_state")))
    .order_by(mails.c.created_at.desc(), mails.c.id.desc())
    .limit(bindparam("most"))
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
        self._work.connection.execute(_ADD, {column: getattr(mail, name) for name, column in _NAMES.items()})

    def find_mail(self, bid: int, mail_id: UUID) -> StoredMail | None:
        """By id."""
        row = self._work.connection.execute(_FIND, {"of_bid": bid, "mail_id": mail_id}).first()
        return None if row is None else StoredMail(*row)

    def mark_sent(self, bid: int, mail_id: UUID, at: datetime) -> None:
        """Note when it went."""
        self._work.connection.execute(_MARK_SENT, {"of_bid": bid, "mail_id": mail_id, "went_at": at})

    def mark_failed(self, bid: int, mail_id: UUID, reason: str) -> None:
        """Note that it can never be sent, and why."""
        self._work.connection.execute(_MARK_FAILED, {"of_bid": bid, "mail_id": mail_id, "why": reason})

    def purge_mails(self, before: datetime, limit: int) -> int:
        """Remove those written before `before`, of all billers. How many."""
        return len(self._work.connection.execute(_PURGE, {"before_time": before, "most": limit}).all())

    def list_mails(self, bid: int, state: str, limit: int) -> list[StoredMail]:
        """Those of a biller, newest first; "": in whatever state."""
        rows = self._work.connection.execute(_PAGE, {"of_bid": bid, "of_state": state, "most": limit})
        return [StoredMail(*row) for row in rows]


class SqlMailCapStore:
    """Counts and holds, in a SQL database. Satisfies MailCapStore and HeldMailStore."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def lock(self, mailbox: str, key_id: UUID | None) -> None:
        """See MailCapStore."""
        if not self._work.is_postgres:
            return
        for name in (f"mailbox:{mailbox}" if mailbox else "", f"key:{key_id}" if key_id else ""):
            if name:
                self._work.connection.execute(_LOCK, {"name": name})

    def list_taken(self, mailbox: str, since: datetime, until: datetime) -> list[Taken]:
        """See MailCapStore."""
        rows = self._work.connection.execute(_TAKEN, {"of_mailbox": mailbox, "since_time": since, "until_time": until})
        return [Taken(*row) for row in rows]

    def count_of_key(self, bid: int, key_id: UUID, since: datetime, until: datetime) -> int:
        """See MailCapStore."""
        asked = {"of_bid": bid, "of_key": key_id, "since_time": since, "until_time": until}
        return int(self._work.connection.execute(_OF_KEY, asked).scalar_one())

    def take(self, bid: int, mail_id: UUID, mailbox: str, at: datetime) -> None:
        """See MailCapStore."""
        self._this(_TAKE, bid, mail_id, now_time=at, new_mailbox=mailbox)

    def hold(self, bid: int, mail_id: UUID, mailbox: str, reason: str) -> None:
        """See MailCapStore."""
        self._this(_HOLD, bid, mail_id, why=reason, new_mailbox=mailbox)

    def list_held_mailboxes(self, after: HeldMailbox, limit: int) -> list[HeldMailbox]:
        """See HeldMailStore."""
        asked = {"after_bid": after.bid, "after_mailbox": after.mailbox, "most": limit}
        return [HeldMailbox(*row) for row in self._work.connection.execute(_HELD_MAILBOXES, asked)]

    def list_held(self, bid: int, mailbox: str, handling: str, limit: int) -> list[StoredMail]:
        """See HeldMailStore."""
        asked = {"of_bid": bid, "of_mailbox": mailbox, "of_handling": handling, "most": limit}
        return [StoredMail(*row) for row in self._work.connection.execute(_HELD, asked)]

    def count_notices(self, bid: int, mailbox: str) -> int:
        """See HeldMailStore."""
        return int(self._work.connection.execute(_COUNT, {"of_bid": bid, "of_mailbox": mailbox}).scalar_one())

    def list_lines(self, bid: int, mailbox: str, limit: int) -> list[HeldLine]:
        """See HeldMailStore."""
        rows = self._work.connection.execute(_LINES, {"of_bid": bid, "of_mailbox": mailbox, "most": limit})
        return [HeldLine(*row) for row in rows]

    def fold(self, bid: int, mailbox: str, reason: str) -> None:
        """See HeldMailStore."""
        self._work.connection.execute(_FOLD, {"of_bid": bid, "of_mailbox": mailbox, "why": reason})

    def give_up(self, bid: int, mail_id: UUID, reason: str) -> None:
        """See HeldMailStore."""
        self._this(_GIVE_UP, bid, mail_id, why=reason)

    def _this(self, statement: Any, bid: int, mail_id: UUID, **given: Any) -> None:
        self._work.connection.execute(statement, {"of_bid": bid, "mail_id": mail_id, **given})
