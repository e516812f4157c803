"""Mail: kept with the change, sealed at rest, sent once the worker comes to it, tried again when it did not go."""

from __future__ import annotations

import email
import email.policy
import os
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from hub.storage.sql.data_keys import SqlDataKeyStore
from hub.storage.tables import jobs as tables
from idp.alarms import Alarms
from idp.errors import DamagedCiphertext
from idp.jobs import Job, Worker
from idp.messages.mail import SEND_MAIL, Mail, Mails, Sender, Unsendable
from idp.messages.senders import MailboxSender, SmtpSender
from idp.opaque import new_id
from idp.secrets import Secrets
from tests import databases
from tests.databases import SqlCase
from tests.smtp_sink import sink

sql = databases.sql

OAKDALE, BIRCHWOOD = 101, 202
NOW = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
FROM = "no-reply@oakdale.example.com"
LINK = "https://oakdale.example.com/confirm#one-time-secret"
BODY = f"Guten Tag, Señora Ünal,\n\n{LINK}\n\n.\nA line that begins with a dot, above.\n"


class Collected:
    """A sender that keeps what it is given, and that can be told to fail."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.failing = 0

    def send(self, mail: Mail) -> None:
        if self.failing:
            self.failing -= 1
            raise ConnectionRefusedError
        self.sent.append(mail)


def mails(sql: SqlCase, sender: Sender) -> Mails:
    secrets = Secrets((b"1" * 32,), SqlDataKeyStore(sql.single))
    for bid in (OAKDALE, BIRCHWOOD):
        secrets.derive(bid, "link")
    return Mails(sql.begin, sql.clock, secrets, sender, Alarms(sql.begin, sql.kv, sql.clock))


def worker(sql: SqlCase, service: Mails) -> Worker:
    return Worker(sql.begin, sql.clock, {SEND_MAIL: service.send}, (), lambda: 0.5)


def post(sql: SqlCase, service: Mails, bid: int = OAKDALE, to: str = "ann@example.com") -> UUID:
    with sql.begin() as stores:
        return service.post(stores, bid, new_id(), "confirm", to, "Ihre Bestätigung", BODY)


def test_a_mail_is_sent_as_it_was_posted_and_noted_as_sent(sql: SqlCase) -> None:
    sender = Collected()
    service = mails(sql, sender)
    mail_id = post(sql, service)
    sql.clock.advance(timedelta(seconds=5))
    assert worker(sql, service).step() == 1
    (mail,) = sender.sent
    assert (mail.id, mail.bid, mail.template, mail.to, mail.subject, mail.body) == (
        mail_id, OAKDALE, "confirm", "ann@example.com", "Ihre Bestätigung", BODY
    )  # fmt: skip
    with sql.begin() as stores:
        kept = stores.mails.find_mail(OAKDALE, mail_id)
    assert kept is not None
    assert kept.sent_at == sql.clock.now()
    assert kept.created_at == sql.clock.now() - timedelta(seconds=5)


def test_the_table_and_the_job_hold_no_plain_body(sql: SqlCase) -> None:
    service = mails(sql, Collected())
    post(sql, service)
    with sql.engine.connect() as connection:
        (kept,) = connection.execute(select(tables.mails)).all()
        (job,) = connection.execute(select(tables.jobs)).all()
    assert kept.body.startswith("v1.")
    assert not any("one-time-secret" in str(value) or "nal" in str(value) for value in (*kept, *job))


def test_a_mail_goes_with_the_change_that_is_rolled_back(sql: SqlCase) -> None:
    sender = Collected()
    service = mails(sql, sender)
    with suppress(LookupError), sql.begin() as stores:
        service.post(stores, OAKDALE, None, "confirm", "ann@example.com", "x", BODY)
        raise LookupError
    assert worker(sql, service).step() == 0
    assert sender.sent == []


def test_a_mail_of_one_biller_is_not_found_sent_or_marked_for_another(sql: SqlCase) -> None:
    sender = Collected()
    service = mails(sql, sender)
    mail_id = post(sql, service, OAKDALE)
    service.send(Job(new_id(), BIRCHWOOD, SEND_MAIL, str(mail_id), sql.clock.now()))
    assert sender.sent == []
    with sql.begin() as stores:
        stores.mails.mark_sent(BIRCHWOOD, mail_id, sql.clock.now())
        assert stores.mails.find_mail(BIRCHWOOD, mail_id) is None
        kept = stores.mails.find_mail(OAKDALE, mail_id)
    assert kept is not None
    assert kept.sent_at is None


def test_a_body_that_was_put_into_another_mail_is_not_sent(sql: SqlCase) -> None:
    """Nobody who can write to the table gets a one-time link by having it mailed to himself."""
    sender = Collected()
    service = mails(sql, sender)
    post(sql, service, to="ann@example.com")
    own = post(sql, service, to="eve@example.com")
    with sql.engine.begin() as connection:
        stolen = connection.execute(select(tables.mails.c.body).where(tables.mails.c.recipient == "ann@example.com")).scalar_one()
        connection.execute(update(tables.mails).where(tables.mails.c.id == own).values(body=stolen))
    with pytest.raises(DamagedCiphertext):
        service.send(Job(new_id(), OAKDALE, SEND_MAIL, str(own), sql.clock.now()))
    assert sender.sent == []


def test_a_mail_that_did_not_go_is_tried_again_until_it_goes_and_then_no_more(sql: SqlCase) -> None:
    sender = Collected()
    sender.failing = 2
    service = mails(sql, sender)
    post(sql, service)
    working = worker(sql, service)
    for wait in (2, 4):
        assert working.step() == 1
        assert sender.sent == []
        assert working.step() == 0
        sql.clock.advance(timedelta(seconds=wait))
    assert working.step() == 1
    assert len(sender.sent) == 1
    sql.clock.advance(timedelta(days=1))
    assert working.step() == 0


def test_a_job_that_comes_twice_sends_one_mail(sql: SqlCase) -> None:
    sender = Collected()
    service = mails(sql, sender)
    mail_id = post(sql, service)
    for _ in range(2):
        service.send(Job(new_id(), OAKDALE, SEND_MAIL, str(mail_id), sql.clock.now()))
    assert len(sender.sent) == 1


# --- senders -------------------------------------------------------------------------------------------------------------


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def check_message(message: EmailMessage, mail_id: UUID) -> None:
    assert (message["From"], message["To"], message["Subject"]) == (FROM, "ann@example.com", "Ihre Bestätigung")
    assert message["Message-ID"] == f"<{mail_id}@oakdale.example.com>"
    assert message.get_content().replace("\r\n", "\n") == BODY


def test_without_smtp_mails_become_files_that_a_mail_program_reads(sql: SqlCase, tmp_path: Path) -> None:
    folder = tmp_path / "mailbox"
    service = mails(sql, MailboxSender(folder, FROM))
    mail_id = post(sql, service)
    worker(sql, service).step()
    (written,) = folder.iterdir()
    assert written.name == f"{mail_id}.eml"
    check_message(read(written.read_bytes()), mail_id)


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022])
def test_a_mail_in_the_mailbox_is_for_the_hub_alone_whatever_the_umask(sql: SqlCase, tmp_path: Path, umask: int) -> None:
    fresh, there = tmp_path / "fresh", tmp_path / "there"
    there.mkdir()
    there.chmod(0o755)  # as it was made before
    before = os.umask(umask)
    try:
        for folder in (fresh, there):
            service = mails(sql, MailboxSender(folder, FROM))
            post(sql, service)
            worker(sql, service).step()
    finally:
        os.umask(before)
    for folder in (fresh, there):
        (written,) = folder.iterdir()
        assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(written.stat().st_mode)) == (0o700, 0o600)


def test_a_mail_is_not_written_where_others_can_write_or_through_a_link_and_is_tried_again(sql: SqlCase, tmp_path: Path) -> None:
    theirs, open_to_all = tmp_path / "theirs", tmp_path / "open"
    theirs.mkdir()
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    (tmp_path / "link").symlink_to(theirs)
    for folder in (open_to_all, tmp_path / "link"):
        service = mails(sql, MailboxSender(folder, FROM))
        mail_id = post(sql, service)
        worker(sql, service).step()
        with sql.begin() as stores:
            kept = stores.mails.find_mail(OAKDALE, mail_id)
        assert kept is not None
        assert kept.sent_at is None
    assert [*theirs.iterdir(), *open_to_all.iterdir()] == []


def test_a_mailbox_never_shows_half_a_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_names: object, **_folders: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(OSError):  # noqa: PT011
        MailboxSender(tmp_path, FROM).send(Mail(new_id(), OAKDALE, None, "confirm", "ann@example.com", "x", BODY, NOW))
    assert list(tmp_path.glob("*.eml")) == []


def test_a_mail_goes_out_by_smtp(sql: SqlCase) -> None:
    with sink() as server:
        service = mails(sql, SmtpSender(server.url, FROM, loopback=True))
        mail_id = post(sql, service)
        assert worker(sql, service).step() == 1
        (taken,) = server.taken
    assert [each.upper() for each in taken.recipients] == ["RCPT TO:<ANN@EXAMPLE.COM>"]
    check_message(read(taken.raw), mail_id)


def test_a_mail_that_the_server_puts_off_is_tried_again(sql: SqlCase) -> None:
    with sink() as server:
        service = mails(sql, SmtpSender(server.url, FROM, loopback=True))
        post(sql, service)
        working = worker(sql, service)
        server.answers["RCPT"] = "451 try again later"
        working.step()
        assert server.taken == []
        server.answers.clear()
        sql.clock.advance(timedelta(seconds=2))
        working.step()
        assert len(server.taken) == 1


def test_without_a_server_a_mail_waits(sql: SqlCase) -> None:
    with sink() as server:
        gone = server.url
    service = mails(sql, SmtpSender(gone, FROM, loopback=True))
    mail_id = post(sql, service)
    worker(sql, service).step()
    with sql.begin() as stores:
        kept = stores.mails.find_mail(OAKDALE, mail_id)
    assert kept is not None
    assert kept.sent_at is None
    with sql.engine.connect() as connection:
        (job,) = connection.execute(select(tables.jobs)).all()
    assert (job.state, job.tries, job.error) == ("waiting", 1, "ConnectionRefusedError")


def test_nothing_is_sent_in_the_clear_to_a_server_that_is_not_on_loopback() -> None:
    with sink() as server:
        sender = SmtpSender(server.url, FROM, loopback=False)
        with pytest.raises(Exception, match="STARTTLS"):
            sender.send(Mail(new_id(), OAKDALE, None, "confirm", "ann@example.com", "x", BODY, NOW))
        assert server.taken == []


@pytest.mark.parametrize("address", ["ann@example.com\r\nBcc: eve@example.com", "ann@example.com\nSubject: x"])
def test_an_address_cannot_bring_headers_of_its_own(tmp_path: Path, address: str) -> None:
    sender = MailboxSender(tmp_path, FROM)
    with pytest.raises(Unsendable, match=r"^the address is invalid$"):
        sender.send(Mail(new_id(), OAKDALE, None, "confirm", address, "x", BODY, NOW))
    assert list(tmp_path.iterdir()) == []
