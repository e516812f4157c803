"""Confirmations: what a partner wants and only the payer can allow, asked by a mail to the last address that NO partner set.

    ask_later in the transaction of the verb that needs it: a job, the same whoever is meant, also for nobody; so neither the answer
              nor the work of a call tells who exists
    ask       what the worker makes of it: a row with the digest of a 256-bit code, and a mail with the link. A further question
              within ten minutes, a sixth within a day, or one on the day of a "no" sends no other mail. A user without such an
              address cannot be asked: an alarm tells the biller's staff (`idhub users set-email`)
    find      what the page shows. Spends nothing, so that mail scanners and prefetches do no harm
    answer    the payer's yes or no, once. A yes to an address changes it at once; a yes to the password waits for the partner,
              who sends it again
    spend     takes a yes to the password, once

    open ──yes──> allowed ──spend──> used          seven days each
      └───no───> refused         void: from open or allowed, when what it rests on changed

Void is what was asked for a user, key, partner or biller that is disabled or revoked since, or before an address of the user was
changed, or about a password that was set or given away meanwhile. Kinds: `password` (the partner may manage it; proof that it may
speak for the user), `email` (the user's address becomes `new_email`; a yes from the trusted mailbox makes that one trusted).
Source: docs/adr/0028.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from idp import actor as actors
from idp.accounts.addresses import move_address
from idp.accounts.mail_links import mail_link
from idp.alarms import AlarmKind, Alarms
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey, ApiKeyStore
from idp.directory.billers import Biller, BillerStore
from idp.directory.users import User, UserStore
from idp.jobs import Job, WithJobs
from idp.messages.mail import MailStores
from idp.messages.mail_caps import CLOCKS_MAY_DIFFER
from idp.messages.notices import Notices
from idp.opaque import Digest, digest, new_id, new_secret
from idp.transaction import Begin

ASK_PAYER = "confirmation.ask"
"""The kind of job that asks."""

LIFETIME = timedelta(days=7)
BETWEEN_MAILS = timedelta(minutes=10)
MOST_MAILS_A_DAY = 5
_DAY = timedelta(days=1)
MOST_CODE = 100

Kind = Literal["password", "email"]
Answer = Literal["", "yes", "no", "void"]
NO_ANSWER: Answer = ""
YES: Answer = "yes"
NO: Answer = "no"
VOID: Answer = "void"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One question to a payer. `new_email` is "" where it is not about an address. `mailbox`: where the question went."""

    bid: int
    id: UUID
    digest: Digest
    kind: Kind
    user_id: UUID
    partner_id: UUID
    key_id: UUID
    new_email: str
    created_at: datetime
    expires_at: datetime
    answer: Answer = NO_ANSWER
    answered_at: datetime | None = None
    spent_at: datetime | None = None
    mailbox: str = ""


class ConfirmationStore(Protocol):
    """Confirmations in the database."""

    def add_confirmation(self, confirmation: Confirmation) -> None:
        """Insert."""
        ...

    def find_by_digest(self, bid: int, digest: Digest) -> Confirmation | None:
        """By the digest of the code in the link."""
        ...

    def list_recent(self, bid: int, user_id: UUID, partner_id: UUID, kind: Kind, since: datetime) -> list[Confirmation]:
        """Those of a user, partner and kind made after `since`, newest first (at most 100)."""
        ...

    def answer(self, bid: int, confirmation_id: UUID, answer: Answer, at: datetime, expires_at: datetime) -> bool:
        """Write the answer where there is none and the time is not over. False when not: exactly one caller gets True."""
        ...

    def spend(self, bid: int, confirmation_id: UUID, at: datetime) -> bool:
        """Use a yes that is unspent and in time. Exactly one caller gets True."""
        ...

    def void_confirmations(self, bid: int, user_id: UUID, partner_id: UUID | None = None) -> None:
        """What is open, or allowed and unspent, counts no more: of one partner, or (None) of all."""
        ...

    def purge_confirmations(self, before: datetime, limit: int) -> int:
        """Remove those that were over before `before`. How many."""
        ...


class ConfirmationStores(WithChangeLog, MailStores, Protocol):
    """The slice of stores that this service works with."""

    @property
    def billers(self) -> BillerStore: ...

    @property
    def api_keys(self) -> ApiKeyStore: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def confirmations(self) -> ConfirmationStore: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that can be answered: who asks, what for, for whom. `locale` is the payer's, or ""."""

    kind: Kind
    partner: str
    user_name: str
    new_email: str
    locale: str


