"""Senders: a mailbox folder for trying things out, and SMTP (port: idp.messages.mail.Sender).

What an SMTP server says decides whether a mail is tried again:

| answer | is |
|---|---|
| it cannot be reached, 4xx, a fault in connecting, TLS or signing in | tried again (idp.jobs): the mail is not to blame |
| MAIL refused, and 5.7.x or 530, 534, 535 or 538 to anything | tried again: the hub itself is refused, and staff can mend that |
| any other 5xx to RCPT or DATA | final: this mail never goes |
| SMTPUTF8 is needed and not offered (RFC 6531 3.2) | final: nothing but another address or another server helps |
"""

from __future__ import annotations

import re
import smtplib
import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

from idp.messages.mail import Mail, Unsendable
from idp.messages.mail_form import Formed, form
from idp.private_files import make_folder, write_whole

_SMTP_TIMEOUT = 20.0
_OURS_TO_MEND = frozenset({530, 534, 535, 538})
_ENHANCED = re.compile(rb"\s*(5\.\d{1,3}\.\d{1,3})\b")


class MailboxSender:
    """Writes each mail as a file `{id}.eml` into a folder of ours: mode 0600 in 0700, because a mail may hold a one-time link."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._from = sender

    def send(self, mail: Mail) -> None:
        """Write, then rename, so that a reader never sees half a mail. OSError where the folder is not ours alone; Unsendable."""
        formed = form(mail, self._from)
        with make_folder(self._folder) as folder:
            write_whole(folder, f"{mail.id}.eml", formed.raw)


class SmtpSender:
    """Sends by SMTP: `smtps://` with TLS from the start, `smtp://` with STARTTLS (without it only to loopback)."""

    def __init__(self, url: str, sender: str, *, loopback: bool) -> None:
        self._parts = urlsplit(url)
        self._from = sender
        self._loopback = loopback

    def send(self, mail: Mail) -> None:
        """Connect, send, leave. smtplib.SMTPException or OSError when it could not; Unsendable when it never can."""
        formed = form(mail, self._from)
        with self._connect() as connection:
            connection.ehlo_or_helo_if_needed()
            if formed.beyond_ascii and not connection.has_extn("smtputf8"):
                raise Unsendable("the mail server takes no address with letters beyond ASCII (SMTPUTF8)")
            _hand_over(connection, formed)

    def _connect(self) -> smtplib.SMTP:
        host = self._parts.hostname or ""
        context = ssl.create_default_context()
        if self._parts.scheme == "smtps":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(host, self._parts.port or 465, timeout=_SMTP_TIMEOUT, context=context)
        else:
            connection = smtplib.SMTP(host, self._parts.port or 587, timeout=_SMTP_TIMEOUT)
        try:
            if self._parts.scheme == "smtp" and not self._loopback:
                connection.starttls(context=context)
            if self._parts.username:
                connection.login(unquote(self._parts.username), unquote(self._parts.password or ""))
        except BaseException:
            connection.close()
            raise
        return connection


def _hand_over(connection: smtplib.SMTP, formed: Formed) -> None:
    options = ("SMTPUTF8", "BODY=8BITMIME") if formed.beyond_ascii else ()
    try:
        connection.sendmail(formed.sender, [formed.recipient], formed.raw, options)
    except smtplib.SMTPRecipientsRefused as fault:
        _check_final("address", *fault.recipients[formed.recipient])
        raise
    except smtplib.SMTPDataError as fault:
        _check_final("mail", fault.smtp_code, fault.smtp_error)
        raise


def _check_final(what: str, code: int, answer: bytes | str) -> None:
    """Unsendable where the answer is final. It repeats numbers only: a server's text may hold the address."""
    found = _ENHANCED.match(answer if isinstance(answer, bytes) else answer.encode())
    detail = found[1].decode() if found else ""
    if 500 <= code <= 599 and code not in _OURS_TO_MEND and not detail.startswith("5.7."):
        raise Unsendable(f"the mail server refused the {what}: {code} {detail}".rstrip())
