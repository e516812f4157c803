"""Register: tie a user to accounts, making the user when nobody has that name yet.

One transaction per call: users, registrations, change log and events commit together. Races are decided by unique indexes (one
Owner per account, one user per name): the loser begins again and then sees what the winner wrote.

| the account has ...                    | login type of the newcomer                                   |
| no registered user                     | as asked (default 1); policy first_registrant=guest: 4       |
| registered users, caller has proof     | 1 becomes 2, others as asked                                 |
| registered users, no proof             | 4, pending more until somebody with full access raises it    |
| this user already                      | the registration that stands                                 |
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.customers import Customer, CustomerStore
from idp.directory.names import account_key, normal_email, user_name_key
from idp.directory.registrations import Refused, Registration, RegistrationStore, grant, registration_values
from idp.directory.rights import LoginType
from idp.directory.users import PartnerUser, PartnerUserStore, User, UserStore, user_values
from idp.errors import FieldError, InvalidFields, Raced, UserDisabled
from idp.opaque import new_id
from idp.outbox import Event, EventType, OutboxStore
from idp.transaction import Begin

_TRIES = 3


@dataclass(frozen=True, slots=True)
class AccountWanted:
    """One account to register, with the login type asked for it (None: that of the call)."""

    account_number: str
    login_type: LoginType | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call to register. Names are as they were sent."""

    user_name: str
    email: str
    accounts: tuple[AccountWanted, ...]
    login_type: LoginType = LoginType.OWNER
    email_verified: bool = False
    partner_user_id: str | None = None
    first_name: str = ""
    last_name: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one account. `status` and `note` are words of the partner API (docs/partner-guide.md)."""

    account_number: str
    status: str
    customer_id: UUID | None = None
    login_type: LoginType | None = None
    pending: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer: an item per account, and the user (None: nothing was tied, or the caller may not speak for it)."""

    user: User | None
    items: tuple[Item, ...]


class RegisterStores(WithChangeLog, Protocol):
    """The slice of stores that this verb works with."""

    @property
    def customers(self) -> CustomerStore: ...

    @property
    def users(self) -> UserStore: ...

    @property
    def partner_users(self) -> PartnerUserStore: ...

    @property
    def registrations(self) -> RegistrationStore: ...

    @property
    def outbox(self) -> OutboxStore: ...


class Register:
    """Registers users on accounts."""

    def __init__(self, begin: Begin[RegisterStores], clock: Clock) -> None:
        self._begin = begin
        self._clock = clock

    def register(self, actor: Actor, request_id: str, biller: Biller, wanted: Wanted, key: ApiKey | None) -> Registered:
        """Register the user on each account, or say per account why not.

        `key` None: staff, who need no proof. InvalidFields, UserDisabled, PartnerUserIdTaken, Raced.
        """
        named = _canonical(wanted)
        last: Raced | None = None
        for _ in range(_TRIES):
            try:
                with self._begin() as stores:
                    return _Call(stores, self._clock, actor, request_id, biller, named, key).run()
            except Raced as lost:
                last = lost
        raise last or Raced()


@dataclass(frozen=True, slots=True)
class _Named:
    """A call with its names in canonical form."""

    wanted: Wanted
    user_name_key: str
    email: str


