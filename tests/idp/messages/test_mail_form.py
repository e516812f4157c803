"""The form of a mail, held against RFC 5322, 6531, 6532, 3834 and MIME: the bytes in the mailbox and those that SMTP carries."""

from __future__ import annotations

import email.policy
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from uuid import UUID

import pytest

from hub.storage.sql.data_keys import SqlDataKeyStore
from idp.alarms import Alarm, Alarms
from idp.directory.names import mailable_email, normal_email
from idp.jobs import Worker
from idp.messages.mail import SEND_MAIL, Mail, Mails, Sender, StoredMail, Unsendable
from idp.messages.senders import MailboxSender, SmtpSender
from idp.opaque import new_id
from idp.secrets import Secrets
from tests import databases
from tests.databases import SqlCase
from tests.smtp_sink import Sink, sink

sql = databases.sql

OAKDALE, BIRCHWOOD = 101, 202
FROM = "no-reply@oakdale.example.com"
AT = datetime(2026, 3, 1, 23, 59, 58, 987654, tzinfo=UTC)
LINK = "https://oakdale.example.com/confirm#" + "s3cret" * 30
BODY = f"Buenos días, Señora Ünal:\n\n{LINK}\n\n.\nFrom here on, a line like the start of a mailbox.\n"
Raw = Callable[[Mail], bytes]


BREAKS = ("\r\n", "\n", "\r", "\r\n\r\n", "\v", "\f", "\x85", "\u2028")


def a_mail(to: str = "ann@example.com", subject: str = "Su contraseña cambió", body: str = BODY) -> Mail:
    return Mail(new_id(), OAKDALE, None, "confirm", to, subject, body, AT)


@pytest.fixture
def server() -> Iterator[Sink]:
    with sink() as server:
        yield server


@pytest.fixture(params=["mailbox", "smtp"])
def raw(request: pytest.FixtureRequest, tmp_path: Path, server: Sink) -> Raw:
    """The bytes of a mail as they leave, by either sender."""

    def by_mailbox(mail: Mail) -> bytes:
        MailboxSender(tmp_path / "mailbox", FROM).send(mail)
        return (tmp_path / "mailbox" / f"{mail.id}.eml").read_bytes()

    def by_smtp(mail: Mail) -> bytes:
        server.offers = ("8BITMIME", "SMTPUTF8")
        SmtpSender(server.url, FROM, loopback=True).send(mail)
        return server.taken[-1].raw

    return by_mailbox if request.param == "mailbox" else by_smtp


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    if raw.isascii():  # for Python an address of RFC 6532 is a defect
        for header in message.values():
            assert header.defects == (), header
    return message


def test_the_date_is_when_the_mail_was_allowed_to_go_in_utc_with_its_zone(raw: Raw) -> None:
    """RFC 5322 3.6.1, 3.3."""
    message = read(raw(a_mail()))
    assert message.get_all("Date") == ["Sun, 01 Mar 2026 23:59:58 +0000"]
    assert parsedate_to_datetime(message["Date"]) == AT.replace(microsecond=0)


def test_each_header_comes_once_and_there_is_none_that_nobody_wants(raw: Raw) -> None:
    """RFC 5322 3.6, RFC 2045 4, RFC 3834 5; no List-Unsubscribe (docs/adr/0046)."""
    mail = a_mail()
    message = read(raw(mail))
    assert sorted(message.keys()) == [
        "Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From",
        "MIME-Version", "Message-ID", "Subject", "To",
    ]  # fmt: skip
    assert (message["From"], message["To"], message["Subject"]) == (FROM, "ann@example.com", "Su contraseña cambió")
    assert message["Message-ID"] == f"<{mail.id}@oakdale.example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert (message["MIME-Version"], message.get_content_type(), message.get_content_charset()) == ("1.0", "text/plain", "utf-8")
    assert message.get_content().replace("\r\n", "\n") == BODY


