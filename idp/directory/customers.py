"""Customers: a biller's utility accounts. The account number is unique within the biller, in its canonical form.

Customs that were set by API live here and win over those of the newest invoice (idp.billing.invoices). The role-code field is
never stored here: it goes to `role_codes` as digests. A new account with an e-mail address has a ghost until somebody registers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from idp.actor import Actor
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.billers import Biller
from idp.directory.ghosts import Ghost, GhostStore
from idp.directory.names import account_key, email_key, normal_email
from idp.directory.role_codes import ParsedCode, RoleCodeStore, parse_codes, stored_code
from idp.errors import CustomerExists, CustomerNotFound, FieldError, InvalidFields
from idp.opaque import new_id
from idp.secrets import Secrets
from idp.transaction import Begin

Commodity = Literal["water", "electric", "gas", "sewer", "other"]


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter of a customer."""

    meter_id: str
    commodity: Commodity
    service_location_id: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Customer:
    """A utility account. Texts are "" where nothing is known."""

    id: UUID
    bid: int
    account_key: str
    account_number: str
    display_number: str
    name: str
    created_at: datetime
    address1: str = ""
    address2: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    phone: str = ""
    email: str = ""
    customs: Mapping[int, str] = field(default_factory=dict)
    meters: tuple[Meter, ...] = ()
    service_location_id: str = ""
    prepaid: bool = False
    protected: bool = False
    block_cc: bool = False
    block_ach: bool = False
    closed_at: datetime | None = None


CHANGEABLE = frozenset(
    {
        "display_number", "name", "address1", "address2", "city", "state", "zip", "phone", "email", "customs", "meters",
        "service_location_id", "prepaid", "protected", "block_cc", "block_ach",
    }
)  # fmt: skip
"""What a caller may set; the number itself, id and times are ours."""


class CustomerStore(Protocol):
    """Customers in the database. A write renews the stamps of the users that are registered on the customer."""

    def find_customer(self, bid: int, customer_id: UUID, *, lock: bool = False) -> Customer | None:
        """By id; `lock` keeps the row for this transaction, for whoever writes back what it read."""
        ...

    def find_by_accounts(self, bid: int, keys: Iterable[str], *, lock: bool = False) -> dict[str, Customer]:
        """By canonical account numbers; `lock` keeps the rows for this transaction, in one order, so that nobody deadlocks."""
        ...

    def list_customers(self, bid: int, after: str, limit: int) -> list[Customer]:
        """By canonical account number, from the one after `after`."""
        ...

    def add_customer(self, customer: Customer) -> None:
        """Insert. CustomerExists when the number is taken."""
        ...

    def put_customer(self, customer: Customer) -> None:
        """Update every column."""
        ...

    def add_customers(self, customers: Sequence[Customer]) -> None:
        """Insert several of one biller. CustomerExists, and none is added, when a number is taken."""
        ...

    def put_customers(self, customers: Sequence[Customer]) -> None:
        """Update every column of several of one biller."""
        ...


class CustomerStores(WithChangeLog, Protocol):
    """The slice of stores that this service works with."""

    @property
    def customers(self) -> CustomerStore: ...

    @property
    def role_codes(self) -> RoleCodeStore: ...

    @property
    def ghosts(self) -> GhostStore: ...


