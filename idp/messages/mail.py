"""Mail: written with the change, sent by the worker, kept.

A verb calls `post` inside its transaction: the mail is a row (its body sealed, because it may hold a one-time link) and a job.
The worker asks whether it may go now (idp.messages.mail_caps); then it takes a place, under a lock that workers share, and hands it
to a sender (idp.messages.senders): SMTP, or a mailbox folder where no SMTP is set (demo, tests). A mail may be sent twice, and is
lost only where it can never be sent; its Message-ID is its own id, so that mailboxes can tell.

    queued ──place──> queued, taken_at ──> sent_at
      ├──can never go (Unsendable)──> failed; staff are alarmed
      └──must wait──> held ──room again (idp.messages.held_mail)──> queued, taken_at
                        ├──several notices──> folded into a summary
                        └──a question, after a day──> given_up
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from idp.alarms import AlarmKind, Alarms
from idp.clock import Clock
from idp.jobs import Job, JobStore
from idp.messages.mail_caps import CLOCKS_MAY_DIFFER, DAY, HOUR, Handling, Reason, Taken, Wanted, must_wait
from idp.opaque import new_id
from idp.secrets import Place, Secrets
from idp.transaction import Begin

SEND_MAIL = "mail.send"
"""The kind of job that sends a mail."""

KEPT_FOR = timedelta(days=396)
"""13 months from when it was written, sent or not."""

_DOTLESS = frozenset({"gmail.com", "googlemail.com"})
MailState = Literal["queued", "held", "folded", "given_up", "failed"]


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it leaves."""

    id: UUID
    bid: int
    user_id: UUID | None
    template: str
    to: str
    subject: str
    body: str
    at: datetime
    """When it was allowed to go: the same at every try."""


