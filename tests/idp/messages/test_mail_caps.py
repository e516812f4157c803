"""Caps on mail, on both databases: who waits, for how long, and that nothing is lost, sent twice or sent over the cap."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from hub.storage.sql.data_keys import SqlDataKeyStore
from idp.alarms import Alarms
from idp.jobs import Job, Worker
from idp.messages import mail_caps
from idp.messages.held_mail import HeldMails
from idp.messages.mail import SEND_MAIL, Mail, Mails, StoredMail, mailbox_of
from idp.messages.mail_caps import Handling, Taken, Wanted, must_wait
from idp.messages.quoting import one_line, quoted
from idp.opaque import new_id
from idp.secrets import Secrets
from tests import databases
from tests.contracts.sql_stores import sample_biller
from tests.databases import PATIENCE, START, SqlCase

sql, postgres_sql = databases.sql, databases.postgres_sql

OAKDALE, BIRCHWOOD = 101, 202
ANN, BEA = new_id(), new_id()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Collected:
    """A sender that keeps what it is given, and that can be told to fail."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.failing = False

    def send(self, mail: Mail) -> None:
        if self.failing:
            raise ConnectionRefusedError
        self.sent.append(mail)


class Office:
    """Mails and what holds them, over a database; `again` is another process on it."""

    def __init__(self, sql: SqlCase, sender: Collected | None = None) -> None:
        self.sql = sql
        self.sender = sender or Collected()
        secrets = Secrets((b"1" * 32,), SqlDataKeyStore(sql.single))
        for bid in (OAKDALE, BIRCHWOOD):
            secrets.derive(bid, "link")
        self.mails = Mails(sql.begin, sql.clock, secrets, self.sender, Alarms(sql.begin, sql.kv, sql.clock))
        self.held = HeldMails(sql.begin, self.mails, sql.clock)

    def again(self) -> Office:
        return Office(self.sql, self.sender)

    def post(
        self,
        template: str = "password_changed",
        to: str = "ann@example.com",
        *,
        bid: int = OAKDALE,
        user: UUID | None = ANN,
        handling: Handling = "notice",
        key: UUID | None = None,
        line: str = "",
        locale: str = "en",
    ) -> UUID:
        with self.sql.begin() as stores:
            return self.mails.post(
                stores, bid, user, template, to, f"about {template}", "body",
                key_id=key, handling=handling, line=line, locale=locale,
            )  # fmt: skip

    def work(self) -> int:
        """What a worker does: jobs, what waits, jobs. How many mails there are by now."""
        worker = Worker(self.sql.begin, self.sql.clock, {SEND_MAIL: self.mails.send}, (), lambda: 0.5)
        while worker.step():
            pass
        while self.held.release():
            while worker.step():
                pass
        return len(self.sender.sent)

    def stored(self, bid: int = OAKDALE, state: str = "") -> list[StoredMail]:
        with self.sql.begin() as stores:
            return stores.mails.list_mails(bid, state, 1000)

    def subjects(self) -> list[str]:
        return [mail.subject for mail in self.sender.sent]


@pytest.fixture
def office(sql: SqlCase) -> Office:
    return opened(sql)


def opened(sql: SqlCase) -> Office:
    """An office for two billers."""
    with sql.begin() as stores:
        for bid, slug in ((OAKDALE, "oakdale"), (BIRCHWOOD, "birchwood")):
            stores.billers.add_biller(sample_biller(bid, slug, dba=slug.title()))
    return Office(sql)


def kinds(count: int) -> list[str]:
    return [f"kind-{number}" for number in range(count)]


# --- one mailbox ---------------------------------------------------------------------------------------------------------


def test_a_mailbox_gets_five_mails_an_hour_and_twenty_a_day_of_a_biller_and_the_rest_as_summaries(office: Office) -> None:
    told, clock = 0, office.sql.clock
    for hour in range(6):
        for kind in kinds(8):
            office.post(f"{kind}-{hour}")
            told += 1
        before = office.work()
        for _ in range(2):
            clock.advance(30 * MINUTE)
            office.work()
        recent = [mail for mail in office.stored() if mail.taken_at and mail.taken_at > clock.now() - DAY]
        assert len(recent) <= 20
        assert len(office.sender.sent) - before <= 5
    clock.advance(2 * DAY)
    office.work()
    assert office.stored(state="held") == []
    told_in_summaries = [mail for mail in office.stored() if mail.state == "folded"]
    sent = [mail for mail in office.stored() if mail.sent_at and mail.template != "summary"]
    assert len(told_in_summaries) + len(sent) == told
    summaries = {mail.id for mail in office.stored() if mail.template == "summary"}
    assert {UUID(mail.reason.removeprefix("told by ")) for mail in told_in_summaries} <= summaries


