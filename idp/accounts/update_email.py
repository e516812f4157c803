"""Update E-mail Address: a partner, or the CIS through it, says that a payer has another address.

| whom                                    | the call expects        | outcome                                         |
| a user                                  | nothing, or our address | changed; the old address is told                |
| a user                                  | another address         | pending: the stored address is asked by mail    |
| a user with the new address already     | anything                | unchanged                                       |
| an account: its Owner, or its only user | as above                | as above, for that user                         |
| an account with several users, no Owner | anything                | UserRequired                                    |
| an account that nobody is registered on | nothing, or our address | its primary address and ghost are changed; told |
| an account that nobody is registered on | another address         | refused: nobody can be asked                    |

The expectation guards against a change that was made from stale data, or for another payer than the partner thinks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol
from uuid import UUID

from idp.accounts.addresses import move_address
from idp.accounts.confirmations import Confirmations, ConfirmationStores
from idp.actor import Actor
from idp.changelog import Action, Change
from idp.clock import Clock
from idp.directory.api_keys import ApiKey, Scope
from idp.directory.billers import Biller
from idp.directory.customers import Customer, CustomerStore, customer_change, with_writer
from idp.directory.ghosts import Ghost, GhostStore
from idp.directory.names import account_key, email_key, normal_email
from idp.directory.provenance import writer_of
from idp.directory.registrations import RegistrationStore
from idp.directory.rights import LoginType
from idp.directory.users import PartnerUserStore, User
from idp.errors import CustomerNotFound, FieldError, InvalidFields, ScopeMissing, UserDisabled, UserNotFound, UserRequired
from idp.messages.notices import Notices
from idp.receipts import Also, ReceiptStore
from idp.transaction import Begin


@dataclass(frozen=True, slots=True)
class NewAddress:
    """A call, as it was sent. `verified` counts from a trusted key; `expected`: what the caller takes for our present address."""

    email: str
    verified: bool = False
    expected: str | None = None


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
    also: Also[AddressUpdate] | None

    def expects_another(self, ours: str) -> bool:
        """Whether the caller takes another address for ours (canonical)."""
        return self.expected is not None and self.expected != ours


class UpdateEmail:
    """Changes addresses for partners, or asks the payer."""

    def __init__(self, begin: Begin[AddressUpdateStores], confirmations: Confirmations, notices: Notices, clock: Clock) -> None:
        self._begin = begin
        self._confirmations = confirmations
        self._notices = notices
        self._clock = clock

    def of_user(
        self,
        actor: Actor,
        request_id: str,
        biller: Biller,
        key: ApiKey,
        user_id: UUID,
        wanted: NewAddress,
        also: Also[AddressUpdate] | None = None,
    ) -> AddressUpdate:
        """Of a user that the key may speak for (the CALLER has asked). InvalidFields, UserNotFound, UserDisabled."""
        call = _call(actor, request_id, biller, key, wanted, also)
        with self._begin() as stores:
            return self._user(stores, call, user_id)

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

        InvalidFields, CustomerNotFound, UserRequired, UserNotFound, UserDisabled, ScopeMissing.
        """
        call = _call(actor, request_id, biller, key, wanted, also)
        try:
            number = account_key(biller.policies.account_profile, account_number)
        except ValueError:
            raise CustomerNotFound("not an account number") from None
        with self._begin() as stores:
            customer = stores.customers.find_by_accounts(biller.bid, [number], lock=True).get(number)
            if customer is None or customer.closed_at is not None:
                raise CustomerNotFound(number)
            ties = stores.registrations.list_of_customers(biller.bid, [customer.id]).get(customer.id, [])
            if not ties:
                return self._account(stores, call, customer)
            chosen = ties if len(ties) == 1 else [tie for tie in ties if tie.login_type is LoginType.OWNER]
            if not chosen:
                raise UserRequired(f"{len(ties)} users and no Owner")
            user_id = chosen[0].user_id
            if key.policies.users != "all":
                own = stores.partner_users.find_partner_user(biller.bid, key.partner.id, user_id)
                if own is None:
                    raise UserNotFound("the key may not speak for the user of the account")
            return self._user(stores, call, user_id)

    def _user(self, stores: AddressUpdateStores, call: _Call, user_id: UUID) -> AddressUpdate:
        user = stores.users.find_user(call.biller.bid, user_id, lock=True)
        if user is None:
            raise UserNotFound(str(user_id))
        if user.disabled:
            raise UserDisabled(str(user_id))
        if user.email_key == call.email.lower():
            return _done(stores, call, AddressUpdate("Unchanged", user.id))
        if call.expects_another(user.email_key):
            self._confirmations.ask(stores, call.actor, call.request_id, call.biller, user, call.key, call.email)
            return _done(stores, call, AddressUpdate("PendingConfirmation", user.id))
        self._move(stores, call, user)
        return _done(stores, call, AddressUpdate("Updated", user.id))

    def _move(self, stores: AddressUpdateStores, call: _Call, user: User) -> None:
        move_address(stores, self._notices, call.actor, call.request_id, call.biller, user, call.email, verified=call.verified)

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
            self._notices.account_address_changed(stores, call.biller, customer.account_number, customer.email, call.email)
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
    actor: Actor, request_id: str, biller: Biller, key: ApiKey, wanted: NewAddress, also: Also[AddressUpdate] | None
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
    return _Call(actor, request_id, biller, key, email, verified, expected, also)


def _done(stores: AddressUpdateStores, call: _Call, update: AddressUpdate) -> AddressUpdate:
    if call.also is not None:
        call.also(stores, update)
    return update
