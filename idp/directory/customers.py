"""Customers: a biller's utility accounts. The account number is unique within the biller, in its canonical form.

Customs that were set by API live here and win over those of the newest invoice (idp.billing.invoices). The role-code field is
never stored here: it goes to `role_codes` as digests, and only a key with scope `role_codes:write` sets it. An account with an
e-mail address has a ghost until somebody registers, and the ghost follows what is changed here. Each value keeps its writer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from idp.actor import Actor
from idp.alarms import AlarmKind, Alarms
from idp.changelog import Action, Change, WithChangeLog
from idp.clock import Clock
from idp.directory.api_keys import ApiKey, Scope
from idp.directory.billers import Biller
from idp.directory.ghosts import Ghost, GhostStore
from idp.directory.names import account_key, normal_email
from idp.directory.provenance import Record, Writer, may_be_contact, rewritten, writer_in, writer_of
from idp.directory.registrations import RegistrationStore
from idp.directory.role_codes import ParsedCode, RoleCode, RoleCodeStore, parse_codes, stored_code, touched
from idp.errors import CustomerExists, CustomerNotFound, FieldError, InvalidFields
from idp.opaque import new_id
from idp.receipts import Also, WithReceipts
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
    written_by: Record = field(default_factory=dict)
    """Field -> who wrote it; fields as in `fields_of`."""

    def writer(self, name: str) -> Writer:
        """Who wrote a field."""
        return writer_in(self.written_by, name, fields_of(self).get(name, ""))

    def contact(self, partner_id: UUID | None) -> str:
        """The address at which somebody can be asked about what a partner does on the account; "" where there is none.

        Never one that the partner wrote itself. One that another partner wrote only where no other is known: whoever holds the
        keys of two would write over it with one, and register with the other.
        """
        writer = self.writer("email")
        known = self.written_by.get("email")
        before = "" if known is None else known.before
        if before and writer.kind == "partner" and not writer.vouches:
            return before
        return self.email if may_be_contact(writer, partner_id) else before


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


class CustomerStores(WithChangeLog, WithReceipts, Protocol):
    """The slice of stores that this service works with."""

    @property
    def customers(self) -> CustomerStore: ...

    @property
    def registrations(self) -> RegistrationStore: ...

    @property
    def role_codes(self) -> RoleCodeStore: ...

    @property
    def ghosts(self) -> GhostStore: ...


class Customers:
    """Create, change and find customers. `key`: that of the partner who does it; None: the biller's staff."""

    def __init__(self, begin: Begin[CustomerStores], clock: Clock, secrets: Secrets, alarms: Alarms) -> None:
        self._begin = begin
        self._clock = clock
        self._secrets = secrets
        self._alarms = alarms

    def create(
        self,
        actor: Actor,
        request_id: str,
        biller: Biller,
        account_number: str,
        also: Also[Customer] | None = None,
        *,
        key: ApiKey | None = None,
        **values: Any,
    ) -> Customer:
        """Make a customer from its number and any of CHANGEABLE. InvalidFields, CustomerExists.

        The custom that is the biller's role-code field becomes its role codes (InvalidFields, without the text, when it is none, or
        the key may not set any).
        """
        number = account_number.strip()
        try:
            canonical = account_key(biller.policies.account_profile, number)
        except ValueError as fault:
            raise InvalidFields(fields=[FieldError("AccountNumber", str(fault))]) from None
        made = Customer(
            id=new_id(),
            bid=biller.bid,
            account_key=canonical,
            account_number=number,
            created_at=self._clock.now(),
            **({"display_number": number, "name": ""} | _checked(biller, values)),
        )
        made = with_writer(None, made, writer_of(key), ())
        codes = self._codes(biller, values.get("customs", {}), key)
        with self._begin() as stores:
            if stores.customers.find_by_accounts(biller.bid, [canonical]):
                raise CustomerExists(canonical)
            stores.customers.add_customer(made)
            change = customer_change(Action.CUSTOMER_CREATE, actor, request_id, None, made)
            stores.changelog.append(_with_codes_changed(change) if codes else change)
            if codes:
                stores.role_codes.set_codes(made.bid, made.id, self._stored(made, codes, key, ()))
            ghost = ghost_after(None, made, made, made.created_at)
            if ghost is not None:
                stores.ghosts.put_ghost(ghost)
                stores.changelog.append(ghost_change(actor, request_id, None, ghost))
            if also is not None:
                also(stores, made)
        return made

    def change(
        self,
        actor: Actor,
        request_id: str,
        biller: Biller,
        customer_id: UUID,
        custom_changes: Mapping[int, str] | None = None,
        *,
        key: ApiKey | None = None,
        **values: Any,
    ) -> Customer:
        """Set any of CHANGEABLE. CustomerNotFound, InvalidFields.

        `customs` are all of them anew, `custom_changes` some of them ("" takes one away); in either, the role-code field replaces
        the unused role codes. An empty `display_number` shows the account number.
        """
        checked = _checked(biller, values)
        parsed = self._codes(biller, {**values.get("customs", {}), **(custom_changes or {})}, key)
        with self._begin() as stores:
            before = stores.customers.find_customer(biller.bid, customer_id, lock=True)
            if before is None:
                raise CustomerNotFound(str(customer_id))
            after = replace(before, **checked)
            if custom_changes is not None:
                after = replace(after, customs=_with_customs(after.customs, custom_changes, biller.policies.role_code_field))
            after = replace(after, display_number=after.display_number or before.account_number)
            after = with_writer(before, after, writer_of(key), checked)
            # Under the lock of the row: of two changes at once, neither loses what the other wrote.
            there = [] if parsed is None else stores.role_codes.list_codes(biller.bid, customer_id)
            codes = None if parsed is None else self._stored(before, parsed, key, there)
            lost = _lost_codes(there, codes, key)
            codes_changed = codes is not None and stores.role_codes.set_codes(biller.bid, customer_id, codes)
            if after != before:
                stores.customers.put_customer(after)
            if codes_changed or customer_values(after) != customer_values(before):
                change = customer_change(Action.CUSTOMER_CHANGE, actor, request_id, before, after)
                stores.changelog.append(_with_codes_changed(change) if codes_changed else change)
            self._lead_ghost(stores, actor, request_id, before, after)
        if lost and key is not None:
            sound_codes_replaced(self._alarms, key.bid, key.id, accounts=1)
        return after

    def _codes(self, biller: Biller, customs: Mapping[int, str], key: ApiKey | None) -> list[ParsedCode] | None:
        """The codes in the role-code field. InvalidFields without the text.

        None where it was not given, the biller has none, or an empty one comes by a key that may not set any: it must not take away
        what is printed on bills.
        """
        code_field = biller.policies.role_code_field
        if code_field not in customs or biller.policies.role_codes == "off":
            return None
        if not may_set_codes(key):
            if not customs[code_field].strip():
                return None
            raise InvalidFields(fields=[FieldError(f"Custom{code_field}", CODES_REFUSED)])
        # Before any transaction: the first use of a biller's keys writes them in one of its own.
        self._secrets.prepare(biller.bid)
        try:
            return parse_codes(biller.policies, customs[code_field])
        except ValueError as fault:
            raise InvalidFields(fields=[FieldError(f"Custom{code_field}", str(fault))]) from None

    def _stored(
        self, customer: Customer, parsed: Sequence[ParsedCode], key: ApiKey | None, there: Sequence[RoleCode]
    ) -> list[RoleCode]:
        """What is kept of the codes of a customer that has `there`."""
        by, known = writer_of(key).text(), {code.digest for code in there}
        return [stored_code(self._secrets, customer.bid, customer.id, code, by, known) for code in parsed]

    def _lead_ghost(self, stores: CustomerStores, actor: Actor, request_id: str, before: Customer, after: Customer) -> None:
        """Let the ghost of an account without a registered user follow the customer."""
        if (after.name, after.email, after.phone) == (before.name, before.email, before.phone):
            return
        if stores.registrations.list_of_customers(after.bid, [after.id]):
            return
        known = stores.ghosts.find_ghost(after.bid, after.id)
        if known is None and after.email == before.email:
            return
        ghost = ghost_after(known, before, after, self._clock.now())
        if ghost is not None and ghost != known:
            stores.ghosts.put_ghost(ghost)
            stores.changelog.append(ghost_change(actor, request_id, known, ghost))

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


