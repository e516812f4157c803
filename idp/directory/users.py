"""Users: a payer's login at one biller.

The user name is unique in the biller (canonical form); an e-mail address may be shared, so a look-up by it that fits several
users is AmbiguousUser. A GUID that was given out is never used again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from idp.actor import Actor, Cis, Partner
from idp.changelog import Action, Change, WithChangeLog
from idp.directory.names import check_shown, check_user_name, normal_email, user_name_key
from idp.errors import FieldError, InvalidFields, UserNotFound
from idp.transaction import Begin


@dataclass(frozen=True, slots=True)
class User:
    """A payer's login. `password_partner` None: the hub owns the password."""

    id: UUID
    bid: int
    user_name: str
    user_name_key: str
    email: str
    email_key: str
    created_at: datetime
    email_verified: bool = False
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    locale: str = ""
    disabled: bool = False
    password_partner: UUID | None = None
    default_customer_id: UUID | None = None
    generation: int = 0
    """Tokens and sessions carry the generation that they began in; raising it ends them all, without asking any clock."""
    trusted_email: str = ""
    """The last address that no partner set (the payer, staff or an import did), or "". Questions to the payer go there."""

    @property
    def mailboxes(self) -> tuple[str, ...]:
        """Where the payer may read: the present address, and the last one that no partner set. Each once."""
        both = {address.lower(): address for address in (self.trusted_email, self.email) if address}
        return tuple(reversed(both.values()))

    @property
    def shown_name(self) -> str:
        """What a page calls the user."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.user_name


@dataclass(frozen=True, slots=True)
class PartnerUser:
    """A partner registered or proved a user: it may speak for it. `partner_user_id` is the partner's own id of the user."""

    bid: int
    partner_id: UUID
    user_id: UUID
    partner_user_id: str | None
    since: datetime


class UserStore(Protocol):
    """Users in the database. A write renews the stamp of the user."""

    def find_user(self, bid: int, user_id: UUID, *, lock: bool = False) -> User | None:
        """By id; `lock` keeps the row for this transaction, for whoever writes back what it read."""
        ...

    def find_by_user_name(self, bid: int, key: str) -> User | None:
        """By canonical user name."""
        ...

    def list_by_email(self, bid: int, key: str, limit: int = 20) -> list[User]:
        """By canonical e-mail address, oldest first."""
        ...

    def list_users(self, bid: int, after: str, limit: int) -> list[User]:
        """By canonical user name, from the one after `after`."""
        ...

    def list_by_ids(self, bid: int, user_ids: Iterable[UUID]) -> dict[UUID, User]:
        """Several at once."""
        ...

    def add_user(self, user: User) -> None:
        """Insert. Raced when the user name was taken in the meantime."""
        ...

    def put_user(self, user: User) -> None:
        """Update every column, but a generation never goes back: nothing that was ended revives. UserNameTaken."""
        ...


class PartnerUserStore(Protocol):
    """Which partner may speak for which user."""

    def find_by_partner_user_id(self, bid: int, partner_id: UUID, partner_user_id: str) -> UUID | None:
        """The user that a partner calls by its own id."""
        ...

    def find_partner_user(self, bid: int, partner_id: UUID, user_id: UUID) -> PartnerUser | None:
        """Whether the partner may speak for the user."""
        ...

    def find_first(self, bid: int, user_id: UUID) -> PartnerUser | None:
        """The partner that might speak for the user first: it registered it, unless staff or an import did."""
        ...

    def list_own(self, bid: int, partner_id: UUID, user_ids: Iterable[UUID]) -> set[UUID]:
        """Those of the users that the partner may speak for."""
        ...

    def add_partner_user(self, row: PartnerUser) -> None:
        """Insert, or give the row its PartnerUserID where it has none. PartnerUserIdTaken when that names another user."""
        ...


class PendingConfirmations(Protocol):
    """What payers were asked by mail (idp.accounts.confirmations), as far as whoever changes a user must know it."""

    def void_confirmations(self, bid: int, user_id: UUID, partner_id: UUID | None = None) -> None:
        """What is open or was allowed and not used yet counts no more: of one partner, or (None) of all."""
        ...


class UserStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def users(self) -> UserStore: ...

    @property
    def confirmations(self) -> PendingConfirmations: ...