@pytest.mark.parametrize(
    "subject",
    [
        "Password changed",
        "Su contraseña cambió",
        "Ω" * 300,
        "The account of " + "Señora Ünal " * 40 + "is yours",
        "x" * 900,
        "=?utf-8?q?looks_like_one?=",
        "a: b; c, <d> (e) \"f\" 'g'",
        "🧾 " * 60 + "end",
    ],
)
@pytest.mark.parametrize("body", [BODY, "ascii only\n" + "y" * 3000 + "\n", "ü" * 3000, "\n", "tab\tand trailing \nlone\rreturn\n"])
def test_lines_are_short_ascii_and_end_in_crlf_and_nothing_is_lost(raw: Raw, subject: str, body: str) -> None:
    """RFC 5322 2.1.1 (998, and 78 where a word may break), 2.3 (CR and LF only together), RFC 2047 2 (75), RFC 2045 6.7 (76)."""
    found = raw(a_mail(subject=subject, body=body))
    assert found.isascii(), "any server takes it, with or without 8BITMIME"
    assert re.search(rb"(?<!\r)\n|\r(?!\n)|\0", found) is None
    head, _, text = found.partition(b"\r\n\r\n")
    assert max(map(len, found.split(b"\r\n"))) <= 998
    assert max(map(len, text.split(b"\r\n"))) <= 78
    assert all(len(line) <= 78 or " " not in line.decode().strip() for line in head.split(b"\r\n"))
    message = read(found)
    assert message["Subject"] == subject
    sent = message.get_content().replace("\r\n", "\n").rstrip("\n")
    assert sent == body.replace("\r", "\n").rstrip("\n")


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\0", "\r\n\r\n", "\u2028"])
def test_an_address_brings_no_headers_of_its_own(raw: Raw, server: Sink, tmp_path: Path, break_: str) -> None:
    with pytest.raises(Unsendable, match=r"^the address is invalid$"):
        raw(a_mail(to=f"ann@example.com{break_}Bcc: eve@example.com"))
    assert server.taken == []
    assert not (tmp_path / "mailbox").exists()


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        *((f"x{each}Bcc: eve@example.com", "x Bcc: eve@example.com") for each in BREAKS),
        ("x\0Bcc: eve@example.com", "xBcc: eve@example.com"),
        *((each, each) for each in ("=?utf-8?q?x=0D=0ABcc:_eve=40example.com?=", "=?utf-8?b?eA0KQmNjOiBldmVAZXhhbXBsZS5jb20=?= ü")),
    ],
)  # fmt: skip
def test_a_subject_brings_no_headers_of_its_own_not_even_as_encoded_words(raw: Raw, subject: str, shown: str) -> None:
    found = raw(a_mail(subject=subject))
    assert re.search(rb"(?mi)^Bcc", found) is None
    message = read(found)
    assert (message["Subject"], message["Bcc"], message["To"]) == (shown, None, "ann@example.com")


def test_a_domain_beyond_ascii_is_written_in_ascii_and_needs_nothing_of_the_server(server: Sink, tmp_path: Path) -> None:
    """RFC 5890; `ß` is itself (IDNA 2008), not `ss`, which is somebody else's domain."""
    server.offers = ()
    for domain, wire in (("münchen.example", "xn--mnchen-3ya.example"), ("straße.example", "xn--strae-oqa.example")):
        mail = a_mail(to=f"ann@{domain}")
        SmtpSender(server.url, FROM, loopback=True).send(mail)
        MailboxSender(tmp_path, FROM).send(mail)
        taken = server.taken[-1]
        assert [each.upper() for each in taken.recipients] == [f"RCPT TO:<ANN@{wire.upper()}>"]
        assert "SMTPUTF8" not in taken.mail
        for found in (taken.raw, (tmp_path / f"{mail.id}.eml").read_bytes()):
            assert found.isascii()
            assert read(found)["To"] == f"ann@{wire}"


def test_letters_beyond_ascii_before_the_at_go_as_they_are_where_the_server_takes_them(raw: Raw, server: Sink) -> None:
    """RFC 6531 3.4 (the option, with 8BITMIME), RFC 6532 3.2 (UTF-8 in headers, never an encoded word in an address)."""
    found = raw(a_mail(to="zoë@münchen.example"))
    assert "\r\nTo: zoë@xn--mnchen-3ya.example\r\n".encode() in found
    assert read(found)["Subject"] == "Su contraseña cambió"
    for taken in server.taken:
        assert taken.recipients == ("rcpt TO:<zoë@xn--mnchen-3ya.example>",)
        assert re.fullmatch(r"mail FROM:<no-reply@oakdale\.example\.com>.* SMTPUTF8 BODY=8BITMIME", taken.mail)


# --- what can never be sent ------------------------------------------------------------------------------------------------


class Office:
    """Mails with their worker and a sender."""

    def __init__(self, sql: SqlCase, sender: Sender) -> None:
        secrets = Secrets((b"1" * 32,), SqlDataKeyStore(sql.single))
        for bid in (OAKDALE, BIRCHWOOD):
            secrets.derive(bid, "link")
        self.sql = sql
        self.mails = Mails(sql.begin, sql.clock, secrets, sender, Alarms(sql.begin, sql.kv, sql.clock))
        self.worker = Worker(sql.begin, sql.clock, {SEND_MAIL: self.mails.send}, (), lambda: 0.5)

    def post(self, to: str, bid: int = OAKDALE) -> UUID:
        with self.sql.begin() as stores:
            return self.mails.post(stores, bid, new_id(), "confirm", to, "Ihre Bestätigung", BODY)

    def kept(self, mail_id: UUID, bid: int = OAKDALE) -> StoredMail:
        with self.sql.begin() as stores:
            found = stores.mails.find_mail(bid, mail_id)
        assert found is not None
        return found

    def alarms(self, bid: int = OAKDALE) -> list[Alarm]:
        with self.sql.begin() as stores:
            return stores.alarms.list_alarms(bid, 10)

    def pass_a_day(self) -> int:
        """How much the worker did in a day of retries."""
        done = 0
        for _ in range(24):
            self.sql.clock.advance(timedelta(hours=1))
            done += self.worker.step()
        return done


