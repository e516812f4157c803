"""Passwords and confirmations on both databases, with everything at once: one wins, and what is stored is the winner's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from idp import actor as actors
from idp.accounts.confirmations import ASK_PAYER, Answered, Closed, Confirmations
from idp.accounts.update_email import NewAddress, UpdateEmail
from idp.accounts.update_password import NewPassword, UpdatePassword
from idp.directory.api_keys import ApiKey, KeyPolicies
from idp.directory.payers import UserNames
from idp.directory.users import User
from idp.errors import CredentialsRefused, HubError, PasswordOwnedByPartner
from idp.jobs import Job
from idp.login.hashing import Hasher, Profile
from idp.login.password_guesses import PasswordGuesses
from idp.login.passwords import Passwords
from idp.messages.mail import SEND_MAIL, Mail, Mails
from idp.messages.notices import Notices
from tests.databases import PATIENCE
from tests.idp.directory import house as houses
from tests.idp.directory.house import BIRCHWOOD, MAKER, OAKDALE, House

sql, house = houses.sql, houses.house
T = TypeVar("T")
ROUNDS = 5
RIGHT = "correct horse"


class Collected:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    def send(self, mail: Mail) -> None:
        self.sent.append(mail)


@dataclass(frozen=True, slots=True)
class Desk:
    """The verbs over a house, with cheap hashes."""

    house: House
    passwords: Passwords
    confirmations: Confirmations
    update_password: UpdatePassword
    update_email: UpdateEmail
    mails: Mails
    sender: Collected

    def user(self, name: str = "pat", bid: int = OAKDALE) -> User:
        found = self.house.user(name, bid)
        assert found is not None
        return found

    def give_password(self, bid: int = OAKDALE) -> None:
        """The hub's, again."""
        hashed = self.passwords.prepare(RIGHT)
        with self.house.sql.begin() as stores:
            user = stores.users.find_user(bid, self.user(bid=bid).id, lock=True)
            assert user is not None
            self.passwords.put(stores, MAKER, "r", user, hashed, None)

    def vouch(self) -> None:
        """The biller's staff set pat's address: the payer can be asked there."""
        self.house.users.change(MAKER, "r", OAKDALE, self.user().id, email=self.user().email)

    def update(self, key: str, new: str, current: str | None = None, bid: int = OAKDALE) -> str:
        held = self.house.key(key)
        wanted = NewPassword(UserNames(user_name="pat"), new, current)
        return self.update_password.update(_actor(held), "r", self.house.biller(bid), held, wanted)

    def ask_for_address(self, new: str) -> None:
        held = self.house.key("all")
        wanted = NewAddress(new, expected="stale@example.com")
        self.update_email.of_user(_actor(held), "r", self.house.biller(), held, UserNames(user_name="pat"), wanted)

    def answer(self, code: str, *, allow: bool) -> Answered | Closed:
        return self.confirmations.answer("r", self.house.biller(), code, allow=allow)

    def jobs(self) -> list[Job]:
        """What waits for a worker, taken."""
        with self.house.sql.begin() as stores:
            now = self.house.sql.clock.now()
            jobs = stores.jobs.lease_jobs("w", now, now, 100, [SEND_MAIL, ASK_PAYER])
            for job in jobs:
                stores.jobs.finish_job(job.id, "w")
        return jobs

    def last_code(self) -> str:
        """The code of the newest mail."""
        while jobs := self.jobs():
            for job in jobs:
                {SEND_MAIL: self.mails.send, ASK_PAYER: self.confirmations.ask}[job.kind](job)
        return [mail.body.partition("/confirm#")[2].split()[0] for mail in self.sender.sent if "/confirm#" in mail.body][-1]

    def is_password(self, text: str, bid: int = OAKDALE) -> bool:
        stored = self.passwords.find(bid, self.user(bid=bid).id)
        return stored is not None and Hasher(at_once=1, waiting=1).matches(stored.hash, text)

    def race(self, *acts: Callable[[], T]) -> list[T | HubError]:
        """All at once; a refusal as a value."""
        together = threading.Barrier(len(acts))

        def run(act: Callable[[], T]) -> T | HubError:
            together.wait(PATIENCE)
            try:
                return act()
            except HubError as refusal:
                return refusal

        begun = [self.house.sql.run_beside(run, act) for act in acts]
        return [each.result(PATIENCE) for each in begun]


def _actor(key: ApiKey) -> actors.Partner:
    return actors.Partner(key.id, key.partner.id)


