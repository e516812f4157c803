"""Held mail: what had to wait (idp.messages.mail_caps), sent as soon as there is room again.

    questions   one by one, oldest first; given up when held for a day: their links would soon be over, and the partner asks again.
                The one to the contact on record, which nobody asks again, waits as long as its link is good
    notices     one alone as it is; several as one summary that says of each what it said, when, and how often. Never dropped

What waits is in the rows of the mails, so a restart loses nothing; a recurring job of the worker looks, at all mailboxes in turn.
Mailboxes are looked at one transaction each, under the lock that sending takes too, so two workers send nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from idp.clock import Clock
from idp.directory.billers import Biller, BillerStore
from idp.messages.mail import Mails, MailStores, StoredMail
from idp.messages.mail_caps import SUMMARY, held_for
from idp.messages.quoting import one_line
from idp.texts import LOCALES, Texts
from idp.transaction import Begin

MOST_AT_ONCE = 500
"""Mailboxes in one look; the next look goes on behind them."""
MOST_QUESTIONS = 50
MOST_LINES = 30


@dataclass(frozen=True, slots=True)
class HeldMailbox:
    """A mailbox for which mails of a biller wait."""

    bid: int
    mailbox: str


@dataclass(frozen=True, slots=True)
class HeldLine:
    """What waiting notices say alike: in which language, how many of them, and when the last one was written."""

    line: str
    locale: str
    count: int
    last_at: datetime


class HeldMailStore(Protocol):
    """What waits, in the database."""

    def list_held_mailboxes(self, after: HeldMailbox, limit: int) -> list[HeldMailbox]:
        """Of ALL billers, by biller and mailbox, from the one after `after`."""
        ...

    def list_held(self, bid: int, mailbox: str, handling: str, limit: int) -> list[StoredMail]:
        """What waits for a mailbox, oldest first."""
        ...

    def count_notices(self, bid: int, mailbox: str) -> int:
        """How many notices wait for a mailbox."""
        ...

    def list_lines(self, bid: int, mailbox: str, limit: int) -> list[HeldLine]:
        """What the waiting notices say, in the order in which it was first said."""
        ...

    def fold(self, bid: int, mailbox: str, reason: str) -> None:
        """All waiting notices are told by a summary, which `reason` names."""
        ...

    def give_up(self, bid: int, mail_id: UUID, reason: str) -> None:
        """A mail is not sent any more."""
        ...


class HeldMailStores(MailStores, Protocol):
    """The slice of stores that this works with."""

    @property
    def billers(self) -> BillerStore: ...

    @property
    def held_mails(self) -> HeldMailStore: ...


_FIRST = HeldMailbox(0, "")


class HeldMails:
    """Releases what had to wait."""

    def __init__(self, begin: Begin[HeldMailStores], mails: Mails, clock: Clock) -> None:
        self._begin = begin
        self._mails = mails
        self._clock = clock
        self._after = _FIRST

    def release(self) -> int:
        """Send what may go by now, of the next mailboxes in turn. How many mails were queued."""
        with self._begin() as stores:
            held = stores.held_mails.list_held_mailboxes(self._after, MOST_AT_ONCE)
        self._after = held[-1] if len(held) == MOST_AT_ONCE else _FIRST
        return sum(self._release(each) for each in held)

    def _release(self, held: HeldMailbox) -> int:
        with self._begin() as stores:
            stores.mail_caps.lock(held.mailbox, None)
            if self._question_is_first(stores, held):
                return self._release_questions(stores, held) + self._release_notices(stores, held)
            return self._release_notices(stores, held) + self._release_questions(stores, held)

    @staticmethod
    def _question_is_first(stores: HeldMailStores, held: HeldMailbox) -> bool:
        """Whether a question has waited longer than any notice: a stream of notices must not keep it back."""
        oldest = [stores.held_mails.list_held(held.bid, held.mailbox, handling, 1) for handling in ("question", "notice")]
        question, notice = (mails[0].created_at if mails else None for mails in oldest)
        return question is not None and (notice is None or question <= notice)

    def _release_questions(self, stores: HeldMailStores, held: HeldMailbox) -> int:
        released, now = 0, self._clock.now()
        for mail in stores.held_mails.list_held(held.bid, held.mailbox, "question", MOST_QUESTIONS):
            if now - mail.created_at >= (longest := held_for(mail.template)):
                days = "a day" if longest.days == 1 else f"{longest.days} days"
                stores.held_mails.give_up(held.bid, mail.id, f"held for {days}")
            elif not self._mails.may_not_go(stores, mail):
                self._send(stores, mail)
                released += 1
        return released

    def _release_notices(self, stores: HeldMailStores, held: HeldMailbox) -> int:
        first = stores.held_mails.list_held(held.bid, held.mailbox, "notice", 2)
        biller = stores.billers.find_biller(held.bid)
        if not first or biller is None or self._mails.may_not_go(stores, first[0]):
            return 0
        if len(first) == 1:
            self._send(stores, first[0])
            return 1
        count = stores.held_mails.count_notices(held.bid, held.mailbox)
        lines = stores.held_mails.list_lines(held.bid, held.mailbox, MOST_LINES)
        locale = lines[0].locale if lines[0].locale in LOCALES else LOCALES[0]
        subject, body = _summary(Texts(locale, biller.time_zone), biller, lines, count)
        made = self._mails.post(
            stores, held.bid, None, SUMMARY, first[0].to, subject, body,
            key_id=first[0].key_id, locale=locale, taken_at=self._clock.now(),
        )  # fmt: skip
        stores.held_mails.fold(held.bid, held.mailbox, f"told by {made}")
        return 1

    def _send(self, stores: HeldMailStores, mail: StoredMail) -> None:
        stores.mail_caps.take(mail.bid, mail.id, mail.mailbox, self._clock.now())
        self._mails.queue(stores, mail.bid, mail.id)


def _summary(texts: Texts, biller: Biller, lines: list[HeldLine], count: int) -> tuple[str, str]:
    told = [_told(texts, line) for line in lines]
    more = count - sum(line.count for line in lines)
    if more:
        told.append(texts.get("mails.summary.more", count=more))
    values = {"biller": one_line(biller.dba), "changes": "\n".join(told)}
    subject = texts.get("mails.summary.subject", count=count, **values)
    body = texts.get("mails.summary.body", **values)
    return subject, f"{body}\n\n{texts.get('mails.foot', **values)}\n"


def _told(texts: Texts, line: HeldLine) -> str:
    values = {"moment": texts.moment(line.last_at), "line": line.line}
    return texts.get("mails.summary.line", count=line.count, **values)