@dataclass(frozen=True, slots=True)
class Closed:
    """One that cannot: unknown, over or answered before (`gone`), or what it rests on changed (`void`). `partner` where known."""

    why: Literal["gone", "void"]
    partner: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The payer's word, taken. `asked` is what it was about."""

    asked: Asked
    allowed: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """A confirmation with the rows that it rests on."""

    row: Confirmation
    key: ApiKey
    user: User

    def asked(self) -> Asked:
        return Asked(self.row.kind, self.key.partner.name, self.user.user_name, self.row.new_email, self.user.locale)


class Confirmations:
    """Asks, shows, takes answers, and spends them."""

    def __init__(self, begin: Begin[ConfirmationStores], notices: Notices, alarms: Alarms, clock: Clock) -> None:
        self._begin = begin
        self._notices = notices
        self._alarms = alarms
        self._clock = clock

    def ask_later(
        self, stores: WithJobs, request_id: str, key: ApiKey, user: User | None, new_email: str = "", *, grounded: bool = False
    ) -> None:
        """Queue a question: for the password, or whether `new_email` is the address. `user` None: nobody, who costs the same.

        `grounded`: the partner could have changed the address at once, and only asks because it expected another one. Then the
        present address may answer where there is no trusted one.
        """
        asked = {
            "user": str(new_id() if user is None else user.id),
            "seen": digest("" if user is None else _state(user)),
            "key": str(key.id),
            "request": request_id,
            "email": new_email,
            "grounded": grounded,
        }
        stores.jobs.add_job(Job(new_id(), key.bid, ASK_PAYER, json.dumps(asked), run_at=self._clock.now()))

    def ask(self, job: Job) -> None:
        """The handler of ASK_PAYER. Looks again at everything: what changed since then has made the question void."""
        asked = json.loads(job.payload)
        user_id, new_email = UUID(asked["user"]), str(asked.get("email", ""))
        with self._begin() as stores:
            user = stores.users.find_user(job.bid, user_id, lock=True)
            key = stores.api_keys.find_key(job.bid, UUID(asked["key"]))
            biller = stores.billers.find_biller(job.bid)
            if user is None or key is None or biller is None or user.disabled or not key.live or biller.disabled:
                return
            if digest(_state(user)) != asked["seen"]:
                return
            if (user.email_key == new_email.lower()) if new_email else (user.password_partner is not None):
                return
            mailbox = user.trusted_email or (user.email if asked.get("grounded") else "")
            if mailbox:
                self._ask(stores, str(asked["request"]), biller, user, key, new_email, mailbox)
                return
        what = "another address" if new_email else "the password"
        detail = f"a partner asks for {what} of a user without an address that no partner set: idhub users set-email"
        self._alarms.sound(job.bid, AlarmKind.NOBODY_TO_ASK, f"user:{user_id}", detail)

    def _ask(
        self,
        stores: ConfirmationStores,
        request_id: str,
        biller: Biller,
        user: User,
        key: ApiKey,
        new_email: str,
        mailbox: str,
    ) -> None:
        """Ask, unless an earlier mail of the same sort must do; a question about another address takes the place of it."""
        kind: Kind = "email" if new_email else "password"
        now = self._clock.now()
        recent = stores.confirmations.list_recent(user.bid, user.id, key.partner.id, kind, now - _DAY)
        # What seems to come from later was asked before the clock was set back: it delays nothing until the clock has caught up.
        counted = [each for each in recent if each.created_at <= now + CLOCKS_MAY_DIFFER]
        refused = any(each.answer == NO for each in counted)
        if refused or len(counted) >= MOST_MAILS_A_DAY or any(each.created_at > now - BETWEEN_MAILS for each in counted):
            return
        for each in recent:
            if each.new_email != new_email:
                stores.confirmations.answer(user.bid, each.id, VOID, now, each.expires_at)
        code = new_secret()
        made = Confirmation(
            user.bid, new_id(), digest(code), kind, user.id, key.partner.id, key.id, new_email, now, now + LIFETIME, mailbox=mailbox
        )  # fmt: skip
        stores.confirmations.add_confirmation(made)
        stores.changelog.append(
            Change(
                user.bid, Action.CONFIRMATION_ASK, actors.Partner(key.id, key.partner.id), request_id, user_id=user.id,
                subject=f"confirmation:{made.id}", after=_values(made),
            )
        )  # fmt: skip
        link = mail_link(biller, "confirm", code)
        if kind == "email":
            self._notices.ask_for_address(stores, biller, user, mailbox, key.partner.name, new_email, link, key_id=key.id)
        else:
            self._notices.ask_for_password(stores, biller, user, mailbox, key.partner.name, link, key_id=key.id)

    def find(self, biller: Biller, code: str) -> Asked | Closed:
        """What the link of a mail asks. Changes nothing."""
        with self._begin() as stores:
            case = self._case(stores, biller, code)
        return case if isinstance(case, Closed) else case.asked()

    def answer(self, request_id: str, biller: Biller, code: str, *, allow: bool) -> Answered | Closed:
        """Take the payer's yes or no, once; a yes to an address is carried out in the same transaction."""
        with self._begin() as stores:
            case = self._case(stores, biller, code, lock=True)
            if isinstance(case, Closed):
                return case
            row, user, now = case.row, case.user, self._clock.now()
            if not stores.confirmations.answer(row.bid, row.id, YES if allow else NO, now, now + LIFETIME):
                return Closed("gone", case.key.partner.name, user.locale)
            payer = actors.Payer(user.id)
            stores.changelog.append(
                Change(
                    row.bid, Action.CONFIRMATION_ANSWER, payer, request_id, user_id=user.id, subject=f"confirmation:{row.id}",
                    after=_values(row) | {"allowed": allow},
                )
            )  # fmt: skip
            if not allow:
                stores.confirmations.void_confirmations(row.bid, user.id, row.partner_id)
            elif row.kind == "email":
                stores.confirmations.spend(row.bid, row.id, now)
                if user.email_key != row.new_email.lower():
                    # The old mailbox allowed it: that is the payer's word, but says nothing of who reads the new one.
                    trusted = _is_trusted(row, user)
                    move_address(
                        stores, self._notices, payer, request_id, biller, user, row.new_email, verified=False, trusted=trusted
                    )
        return Answered(case.asked(), allow)

    def find_allowed(self, stores: ConfirmationStores, bid: int, user_id: UUID, partner_id: UUID) -> Confirmation | None:
        """A yes to the password that this partner can still spend."""
        now = self._clock.now()
        recent = stores.confirmations.list_recent(bid, user_id, partner_id, "password", now - 2 * LIFETIME)
        return next((each for each in recent if each.answer == YES and each.spent_at is None and each.expires_at > now), None)

    def spend(self, stores: ConfirmationStores, user: User, partner_id: UUID) -> bool:
        """Take such a yes. False when there is none."""
        allowed = self.find_allowed(stores, user.bid, user.id, partner_id)
        return allowed is not None and stores.confirmations.spend(user.bid, allowed.id, self._clock.now())

    def purge(self, limit: int = 1000) -> int:
        """Remove what was over a week ago: until then a link is told as expired. How many."""
        with self._begin() as stores:
            return stores.confirmations.purge_confirmations(self._clock.now() - LIFETIME, limit)

    def _case(self, stores: ConfirmationStores, biller: Biller, code: str, *, lock: bool = False) -> _Case | Closed:
        """The question behind a code, if it can be answered now."""
        if not code or len(code) > MOST_CODE:
            return Closed("gone")
        row = stores.confirmations.find_by_digest(biller.bid, digest(code))
        if row is None:
            return Closed("gone")
        user = stores.users.find_user(row.bid, row.user_id, lock=lock)
        key = stores.api_keys.find_key(row.bid, row.key_id)
        now_biller = stores.billers.find_biller(row.bid)
        if user is None or key is None or now_biller is None:
            return Closed("gone")
        told = key.partner.name, user.locale
        if row.answer in (YES, NO) or row.expires_at <= self._clock.now():
            return Closed("gone", *told)
        taken = row.kind == "password" and user.password_partner is not None
        elsewhere = not _is_trusted(row, user) and row.mailbox.lower() != user.email_key
        if row.answer == VOID or taken or elsewhere or user.disabled or not key.live or now_biller.disabled:
            return Closed("void", *told)
        return _Case(row, key, user)


def _state(user: User) -> str:
    """What voids a question when it changes: the password, the addresses."""
    return f"{user.generation} {user.password_partner} {user.email_key} {user.trusted_email}"


def _is_trusted(row: Confirmation, user: User) -> bool:
    """Whether the question went to the address that is trusted now. Rows from before that was noted went to the present one."""
    return bool(user.trusted_email) and (row.mailbox or user.email).lower() == user.trusted_email.lower()


def _values(confirmation: Confirmation) -> dict[str, str]:
    """What the change log keeps of it: nothing of the code."""
    values = {"kind": confirmation.kind, "partner": str(confirmation.partner_id)}
    return values | ({"new_email": confirmation.new_email} if confirmation.new_email else {})
