"""Tie one user to the accounts of a batch, inside the transaction of Register or Link: decide and write, account by account.

| the account ...                               | what comes of it                                                             |
| is not there, or closed                       | NotFound                                                                     |
| comes with a code while its guesses must wait | Throttled, the code not looked at                                            |
| comes with a wrong code                       | RoleCodeInvalid, whatever the policy                                         |
| has this user already                         | AlreadyRegistered: the registration that stands; a right code may raise it   |
| else                                          | `grant` (idp.directory.registrations): Registered (Linked), or its refusal   |

The accounts are locked by then, so that whoever else ties or unties somebody there waits; unique indexes and the one-time mark of
an owner code say the same once more. What is good once is taken before anything is made of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import UUID

from idp.accounts.batch import AccountWanted, Batch, Item, key_of
from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.customers import Customer, CustomerStore
from idp.directory.registrations import (
    Grant,
    Others,
    Refused,
    Registration,
    RegistrationStore,
    grant,
    raised,
    registration_values,
)
from idp.directory.rights import FULL_ACCESS, LoginType
from idp.directory.role_codes import RoleCode, RoleCodeStore, ShownCode, judge
from idp.directory.users import User, UserStore
from idp.messages.mail import MailStores
from idp.messages.notices import Notices
from idp.opaque import new_id
from idp.outbox import Event, EventType, OutboxStore
from idp.secrets import Secrets


class TyingStores(WithChangeLog, MailStores, Protocol):
    """The slice of stores that this works with."""

    @property
    def customers(self) -> CustomerStore: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def registrations(self) -> RegistrationStore: ...

    @property
    def role_codes(self) -> RoleCodeStore: ...

    @property
    def outbox(self) -> OutboxStore: ...


@dataclass(frozen=True, slots=True)
class Call:
    """Who ties whom at which biller. `key` None: the biller's staff."""

    actor: Actor
    request_id: str
    biller: Biller
    key: ApiKey | None


@dataclass(frozen=True, slots=True)
class Tools:
    """What the work needs besides its stores."""

    clock: Clock
    secrets: Secrets
    notices: Notices