@pytest.fixture
def desk(house: House) -> Desk:
    """pat at both billers; keys of both partners that speak for everybody at Oakdale."""
    clock, begin, read = house.sql.clock, house.sql.begin, house.sql.database.read
    house.issue("two", OAKDALE, "two", KeyPolicies(users="all"))
    house.made("pat", "1001-01")
    house.made("pat", "1001-01", key="there all", bid=BIRCHWOOD)
    sender = Collected()
    mails = Mails(begin, clock, house.secrets, sender, house.alarms)
    notices = Notices(mails)
    hasher = Hasher(at_once=4, waiting=8, profile=Profile(64, 1, 1))
    passwords = Passwords(begin, read, hasher, PasswordGuesses(house.sql.kv, house.alarms), clock)
    confirmations = Confirmations(begin, notices, house.alarms, clock)
    return Desk(
        house,
        passwords,
        confirmations,
        UpdatePassword(begin, house.payers, passwords, confirmations, notices, clock),
        UpdateEmail(begin, house.payers, passwords, confirmations, notices, clock),
        mails,
        sender,
    )


def test_of_two_partners_with_the_right_password_at_once_one_owns_it_afterwards(desk: Desk) -> None:
    desk.give_password(BIRCHWOOD)
    for number in range(ROUNDS):
        desk.give_password()
        news = {"all": f"one {number}", "two": f"two {number}"}
        came = desk.race(*(lambda key=key, new=new: desk.update(key, new, RIGHT) for key, new in news.items()))
        assert came.count("set") == 1
        (refusal,) = (each for each in came if each != "set")
        assert isinstance(refusal, PasswordOwnedByPartner | CredentialsRefused)
        winner = list(news)[came.index("set")]
        assert desk.is_password(news[winner])
        assert desk.user().password_partner == desk.house.key(winner).partner.id
    assert desk.is_password(RIGHT, BIRCHWOOD)


def test_of_many_calls_of_one_partner_at_once_all_end_and_one_password_stands(desk: Desk) -> None:
    news = [f"new {number}" for number in range(4)]
    came = desk.race(*(lambda new=new: desk.update("all", new) for new in news))
    assert set(came) == {"set"}
    assert sum(desk.is_password(new) for new in news) == 1
    assert desk.user().password_partner == desk.house.key("all").partner.id


def test_a_yes_of_the_payer_is_used_once_by_many_calls_at_once(desk: Desk) -> None:
    desk.give_password()
    desk.vouch()
    assert desk.update("all", "x") == "pending"
    assert isinstance(desk.answer(desk.last_code(), allow=True), Answered)
    came = desk.race(*(lambda number=number: desk.update("all", f"new {number}") for number in range(4)))
    assert set(came) == {"set"}  # one by the yes, the others because the password is the partner's then
    assert desk.house.actions().count("password.move_owner") == 1
    desk.passwords.give_back(MAKER, "r", OAKDALE, desk.user().id)
    assert desk.update("all", "x") == "pending"


def test_of_many_answers_to_one_mail_at_once_one_counts_and_is_carried_out(desk: Desk) -> None:
    desk.ask_for_address("new@example.com")
    code = desk.last_code()
    words = [True, False] * 3
    came = desk.race(*(lambda allow=allow: desk.answer(code, allow=allow) for allow in words))
    taken = [each for each in came if isinstance(each, Answered)]
    assert len(taken) == 1
    assert all(isinstance(each, Answered | Closed) for each in came)
    assert desk.user().email == ("new@example.com" if taken[0].allowed else "pat@example.com")
    assert desk.user(bid=BIRCHWOOD).email == "pat@example.com"
    assert desk.house.actions().count("confirmation.answer") == 1


def test_of_many_calls_at_once_that_need_the_payer_one_sends_a_mail(desk: Desk) -> None:
    desk.give_password()
    desk.vouch()
    assert set(desk.race(*(lambda: desk.update("all", "x") for _ in range(6)))) == {"pending"}
    jobs = desk.jobs()
    assert len(jobs) == 6
    desk.race(*(lambda job=job: desk.confirmations.ask(job) for job in jobs))  # on six workers at once
    assert desk.house.actions().count("confirmation.ask") == 1


def test_an_answer_and_a_change_by_staff_at_once_never_bring_an_address_back(desk: Desk) -> None:
    desk.ask_for_address("new@example.com")
    code = desk.last_code()
    user_id = desk.user().id
    answer, _ = desk.race(
        lambda: desk.answer(code, allow=True),
        lambda: desk.house.users.change(MAKER, "r", OAKDALE, user_id, email="staff@example.com"),
    )
    # Either the answer came first and staff had the last word, or staff came first and the answer was void.
    assert isinstance(answer, Answered | Closed)
    assert desk.user().email == "staff@example.com"
