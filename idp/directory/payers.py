"""Payers: a user with everything that tokens and pages ask about it, read in one statement and cached by version.

A record is the user, the accounts it is registered on, and which partners may speak for it. Whoever uses a cached one compares
its stamps in the key-value transaction that it makes anyway; so a disabled user, an ended registration or a revoked session
counts at once on every worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from idp.clock import Clock
from idp.directory.api_keys import ApiKey
from idp.directory.billers import Biller
from idp.directory.names import account_key, email_key, user_name_key
from idp.directory.registrations import RegistrationState
from idp.directory.rights import LoginType
from idp.directory.users import User
from idp.errors import AmbiguousUser, FieldError, InvalidFields, StoreUnavailable, UserNotFound
from idp.kv import KeyValue, Stamps
from idp.transaction import Begin
from idp.versions import TRIES, Cached, VersionedCache, directory_stamp, pause_before, user_stamp

_NOBODY = UUID(int=0)
"""Looked up where a name is nobody's, so that this costs what a look at somebody costs."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account as one of its users has it."""

    customer_id: UUID
    account_key: str
    account_number: str
    display_number: str
    customer_name: str
    address: str
    prepaid: bool
    login_type: LoginType
    pending: bool
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class WaitingAccount:
    """An account that its user has no access to yet: it waits for approval, or somebody objected. All there is is the number.

    `until`: when a waiting one is over; None: the biller decides.
    """

    customer_id: UUID
    account_key: str
    account_number: str
    state: RegistrationState
    until: datetime | None = None


AnyAccount = Account | WaitingAccount
"""What a page can be about: an account, or only its number."""


@dataclass(frozen=True, slots=True)
class PayerRecord:
    """A user, its accounts (oldest registration first), and the partners that may speak for it.

    `waiting` has the accounts that give nothing yet, without those whose time is over. They are not among `accounts`: who asks for
    the accounts of a payer never gets them.
    """

    user: User
    accounts: tuple[Account, ...]
    partner_user_ids: Mapping[UUID, str | None]
    """Partner -> the partner's own id of the user; a partner that is a key here may speak for the user."""
    waiting: tuple[WaitingAccount, ...] = ()

    @property
    def default_account(self) -> Account | None:
        """What the payer picked, else the oldest registration."""
        for account in self.accounts:
            if account.customer_id == self.user.default_customer_id:
                return account
        return self.accounts[0] if self.accounts else None

    @property
    def opens_first(self) -> AnyAccount | None:
        """The account of a page for which none was asked: the default one; where there is none, one that waits."""
        return self.default_account or (self.waiting[0] if self.waiting else None)

    def account(self, customer_id: UUID) -> Account | None:
        """One of its accounts."""
        return next((account for account in self.accounts if account.customer_id == customer_id), None)

    def account_numbered(self, biller: Biller, account_number: str) -> Account | None:
        """One of its accounts by number, in any spelling."""
        key = _key_of(biller, account_number)
        return next((account for account in self.accounts if account.account_key == key), None)

    def waiting_numbered(self, biller: Biller, account_number: str) -> WaitingAccount | None:
        """One that waits, by number, in any spelling."""
        key = _key_of(biller, account_number)
        return next((account for account in self.waiting if account.account_key == key), None)

    @property
    def ties(self) -> tuple[AnyAccount, ...]:
        """Its accounts, and those that it waits for."""
        return (*self.accounts, *self.waiting)

    def is_tied_to(self, customer_id: UUID) -> bool:
        """Whether the user is registered on an account, with or without access to it: what was opened for it may stay open."""
        return any(account.customer_id == customer_id for account in self.ties)

    def is_tied_to_number(self, biller: Biller, account_number: str) -> bool:
        """As is_tied_to, by number."""
        return (self.account_numbered(biller, account_number) or self.waiting_numbered(biller, account_number)) is not None

    def as_of(self, now: datetime) -> PayerRecord:
        """Without what waited in vain until now."""
        if all(account.until is None or account.until > now for account in self.waiting):
            return self
        return replace(self, waiting=tuple(each for each in self.waiting if each.until is None or each.until > now))


@dataclass(frozen=True, slots=True)
class UserNames:
    """How a caller names a user. All that are given must fit one and the same user."""

    login_guid: UUID | None = None
    partner_user_id: str | None = None
    user_name: str | None = None
    email: str | None = None

    def given(self) -> bool:
        """Whether any name was given."""
        return any(name is not None for name in (self.login_guid, self.partner_user_id, self.user_name, self.email))


