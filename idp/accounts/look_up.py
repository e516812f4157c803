"""Look up: what a partner may know of accounts and of who is registered on them (Retrieve Users).

    by number    an answer per number, in the order asked: unknown, foreign and closed ones are "not there", all the same
    by user      every account of the users that the name fits and the key may speak for; none fits: no accounts, not an error

What a key sees of the people on an account: a key with `users = all` sees everybody. A key with `users = own` sees that somebody
is there (id and login type), and user name and address only of users that it may speak for: else anybody with a key and a list of
account numbers could collect the payers of another portal. For the same reason a name fits only users that the key may speak for.
A ghost is no registration and is not seen here. Whoever only waits for approval is not registered either, and is seen by keys that
may speak for them only. How often a key asks about one account or name, and how much it asks for that is not there, is counted
(look_up_limits); what is refused is counted by whoever translates the refusal. A name that is nobody's costs the statements of one
that is somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from idp.accounts.batch import key_of
from idp.accounts.look_up_limits import LookUpLimits
from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.customers import Customer, CustomerStore
from idp.directory.payers import PayerStore, UserNames, canonical_names, may_speak_for, selects_by_email
from idp.directory.registrations import Registration, RegistrationStore, WaitingStore
from idp.directory.rights import LoginType
from idp.directory.users import PartnerUserStore, User, UserStore
from idp.errors import CustomerNotFound
from idp.transaction import Begin

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Person:
    """A registered user of an account. Name and address are None when they are not the key's to see."""

    user_id: UUID
    user_name: str | None
    email: str | None
    login_type: LoginType
    pending: bool
    waits: bool = False
    """Has no access yet."""


@dataclass(frozen=True, slots=True)
class AccountSeen:
    """One account, under the number that was asked for. `has_named` None: no user was named. `waits`: asked about too often."""

    account_number: str
    exists: bool
    people: tuple[Person, ...] = ()
    has_named: bool | None = None
    waits: bool = False

    @property
    def is_registered(self) -> bool:
        """Whether anybody has access to it."""
        return any(not person.waits for person in self.people)


class LookUpStores(Protocol):
    """The slice of stores that this service works with."""

    @property
    def customers(self) -> CustomerStore: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def partner_users(self) -> PartnerUserStore: ...

    @property
    def registrations(self) -> RegistrationStore: ...

    @property
    def waiting(self) -> WaitingStore: ...

    @property
    def payers(self) -> PayerStore: ...


class LookUp:
    """Finds accounts and the people on them."""

    def __init__(self, read: Begin[LookUpStores], limits: LookUpLimits, clock: Clock) -> None:
        self._read = read
        self._limits = limits
        self._clock = clock

    def by_number(self, key: ApiKey, biller: Biller, numbers: Sequence[str], names: UserNames) -> list[AccountSeen]:
        """An answer per number; `names` (user name and e-mail, or neither) say whom `has_named` is about. InvalidFields."""
        wanted = canonical_names(names)
        keys = {number: key_of(biller, number) for number in numbers}
        waiting = self._limits.ask_all(key, [_subject(of) for of in keys.values()])
        waits = {number for number, of in keys.items() if _subject(of) in waiting}
        with self._read() as stores:
            found = stores.customers.find_by_accounts(
                biller.bid, sorted({of for number, of in keys.items() if number not in waits} - {""})
            )
            customers = {number: found[of] for number, of in keys.items() if of in found and found[of].closed_at is None}
            look = _Look(stores, key, biller.bid, wanted, self._clock.now())
            people = look.people({customer.id for customer in customers.values()})
        self._limits.missed(key, len(keys) - len(waits) - len(customers))
        not_there = False if wanted.given() else None
        return [
            look.seen(number, people.get(customers[number].id, ()))
            if number in customers
            else AccountSeen(number, exists=False, has_named=not_there, waits=number in waits)
            for number in numbers
        ]

    def by_user(self, key: ApiKey, biller: Biller, names: UserNames) -> list[AccountSeen]:
        """Every account of the users that the names fit, each once, by the user's order. InvalidFields, RateLimited."""
        wanted = canonical_names(names)
        given = {"user_name": wanted.user_name, "email": wanted.email}
        self._limits.ask(key, *(f"{kind}:{name}" for kind, name in given.items() if name is not None))
        with self._read() as stores:
            look = _Look(stores, key, biller.bid, wanted, self._clock.now())
            numbers: dict[UUID, str] = {}
            for user_id in [user.id for user in look.named()] or [_NOBODY]:
                payer = stores.payers.find_payer(biller.bid, user_id)
                if payer is not None and may_speak_for(key, payer):
                    numbers.update((account.customer_id, account.account_number) for account in payer.accounts)
            people = look.people(numbers)
        self._limits.missed(key, 0 if numbers else 1)
        return [look.seen(number, people.get(customer_id, ())) for customer_id, number in numbers.items()]

    def ask_about(self, key: ApiKey, biller: Biller, numbers: Sequence[str]) -> None:
        """Count a question about each account, for calls that tie names to accounts: who does so without end is trying names.

        RateLimited.
        """
        keys = {key_of(biller, number) for number in numbers} - {""}
        self._limits.ask(key, *map(_subject, sorted(keys)))

    def is_any_there(self, key: ApiKey, biller: Biller, numbers: Sequence[str], *, closed_too: bool = False) -> bool:
        """As ask_about; and whether one of the accounts is there, to be asked before anything about names is. RateLimited."""
        self.ask_about(key, biller, numbers)
        with self._read() as stores:
            found = stores.customers.find_by_accounts(biller.bid, sorted({key_of(biller, number) for number in numbers} - {""}))
        return any(closed_too or customer.closed_at is None for customer in found.values())

    def account_numbered(self, key: ApiKey, biller: Biller, number: str) -> Customer:
        """The account of a number, in any spelling. RateLimited, CustomerNotFound (a closed one, too)."""
        of = key_of(biller, number)
        self._limits.ask(key, _subject(of))
        with self._read() as stores:
            found = stores.customers.find_by_accounts(biller.bid, [of]).get(of) if of else None
        return _there(found)

    def people_of(
        self, key: ApiKey, biller: Biller, *, customer_id: UUID | None = None, number: str | None = None
    ) -> tuple[Person, ...]:
        """The people of one account as the key may see them, full access first. RateLimited, CustomerNotFound."""
        if customer_id is None:
            customer = self.account_numbered(key, biller, number or "")
        else:
            customer = self.account_with_id(key, biller, customer_id)
        with self._read() as stores:
            look = _Look(stores, key, biller.bid, UserNames(), self._clock.now())
            people = look.people([customer.id]).get(customer.id, ())
        seen = look.seen(customer.account_number, people).people
        return tuple(sorted(seen, key=lambda person: person.login_type))

    def account_with_id(self, key: ApiKey, biller: Biller, customer_id: UUID) -> Customer:
        """The account of a GUID. RateLimited, CustomerNotFound (a closed one, too)."""
        self._limits.ask(key, f"customer:{customer_id}")
        with self._read() as stores:
            found = stores.customers.find_customer(biller.bid, customer_id)
        return _there(found)