def test_the_window_opens_by_the_hour_and_the_held_notices_come_as_one(office: Office) -> None:
    for kind in kinds(8):
        office.post(kind)
    assert office.work() == 5
    office.sql.clock.advance(59 * MINUTE)
    assert office.work() == 5
    office.sql.clock.advance(MINUTE)
    assert office.work() == 6
    summary = office.sender.sent[-1]
    assert summary.subject == "Oakdale: 3 changes to your login"
    assert [line for line in summary.body.splitlines() if line.startswith("- ")] == [
        f"- May 4, 2031, 8:30\u202fAM: about kind-{number}" for number in (5, 6, 7)
    ]
    assert (summary.to, summary.bid, summary.user_id) == ("ann@example.com", OAKDALE, None)


def test_a_summary_says_how_often_and_speaks_the_language_of_what_it_tells(office: Office) -> None:
    for _ in range(4):
        office.post(line="la contraseña cambió", locale="es")
    assert office.work() == 1
    office.sql.clock.advance(10 * MINUTE)
    assert office.work() == 2
    assert office.subjects()[-1] == "Oakdale: 3 cambios en su acceso"
    assert "la contraseña cambió (3 veces)" in office.sender.sent[-1].body


def test_a_summary_of_very_many_is_still_short_and_counts_all_of_them(office: Office) -> None:
    for number in range(120):
        office.post(line=f"change {number}")
    office.work()
    office.sql.clock.advance(10 * MINUTE)
    assert office.work() == 2
    body = office.sender.sent[-1].body
    assert office.subjects()[-1] == "Oakdale: 119 changes to your login"
    assert len(body.splitlines()) < 45
    assert "- 89 more changes" in body


@pytest.mark.parametrize("other", ["ann+1@example.com", "ANN@Example.com", "ann+bills+x@example.com"])
def test_other_spellings_of_an_address_are_the_same_mailbox(office: Office, other: str) -> None:
    for kind in kinds(4):
        office.post(kind)
    for kind in kinds(4):
        office.post(f"more-{kind}", other)
    assert office.work() == 5


def test_mailboxes_are_counted_by_whom_they_reach() -> None:
    assert mailbox_of("A.B+c@Gmail.com") == mailbox_of("ab@gmail.com")
    assert mailbox_of("a.b@example.com") != mailbox_of("ab@example.com")
    assert mailbox_of("+a@example.com") == "+a@example.com"


def test_no_biller_uses_up_what_another_needs_but_the_mailbox_gets_no_more_than_twice(office: Office) -> None:
    for kind in kinds(9):
        office.post(kind)
    assert office.work() == 5
    for kind in kinds(9):
        office.post(kind, bid=BIRCHWOOD)
    assert office.work() == 10
    taken = [Taken(bid, "x", None, START) for bid in (1, 2, 3, 4, 5) for _ in range(2)]
    assert must_wait(Wanted(6, "y", None, "notice"), taken, 0, START) == "mailbox"
    assert must_wait(Wanted(6, "y", None, "notice"), taken[1:], 0, START) == ""


def test_another_mailbox_of_the_same_user_does_not_wait(office: Office) -> None:
    for kind in kinds(5):
        office.post(kind)
    office.post("one more", "ann.else@example.com")
    assert office.work() == 6


# --- one kind in ten minutes ---------------------------------------------------------------------------------------------


def test_one_kind_about_one_user_is_one_mail_in_ten_minutes(office: Office) -> None:
    for _ in range(3):
        office.post()
    office.post(user=BEA)
    office.post("seat_lost")
    office.post(bid=BIRCHWOOD)
    assert office.work() == 4
    office.sql.clock.advance(9 * MINUTE)
    office.post()
    assert office.work() == 4
    office.sql.clock.advance(MINUTE)
    assert office.work() == 5
    assert office.subjects()[-1] == "Oakdale: 3 changes to your login"
    office.post()
    assert office.work() == 5, "right after a summary the next one is gathered"


def test_questions_do_not_wait_for_each_other_and_are_not_folded(office: Office) -> None:
    for _ in range(7):
        office.post("confirm_password", handling="question")
    assert office.work() == 5
    office.sql.clock.advance(HOUR)
    assert office.work() == 7
    assert set(office.subjects()) == {"about confirm_password"}


