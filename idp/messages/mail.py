"""Mail: written with the change, sent by the worker, kept.

A verb calls `post` inside its transaction: the mail is a row (its body sealed, because it may hold a one-time link) and a job.
The worker hands it to a sender: SMTP, or a mailbox folder where no SMTP is set (demo, tests). A mail may be sent twice, never not
at all; its Message-ID is its own id, so that mailboxes can tell.
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

from idp.clock import Clock
from idp.jobs import Job, JobStore
from idp.opaque import new_id
from idp.secrets import Place, Secrets
from idp.transaction import Begin

SEND_MAIL = "mail.send"
"""The kind of job that sends a mail."""

KEPT_FOR = timedelta(days=396)
"""13 months from when it was written, sent or not."""

_SMTP_TIMEOUT = 20.0


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

    def purge_mails(self, before: datetime, limit: int) -> int:
        """Remove those written before `before`, of all billers. How many."""
        ...


class MailStores(Protocol):
    """The slice of stores that mail works with."""

    @property
    def mails(self) -> MailStore: ...

    @property
    def jobs(self) -> JobStore: ...


class Sender(Protocol):
    """Hands a mail on. Raises anything when it could not: the job is tried again."""

    def send(self, mail: Mail) -> None:
        """Send one mail."""
        ...


class Mails:
    """Posts and sends mails."""

    def __init__(self, begin: Begin[MailStores], clock: Clock, secrets: Secrets, sender: Sender) -> None:
        self._begin = begin
        self._clock = clock
        self._secrets = secrets
        self._sender = sender

    def post(self, stores: MailStores, bid: int, user_id: UUID | None, template: str, to: str, subject: str, body: str) -> UUID:
        """Queue a mail in the caller's transaction. Its id."""
        mail_id = new_id()
        now = self._clock.now()
        sealed = self._secrets.seal(_body_of(bid, mail_id), body)
        stores.mails.add_mail(StoredMail(mail_id, bid, user_id, template, to, subject, sealed, created_at=now))
        stores.jobs.add_job(Job(new_id(), bid, SEND_MAIL, str(mail_id), run_at=now))
        return mail_id

    def send(self, job: Job) -> None:
        """The handler of SEND_MAIL."""
        mail_id = UUID(job.payload)
        with self._begin() as stores:
            stored = stores.mails.find_mail(job.bid, mail_id)
        if stored is None or stored.sent_at is not None:
            return
        body = self._secrets.open(_body_of(job.bid, mail_id), stored.body)
        self._sender.send(Mail(mail_id, job.bid, stored.user_id, stored.template, stored.to, stored.subject, body))
        with self._begin() as stores:
            stores.mails.mark_sent(job.bid, mail_id, self._clock.now())

    def purge(self, limit: int = 1000) -> int:
        """Remove what is past its time. How many."""
        with self._begin() as stores:
            return stores.mails.purge_mails(self._clock.now() - KEPT_FOR, limit)


class MailboxSender:
    """Writes each mail as a file `{id}.eml` into a folder."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._from = sender

    def send(self, mail: Mail) -> None:
        """Write, then rename, so that a reader never sees half a mail."""
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{mail.id}.eml"
        draft = target.with_suffix(".part")
        draft.write_bytes(_message(mail, self._from).as_bytes(policy=SMTP))
        draft.rename(target)


class SmtpSender:
    """Sends by SMTP: `smtps://` with TLS from the start, `smtp://` with STARTTLS (without it only to loopback)."""

    def __init__(self, url: str, sender: str, *, loopback: bool) -> None:
        self._parts = urlsplit(url)
        self._from = sender
        self._loopback = loopback

    def send(self, mail: Mail) -> None:
        """Connect, send, leave. smtplib.SMTPException or OSError when it could not."""
        host = self._parts.hostname or ""
        context = ssl.create_default_context()
        if self._parts.scheme == "smtps":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(host, self._parts.port or 465, timeout=_SMTP_TIMEOUT, context=context)
        else:
            connection = smtplib.SMTP(host, self._parts.port or 587, timeout=_SMTP_TIMEOUT)
        with connection:
            if self._parts.scheme == "smtp" and not self._loopback:
                connection.starttls(context=context)
            if self._parts.username:
                connection.login(unquote(self._parts.username), unquote(self._parts.password or ""))
            connection.send_message(_message(mail, self._from))


def _message(mail: Mail, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2]}>"
    message.set_content(mail.body)
    return message


def _body_of(bid: int, mail_id: UUID) -> Place:
    return Place(bid, "mails", str(mail_id), "body")