class PayerStore(Protocol):
    """Reads payers. Hot path: constant statements."""

    def find_payer(self, bid: int, user_id: UUID) -> PayerRecord | None:
        """One payer, whole."""
        ...

    def list_ids_by_user_name(self, bid: int, key: str) -> list[UUID]:
        """The users with this canonical user name (one at most)."""
        ...

    def list_ids_by_email(self, bid: int, key: str, limit: int) -> list[UUID]:
        """The users with this canonical e-mail address."""
        ...

    def list_ids_by_partner_user_id(self, bid: int, partner_id: UUID, partner_user_id: str) -> list[UUID]:
        """The user that a partner calls by its own id (one at most)."""
        ...


class PayerStores(Protocol):
    """The slice of stores that this service works with."""

    @property
    def payers(self) -> PayerStore: ...


class Payers:
    """Finds payers, by id or by the names that a partner gives. A record comes without what waited in vain by the clock."""

    def __init__(self, read: Begin[PayerStores], kv: KeyValue, clock: Clock, *, capacity: int = 10_000) -> None:
        self._read = read
        self._kv = kv
        self._clock = clock
        self._by_id: VersionedCache[tuple[int, UUID], PayerRecord] = VersionedCache(kv, capacity)
        self._ids: VersionedCache[tuple[int, str, str], UUID] = VersionedCache(kv, capacity)

    def cached(self, bid: int, user_id: UUID) -> Cached[PayerRecord] | None:
        """By id, unchecked: the CALLER compares the stamps."""
        entry = self._by_id.find((bid, user_id))
        return self.reload(bid, user_id) if entry is None else self._now(entry)

    def reload(self, bid: int, user_id: UUID) -> Cached[PayerRecord] | None:
        """By id, from the database."""
        self._by_id.forget((bid, user_id))

        def read() -> PayerRecord | None:
            with self._read() as stores:
                return stores.payers.find_payer(bid, user_id)

        stamps, found = self._by_id.read_under(stamps_of(bid, user_id), read)
        return None if found is None else self._now(self._by_id.keep((bid, user_id), stamps, found))

    def as_of(self, bid: int, user_id: UUID, stamps: Stamps) -> PayerRecord | None:
        """By id, as of the stamps that a record brought along."""
        entry = self._by_id.find((bid, user_id))
        if entry is None or any(stamps.get(name) != version for name, version in entry.stamps.items()):
            entry = self.reload(bid, user_id)
        return None if entry is None else entry.value.as_of(self._clock.now())

    def _now(self, entry: Cached[PayerRecord]) -> Cached[PayerRecord]:
        """An entry for a caller: waiting ends by the clock, and no stamp tells of that."""
        if not entry.value.waiting:
            return entry
        record = entry.value.as_of(self._clock.now())
        return entry if record is entry.value else Cached(record, entry.stamps)

    def named(self, key: ApiKey, names: UserNames) -> Cached[PayerRecord]:
        """The one payer that the names fit and the key may speak for, unchecked: the CALLER compares the stamps.

        InvalidFields (no name, or not one), UserNotFound (unknown, foreign, or not the key's to speak for), AmbiguousUser.
        """
        fits = self.named_all(key, names)
        if not fits:
            raise UserNotFound("no user fits the names, or the key may not speak for it")
        if len(fits) > 1:
            raise AmbiguousUser(f"{len(fits)} users fit")
        return fits[0]

    def get_named(self, key: ApiKey, names: UserNames) -> PayerRecord:
        """As named, and checked: for calls that make no key-value transaction of their own. Errors as named's, StoreUnavailable."""
        for attempt in range(TRIES):
            pause_before(attempt)
            entry = self.named(key, names)
            if self._by_id.is_current(entry):
                return entry.value
            self.reload(key.bid, entry.value.user.id)
        raise StoreUnavailable("the user keeps changing under our feet")

    def find_unproved(self, key: ApiKey, names: UserNames) -> Cached[PayerRecord] | None:
        """The one payer that the names fit, whether or not the key may speak for it; None for nobody and for several.

        Never to be told of: the CALLER asks for proof first, and compares the stamps. From the database; nobody costs as much as
        somebody. InvalidFields.
        """
        fits = self._fresh(key, _wanted(names), proved=False, remembered=False)
        return fits[0] if len(fits) == 1 else None

    def named_all(self, key: ApiKey, names: UserNames) -> list[Cached[PayerRecord]]:
        """All payers that every given name fits and the key may speak for (at most 20).

        A stale record may only ever say yes (the caller's Expect finds that out); each no is said from the database, after the
        same statements whether the names are nobody's or those of somebody whom the key may not speak for.
        """
        wanted = _wanted(names)
        known = self._remembered(key, wanted)
        if known is not None and _selects(known.value, key, wanted, proved=True):
            return [self._now(known)]
        fits = self._fresh(key, wanted, proved=True, remembered=True)
        if len(fits) > 1:  # a refusal, which only fresh records may say
            fits = self._fresh(key, wanted, proved=True, remembered=False)
        return fits

    def _remembered(self, key: ApiKey, wanted: UserNames) -> Cached[PayerRecord] | None:
        """The record in memory that the most telling name led to before, if it was a name that one user can have."""
        if wanted.login_guid is not None:
            return self._by_id.find((key.bid, wanted.login_guid))
        unique = _unique_name(key, wanted)
        entry = None if unique is None else self._ids.find((key.bid, *unique))
        return None if entry is None else self._by_id.find((key.bid, entry.value))

    def _fresh(self, key: ApiKey, wanted: UserNames, *, proved: bool, remembered: bool) -> list[Cached[PayerRecord]]:
        """Those that the most telling name stands for now; the other names are held against their records.

        `remembered`: a record in memory may say yes.
        """
        fits: list[Cached[PayerRecord]] = []
        ids = self._ids_now(key, wanted)
        for user_id in ids or [_NOBODY]:
            entry = self._by_id.find((key.bid, user_id)) if remembered else None
            if entry is None or not _selects(entry.value, key, wanted, proved=proved):
                entry = self.reload(key.bid, user_id)
            if entry is not None and _selects(entry.value, key, wanted, proved=proved):
                fits.append(self._now(entry))
        return fits

    def _ids_now(self, key: ApiKey, wanted: UserNames) -> list[UUID]:
        """Ids by the most telling name, from the database. The others are checked against the record."""
        if wanted.login_guid is not None:
            return [wanted.login_guid]
        unique = _unique_name(key, wanted)
        with self._read() as stores:
            if wanted.partner_user_id is not None:
                ids = stores.payers.list_ids_by_partner_user_id(key.bid, key.partner.id, wanted.partner_user_id)
            elif wanted.user_name is not None:
                ids = stores.payers.list_ids_by_user_name(key.bid, wanted.user_name)
            else:
                assert wanted.email is not None  # noqa: S101  (_wanted said so)
                ids = stores.payers.list_ids_by_email(key.bid, wanted.email, limit=20)
        if unique is not None and ids:
            self._ids.keep((key.bid, *unique), {}, ids[0])
        return ids