def test_a_question_that_was_held_for_a_day_is_given_up_and_recorded_and_a_notice_never_is(office: Office) -> None:
    for kind in kinds(20):
        office.post(kind, handling="question")
        office.work()
        office.sql.clock.advance(13 * MINUTE)
    office.post("last question", handling="question")
    office.post("last notice")
    assert office.work() == 20
    with office.sql.begin() as stores:
        (question,) = [mail for mail in stores.mails.list_mails(OAKDALE, "held", 10) if mail.handling == "question"]
    office.sql.clock.advance(DAY)
    office.work()
    assert office.subjects()[-1] == "about last notice"
    (given_up,) = office.stored(state="given_up")
    assert (given_up.id, given_up.reason, given_up.sent_at) == (question.id, "held for a day", None)


def test_the_question_to_a_contact_on_record_waits_as_long_as_its_link_is_good(office: Office) -> None:
    for kind in kinds(20):
        office.post(kind, handling="question")
        office.work()
        office.sql.clock.advance(13 * MINUTE)
    office.post("registered_unproved", handling="question", user=None)
    assert office.work() == 20
    office.sql.clock.advance(2 * DAY)
    office.work()
    assert office.subjects()[-1] == "about registered_unproved"
    assert office.stored(state="given_up") == []


def test_no_stream_of_notices_goes_before_a_question_that_has_waited_longer(office: Office) -> None:
    for kind in kinds(5):
        office.post(kind)
    office.post("registered_unproved", handling="question", user=None)
    office.work()
    for kind in kinds(5):
        office.post(f"more {kind}")
    office.work()
    assert len(office.subjects()) == 5
    office.sql.clock.advance(HOUR)
    office.work()
    assert office.subjects()[5] == "about registered_unproved"


# --- one key -------------------------------------------------------------------------------------------------------------


def test_a_key_over_its_hour_waits_and_other_keys_do_not(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_caps, "KEY_PER_HOUR", 3)
    loud, quiet = new_id(), new_id()
    for number in range(5):
        office.post(to=f"user-{number}@example.com", user=new_id(), key=loud)
    office.post(to="other@example.com", user=new_id(), key=quiet)
    office.post(to="none@example.com", user=new_id())
    assert office.work() == 5
    office.sql.clock.advance(HOUR)
    assert office.work() == 7


# --- races, restarts, clocks ---------------------------------------------------------------------------------------------


def test_workers_that_send_at_once_take_no_more_places_than_there_are(office: Office) -> None:
    mail_ids = [office.post(kind) for kind in kinds(12)]
    offices = [office.again() for _ in range(4)]
    together = threading.Barrier(4)

    def run(number: int) -> None:
        together.wait(PATIENCE)
        for mail_id in mail_ids[number::4]:
            offices[number].mails.send(Job(new_id(), OAKDALE, SEND_MAIL, str(mail_id), office.sql.clock.now()))

    for begun in [office.sql.run_beside(run, number) for number in range(4)]:
        begun.result(PATIENCE)
    assert len(office.sender.sent) == 5
    assert len(office.stored(state="held")) == 7


def test_a_worker_waits_for_one_that_counts_for_the_same_mailbox_and_sees_what_it_took(postgres_sql: SqlCase) -> None:
    office = opened(postgres_sql)
    mail_ids = [office.post(kind) for kind in kinds(6)]
    with postgres_sql.begin() as stores:
        stores.mail_caps.lock(mailbox_of("ann@example.com"), None)
        job = Job(new_id(), OAKDALE, SEND_MAIL, str(mail_ids[5]), postgres_sql.clock.now())
        begun = postgres_sql.run_beside(office.again().mails.send, job)
        postgres_sql.wait_until(lambda: postgres_sql.waiting_for_locks() == 1)
        for mail_id in mail_ids[:5]:
            stores.mail_caps.take(OAKDALE, mail_id, "ann@example.com", postgres_sql.clock.now())
    begun.result(PATIENCE)
    assert office.sender.sent == []
    assert [mail.id for mail in office.stored(state="held")] == [mail_ids[5]]


def test_workers_that_release_at_once_send_one_summary(office: Office) -> None:
    for kind in kinds(12):
        office.post(kind)
    office.work()
    office.sql.clock.advance(HOUR)
    together = threading.Barrier(3)

    def run(other: Office) -> int:
        together.wait(PATIENCE)
        return other.held.release()

    released = [each.result(PATIENCE) for each in [office.sql.run_beside(run, office.again()) for _ in range(3)]]
    assert sorted(released) == [0, 0, 1]
    assert office.work() == 6