CODES_REFUSED = "setting role codes takes the scope role_codes:write"

MANY_ACCOUNTS = 10
"""Role codes of more accounts than this, changed by one call of a key, are worth a look."""


def may_set_codes(key: ApiKey | None) -> bool:
    """Whether role codes may be set by a key; None: by staff."""
    return key is None or Scope.ROLE_CODES_WRITE in key.policies.scopes


def _lost_codes(there: Sequence[RoleCode], codes: Sequence[RoleCode] | None, key: ApiKey | None) -> bool:
    """Whether codes that somebody else wrote (printed on bills, mostly) stop working by what a key sends."""
    if codes is None or key is None:
        return False
    own = writer_of(key).partner_id
    return any(Writer.parse(code.written_by).partner_id != own for code in touched(there, codes))


def sound_codes_replaced(alarms: Alarms, bid: int, key_id: UUID, *, accounts: int) -> None:
    """Tell the biller's staff that a key changed role codes that it did not write, or those of many accounts. After the commit."""
    of_accounts = "1 account" if accounts == 1 else f"{accounts} accounts"
    detail = f"an API key changed the role codes of {of_accounts}; codes on printed bills may no longer work"
    alarms.sound(bid, AlarmKind.ROLE_CODES_REPLACED, f"key:{key_id}", detail)