class Unsendable(Exception):
    """A mail that can never be sent, however often it is tried. The text says why, for staff: no address, nothing of the mail."""


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One mail as it is kept; `body` is sealed."""

    id: UUID
    bid: int
    user_id: UUID | None
    template: str
    to: str
    subject: str
    body: str
    created_at: datetime
    sent_at: datetime | None = None
    mailbox: str = ""
    """The canonical address, for counting; "" in a row of a version without caps."""
    key_id: UUID | None = None
    """The API key whose call caused it."""
    handling: Handling = "notice"
    line: str = ""
    """What a summary says of it."""
    locale: str = ""
    state: MailState = "queued"
    reason: str = ""
    """Why it is held, or what became of it."""
    taken_at: datetime | None = None

    @property
    def wanted(self) -> Wanted:
        """What the caps ask about."""
        return Wanted(self.bid, self.template, self.user_id, self.handling)


class MailStore(Protocol):
    """Mails in the database."""

    def add_mail(self, mail: StoredMail) -> None:
        """Insert."""
        ...

    def find_mail(self, bid: int, mail_id: UUID) -> StoredMail | None:
        """By id."""
        ...

    def mark_sent(self, bid: int, mail_id: UUID, at: datetime) -> None:
        """Note when it went."""
        ...

    def mark_failed(self, bid: int, mail_id: UUID, reason: str) -> None:
        """Note that it can never be sent, and why."""
        ...

    def purge_mails(self, before: datetime, limit: int) -> int:
        """Remove those written before `before`, of all billers. How many."""
        ...

    def list_mails(self, bid: int, state: str, limit: int) -> list[StoredMail]:
        """Those of a biller, newest first; "": in whatever state."""
        ...


class MailCapStore(Protocol):
    """What is counted of mails, and what waits, in the database."""

    def lock(self, mailbox: str, key_id: UUID | None) -> None:
        """Keep everybody else from counting for this mailbox or key until the transaction ends. A mailbox first, then its keys."""
        ...

    def list_taken(self, mailbox: str, since: datetime, until: datetime) -> list[Taken]:
        """What one mailbox got between the two, of ALL billers (each says which). At most 200."""
        ...

    def count_of_key(self, bid: int, key_id: UUID, since: datetime, until: datetime) -> int:
        """How many mails a key has caused between the two."""
        ...

    def take(self, bid: int, mail_id: UUID, mailbox: str, at: datetime) -> None:
        """Note that a mail goes, from now on."""
        ...

    def hold(self, bid: int, mail_id: UUID, mailbox: str, reason: str) -> None:
        """Note that it waits, and why."""
        ...


class MailStores(Protocol):
    """The slice of stores that mail works with."""

    @property
    def mails(self) -> MailStore: ...

    @property
    def mail_caps(self) -> MailCapStore: ...

    @property
    def jobs(self) -> JobStore: ...


class Sender(Protocol):
    """Hands a mail on. Raises Unsendable when it never can, anything else when it could not: the job is tried again."""

    def send(self, mail: Mail) -> None:
        """Send one mail."""
        ...


class Mails:
    """Posts and sends mails."""

    def __init__(self, begin: Begin[MailStores], clock: Clock, secrets: Secrets, sender: Sender, alarms: Alarms) -> None:
        self._begin = begin
        self._clock = clock
        self._secrets = secrets
        self._sender = sender
        self._alarms = alarms

    def post(
        self,
        stores: MailStores,
        bid: int,
        user_id: UUID | None,
        template: str,
        to: str,
        subject: str,
        body: str,
        *,
        key_id: UUID | None = None,
        handling: Handling = "notice",
        line: str = "",
        locale: str = "",
        taken_at: datetime | None = None,
    ) -> UUID:
        """Queue a mail in the caller's transaction. Its id. `taken_at`: the caller has found room for it."""
        mail_id = new_id()
        now = self._clock.now()
        sealed = self._secrets.seal(_body_of(bid, mail_id), body)
        stores.mails.add_mail(
            StoredMail(
                mail_id, bid, user_id, template, to, subject, sealed, created_at=now,
                mailbox=mailbox_of(to), key_id=key_id, handling=handling, line=line or subject, locale=locale, taken_at=taken_at,
            )
        )  # fmt: skip
        self.queue(stores, bid, mail_id)
        return mail_id

    def queue(self, stores: MailStores, bid: int, mail_id: UUID) -> None:
        """Let a worker take up a mail, in the caller's transaction."""
        stores.jobs.add_job(Job(new_id(), bid, SEND_MAIL, str(mail_id), run_at=self._clock.now()))

    def list_page(self, bid: int, state: str = "", limit: int = 200) -> list[StoredMail]:
        """Mails of a biller, newest first; `state`: only those in it."""
        with self._begin() as stores:
            return stores.mails.list_mails(bid, state, limit)

    def send(self, job: Job) -> None:
        """The handler of SEND_MAIL: sends it, or holds it where it must wait."""
        mail_id = UUID(job.payload)
        with self._begin() as stores:
            stored = stores.mails.find_mail(job.bid, mail_id)
        if stored is None or stored.sent_at is not None or stored.state != "queued":
            return
        now = self._clock.now()
        if stored.taken_at is None and (reason := self._admit(stored, now)):
            self._tell(stored, reason)
            return
        body = self._secrets.open(_body_of(job.bid, mail_id), stored.body)
        at = stored.taken_at or now
        try:
            self._sender.send(Mail(mail_id, job.bid, stored.user_id, stored.template, stored.to, stored.subject, body, at))
        except Unsendable as fault:
            self._fail(stored, str(fault))
            return
        with self._begin() as stores:
            stores.mails.mark_sent(job.bid, mail_id, self._clock.now())

    def purge(self, limit: int = 1000) -> int:
        """Remove what is past its time. How many."""
        with self._begin() as stores:
            return stores.mails.purge_mails(self._clock.now() - KEPT_FOR, limit)

    def _admit(self, stored: StoredMail, now: datetime) -> Reason:
        """Take a place for a mail, or hold it and say why."""
        with self._begin() as stores:
            reason = self.may_not_go(stores, stored)
            if reason:
                stores.mail_caps.hold(stored.bid, stored.id, mailbox_of(stored.to), reason)
            else:
                stores.mail_caps.take(stored.bid, stored.id, mailbox_of(stored.to), now)
        return reason

    def may_not_go(self, stores: MailStores, stored: StoredMail) -> Reason:
        """Why a mail must wait, asked under the lock of its mailbox and key; "": it may go."""
        now, mailbox = self._clock.now(), mailbox_of(stored.to)
        stores.mail_caps.lock(mailbox, stored.key_id)
        until = now + CLOCKS_MAY_DIFFER  # what seems to come from later was sent before the clock was set back
        taken = stores.mail_caps.list_taken(mailbox, now - DAY, until)
        by_key = 0 if stored.key_id is None else stores.mail_caps.count_of_key(stored.bid, stored.key_id, now - HOUR, until)
        return must_wait(stored.wanted, taken, by_key, now)

    def _tell(self, stored: StoredMail, reason: Reason) -> None:
        """Staff hear of caps that were reached. Notices that are gathered for ten minutes are nothing to hear of."""
        if reason == "same_kind":
            return
        what = "one mailbox would get more mails than it may" if reason == "mailbox" else "a key causes more mails than it may"
        subject = f"key:{stored.key_id}" if stored.key_id else _about(stored)
        self._alarms.sound(stored.bid, AlarmKind.MAILS_HELD, subject, f"{what}: mails are held (idhub mails list)")

    def _fail(self, stored: StoredMail, reason: str) -> None:
        """The job is done: trying again changes nothing, and nothing else waits for this mail."""
        with self._begin() as stores:
            stores.mails.mark_failed(stored.bid, stored.id, reason)
        detail = f"a mail can't be sent: {reason} (idhub mails list --state failed)"
        self._alarms.sound(stored.bid, AlarmKind.MAILS_FAILED, _about(stored), detail)


def _about(stored: StoredMail) -> str:
    return f"user:{stored.user_id}" if stored.user_id else "mailbox"


def mailbox_of(address: str) -> str:
    """An address as it is counted: whatever reaches one person's mailbox is one, so a tag (`pat+1@`) makes no other.

    Addresses went through idp.directory.names by then. Where dots do not count either, they do not here.
    """
    local, at, domain = address.lower().rpartition("@")
    local = local.partition("+")[0] or local
    return f"{local.replace('.', '') if domain in _DOTLESS else local}{at}{domain}"


def _body_of(bid: int, mail_id: UUID) -> Place:
    return Place(bid, "mails", str(mail_id), "body")
