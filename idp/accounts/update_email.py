"""Update E-mail Address: a partner, or the CIS through it, says that a payer has another address.

| whom                                    | the call                                     | outcome |
| a user                                  | has grounds (idp.accounts.grounds)           | changed; the old address is told |
| a user                                  | has none                                     | pending: the payer is asked by mail |
| a user                                  | expects another address, grounds or not      | pending: the payer is asked by mail |
| a user                                  | shows a wrong current password, and needs it | CredentialsRefused |
| a user with the new address already     | anything                                     | unchanged |
| an account: its Owner, or its only user | as above                                     | as above, for that user |
| an account with several users, no Owner | anything                                     | UserRequired |
| an account that nobody is registered on | nothing expected, or our address             | its address and ghost are changed |
| an account that nobody is registered on | another address expected                     | refused: nobody can be asked |

Grounds are: the password is the partner's, the key states `cis`, the right current password, or that there is no password and the
partner registered the user. Whoever owns the password otherwise, the hub or another partner: the payer is asked, for both speak for
the payer no better than the payer itself. The expectation is no proof: it guards against a change that was made from stale data, or
for another payer than the partner thinks.

A key with `users = own` names somebody whom it may not speak for: UserNotFound, as for nobody. With a current password: the right
one is proof, after which the key may speak for the user; a wrong one and nobody are one refusal after the same work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol
from uuid import UUID

from idp.accounts.addresses import move_address
from idp.accounts.confirmations import Confirmations, ConfirmationStores
from idp.accounts.grounds import Grounds, is_first
from idp.accounts.update_password import refused
from idp.actor import Actor
from idp.changelog import Action, Change
from idp.clock import Clock
from idp.directory.api_keys import ApiKey, Scope
from idp.directory.billers import Biller
from idp.directory.customers import Customer, CustomerStore, customer_change, with_writer
from idp.directory.ghosts import Ghost, GhostStore
from idp.directory.names import account_key, email_key, normal_email
from idp.directory.payers import Payers, UserNames
from idp.directory.provenance import writer_of
from idp.directory.registrations import RegistrationStore
from idp.directory.rights import LoginType
from idp.directory.users import PartnerUserStore, User
from idp.errors import (
    CredentialsRefused,
    CustomerNotFound,
    FieldError,
    InvalidFields,
    Raced,
    ScopeMissing,
    UserDisabled,
    UserNotFound,
    UserRequired,
)
from idp.login.password_guesses import of_name
from idp.login.passwords import Guess, Passwords, PasswordStore
from idp.login.proofs import keep_proof
from idp.messages.notices import Notices
from idp.receipts import Also, ReceiptStore
from idp.transaction import Begin

_TRIES = 3


@dataclass(frozen=True, slots=True)
class NewAddress:
    """A call, as it was sent. `verified` counts from a trusted key; `expected`: what the caller takes for our present address;
    `current`: the payer's password, as proof."""

    email: str
    verified: bool = False
    expected: str | None = None
    current: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AddressUpdate:
    """What became of it. `user_id` None: an account without a registered user."""

    status: Literal["Updated", "Unchanged", "PendingConfirmation"]
    user_id: UUID | None


class AddressUpdateStores(ConfirmationStores, Protocol):
    """The slice of stores that this verb works with."""

    @property
    def customers(self) -> CustomerStore: ...

    @property
    def ghosts(self) -> GhostStore: ...

    @property
    def registrations(self) -> RegistrationStore: ...

    @property
    def partner_users(self) -> PartnerUserStore: ...

    @property
    def passwords(self) -> PasswordStore: ...

    @property
    def receipts(self) -> ReceiptStore: ...


@dataclass(frozen=True, slots=True)
class _Call:
    """Who calls, and the addresses in the forms that are kept and compared. `expected` None: nothing is expected."""

    actor: Actor
    request_id: str
    biller: Biller
    key: ApiKey
    email: str
    verified: bool
    expected: str | None
    guess: Guess | None
    also: Also[AddressUpdate] | None

    def expects_another(self, ours: str) -> bool:
        """Whether the caller takes another address for ours (canonical)."""
        return self.expected is not None and self.expected != ours


