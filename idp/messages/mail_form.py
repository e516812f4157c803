"""The form of a mail: a `Mail` becomes the bytes that leave (RFC 5322, MIME, RFC 6532), whichever sender takes them.

| header | value |
|---|---|
| Date | when the mail was allowed to go, in UTC. A mail that is sent again keeps it, as it keeps its Message-ID |
| Message-ID | the mail's id at the domain of IDHUB_MAIL_FROM |
| From, To | one address each; no display names, which strangers might choose |
| Subject | one line; as encoded words (RFC 2047) beyond ASCII, and where it would be read as such |
| Auto-Submitted | `auto-generated` (RFC 3834 5): holiday replies and the like stay silent |
| MIME-Version, Content-Type, Content-Transfer-Encoding | plain text in UTF-8, encoded so that any server takes it |

There is no List-Unsubscribe (RFC 2369, RFC 8058): nobody subscribes to these mails. Each tells the payer of a change or asks for a
yes, and a click that turns them off would help whoever takes an account over. Source: docs/adr/0046.

Addresses are written with their domain in ASCII (`münchen.example` is `xn--mnchen-3ya.example`), so SMTPUTF8 (RFC 6531) is needed
only where the part before the @ goes beyond ASCII. Only then a header, To, holds UTF-8.

The headers are written here and not by `email.message`: it decodes a subject that looks like encoded words (a user name of
`=?utf-8?q?x=0D=0ABcc:...?=` would bring headers of its own), and writes encoded words into addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from idp.directory.names import mailable_email
from idp.messages.mail import Mail, Unsendable
from idp.messages.quoting import one_line

_LINE = 76
"""Characters of a line, where a word may break (RFC 5322 2.1.1 wants 78)."""
_LONGEST_WORD = 60
"""In a subject that goes as it is: encoded words can break anywhere, plain words nowhere."""


@dataclass(frozen=True, slots=True)
class Formed:
    """A mail in its final form. `beyond_ascii`: header and envelope hold UTF-8, so a server must offer SMTPUTF8."""

    sender: str
    recipient: str
    raw: bytes

    @property
    def beyond_ascii(self) -> bool:
        return not self.recipient.isascii()


def form(mail: Mail, sender: str) -> Formed:
    """Write a mail. `sender`: an ASCII address. Unsendable where no server could take it."""
    try:
        recipient = mailable_email(mail.to)
    except ValueError:
        raise Unsendable("the address is invalid") from None
    head = (
        f"Date: {format_datetime(mail.at)}",
        f"Message-ID: <{mail.id}@{sender.rpartition('@')[2]}>",
        f"From: {sender}",
        f"To: {recipient}",
        f"Subject: {_subject(mail.subject)}",
        "Auto-Submitted: auto-generated",
    )
    content = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    content.set_content(mail.body)
    return Formed(sender, recipient, b"".join(f"{line}\r\n".encode() for line in head) + content.as_bytes())


def _subject(text: str) -> str:
    """Folded, the first line with room for the name of the header."""
    line = one_line(text)
    plain = line.isascii() and "=?" not in line and all(len(word) <= _LONGEST_WORD for word in line.split())
    return Header(line, "us-ascii" if plain else "utf-8", _LINE, "Subject").encode(linesep="\r\n")