def test_keys_are_counted_right_by_workers_at_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_caps, "KEY_PER_HOUR", 5)
    key = new_id()
    mail_ids = [office.post(to=f"user-{number}@example.com", user=new_id(), key=key) for number in range(12)]
    together = threading.Barrier(4)

    def run(number: int) -> None:
        other = office.again()
        together.wait(PATIENCE)
        for mail_id in mail_ids[number::4]:
            other.mails.send(Job(new_id(), OAKDALE, SEND_MAIL, str(mail_id), office.sql.clock.now()))

    for begun in [office.sql.run_beside(run, number) for number in range(4)]:
        begun.result(PATIENCE)
    assert len(office.sender.sent) == 5


def test_a_restart_loses_nothing_that_waits(office: Office) -> None:
    for kind in kinds(8):
        office.post(kind)
    office.work()
    office.sql.clock.advance(HOUR)
    assert office.again().work() == 6


def test_a_mail_that_could_not_be_sent_keeps_its_place_and_goes_later(office: Office) -> None:
    office.sender.failing = True
    for kind in kinds(6):
        office.post(kind)
    assert office.work() == 0
    office.sender.failing = False
    office.sql.clock.advance(MINUTE)
    assert office.work() == 5
    assert len(office.stored(state="held")) == 1


def test_a_clock_that_was_set_back_holds_nothing_until_it_has_caught_up(office: Office) -> None:
    for kind in kinds(5):
        office.post(kind)
    assert office.work() == 5
    office.sql.clock.advance(-400 * DAY)
    office.post("after")
    assert office.work() == 6


def test_a_key_is_held_no_longer_either(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_caps, "KEY_PER_HOUR", 3)
    key = new_id()
    for n in range(4):
        office.post(f"kind-{n}", to=f"payer{n}@example.com", key=key)
    assert office.work() == 3
    office.sql.clock.advance(-400 * DAY)
    office.post("after", to="another@example.com", key=key)
    assert office.work() == 5, "the one that was held goes as well"


def test_a_mail_of_a_version_without_caps_is_sent_and_counted(office: Office) -> None:
    mail_id = office.post()
    with office.sql.begin() as stores:
        before = stores.mails.find_mail(OAKDALE, mail_id)
        assert before is not None
        old = replace(before, id=new_id(), mailbox="", line="", locale="")
        stores.mails.add_mail(old)
        stores.mails.mark_sent(OAKDALE, mail_id, office.sql.clock.now())
    with pytest.raises(Exception, match=r"^$|.*"):  # its body was sealed for another row: it is admitted, and then not opened
        office.mails.send(Job(new_id(), OAKDALE, SEND_MAIL, str(old.id), office.sql.clock.now()))
    with office.sql.begin() as stores:
        after = stores.mails.find_mail(OAKDALE, old.id)
    assert after is not None
    assert (after.mailbox, after.taken_at) == ("ann@example.com", office.sql.clock.now())


def test_held_mail_of_one_biller_is_not_released_for_another(office: Office) -> None:
    for bid in (OAKDALE, BIRCHWOOD):
        for _ in range(3):
            office.post(bid=bid)
    office.work()
    office.sql.clock.advance(10 * MINUTE)
    office.work()
    assert office.subjects().count("Oakdale: 2 changes to your login") == 1
    assert office.subjects().count("Birchwood: 2 changes to your login") == 1


# --- quoting -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pat", '"pat"'),
        ("pat@example.com", '"pat@example.com"'),
        ("Pat O'Neil", '"Pat O\'Neil"'),
        ('say "pay"', "\"say 'pay'\""),
        ("Your bill is overdue: pay at https://evil.example/x now", '"Your bill is overdue: pay at …"'),
        ("HTTPS://evil.example", '"…"'),
        ("go www.evil.example", '"go …"'),
        ("see evil.example/pay", '"see …"'),
        ("javascript://x", '"…"'),
        ("pat.smith", '"pat.smith"'),
        ("a\r\nBcc: x", '"a Bcc: x"'),
        ("a\u2028b\u202ec\u200bd\ufeff", '"a bcd"'),
        ("", '""'),
        ("x" * 41, '"' + "x" * 39 + '…"'),
        ("x" * 40, '"' + "x" * 40 + '"'),
        ("Łódź 水道", '"Łódź 水道"'),
    ],
)
def test_what_others_wrote_is_shown_in_quotes_short_on_one_line_and_without_addresses(text: str, shown: str) -> None:
    assert quoted(text) == shown


def test_one_line_keeps_what_can_be_seen() -> None:
    assert one_line(" Oakdale \t&\n Sons\x00 ") == "Oakdale & Sons"