def fields_of(customer: Customer) -> dict[str, str]:
    """The values whose writer is kept, as texts: names as in `Customer`, customs as `custom{n}`."""
    meters = [[each.meter_id, each.commodity, each.service_location_id, each.active] for each in customer.meters]
    return {
        "name": customer.name,
        "email": customer.email,
        "phone": customer.phone,
        "address1": customer.address1,
        "address2": customer.address2,
        "city": customer.city,
        "state": customer.state,
        "zip": customer.zip,
        "display_number": customer.display_number,
        "service_location_id": customer.service_location_id,
        "meters": json.dumps(meters) if meters else "",
        **{f"custom{number}": text for number, text in customer.customs.items()},
    }


def with_writer(before: Customer | None, after: Customer, by: Writer, said: Iterable[str]) -> Customer:
    """The customer after a change, with who wrote what. `before` None: it is new. `said`: the fields that the writer named."""
    record, fields = ({}, {}) if before is None else (before.written_by, fields_of(before))
    return replace(after, written_by=rewritten(record, fields, fields_of(after), by, frozenset(said)))


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


def ghost_after(ghost: Ghost | None, before: Customer, after: Customer, now: datetime) -> Ghost | None:
    """The ghost of an account that nobody is registered on, after its customer has changed; None: there is none.

    Name and telephone follow the customer's where they were the same. An address that is withdrawn is taken off again, unless
    staff found out another one by other ways.
    """
    if ghost is None:
        if not after.email:
            return None
        key = after.email.lower()  # as names.email_key, of an address that went through normal_email
        return Ghost(after.bid, after.id, after.name, after.email, key, after.phone, email_since=now, created_at=now)
    name = after.name if ghost.name == before.name else ghost.name
    phone = after.phone if ghost.phone == before.phone else ghost.phone
    email = after.email or ("" if ghost.email == before.email else ghost.email)
    if email == ghost.email:
        return replace(ghost, name=name, phone=phone)
    return replace(ghost, name=name, phone=phone, email=email, email_key=email.lower(), email_since=now)


def ghost_change(actor: Actor, request_id: str, before: Ghost | None, after: Ghost) -> Change:
    """The change-log row of a ghost."""
    return Change(
        after.bid,
        Action.GHOST_CHANGE,
        actor,
        request_id,
        customer_id=after.customer_id,
        before=None if before is None else _ghost_values(before),
        after=_ghost_values(after),
    )


def _ghost_values(ghost: Ghost) -> dict[str, Any]:
    return {"name": ghost.name, "email": ghost.email, "phone": ghost.phone}


def _with_codes_changed(change: Change) -> Change:
    """Says that the role codes changed: neither a code nor how many there are."""
    return replace(change, after={**(change.after or {}), "role_codes": "changed"})


def _with_customs(customs: Mapping[int, str], changes: Mapping[int, str], code_field: int) -> dict[int, str]:
    merged = {**customs, **changes}
    return {number: text for number, text in sorted(merged.items()) if text and number != code_field}


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