def stamps_of(bid: int, user_id: UUID) -> tuple[str, ...]:
    """What a payer's record rests on."""
    return (user_stamp(user_id), directory_stamp(bid))


def may_speak_for(key: ApiKey, payer: PayerRecord) -> bool:
    """Whether a key may assert or change a user without proof: it registered or proved it, or it may speak for all."""
    return key.policies.users == "all" or key.partner.id in payer.partner_user_ids


def selects_by_email(key: ApiKey, user: User, email: str) -> bool:
    """Whether a canonical address selects this user for the key.

    An address that nobody has confirmed must not select a user for a key that speaks for its own users only.
    """
    return user.email_key == email and (key.policies.users == "all" or user.email_verified)


def canonical_names(names: UserNames) -> UserNames:
    """The names in the form that is compared. InvalidFields."""
    faults: list[FieldError] = []

    def canonical(field: str, value: str | None, form: Callable[[str], str]) -> str | None:
        try:
            return None if value is None else form(value)
        except ValueError as fault:
            faults.append(FieldError(field, str(fault)))
            return None

    user_name = canonical("UserName", names.user_name, user_name_key)
    email = canonical("EmailAddress", names.email, email_key)
    if faults:
        raise InvalidFields(fields=faults)
    return UserNames(names.login_guid, names.partner_user_id, user_name, email)


def _key_of(biller: Biller, account_number: str) -> str | None:
    try:
        return account_key(biller.policies.account_profile, account_number)
    except ValueError:
        return None


def _wanted(names: UserNames) -> UserNames:
    if not names.given():
        raise InvalidFields(fields=[FieldError("LoginGUID", "name a user: LoginGUID, PartnerUserID, UserName or EmailAddress")])
    return canonical_names(names)


def _unique_name(key: ApiKey, wanted: UserNames) -> tuple[str, str] | None:
    """The most telling name, as its kind and itself, where it is one that one user can have."""
    if wanted.partner_user_id is not None:
        return f"partner:{key.partner.id}", wanted.partner_user_id
    return None if wanted.user_name is None else ("user_name", wanted.user_name)


def _selects(payer: PayerRecord, key: ApiKey, names: UserNames, *, proved: bool) -> bool:
    return _fits(payer, key, names) and (not proved or may_speak_for(key, payer))


def _fits(payer: PayerRecord, key: ApiKey, names: UserNames) -> bool:
    user = payer.user
    return (
        (names.login_guid is None or user.id == names.login_guid)
        and (names.user_name is None or user.user_name_key == names.user_name)
        and (names.partner_user_id is None or payer.partner_user_ids.get(key.partner.id) == names.partner_user_id)
        and (names.email is None or selects_by_email(key, user, names.email))
    )