def test_where_the_server_takes_no_such_address_the_mail_failed_for_good_and_staff_hear_why(sql: SqlCase, server: Sink) -> None:
    """RFC 6531 3.2: the client must not send it, and must not rewrite the address."""
    server.offers = ("8BITMIME",)
    office = Office(sql, SmtpSender(server.url, FROM, loopback=True))
    failed, other, theirs = (
        office.post("zoë@example.com"),
        office.post("ann@example.com"),
        office.post("kim@example.com", BIRCHWOOD),
    )
    office.worker.step()
    kept = office.kept(failed)
    assert (kept.state, kept.sent_at) == ("failed", None)
    assert kept.reason == "the mail server takes no address with letters beyond ASCII (SMTPUTF8)"
    assert office.kept(other).sent_at is not None, "nothing else waits for it"
    assert office.kept(theirs, BIRCHWOOD).sent_at is not None
    (alarm,) = office.alarms()
    assert (alarm.kind, alarm.subject) == ("mails.failed", f"user:{kept.user_id}")
    assert "zo" not in alarm.detail
    assert office.alarms(BIRCHWOOD) == []
    assert office.pass_a_day() == 0
    assert len(server.taken) == 2


@pytest.mark.parametrize(
    ("command", "answer", "reason"),
    [
        ("RCPT", "550 5.1.1 <ann@example.com> unknown", "the mail server refused the address: 550 5.1.1"),
        ("RCPT", "553 no such user", "the mail server refused the address: 553"),
        ("data", "552 5.2.2 mailbox of ann@example.com is full", "the mail server refused the mail: 552 5.2.2"),
        ("data", "554 ", "the mail server refused the mail: 554"),
    ],
)
def test_a_final_refusal_is_not_tried_again_and_repeats_no_address(
    sql: SqlCase, server: Sink, command: str, answer: str, reason: str
) -> None:
    office = Office(sql, SmtpSender(server.url, FROM, loopback=True))
    if command == "data":
        server.after_data = answer
    else:
        server.answers[command] = answer
    mail_id = office.post("ann@example.com")
    office.worker.step()
    assert (office.kept(mail_id).state, office.kept(mail_id).reason) == ("failed", reason)
    assert [each.kind for each in office.alarms()] == ["mails.failed"]
    server.answers.clear()
    server.after_data = ""
    assert office.pass_a_day() == 0
    assert server.taken == []


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("RCPT", "450 4.2.1 greylisted"),
        ("RCPT", "550 5.7.1 relaying denied"),
        ("RCPT", "530 authentication required"),
        ("MAIL", "550 this sender is not allowed"),
        ("data", "451 try again later"),
        ("data", "554 5.7.1 not signed"),
        ("EHLO", "554 no service"),
    ],
)
def test_what_is_no_fault_of_the_mail_is_tried_again(sql: SqlCase, server: Sink, command: str, answer: str) -> None:
    office = Office(sql, SmtpSender(server.url, FROM, loopback=True))
    if command == "data":
        server.after_data = answer
    else:
        server.answers[command] = answer
        if command == "EHLO":
            server.answers["HELO"] = answer
    mail_id = office.post("ann@example.com")
    office.worker.step()
    assert (office.kept(mail_id).state, office.kept(mail_id).sent_at) == ("queued", None)
    server.answers.clear()
    server.after_data = ""
    sql.clock.advance(timedelta(hours=1))
    office.worker.step()
    assert office.kept(mail_id).sent_at is not None
    (taken,) = server.taken
    first_allowed = office.kept(mail_id).taken_at
    assert first_allowed is not None
    assert parsedate_to_datetime(read(taken.raw)["Date"]) == first_allowed.replace(microsecond=0), (
        "it keeps its Date, as it keeps its Message-ID"
    )


def test_an_address_from_before_the_rule_fails_by_itself(sql: SqlCase, tmp_path: Path) -> None:
    office = Office(sql, MailboxSender(tmp_path / "mailbox", FROM))
    old, other = office.post(f"{'x' * 65}@example.com"), office.post("ann@example.com")
    office.worker.step()
    assert (office.kept(old).state, office.kept(old).reason) == ("failed", "the address is invalid")
    assert office.kept(other).sent_at is not None
    assert office.pass_a_day() == 0


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com",
        "a!#$%&'*+/=?^_`{|}~-b@example.com",
        f"{'x' * 64}@example.com",
        "zoë@example.com",
        "ann@münchen.example",
        "-froot@example.com",
        "a@" + ".".join(["d" * 62] * 3) + "." + "e" * 54 + ".com",
        "\u0130@example.com",
        "用户@例え.jp",
        "\uff41@example.com",
    ],
)
def test_what_can_be_registered_can_be_mailed(raw: Raw, server: Sink, address: str) -> None:
    kept = normal_email(address)
    found = raw(a_mail(to=kept))
    assert read(found)["To"] == mailable_email(address) == mailable_email(kept)
    assert f"\r\nTo: {mailable_email(kept)}\r\n".encode() in found
    for taken in server.taken:
        assert taken.recipients == (f"rcpt TO:<{mailable_email(kept)}>",)