class Customers:
    """Create, change and find customers."""

    def __init__(self, begin: Begin[CustomerStores], clock: Clock, secrets: Secrets) -> None:
        self._begin = begin
        self._clock = clock
        self._secrets = secrets

    def create(self, actor: Actor, request_id: str, biller: Biller, account_number: str, **values: Any) -> Customer:
        """Make a customer from its number and any of CHANGEABLE. InvalidFields, CustomerExists.

        The custom that is the biller's role-code field becomes its role codes (InvalidFields, without the text, when it is none).
        """
        number = account_number.strip()
        try:
            key = account_key(biller.policies.account_profile, number)
        except ValueError as fault:
            raise InvalidFields(fields=[FieldError("AccountNumber", str(fault))]) from None
        made = Customer(
            id=new_id(),
            bid=biller.bid,
            account_key=key,
            account_number=number,
            created_at=self._clock.now(),
            **({"display_number": number, "name": ""} | _checked(biller, values)),
        )
        # Before the transaction: the first use of a biller's keys writes them in one of its own.
        codes = [stored_code(self._secrets, made.bid, made.id, code) for code in _role_codes(biller, values)]
        with self._begin() as stores:
            if stores.customers.find_by_accounts(biller.bid, [key]):
                raise CustomerExists(key)
            stores.customers.add_customer(made)
            stores.changelog.append(customer_change(Action.CUSTOMER_CREATE, actor, request_id, None, made))
            if codes:
                stores.role_codes.set_codes(made.bid, made.id, codes)
            if made.email:
                stores.ghosts.put_ghost(_ghost_of(made))
                stores.changelog.append(_ghost_change(actor, request_id, made))
        return made

    def change(self, actor: Actor, request_id: str, biller: Biller, customer_id: UUID, **values: Any) -> Customer:
        """Set any of CHANGEABLE. CustomerNotFound, InvalidFields."""
        checked = _checked(biller, values)
        with self._begin() as stores:
            before = stores.customers.find_customer(biller.bid, customer_id, lock=True)
            if before is None:
                raise CustomerNotFound(str(customer_id))
            after = replace(before, **checked)
            if after != before:
                stores.customers.put_customer(after)
                stores.changelog.append(customer_change(Action.CUSTOMER_CHANGE, actor, request_id, before, after))
        return after

    def get(self, bid: int, customer_id: UUID) -> Customer:
        """By id. CustomerNotFound."""
        with self._begin() as stores:
            found = stores.customers.find_customer(bid, customer_id)
        if found is None:
            raise CustomerNotFound(str(customer_id))
        return found

    def get_by_account(self, biller: Biller, account_number: str) -> Customer:
        """By account number in any spelling. CustomerNotFound."""
        try:
            key = account_key(biller.policies.account_profile, account_number)
        except ValueError:
            raise CustomerNotFound("not an account number") from None
        with self._begin() as stores:
            found = stores.customers.find_by_accounts(biller.bid, [key]).get(key)
        if found is None:
            raise CustomerNotFound(key)
        return found

    def list_page(self, bid: int, after: str = "", limit: int = 200) -> list[Customer]:
        """By canonical account number."""
        with self._begin() as stores:
            return stores.customers.list_customers(bid, after, limit)


def customer_values(customer: Customer) -> dict[str, Any]:
    """What the change log keeps of a customer, and what `--json` shows."""
    return {
        "customer_guid": str(customer.id),
        "account_number": customer.account_number,
        "display_number": customer.display_number,
        "name": customer.name,
        "address": [customer.address1, customer.address2, customer.city, customer.state, customer.zip],
        "phone": customer.phone,
        "email": customer.email,
        "customs": {str(number): value for number, value in sorted(customer.customs.items())},
        "meters": [[m.meter_id, m.commodity, m.service_location_id, m.active] for m in customer.meters],
        "service_location_id": customer.service_location_id,
        "prepaid": customer.prepaid,
        "protected": customer.protected,
        "block_cc": customer.block_cc,
        "block_ach": customer.block_ach,
        "closed_at": customer.closed_at,
    }


def customer_change(action: Action, actor: Actor, request_id: str, before: Customer | None, after: Customer) -> Change:
    """The change-log row of a customer: only the values that differ."""
    old = {} if before is None else customer_values(before)
    new = customer_values(after)
    differing = [name for name in new if old.get(name) != new[name]]
    return Change(
        after.bid,
        action,
        actor,
        request_id,
        customer_id=after.id,
        before=None if before is None else {name: old[name] for name in differing},
        after={name: new[name] for name in differing},
    )


def _role_codes(biller: Biller, values: Mapping[str, Any]) -> list[ParsedCode]:
    code_field = biller.policies.role_code_field
    text = values.get("customs", {}).get(code_field, "")
    if biller.policies.role_codes == "off":
        return []
    try:
        return parse_codes(biller.policies, text)
    except ValueError as fault:
        raise InvalidFields(fields=[FieldError(f"Custom{code_field}", str(fault))]) from None


def _ghost_of(made: Customer) -> Ghost:
    return Ghost(
        bid=made.bid,
        customer_id=made.id,
        name=made.name,
        email=made.email,
        email_key=email_key(made.email),
        phone=made.phone,
        email_since=made.created_at,
        created_at=made.created_at,
    )


def _ghost_change(actor: Actor, request_id: str, made: Customer) -> Change:
    known = {"name": made.name, "email": made.email, "phone": made.phone}
    return Change(made.bid, Action.GHOST_CHANGE, actor, request_id, customer_id=made.id, after=known)


def _checked(biller: Biller, values: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(values) - CHANGEABLE
    if unknown:
        raise InvalidFields(fields=[FieldError(name, "cannot be set") for name in sorted(unknown)])
    checked = dict(values)
    if checked.get("email"):
        try:
            checked["email"] = normal_email(checked["email"])
        except ValueError as fault:
            raise InvalidFields(fields=[FieldError("EmailAddress", str(fault))]) from None
    if "customs" in checked:
        # The role-code field holds a secret; whoever sends it by this way loses it here, not in a log.
        code_field = biller.policies.role_code_field
        checked["customs"] = {number: text for number, text in checked["customs"].items() if number != code_field}
    return checked