@dataclass(frozen=True, slots=True)
class _Call:
    """One attempt, inside its transaction."""

    stores: RegisterStores
    clock: Clock
    actor: Actor
    request_id: str
    biller: Biller
    named: _Named
    key: ApiKey | None

    def run(self) -> Registered:
        wanted = self.named.wanted
        customers = self._customers()
        known, mismatch = self._known_user()
        if mismatch:
            return Registered(None, tuple(Item(each.account_number, "CredentialsMismatch") for each in wanted.accounts))
        if known is not None and known.disabled:
            raise UserDisabled(str(known.id))
        user = known or self._new_user()
        ties: dict[UUID, list[Registration]] = defaultdict(list)
        ties.update(self.stores.registrations.list_of_customers(self.biller.bid, [customer.id for customer in customers.values()]))
        items: list[Item] = []
        fresh: list[tuple[Registration, Customer]] = []
        for account in wanted.accounts:
            customer = customers.get(self._key_of(account.account_number))
            if customer is None or customer.closed_at is not None:
                items.append(Item(account.account_number, "NotFound"))
                continue
            item, made = self._decide(user, account, customer, ties[customer.id])
            items.append(item)
            if made is not None:
                ties[customer.id].append(made)
                fresh.append((made, customer))
        if fresh and known is None:
            self._add_user(user)
        for registration, customer in fresh:
            self._add(user, registration, customer)
        if any(item.login_type is not None for item in items):
            self._note_partner(user)
            return Registered(user, tuple(items))
        return Registered(None, tuple(items))

    def _customers(self) -> dict[str, Customer]:
        keys = {self._key_of(account.account_number) for account in self.named.wanted.accounts} - {""}
        return self.stores.customers.find_by_accounts(self.biller.bid, sorted(keys), lock=True)

    def _key_of(self, account_number: str) -> str:
        try:
            return account_key(self.biller.policies.account_profile, account_number)
        except ValueError:
            return ""

    def _known_user(self) -> tuple[User | None, bool]:
        """The user that the names stand for, and whether the caller may not speak for it."""
        bid, partner_user_id = self.biller.bid, self.named.wanted.partner_user_id
        user = self.stores.users.find_by_user_name(bid, self.named.user_name_key)
        if self.key is None:
            return user, False
        partner_id = self.key.partner.id
        if partner_user_id is not None:
            other = self.stores.partner_users.find_by_partner_user_id(bid, partner_id, partner_user_id)
            if other is not None and (user is None or user.id != other):
                return None, True
        if user is None:
            return None, False
        own = self.stores.partner_users.find_partner_user(bid, partner_id, user.id)
        if own is not None and partner_user_id is not None and own.partner_user_id not in (None, partner_user_id):
            return None, True
        return (user, False) if own is not None or self.key.policies.users == "all" else (None, True)

    def _new_user(self) -> User:
        wanted = self.named.wanted
        trusted = self.key is None or self.key.policies.authenticate == "trusted"
        return User(
            id=new_id(),
            bid=self.biller.bid,
            user_name=wanted.user_name.strip(),
            user_name_key=self.named.user_name_key,
            email=self.named.email,
            email_key=self.named.email.lower(),
            created_at=self.clock.now(),
            email_verified=wanted.email_verified and trusted,
            first_name=wanted.first_name,
            last_name=wanted.last_name,
            phone=wanted.phone,
        )

    def _decide(
        self, user: User, account: AccountWanted, customer: Customer, ties: list[Registration]
    ) -> tuple[Item, Registration | None]:
        for tie in ties:
            if tie.user_id == user.id:
                standing = Item(account.account_number, "AlreadyRegistered", customer.id, tie.login_type, tie.pending)
                return standing, None
        proved = self.key is None or bool(self.key.policies.account_proof)
        asked = account.login_type or self.named.wanted.login_type
        match grant(self.biller.policies, asked, others=len(ties), proved=proved, by_staff=self.key is None):
            case Refused(status=status):
                return Item(account.account_number, status), None
            case given:
                made = Registration(
                    id=new_id(),
                    bid=self.biller.bid,
                    user_id=user.id,
                    customer_id=customer.id,
                    login_type=given.login_type,
                    pending=given.pending,
                    registered_at=self.clock.now(),
                    key_id=None if self.key is None else self.key.id,
                )
                item = Item(account.account_number, "Registered", customer.id, given.login_type, given.pending, given.note)
                return item, made

    def _add_user(self, user: User) -> None:
        self.stores.users.add_user(user)
        self.stores.changelog.append(
            Change(user.bid, Action.USER_CREATE, self.actor, self.request_id, user_id=user.id, after=user_values(user))
        )

    def _add(self, user: User, registration: Registration, customer: Customer) -> None:
        self.stores.registrations.add_registration(registration)
        self.stores.changelog.append(
            Change(
                user.bid,
                Action.REGISTRATION_CREATE,
                self.actor,
                self.request_id,
                user_id=user.id,
                customer_id=customer.id,
                after=registration_values(registration),
            )
        )
        self.stores.outbox.append(
            Event(
                id=new_id(),
                bid=user.bid,
                type=EventType.REGISTRATION_CREATED,
                level="user",
                account_number=customer.account_number,
                login_guid=user.id,
                user_name=user.user_name,
                before=None,
                after={"LoginTypeID": registration.login_type.value, "Pending": registration.pending},
                actor=f"{self.actor.kind}:{self.actor.id}",
                source_key=registration.key_id,
            )
        )

    def _note_partner(self, user: User) -> None:
        if self.key is None:
            return
        partner_id, given = self.key.partner.id, self.named.wanted.partner_user_id
        known = self.stores.partner_users.find_partner_user(user.bid, partner_id, user.id)
        if known is None or (given is not None and known.partner_user_id is None):
            self.stores.partner_users.add_partner_user(PartnerUser(user.bid, partner_id, user.id, given, self.clock.now()))


def _canonical(wanted: Wanted) -> _Named:
    faults: list[FieldError] = []
    name = email = ""
    try:
        name = user_name_key(wanted.user_name)
    except ValueError as fault:
        faults.append(FieldError("UserName", str(fault)))
    try:
        email = normal_email(wanted.email)
    except ValueError as fault:
        faults.append(FieldError("EmailAddress", str(fault)))
    if faults:
        raise InvalidFields(fields=faults)
    return _Named(wanted, name, email)