@dataclass(slots=True)
class Tying:
    """One user and the accounts of one batch. `make`: makes the user, before its first tie; None: it is there.

    `waiting`: accounts (canonical) whose codes are not to be looked at now. `word`: the Status of a fresh tie.
    """

    stores: TyingStores
    tools: Tools
    call: Call
    user: User
    make: Callable[[], None] | None
    word: str
    waiting: frozenset[str]
    forget: list[str] = field(default_factory=list)
    """Accounts whose guesses at codes may be forgotten."""
    wrong: list[str] = field(default_factory=list)
    """An account for every wrong code."""
    fresh: list[UUID] = field(default_factory=list)
    """Customers that the user was tied to."""
    _ties: dict[UUID, list[Registration]] = field(default_factory=dict)
    _codes: Mapping[UUID, Sequence[RoleCode]] = field(default_factory=dict)

    def tie(self, customers: Mapping[str, Customer], batch: Batch) -> list[Item]:
        """An item for each account, in order. `customers`: those that are there, locked, by canonical number."""
        bid = self.call.biller.bid
        ids = [customer.id for customer in customers.values()]
        self._ties = defaultdict(list, self.stores.registrations.list_of_customers(bid, ids))
        coded = {customers[key].id for key in self._coded(batch) if key in customers}
        self._codes = self.stores.role_codes.list_codes_of(bid, coded) if coded else {}
        return [
            self._item(account, customers.get(key_of(self.call.biller, account.account_number)), batch)
            for account in batch.accounts
        ]

    def _coded(self, batch: Batch) -> list[str]:
        return [key_of(self.call.biller, each.account_number) for each in batch.accounts if batch.code_for(each) is not None]

    def _item(self, account: AccountWanted, customer: Customer | None, batch: Batch) -> Item:
        text = batch.code_for(account)
        if text is not None and key_of(self.call.biller, account.account_number) in self.waiting:
            return Item(account.account_number, "Throttled")
        if customer is None or customer.closed_at is not None:
            return Item(account.account_number, "NotFound")
        mine = next((tie for tie in self._ties[customer.id] if tie.user_id == self.user.id), None)
        code: ShownCode | None = None
        if text is not None:
            code = self._judged(customer, mine, text)
            if code is None:
                return Item(account.account_number, "RoleCodeInvalid", customer.id)
        if mine is not None:
            return self._again(account, customer, mine, code)
        return self._newcomer(account, customer, code, account.login_type or batch.login_type)

    # --- codes ---

    def _judged(self, customer: Customer, mine: Registration | None, text: str) -> ShownCode | None:
        """What the code is worth; None: wrong.

        A used one is wrong for all but people with full access, whom it would give nothing: the same call sent twice is no guess.
        """
        policies, stored = self.call.biller.policies, self._codes.get(customer.id, ())
        code = judge(policies, self.tools.secrets, customer.bid, customer.id, stored, text)
        if code is not None and code.used and (mine is None or mine.login_type not in FULL_ACCESS):
            code = None
        if code is None:
            self.wrong.append(customer.account_key)
        elif code.leaves_nothing_to_guess:
            self.forget.append(customer.account_key)
        return code

    def _spent(self, customer: Customer, code: ShownCode | None) -> bool:
        """Take a code that works once, before anything is made of it. False when somebody else was first."""
        if code is None or not code.works_once or code.digest is None:
            return True
        taken = self.stores.role_codes.use_code(customer.bid, customer.id, code.digest, self.tools.clock.now())
        if not taken:
            self.wrong.append(customer.account_key)
        return taken

    # --- deciding ---

    def _newcomer(self, account: AccountWanted, customer: Customer, code: ShownCode | None, asked: LoginType) -> Item:
        key = self.call.key
        proved = key is None or bool(key.policies.account_proof)
        others = self._others(customer)
        match grant(self.call.biller.policies, asked, others, proved=proved, by_staff=key is None, code=code):
            case Refused(status=status):
                return Item(account.account_number, status, customer.id)
            case given:
                if not self._spent(customer, code):
                    return Item(account.account_number, "RoleCodeInvalid", customer.id)
                self._make_user()
                if given.takes_over:
                    self._step_down(customer)
                self._add(customer, given)
                return Item(account.account_number, self.word, customer.id, given.login_type, given.pending, given.note)

    def _again(self, account: AccountWanted, customer: Customer, mine: Registration, code: ShownCode | None) -> Item:
        """The registration that stands; a right code raises it, and never lowers it."""
        others = self._others(customer)
        more = None if code is None or code.used else raised(self.call.biller.policies, mine, others, code)
        if more is None:
            return Item(account.account_number, "AlreadyRegistered", customer.id, mine.login_type, mine.pending)
        if not self._spent(customer, code):
            return Item(account.account_number, "RoleCodeInvalid", customer.id)
        if more.takes_over:
            self._step_down(customer)
        elif more.login_type is LoginType.OWNER:
            self._event(EventType.OWNER_CHANGED, customer, self.user, None, {"LoginGUID": str(self.user.id)})
        self._change(customer, mine, self.user, more.login_type)
        return Item(account.account_number, "AlreadyRegistered", customer.id, more.login_type, pending=False, note=more.note)

    def _others(self, customer: Customer) -> Others:
        others = [tie for tie in self._ties[customer.id] if tie.user_id != self.user.id]
        return Others(len(others), owner=any(tie.login_type is LoginType.OWNER for tie in others))

    # --- writing ---

    def _make_user(self) -> None:
        if self.make is not None:
            self.make()
            self.make = None

    def _add(self, customer: Customer, given: Grant) -> None:
        made = Registration(
            id=new_id(),
            bid=customer.bid,
            user_id=self.user.id,
            customer_id=customer.id,
            login_type=given.login_type,
            pending=given.pending,
            registered_at=self.tools.clock.now(),
            key_id=self._key_id,
        )
        self.stores.registrations.add_registration(made)
        self._ties[customer.id].append(made)
        self.fresh.append(customer.id)
        self._log(Action.REGISTRATION_CREATE, customer, self.user.id, None, made)
        self._event(EventType.REGISTRATION_CREATED, customer, self.user, None, _told(made))

    def _step_down(self, customer: Customer) -> None:
        """Whoever is Owner becomes Co-owner, for this user to sit down. First, because the seat is there once."""
        tie = next(tie for tie in self._ties[customer.id] if tie.login_type is LoginType.OWNER)
        before = self.stores.users.find_user(tie.bid, tie.user_id)
        assert before is not None  # noqa: S101  (a foreign key says so)
        self._change(customer, tie, before, LoginType.CO_OWNER)
        guids = {"LoginGUID": str(before.id)}, {"LoginGUID": str(self.user.id)}
        self._event(EventType.OWNER_CHANGED, customer, self.user, *guids)
        number, key_id = customer.account_number, self._key_id
        self.tools.notices.seat_moved(self.stores, self.call.biller, number, gained=self.user, lost=before, key_id=key_id)

    def _change(self, customer: Customer, tie: Registration, user: User, login_type: LoginType) -> None:
        changed = replace(tie, login_type=login_type, pending=False)
        self.stores.registrations.put_registration(changed)
        ties = self._ties[customer.id]
        ties[ties.index(tie)] = changed
        self._log(Action.REGISTRATION_CHANGE, customer, user.id, tie, changed)
        self._event(EventType.REGISTRATION_CHANGED, customer, user, _told(tie), _told(changed))

    def _log(self, action: Action, customer: Customer, user_id: UUID, before: Registration | None, after: Registration) -> None:
        self.stores.changelog.append(
            Change(
                customer.bid,
                action,
                self.call.actor,
                self.call.request_id,
                user_id=user_id,
                customer_id=customer.id,
                before=None if before is None else registration_values(before),
                after=registration_values(after),
            )
        )

    def _event(
        self, kind: EventType, customer: Customer, user: User, before: dict[str, Any] | None, after: dict[str, Any] | None
    ) -> None:
        actor = self.call.actor
        self.stores.outbox.append(
            Event(
                id=new_id(),
                bid=customer.bid,
                type=kind,
                level="account" if kind is EventType.OWNER_CHANGED else "user",
                account_number=customer.account_number,
                login_guid=user.id,
                user_name=user.user_name,
                before=before,
                after=after,
                actor=f"{actor.kind}:{actor.id}",
                source_key=self._key_id,
            )
        )

    @property
    def _key_id(self) -> UUID | None:
        return None if self.call.key is None else self.call.key.id


def _told(registration: Registration) -> dict[str, Any]:
    return {"LoginTypeID": registration.login_type.value, "Pending": registration.pending}