class Users:
    """Finds, changes and revokes users. Registering is a verb of its own (idp.accounts.register)."""

    def __init__(self, begin: Begin[UserStores]) -> None:
        self._begin = begin

    def get(self, bid: int, user_id: UUID) -> User:
        """By id. UserNotFound."""
        with self._begin() as stores:
            return _get(stores, bid, user_id)

    def list_page(self, bid: int, after: str = "", limit: int = 200) -> list[User]:
        """By canonical user name."""
        with self._begin() as stores:
            return stores.users.list_users(bid, after, limit)

    def change(self, actor: Actor, request_id: str, bid: int, user_id: UUID, **changes: Any) -> User:
        """Change user_name, email, email_verified, first_name, last_name, phone, locale or disabled.

        Disabling ends every token and session of the user. What the payer was asked by mail is void once an address is another, or
        the user is disabled. An address is trusted for such questions unless a partner sets it. UserNotFound, UserNameTaken,
        InvalidFields.
        """
        canonical = _canonical(changes)
        if "email" in canonical and not isinstance(actor, Partner | Cis):
            canonical["trusted_email"] = canonical["email"]
        with self._begin() as stores:
            before = _get(stores, bid, user_id, lock=True)
            after = replace(before, **canonical)
            if after.disabled and not before.disabled:
                after = replace(after, generation=before.generation + 1)
            if after != before:
                stores.users.put_user(after)
                moved = (after.email_key, after.trusted_email) != (before.email_key, before.trusted_email)
                if moved or after.disabled:
                    stores.confirmations.void_confirmations(bid, user_id)
                stores.changelog.append(
                    Change(
                        bid, Action.USER_CHANGE, actor, request_id, user_id=user_id,
                        before=logged_values(before), after=logged_values(after),
                    )
                )  # fmt: skip
        return after

    def revoke(self, actor: Actor, request_id: str, bid: int, user_id: UUID) -> None:
        """End every token and session of the user, everywhere. UserNotFound."""
        with self._begin() as stores:
            before = _get(stores, bid, user_id, lock=True)
            stores.users.put_user(replace(before, generation=before.generation + 1))
            stores.changelog.append(Change(bid, Action.USER_REVOKE, actor, request_id, user_id=user_id))


def _get(stores: UserStores, bid: int, user_id: UUID, *, lock: bool = False) -> User:
    found = stores.users.find_user(bid, user_id, lock=lock)
    if found is None:
        raise UserNotFound(str(user_id))
    return found


def check_shown_names(user_name: str, others: Mapping[str, str]) -> None:
    """InvalidFields for names, set now, that could pose as something else where they are shown. `others`: by wire name."""
    faults: list[FieldError] = []
    try:
        check_user_name(user_name)
    except ValueError as fault:
        faults.append(FieldError("UserName", str(fault)))
    for field, text in others.items():
        try:
            check_shown(text)
        except ValueError as fault:
            faults.append(FieldError(field, str(fault)))
    if faults:
        raise InvalidFields(fields=faults)


def _canonical(changes: dict[str, Any]) -> dict[str, Any]:
    allowed = {"user_name", "email", "email_verified", "first_name", "last_name", "phone", "locale", "disabled"}
    faults = [FieldError(name, "cannot be set") for name in sorted(set(changes) - allowed)]
    canonical = dict(changes)
    try:
        if "user_name" in changes:
            canonical["user_name_key"] = user_name_key(changes["user_name"])
    except ValueError as fault:
        faults.append(FieldError("UserName", str(fault)))
    try:
        if "email" in changes:
            canonical["email"] = normal_email(changes["email"])
            canonical["email_key"] = canonical["email"].lower()
    except ValueError as fault:
        faults.append(FieldError("EmailAddress", str(fault)))
    if faults:
        raise InvalidFields(fields=faults)
    shown = {"FirstName": changes.get("first_name", ""), "LastName": changes.get("last_name", "")}
    check_shown_names(changes.get("user_name", ""), shown)
    return canonical


def user_values(user: User) -> dict[str, Any]:
    """What `--json` shows of a user: nothing of a password."""
    return {
        "login_guid": str(user.id),
        "user_name": user.user_name,
        "email": user.email,
        "email_verified": user.email_verified,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "phone": user.phone,
        "locale": user.locale,
        "disabled": user.disabled,
        "password_partner": None if user.password_partner is None else str(user.password_partner),
        "default_customer_guid": None if user.default_customer_id is None else str(user.default_customer_id),
    }


def logged_values(user: User) -> dict[str, Any]:
    """What the change log keeps of a user: also where the payer is asked."""
    return user_values(user) | {"trusted_email": user.trusted_email}
