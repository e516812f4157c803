"""Tie one user to the accounts of a batch, inside the transaction of Register or Link: decide and write, account by account.

| the account ...                               | what comes of it                                                             |
| is not there, or closed                       | NotFound                                                                     |
| comes with a code while its guesses must wait | Throttled, the code not looked at                                            |
| comes with a wrong code                       | RoleCodeInvalid, whatever the policy                                         |
| has this user already                         | AlreadyRegistered: the registration that stands; a right code may raise it   |
| has this user, who waits (or is on hold)      | AlreadyRegistered: `settled` by a code with a secret or by proof, or as it is |
| else                                          | `grant` (idp.directory.registrations): Registered (Linked), or its refusal   |
| else, and the user would wait too often       | Throttled (waiting_list)                                                     |

The accounts are locked by then, so that whoever else ties or unties somebody there waits; unique indexes and the one-time mark of
an owner code say the same once more. What is good once is taken before anything is made of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import UUID

from idp.accounts.batch import AccountWanted, Batch, Item, key_of
from idp.accounts.objections import AskingStores, ask_contact, still_unproved
from idp.accounts.one_time_links import OneTimeLinks
from idp.accounts.ties import CLOCK, Ties
from idp.accounts.waiting_list import LOOKS_BACK, is_disputed, must_hold_off, tell_full_access
from idp.actor import Actor
from idp.alarms import AlarmKind, Alarms
from idp.changelog import Action, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.customers import Customer, CustomerStore
from idp.directory.registrations import (
    WAITS_FOR,
    Grant,
    Others,
    Refused,
    Registration,
    RegistrationState,
    RegistrationStore,
    WaitingStore,
    grant,
    note_of,
    raised,
    settled,
)
from idp.directory.rights import FULL_ACCESS, LoginType
from idp.directory.role_codes import RoleCode, RoleCodeStore, ShownCode, judge
from idp.directory.users import User, UserStore
from idp.messages.notices import Notices
from idp.opaque import new_id
from idp.outbox import OutboxStore
from idp.secrets import Secrets


class TyingStores(WithChangeLog, AskingStores, Protocol):
    """The slice of stores that this works with."""

    @property
    def customers(self) -> CustomerStore: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def registrations(self) -> RegistrationStore: ...

    @property
    def waiting(self) -> WaitingStore: ...

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
    links: OneTimeLinks
    alarms: Alarms


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
    alarms: dict[AlarmKind, str] = field(default_factory=dict)
    """What the biller's staff are told of once it is committed: kind -> what happened."""
    unproved: bool = False
    """The partner says that it verified nothing this time."""
    _ties: dict[UUID, list[Registration]] = field(default_factory=dict)
    _waiting: dict[UUID, list[Registration]] = field(default_factory=dict)
    _ended: dict[UUID, list[Registration]] = field(default_factory=dict)
    _codes: Mapping[UUID, Sequence[RoleCode]] = field(default_factory=dict)

    def tie(self, customers: Mapping[str, Customer], batch: Batch) -> list[Item]:
        """An item for each account, in order. `customers`: those that are there, locked, by canonical number."""
        bid = self.call.biller.bid
        ids = [customer.id for customer in customers.values()]
        self._ties = defaultdict(list, self.stores.registrations.list_of_customers(bid, ids))
        self._waiting = defaultdict(list, self.stores.waiting.list_waiting_of_customers(bid, ids))
        since = self.tools.clock.now() - LOOKS_BACK
        self._ended = defaultdict(list, self.stores.waiting.list_ended_waiting(bid, ids, since))
        self.unproved = batch.unproved
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
        waits = None if mine is not None else self._mine_waiting(customer)
        code: ShownCode | None = None
        if text is not None:
            code = self._judged(customer, mine or waits, text)
            if code is None:
                return Item(account.account_number, "RoleCodeInvalid", customer.id)
        asked = account.login_type or batch.login_type
        if mine is not None:
            return self._again(account, customer, mine, code)
        if waits is not None:
            return self._settle(account, customer, waits, code, asked)
        return self._newcomer(account, customer, code, asked)

    def _mine_waiting(self, customer: Customer) -> Registration | None:
        """The user's registration that gives nothing yet. One that waited in vain ends here, so that it is in nobody's way."""
        waits = next((tie for tie in self._waiting[customer.id] if tie.user_id == self.user.id), None)
        now = self.tools.clock.now()
        if waits is None or not waits.is_over(now):
            return waits
        ended = Ties(self.stores, CLOCK, self.call.request_id).end(customer, self.user, waits, now, Action.REGISTRATION_EXPIRE)
        self._waiting[customer.id].remove(waits)
        self._ended[customer.id].insert(0, ended)
        return None

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

    @property
    def _proved(self) -> bool:
        key = self.call.key
        return key is None or (bool(key.policies.account_proof) and not self.unproved)

    def _newcomer(self, account: AccountWanted, customer: Customer, code: ShownCode | None, asked: LoginType) -> Item:
        by_staff = self.call.key is None
        others = self._others(customer)
        match grant(self.call.biller.policies, asked, others, proved=self._proved, by_staff=by_staff, code=code):
            case Refused(status=status):
                return Item(account.account_number, status, customer.id)
            case given:
                if given.state is RegistrationState.WAITING and self._must_hold_off(customer):
                    return Item(account.account_number, "Throttled")
                if not self._spent(customer, code):
                    return Item(account.account_number, "RoleCodeInvalid", customer.id)
                self._make_user()
                if given.takes_over:
                    self._step_down(customer)
                made = self._add(customer, given)
                self._tell(customer, made, others, code)
                return Item(account.account_number, self.word, customer.id, given.login_type, given.pending, given.note)

    def _again(self, account: AccountWanted, customer: Customer, mine: Registration, code: ShownCode | None) -> Item:
        """The registration that stands; a right code raises it, and never lowers it."""
        others = self._others(customer)
        more = None if code is None or code.used else raised(self.call.biller.policies, mine, others, code)
        if more is None:
            return Item(account.account_number, "AlreadyRegistered", customer.id, mine.login_type, mine.pending)
        if not self._spent(customer, code):
            return Item(account.account_number, "RoleCodeInvalid", customer.id)
        changed = self._raise(customer, mine, more, Action.REGISTRATION_CHANGE)
        if code is not None and code.bare and not self._proved:
            still_unproved(self.stores, self.tools.links, changed)
        return Item(account.account_number, "AlreadyRegistered", customer.id, more.login_type, more.pending, more.note)

    def _settle(
        self, account: AccountWanted, customer: Customer, waits: Registration, code: ShownCode | None, asked: LoginType
    ) -> Item:
        """A registration that gives nothing yet: proof, or a code with a secret, makes it what the table gives."""
        others = self._others(customer)
        given = settled(self.call.biller.policies, waits, asked, others, proved=self._proved, code=code)
        if given is None:
            note = note_of(waits)
            return Item(account.account_number, "AlreadyRegistered", customer.id, waits.login_type, waits.pending, note)
        if not self._spent(customer, code):
            return Item(account.account_number, "RoleCodeInvalid", customer.id)
        self._raise(customer, waits, given, Action.REGISTRATION_APPROVE)
        self.tools.notices.registration_approved(self.stores, self.call.biller, self.user, customer.account_number)
        return Item(account.account_number, "AlreadyRegistered", customer.id, given.login_type, given.pending, given.note)

    def _others(self, customer: Customer) -> Others:
        others = [tie for tie in self._ties[customer.id] if tie.user_id != self.user.id]
        disputed = is_disputed(self._waiting[customer.id], self._ended[customer.id])
        return Others(len(others), owner=any(tie.login_type is LoginType.OWNER for tie in others), disputed=disputed)

    def _must_hold_off(self, customer: Customer) -> bool:
        now = self.tools.clock.now()
        waiting = [tie for tie in self._waiting[customer.id] if not tie.is_over(now)]
        return must_hold_off(self.user.id, self._key_id, waiting, self._ended[customer.id], now)

    # --- writing ---

    def _make_user(self) -> None:
        if self.make is not None:
            self.make()
            self.make = None

    def _add(self, customer: Customer, given: Grant) -> Registration:
        now = self.tools.clock.now()
        made = Registration(
            id=new_id(),
            bid=customer.bid,
            user_id=self.user.id,
            customer_id=customer.id,
            login_type=given.login_type,
            registered_at=now,
            state=given.state,
            key_id=self._key_id,
            waits_until=now + WAITS_FOR if given.state is RegistrationState.WAITING else None,
        )
        self._written.add(customer, self.user, made)
        (self._ties if made.state.stands else self._waiting)[customer.id].append(made)
        self.fresh.append(customer.id)
        return made

    def _tell(self, customer: Customer, made: Registration, others: Others, code: ShownCode | None) -> None:
        """Whoever has something to say about a registration that nobody has proved."""
        stores, tools, biller, key = self.stores, self.tools, self.call.biller, self.call.key
        if key is None or self._proved or (code is not None and not code.bare):
            return
        if made.state is RegistrationState.WAITING:
            if not tell_full_access(stores, tools.notices, biller, customer, self.user, self._ties[customer.id], key.id):
                self.alarms[AlarmKind.REGISTRATION_WAITS] = (
                    f"a registration on customer {customer.id} waits for the biller's approval"
                )
        elif not others.count and not ask_contact(stores, tools.links, tools.notices, biller, key, customer, self.user, made):
            self.alarms[AlarmKind.REGISTRATION_UNASKED] = (
                f"a user was registered on customer {customer.id} without proof, and nobody but that user could be asked"
            )

    def _step_down(self, customer: Customer) -> None:
        """Whoever is Owner becomes Co-owner, for this user to sit down. First, because the seat is there once."""
        tie = next(tie for tie in self._ties[customer.id] if tie.login_type is LoginType.OWNER)
        before = self.stores.users.find_user(tie.bid, tie.user_id)
        assert before is not None  # noqa: S101  (a foreign key says so)
        self._change(customer, tie, before, Grant(LoginType.CO_OWNER), Action.REGISTRATION_CHANGE)
        self._written.owner_changed(customer, self.user, before=before, after=self.user)
        number, key_id = customer.account_number, self._key_id
        self.tools.notices.seat_moved(self.stores, self.call.biller, number, gained=self.user, lost=before, key_id=key_id)

    def _raise(self, customer: Customer, tie: Registration, more: Grant, action: Action) -> Registration:
        if more.takes_over:
            self._step_down(customer)
        elif more.login_type is LoginType.OWNER:
            self._written.owner_changed(customer, self.user, before=None, after=self.user)
        return self._change(customer, tie, self.user, more, action)

    def _change(self, customer: Customer, tie: Registration, user: User, given: Grant, action: Action) -> Registration:
        changed = replace(tie, login_type=given.login_type, state=given.state, waits_until=None, held_login_type=None)
        self._written.change(customer, user, tie, changed, action)
        for listed in (self._ties[customer.id], self._waiting[customer.id]):
            if tie in listed:
                listed.remove(tie)
        self._ties[customer.id].append(changed)
        return changed

    @property
    def _written(self) -> Ties:
        return Ties(self.stores, self.call.actor, self.call.request_id, self._key_id)

    @property
    def _key_id(self) -> UUID | None:
        return None if self.call.key is None else self.call.key.id