@dataclass(slots=True)
class _Look:
    """One look, inside its transaction."""

    stores: LookUpStores
    key: ApiKey
    bid: int
    wanted: UserNames
    now: datetime

    def named(self) -> list[User]:
        """The users that the names fit, whether or not the key may speak for them."""
        if self.wanted.user_name is not None:
            user = self.stores.users.find_by_user_name(self.bid, self.wanted.user_name)
            candidates = [] if user is None else [user]
        else:
            candidates = [] if self.wanted.email is None else self.stores.users.list_by_email(self.bid, self.wanted.email)
        return [user for user in candidates if self._fits(user)]

    def people(self, customer_ids: Iterable[UUID]) -> Mapping[UUID, tuple[tuple[User, Registration, bool], ...]]:
        """Per customer its users, their registrations, and whether the key may speak for them.

        Whoever only waits is there only for a key that may speak for them.
        """
        ids = list(customer_ids)
        standing = self.stores.registrations.list_of_customers(self.bid, ids)
        waiting = self.stores.waiting.list_waiting_of_customers(self.bid, ids)
        ties = {each: [*standing.get(each, ()), *waiting.get(each, ())] for each in {*standing, *waiting}}
        user_ids = {tie.user_id for each in ties.values() for tie in each}
        users = self.stores.users.list_by_ids(self.bid, user_ids)
        everybody = self.key.policies.users == "all"
        own = user_ids if everybody else self.stores.partner_users.list_own(self.bid, self.key.partner.id, user_ids)
        return {
            customer_id: tuple(
                (users[tie.user_id], tie, tie.user_id in own)
                for tie in each
                if tie.user_id in users and (tie.state.stands or (tie.user_id in own and not tie.is_over(self.now)))
            )
            for customer_id, each in ties.items()
        }

    def seen(self, account_number: str, people: Iterable[tuple[User, Registration, bool]]) -> AccountSeen:
        """An account that is there, with its people as the key may see them."""
        listed = list(people)
        return AccountSeen(
            account_number,
            exists=True,
            people=tuple(
                Person(
                    user.id,
                    user.user_name if is_own else None,
                    user.email if is_own else None,
                    registration.login_type,
                    registration.pending,
                    waits=not registration.state.stands,
                )
                for user, registration, is_own in listed
            ),
            has_named=any(is_own and tie.state.stands and self._fits(user) for user, tie, is_own in listed)
            if self.wanted.given()
            else None,
        )

    def _fits(self, user: User) -> bool:
        name, email = self.wanted.user_name, self.wanted.email
        return (name is None or user.user_name_key == name) and (email is None or selects_by_email(self.key, user, email))


def _there(found: Customer | None) -> Customer:
    if found is None or found.closed_at is not None:
        raise CustomerNotFound("not there, of another biller, or closed")
    return found


def _subject(account_key: str) -> str:
    return f"account:{account_key}"