class UpdateEmail:
    """Changes addresses for partners, or asks the payer."""

    def __init__(
        self,
        begin: Begin[AddressUpdateStores],
        payers: Payers,
        passwords: Passwords,
        confirmations: Confirmations,
        notices: Notices,
        clock: Clock,
    ) -> None:
        self._begin = begin
        self._payers = payers
        self._passwords = passwords
        self._confirmations = confirmations
        self._notices = notices
        self._clock = clock

    def of_user(
        self,
        actor: Actor,
        request_id: str,
        biller: Biller,
        key: ApiKey,
        names: UserNames,
        wanted: NewAddress,
        also: Also[AddressUpdate] | None = None,
        *,
        account_number: str | None = None,
    ) -> AddressUpdate:
        """Of the one user that the names fit; `account_number`: which must be one of its accounts.

        InvalidFields, UserNotFound, AmbiguousUser, UserDisabled, CustomerNotFound, CredentialsRefused, TooManyAttempts, Busy,
        Raced.
        """
        guess = None
        if wanted.current is not None:
            guess = self._passwords.guess(key, names, wanted.current, "CurrentPassword")
        call = _call(actor, request_id, biller, key, wanted, guess, also)
        return _retried(lambda: self._named(call, names, account_number))

    def of_account(
        self,
        actor: Actor,
        request_id: str,
        biller: Biller,
        key: ApiKey,
        account_number: str,
        wanted: NewAddress,
        also: Also[AddressUpdate] | None = None,
    ) -> AddressUpdate:
        """Of the Owner or only user of an account, whom the key must be able to speak for; without users: of the account itself.

        InvalidFields, CustomerNotFound, UserRequired, UserNotFound, UserDisabled, ScopeMissing, CredentialsRefused,
        TooManyAttempts, Busy, Raced.
        """
        try:
            number = account_key(biller.policies.account_profile, account_number)
        except ValueError:
            number = ""
        guess = None
        if wanted.current is not None:
            guess = self._passwords.guess_under(key, of_name("account", number), wanted.current, "CurrentPassword")
        call = _call(actor, request_id, biller, key, wanted, guess, also)
        return _retried(lambda: self._numbered(call, number))

    # --- whom a call is about ---

    def _named(self, call: _Call, names: UserNames, account_number: str | None) -> AddressUpdate:
        key, payer, own = call.key, None, True
        try:
            payer = self._payers.get_named(key, names)
        except UserNotFound as unknown:
            if call.guess is None:
                raise
            if key.policies.users == "all":
                call.guess.is_right(None)  # nobody costs what a wrong password costs
                raise refused(key, unknown) from None
            found = self._payers.find_unproved(key, names)
            payer, own = None if found is None else found.value, False
        grounds = self._grounds(call, None if payer is None else payer.user, own=own)
        assert payer is not None  # noqa: S101  (_grounds: nobody has shown a right password)
        if account_number is not None and payer.account_numbered(call.biller, account_number) is None:
            raise CustomerNotFound("not an account of the user")
        with self._begin() as stores:
            return self._user(stores, call, payer.user.id, grounds)

    def _numbered(self, call: _Call, number: str) -> AddressUpdate:
        """The user is read first, because its password may have to be judged, which is never done in a transaction."""
        with self._begin() as stores:
            user_id = self._user_of(stores, call, self._customer(stores, call, number))
            user = None if user_id is None else stores.users.find_user(call.biller.bid, user_id)
            own = user is None or self._may_speak_for(stores, call.key, user)
        if user is not None and not own and call.guess is None:
            raise UserNotFound("the key may not speak for the user of the account")
        grounds = None if user is None else self._grounds(call, user, own=own)
        with self._begin() as stores:
            customer = self._customer(stores, call, number)
            if self._user_of(stores, call, customer) != user_id:
                raise Raced("the account has another user by now")
            return self._account(stores, call, customer) if user is None else self._user(stores, call, user.id, grounds)

    @staticmethod
    def _customer(stores: AddressUpdateStores, call: _Call, number: str) -> Customer:
        found = stores.customers.find_by_accounts(call.biller.bid, [number], lock=True).get(number) if number else None
        if found is None or found.closed_at is not None:
            raise CustomerNotFound(number or "not an account number")
        return found

    @staticmethod
    def _user_of(stores: AddressUpdateStores, call: _Call, customer: Customer) -> UUID | None:
        ties = stores.registrations.list_of_customers(call.biller.bid, [customer.id]).get(customer.id, [])
        chosen = ties if len(ties) == 1 else [tie for tie in ties if tie.login_type is LoginType.OWNER]
        if ties and not chosen:
            raise UserRequired(f"{len(ties)} users and no Owner")
        return chosen[0].user_id if chosen else None

    @staticmethod
    def _may_speak_for(stores: AddressUpdateStores, key: ApiKey, user: User) -> bool:
        if key.policies.users == "all":
            return True
        return stores.partner_users.find_partner_user(user.bid, key.partner.id, user.id) is not None

    # --- on what grounds ---

    def _grounds(self, call: _Call, user: User | None, *, own: bool) -> Grounds | None:
        """None: none, the payer is to be asked. `own`: the key may speak for the user."""
        if user is not None and own:
            if user.disabled:
                raise UserDisabled(str(user.id))
            if user.password_partner == call.key.partner.id:
                return Grounds.OWNER
            if "cis" in call.key.policies.account_proof:
                return Grounds.CIS
            if call.guess is None:
                with self._begin() as stores:
                    return Grounds.FIRST if is_first(stores, user, call.key.partner.id) else None
        if call.guess is None or not call.guess.is_right(user):
            raise CredentialsRefused("wrong current password, or nobody")
        return Grounds.PROVED

    def _stand(self, stores: AddressUpdateStores, call: _Call, user: User, grounds: Grounds) -> bool:
        """Whether the grounds are still there, asked while the row is held."""
        match grounds:
            case Grounds.OWNER:
                return user.password_partner == call.key.partner.id
            case Grounds.CIS:
                return True
            case Grounds.PROVED:
                return call.guess is not None and call.guess.holds(stores, user)
            case _:
                return is_first(stores, user, call.key.partner.id)

    # --- what becomes of it ---

    def _user(self, stores: AddressUpdateStores, call: _Call, user_id: UUID, grounds: Grounds | None) -> AddressUpdate:
        user = stores.users.find_user(call.biller.bid, user_id, lock=True)
        if user is None:
            raise UserNotFound(str(user_id))
        if user.disabled:
            raise UserDisabled(str(user_id))
        if grounds is not None and not self._stand(stores, call, user, grounds):
            raise Raced("the user changed while the grounds were looked at")
        if grounds is Grounds.PROVED:
            keep_proof(stores, call.actor, call.request_id, user, call.key.partner.id, self._clock)
        if user.email_key == call.email.lower():
            return _done(stores, call, AddressUpdate("Unchanged", user.id))
        if grounds is None or call.expects_another(user.email_key):
            grounded = grounds is not None
            self._confirmations.ask_later(stores, call.request_id, call.key, user, call.email, grounded=grounded)
            return _done(stores, call, AddressUpdate("PendingConfirmation", user.id))
        move_address(
            stores, self._notices, call.actor, call.request_id, call.biller, user, call.email,
            verified=call.verified, trusted=False, key_id=call.key.id,
        )  # fmt: skip
        return _done(stores, call, AddressUpdate("Updated", user.id))

    def _account(self, stores: AddressUpdateStores, call: _Call, customer: Customer) -> AddressUpdate:
        if Scope.CUSTOMERS_WRITE not in call.key.policies.scopes:
            raise ScopeMissing(Scope.CUSTOMERS_WRITE.value)
        bid, address = call.biller.bid, call.email.lower()
        ghost = stores.ghosts.find_ghost(bid, customer.id)
        if customer.email.lower() == address and ghost is not None and ghost.email_key == address:
            return _done(stores, call, AddressUpdate("Unchanged", None))
        if call.expects_another(customer.email.lower()):
            fault = "not the address on record; without a registered user nobody can be asked"
            raise InvalidFields(fields=[FieldError("ExpectedEmailAddress", fault)])
        after = with_writer(customer, replace(customer, email=call.email), writer_of(call.key), ("email",))
        if after != customer:
            stores.customers.put_customer(after)
            stores.changelog.append(customer_change(Action.CUSTOMER_CHANGE, call.actor, call.request_id, customer, after))
        self._put_ghost(stores, call, after, ghost)
        if customer.email and customer.email.lower() != address:
            self._notices.account_address_changed(
                stores, call.biller, customer.account_number, customer.email, call.email, key_id=call.key.id
            )
        return _done(stores, call, AddressUpdate("Updated", None))

    def _put_ghost(self, stores: AddressUpdateStores, call: _Call, customer: Customer, before: Ghost | None) -> None:
        address = call.email.lower()
        if before is not None and before.email_key == address:
            return
        now = self._clock.now()
        if before is None:
            after = Ghost(customer.bid, customer.id, customer.name, call.email, address, customer.phone, now, now)
        else:
            after = replace(before, email=call.email, email_key=address, email_since=now)
        stores.ghosts.put_ghost(after)
        stores.changelog.append(
            Change(
                customer.bid, Action.GHOST_CHANGE, call.actor, call.request_id, customer_id=customer.id,
                before=None if before is None else {"email": before.email}, after={"email": after.email},
            )
        )  # fmt: skip


def _call(
    actor: Actor,
    request_id: str,
    biller: Biller,
    key: ApiKey,
    wanted: NewAddress,
    guess: Guess | None,
    also: Also[AddressUpdate] | None,
) -> _Call:
    faults: list[FieldError] = []
    email, expected = "", None
    try:
        email = normal_email(wanted.email)
    except ValueError as fault:
        faults.append(FieldError("EmailAddress", str(fault)))
    try:
        expected = None if wanted.expected is None else email_key(wanted.expected)
    except ValueError as fault:
        faults.append(FieldError("ExpectedEmailAddress", str(fault)))
    if faults:
        raise InvalidFields(fields=faults)
    verified = wanted.verified and key.policies.authenticate == "trusted"
    return _Call(actor, request_id, biller, key, email, verified, expected, guess, also)


def _done(stores: AddressUpdateStores, call: _Call, update: AddressUpdate) -> AddressUpdate:
    if call.also is not None:
        call.also(stores, update)
    return update


def _retried(run: Callable[[], AddressUpdate]) -> AddressUpdate:
    for _ in range(_TRIES - 1):
        try:
            return run()
        except Raced:
            continue
    return run()
