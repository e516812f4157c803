"""Customers and users as staff see and change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from admin.access import Permission, check_may
from idp.accounts.register import Batch, Register, Registered, Wanted
from idp.accounts.set_email import SetEmail
from idp.accounts.unregister import Unregister, Unregistered
from idp.actor import Staff
from idp.directory.billers import Biller, Billers
from idp.directory.customers import Customer, Customers
from idp.directory.names import account_key, user_name_key
from idp.directory.partners import Partners
from idp.directory.payers import PayerRecord, PayerStore
from idp.directory.users import User, Users, UserStore
from idp.errors import FieldError, InvalidFields, UserNotFound
from idp.login.passwords import Passwords
from idp.transaction import Begin


class CustomerAdmin:
    """Creates, changes and shows the utility accounts of a biller."""

    def __init__(self, customers: Customers, billers: Billers) -> None:
        self._customers = customers
        self._billers = billers

    def create(self, staff: Staff, request_id: str, bid: int, account_number: str, **values: Any) -> Customer:
        """Make one from its number and any of `customers.CHANGEABLE`. BillerNotFound, InvalidFields, CustomerExists."""
        check_may(staff, Permission.BILLER_CUSTOMERS_CREATE, bid)
        return self._customers.create(staff, request_id, self._billers.get(bid), account_number, **values)

    def change(self, staff: Staff, request_id: str, bid: int, account_number: str, **values: Any) -> Customer:
        """Set any of `customers.CHANGEABLE`. BillerNotFound, CustomerNotFound, InvalidFields."""
        check_may(staff, Permission.BILLER_CUSTOMERS_CHANGE, bid)
        biller = self._billers.get(bid)
        customer = self._customers.get_by_account(biller, account_number)
        return self._customers.change(staff, request_id, biller, customer.id, **values)

    def get(self, staff: Staff, request_id: str, bid: int, account_number: str) -> Customer:  # noqa: ARG002
        """By account number in any spelling. BillerNotFound, CustomerNotFound."""
        check_may(staff, Permission.BILLER_CUSTOMERS_READ, bid)
        return self._customers.get_by_account(self._billers.get(bid), account_number)

    def list_page(self, staff: Staff, request_id: str, bid: int, after: str = "", limit: int = 200) -> list[Customer]:  # noqa: ARG002
        """By account number, from the one after the number `after` ("": from the first). BillerNotFound, InvalidFields."""
        check_may(staff, Permission.BILLER_CUSTOMERS_READ, bid)
        biller = self._billers.get(bid)
        return self._customers.list_page(bid, _canonical_number(biller, after) if after else "", limit)


class UserStores(Protocol):
    """The slice of stores that a look at a user needs."""

    @property
    def users(self) -> UserStore: ...

    @property
    def payers(self) -> PayerStore: ...


class UserFinder:
    """Finds whom somebody means by a LoginGUID or a user name."""

    def __init__(self, billers: Billers, read: Begin[UserStores]) -> None:
        self._billers = billers
        self._read = read

    def find(self, bid: int, named: str) -> UUID:
        """The id of the user that is meant. BillerNotFound, UserNotFound.

        A GUID that nobody here has may still be somebody's user name.
        """
        self._billers.get(bid)
        with self._read() as stores:
            try:
                by_id = stores.users.find_user(bid, UUID(named))
            except ValueError:
                by_id = None
            if by_id is not None:
                return by_id.id
            try:
                by_name = stores.users.find_by_user_name(bid, user_name_key(named))
            except ValueError:
                by_name = None
        if by_name is None:
            raise UserNotFound(named)
        return by_name.id


@dataclass(frozen=True, slots=True)
class PasswordState:
    """What staff may know of a password: who owns it (`hub` or the slug of a partner), and since when there is one."""

    owner: str
    set_at: datetime | None


class UserAdmin:
    """Creates, changes, revokes and shows the users of a biller. `named`: a LoginGUID or a user name, as typed."""

    def __init__(
        self,
        users: Users,
        passwords: Passwords,
        partners: Partners,
        register: Register,
        unregister: Unregister,
        set_email: SetEmail,
        billers: Billers,
        read: Begin[UserStores],
    ) -> None:
        self._users = users
        self._passwords = passwords
        self._partners = partners
        self._register = register
        self._unregister = unregister
        self._set_email = set_email
        self._billers = billers
        self._read = read
        self._finder = UserFinder(billers, read)

    def create(self, staff: Staff, request_id: str, bid: int, wanted: Wanted) -> Registered:
        """Register a user on accounts, as staff: no proof is asked for. BillerNotFound, InvalidFields, UserDisabled."""
        check_may(staff, Permission.BILLER_USERS_CREATE, bid)
        return self._register.register(staff, request_id, self._billers.get(bid), wanted, None)

    def link(self, staff: Staff, request_id: str, bid: int, named: str, batch: Batch) -> Registered:
        """Tie a user that is there to further accounts, as staff. BillerNotFound, UserNotFound, UserDisabled."""
        check_may(staff, Permission.BILLER_USERS_CREATE, bid)
        user_id = self._find(bid, named)
        return self._register.link(staff, request_id, self._billers.get(bid), user_id, batch, None)

    def unregister(self, staff: Staff, request_id: str, bid: int, named: str, account_numbers: Sequence[str]) -> Unregistered:
        """End the user's registrations on accounts. BillerNotFound, UserNotFound."""
        check_may(staff, Permission.BILLER_USERS_REVOKE, bid)
        user_id = self._find(bid, named)
        return self._unregister.unregister(staff, request_id, self._billers.get(bid), user_id, account_numbers, None)

    def change(self, staff: Staff, request_id: str, bid: int, named: str, **changes: Any) -> User:
        """Change names, e-mail, phone, locale or disabled. UserNotFound, UserNameTaken, InvalidFields.

        An e-mail address is set as by set_email: the old and the new one are told.
        """
        check_may(staff, Permission.BILLER_USERS_CHANGE, bid)
        user_id, email = self._find(bid, named), changes.pop("email", None)
        if email is None:
            return self._users.change(staff, request_id, bid, user_id, **changes)
        verified = bool(changes.pop("email_verified", False))
        if changes:
            self._users.change(staff, request_id, bid, user_id, **changes)
        return self._set_email.set(staff, request_id, self._billers.get(bid), user_id, email, verified=verified)

    def set_email(self, staff: Staff, request_id: str, bid: int, named: str, email: str, *, verified: bool = False) -> User:
        """Give the user another address, at which the payer is asked from now on; the old and the new one are told.

        BillerNotFound, UserNotFound, InvalidFields.
        """
        check_may(staff, Permission.BILLER_USERS_CHANGE, bid)
        user_id = self._find(bid, named)
        return self._set_email.set(staff, request_id, self._billers.get(bid), user_id, email, verified=verified)

    def revoke(self, staff: Staff, request_id: str, bid: int, named: str) -> UUID:
        """End every token and session of the user, everywhere; its LoginGUID. UserNotFound."""
        check_may(staff, Permission.BILLER_USERS_REVOKE, bid)
        user_id = self._find(bid, named)
        self._users.revoke(staff, request_id, bid, user_id)
        return user_id

    def give_password_back(self, staff: Staff, request_id: str, bid: int, named: str) -> User:
        """The hub owns the password again, which stays as it is; nobody sees or sets it. UserNotFound."""
        check_may(staff, Permission.BILLER_USERS_CHANGE, bid)
        return self._passwords.give_back(staff, request_id, bid, self._find(bid, named))

    def password_state(self, staff: Staff, request_id: str, bid: int, named: str) -> PasswordState:  # noqa: ARG002
        """Who owns the password of a user, and whether there is one. BillerNotFound, UserNotFound."""
        check_may(staff, Permission.BILLER_USERS_READ, bid)
        user = self._users.get(bid, self._find(bid, named))
        owner = "hub" if user.password_partner is None else self._partners.get(user.password_partner).slug
        stored = self._passwords.find(user.bid, user.id)
        return PasswordState(owner, None if stored is None else stored.set_at)

    def get(self, staff: Staff, request_id: str, bid: int, named: str) -> PayerRecord:  # noqa: ARG002
        """The user with its accounts. BillerNotFound, UserNotFound."""
        check_may(staff, Permission.BILLER_USERS_READ, bid)
        user_id = self._find(bid, named)
        with self._read() as stores:
            found = stores.payers.find_payer(bid, user_id)
        if found is None:
            raise UserNotFound(named)
        return found

    def list_page(self, staff: Staff, request_id: str, bid: int, after: str = "", limit: int = 200) -> list[User]:  # noqa: ARG002
        """By user name, from the one after `after` ("": from the first). BillerNotFound, InvalidFields."""
        check_may(staff, Permission.BILLER_USERS_READ, bid)
        self._billers.get(bid)
        try:
            key = user_name_key(after) if after else ""
        except ValueError as fault:
            raise InvalidFields(fields=[FieldError("After", str(fault))]) from None
        return self._users.list_page(bid, key, limit)

    def _find(self, bid: int, named: str) -> UUID:
        return self._finder.find(bid, named)


def _canonical_number(biller: Biller, account_number: str) -> str:
    try:
        return account_key(biller.policies.account_profile, account_number)
    except ValueError as fault:
        raise InvalidFields(fields=[FieldError("After", str(fault))]) from None
