"""Register and Link: tie a user to accounts. Register makes the user when nobody has that name yet; Link wants one that is there.

    before        the guesses at role codes are counted; where no account of the call is there, it ends here, with nothing known of
                  names; the password, if one came, is hashed or checked
    transaction   accounts, locked in one order -> who the names stand for (recognise) -> tie by tie (tying) -> the partner may
                  speak for the user from now on -> what the caller wants committed with it (`also`)
    after         what the codes were worth is noted, whatever became of the call

One transaction per call: user, registrations, used codes, change log, mails and events commit together. Races are decided by
locks and unique indexes: the loser begins again and then sees what the winner wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import UUID

from idp.accounts.batch import AccountWanted, Batch, Item, check_whole, key_of
from idp.accounts.code_guesses import CodeGuesses
from idp.accounts.departures import Departures
from idp.accounts.recognise import Looked, Mismatch, Names, WhoStores, canonical, may_speak_for, must_prove, recognise
from idp.accounts.tying import Call, Tools, Tying, TyingStores
from idp.actor import Actor
from idp.changelog import Action, Change
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.customers import Customer
from idp.directory.payers import UserNames
from idp.directory.rights import LoginType
from idp.directory.users import PartnerUser, User, check_shown_names, logged_values
from idp.errors import Raced, UserDisabled, UserNotFound
from idp.login.hashing import PasswordHash
from idp.login.passwords import Passwords, PasswordStores
from idp.opaque import new_id
from idp.receipts import Also, WithReceipts
from idp.transaction import Begin

__all__ = ["AccountWanted", "Batch", "Item", "Register", "Registered", "Wanted"]

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call to register. Names are as they were sent. `password`: the partner's, for a new user. `unproved`: see Batch."""

    user_name: str
    email: str
    accounts: tuple[AccountWanted, ...]
    login_type: LoginType = LoginType.OWNER
    email_verified: bool = False
    partner_user_id: str | None = None
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    role_code: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    atomic: bool = False
    unproved: bool = False

    @property
    def batch(self) -> Batch:
        """Its accounts."""
        return Batch(self.accounts, self.login_type, self.role_code, self.atomic, self.unproved)


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer: an item per account, and the user (None: nothing was tied, or the caller may not speak for it)."""

    user: User | None
    items: tuple[Item, ...]


class RegisterStores(TyingStores, WhoStores, PasswordStores, WithReceipts, Protocol):
    """The slice of stores that these verbs work with."""


@dataclass(frozen=True, slots=True)
class _Person:
    """Whom a call is about, in its transaction. `make`: makes the user; None: it is there."""

    user: User
    make: Callable[[], None] | None


_Find = Callable[[RegisterStores], _Person | Mismatch]


class Register:
    """Registers users on accounts."""

    def __init__(
        self,
        begin: Begin[RegisterStores],
        tools: Tools,
        guesses: CodeGuesses,
        departures: Departures,
        passwords: Passwords,
    ) -> None:
        self._begin = begin
        self._tools = tools
        self._guesses = guesses
        self._departures = departures
        self._passwords = passwords

    def register(
        self,
        actor: Actor,
        request_id: str,
        biller: Biller,
        wanted: Wanted,
        key: ApiKey | None,
        *,
        also: Also[Registered] | None = None,
    ) -> Registered:
        """Register the user on each account, or say per account why not.

        `key` None: staff, who need no proof. InvalidFields, UserDisabled, PartnerUserIdTaken, TooManyAttempts and Busy (a
        password), RolledBack (an atomic batch), Raced.
        """
        names = canonical(wanted.user_name, wanted.email, wanted.partner_user_id)
        call = Call(actor, request_id, biller, key)
        return self._carry_out(
            call, wanted.batch, lambda: self._named(call, wanted, names), "Registered", wanted.partner_user_id, also
        )

    def link(
        self,
        actor: Actor,
        request_id: str,
        biller: Biller,
        user_id: UUID,
        batch: Batch,
        key: ApiKey | None,
        *,
        also: Also[Registered] | None = None,
    ) -> Registered:
        """Tie a user that is there to further accounts. UserNotFound, UserDisabled, RolledBack, Raced."""

        def find(stores: RegisterStores) -> _Person:
            user = stores.users.find_user(biller.bid, user_id, lock=True)
            if user is None or (key is not None and not may_speak_for(stores, key, user)):
                raise UserNotFound(str(user_id))
            return _Person(user, None)

        return self._carry_out(Call(actor, request_id, biller, key), batch, lambda: find, "Linked", None, also)

    def _carry_out(
        self,
        call: Call,
        batch: Batch,
        look: Callable[[], _Find],
        word: str,
        partner_user_id: str | None,
        also: Also[Registered] | None,
    ) -> Registered:
        bid = call.biller.bid
        coded = [key_of(call.biller, each.account_number) for each in batch.accounts if batch.code_for(each) is not None]
        if coded:
            self._tools.secrets.prepare(bid)
        waiting = self._guesses.count(bid, call.actor, coded)
        with self._begin() as stores:
            is_any_there = _is_any_there(self._found(stores, call, batch))
        for attempt in range(_TRIES):
            last: Tying | None = None
            try:
                find = look() if is_any_there else None
                with self._begin() as stores:
                    customers = self._found(stores, call, batch, lock=True)
                    # Accounts are judged before names: who knows no account of the biller learns nothing about its users.
                    person = find(stores) if find is not None and _is_any_there(customers) else None
                    if person is None:
                        done = Registered(None, tuple(_not_there(call.biller, each, batch, waiting) for each in batch.accounts))
                    elif isinstance(person, Mismatch):
                        done = Registered(None, tuple(Item(each.account_number, "CredentialsMismatch") for each in batch.accounts))
                    else:
                        if person.user.disabled:
                            raise UserDisabled(str(person.user.id))
                        last = Tying(stores, self._tools, call, person.user, person.make, word, waiting)
                        done = self._tied(stores, call, last, customers, batch, partner_user_id)
                    if batch.atomic:
                        check_whole(done.items)
                    if also is not None:
                        also(stores, done)
            except Raced:
                if attempt == _TRIES - 1:
                    raise
                last = None  # judged again by the next attempt
            else:
                if last is not None:
                    self._sound(call, last)
                return done
            finally:
                if last is not None:
                    self._guesses.settle(bid, call.actor, last.forget, last.wrong)
        raise Raced

    def _sound(self, call: Call, tied: Tying) -> None:
        for kind, what in tied.alarms.items():
            subject = "staff" if call.key is None else f"key:{call.key.id}"
            self._tools.alarms.sound(call.biller.bid, kind, subject, what)

    @staticmethod
    def _found(stores: RegisterStores, call: Call, batch: Batch, *, lock: bool = False) -> Mapping[str, Customer]:
        keys = {key_of(call.biller, each.account_number) for each in batch.accounts} - {""}
        return stores.customers.find_by_accounts(call.biller.bid, sorted(keys), lock=lock)

    def _tied(
        self,
        stores: RegisterStores,
        call: Call,
        tying: Tying,
        customers: Mapping[str, Customer],
        batch: Batch,
        partner_user_id: str | None,
    ) -> Registered:
        is_new = tying.make is not None
        items = tuple(tying.tie(customers, batch))
        if all(item.login_type is None for item in items):
            return Registered(None, items)
        self._note_partner(stores, call, tying.user, partner_user_id)
        if is_new or not self._departures.is_return(call.biller.bid, tying.user.id, tying.fresh):
            return Registered(tying.user, items)
        return Registered(self._end_older(stores, call, tying.user), items)

    def _end_older(self, stores: RegisterStores, call: Call, user: User) -> User:
        """Somebody is back on an account: what was opened for it before the departure must not live again."""
        found = stores.users.find_user(user.bid, user.id, lock=True) or user
        after = replace(found, generation=found.generation + 1)
        stores.users.put_user(after)
        stores.changelog.append(Change(user.bid, Action.USER_REVOKE, call.actor, call.request_id, user_id=user.id))
        return after

    def _note_partner(self, stores: RegisterStores, call: Call, user: User, partner_user_id: str | None) -> None:
        """The partner may speak for the user from now on: it registered it, or proved it."""
        if call.key is None:
            return
        partner_id = call.key.partner.id
        known = stores.partner_users.find_partner_user(user.bid, partner_id, user.id)
        if known is None or (partner_user_id is not None and known.partner_user_id is None):
            row = PartnerUser(user.bid, partner_id, user.id, partner_user_id, self._tools.clock.now())
            stores.partner_users.add_partner_user(row)

    # --- whom Register is about ---

    def _named(self, call: Call, wanted: Wanted, names: Names) -> _Find:
        """Look at the password outside of the transaction; inside, whom the names stand for."""
        looked, hashed = self._looked_at(call, wanted, names)

        def find(stores: RegisterStores) -> _Person | Mismatch:
            who = recognise(stores, call.biller.bid, names, call.key, looked)
            if isinstance(who, Mismatch):
                return who
            if who.user is not None:
                return _Person(who.user, None)
            check_shown_names(wanted.user_name, {"FirstName": wanted.first_name, "LastName": wanted.last_name})
            newcomer = self._newcomer(call, wanted, names)
            return _Person(newcomer, lambda: self._make(stores, call, newcomer, hashed))

        return find

    def _looked_at(self, call: Call, wanted: Wanted, names: Names) -> tuple[Looked | None, PasswordHash | None]:
        """The password: judged where it has to prove something, hashed for somebody who is to be made."""
        password, key = wanted.password, call.key
        if password is None or key is None:
            return None, None
        with self._begin() as stores:
            user = stores.users.find_by_user_name(call.biller.bid, names.user_name_key)
            must = user is not None and must_prove(stores, key, user)
        if user is None:
            return Looked(None), self._passwords.prepare(password)
        if not must:
            return Looked(user.id), None
        guess = self._passwords.guess(key, UserNames(user_name=wanted.user_name), password)
        return Looked(user.id, guess if guess.is_right(user) else None), None

    def _make(self, stores: RegisterStores, call: Call, newcomer: User, hashed: PasswordHash | None) -> None:
        stores.users.add_user(newcomer)
        made = logged_values(newcomer)
        stores.changelog.append(
            Change(newcomer.bid, Action.USER_CREATE, call.actor, call.request_id, user_id=newcomer.id, after=made)
        )
        if hashed is not None and call.key is not None:
            self._passwords.set_first(stores, call.actor, call.request_id, newcomer, hashed, call.key.partner.id)

    def _newcomer(self, call: Call, wanted: Wanted, names: Names) -> User:
        trusted = call.key is None or call.key.policies.authenticate == "trusted"
        return User(
            id=new_id(),
            bid=call.biller.bid,
            user_name=names.user_name,
            user_name_key=names.user_name_key,
            email=names.email,
            email_key=names.email.lower(),
            created_at=self._tools.clock.now(),
            email_verified=wanted.email_verified and trusted,
            first_name=wanted.first_name,
            last_name=wanted.last_name,
            phone=wanted.phone,
            # What a partner says is no address to ask the payer at, verified or not.
            trusted_email=names.email if call.key is None else "",
        )


def _is_any_there(customers: Mapping[str, Customer]) -> bool:
    return any(customer.closed_at is None for customer in customers.values())


def _not_there(biller: Biller, account: AccountWanted, batch: Batch, waiting: frozenset[str]) -> Item:
    """As Tying says it of an account that is not there."""
    waits = batch.code_for(account) is not None and key_of(biller, account.account_number) in waiting
    return Item(account.account_number, "Throttled" if waits else "NotFound")
