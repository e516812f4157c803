"""One batch of invoices against what is stored: what is to be written, found out without touching a store.

    Stored     what the database has of the accounts of the batch, read in a handful of statements
    plan       Stored + invoices -> Writes
    Writes     rows to add and to change, change-log rows, and how many invoices were new, changed or as they were

A file may have several invoices of one account. ONE of them speaks for the account: the newest by invoice date, the later line on
a tie, a donation only where there is nothing else. What the others say of the customer is passed over (but for the first sight of
an account), so that the same file twice changes nothing.

From the customer row (CR) of the invoice that speaks, in order of arrival, the later file wins:
    name, address, telephone, e-mail, display number, block of cards, meters. A column that the map lacks leaves the value alone,
    an empty cell empties it (an empty display number shows the account number; an empty BlockPaymentsCC says nothing). A meter
    that is known keeps the service location and state that the API gave it.
From the invoice that speaks, unless it is a donation or the account has a newer invoice already (a late file stays history):
    prepaid    an invoice of type PREPAID sets it. Nothing in a file takes it away: the API may have set it
    location   Custom4, when it has a value and no custom 4 was set by API, which wins
    codes      the role-code field replaces the unused codes; empty, it removes them. Not with policy `role_codes` off, nor where
               the map lacks the column, nor where the key that sent the file may not set any. The field is taken out of the customs
               before anything else is done with them
Each value keeps who wrote it first: a file of the operator's, or the partner whose key sent it (idp.directory.provenance).
Ghost. An account without a registered user has its e-mail address on record as a ghost's; a login is never touched. Name and
telephone of a ghost follow the customer's where they were the same. An address that the biller withdraws is taken off again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from idp.actor import Actor
from idp.billing.invoices import Invoice, InvoiceLine
from idp.changelog import Action, Change
from idp.directory.billers import Biller
from idp.directory.customers import Customer, Meter, customer_change, customer_values, ghost_after, ghost_change, with_writer
from idp.directory.ghosts import Ghost
from idp.directory.provenance import Writer
from idp.directory.role_codes import RoleCode, is_unchanged, parse_codes, stored_code, touched
from idp.opaque import new_id
from idp.secrets import Secrets
from sso_connect.imports import bif

SERVICE_LOCATION: Final = 4
"""The custom field that names the service location."""

_CUSTOMER_TEXTS: Final = ("address1", "address2", "city", "state", "zip", "phone", "email")
_SAID: Final = (*_CUSTOMER_TEXTS, "meters")


@dataclass(frozen=True, slots=True)
class Entry:
    """One invoice of the file. `speaks`: it is the one that says how the account is."""

    group: bif.Group
    speaks: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database has. Customers by canonical account number, everything else by customer."""

    customers: Mapping[str, Customer]
    registered: frozenset[UUID]
    """Customers with an active registration."""
    ghosts: Mapping[UUID, Ghost]
    codes: Mapping[UUID, Sequence[RoleCode]]
    invoices: Mapping[tuple[UUID, str], Invoice]
    newest: Mapping[UUID, date]
    """Date of the newest invoice that is no donation."""
    newest_of_codes: Mapping[UUID, date]
    """As newest, of the invoices that came with role codes that count."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Whose file it is, who sent it, when, and how role codes are kept."""

    biller: Biller
    columns: bif.ColumnMap
    actor: Actor
    request_id: str
    now: datetime
    secrets: Secrets
    by: Writer
    may_set_codes: bool = True

    @property
    def has_codes(self) -> bool:
        """Whether the file says which role codes the accounts have."""
        policies = self.biller.policies
        return policies.role_codes != "off" and f"Custom{policies.role_code_field}" in self.columns.invoice

    @property
    def takes_codes(self) -> bool:
        """Whether what it says of them counts."""
        return self.has_codes and self.may_set_codes


@dataclass(slots=True)
class Writes:
    """What one batch comes to. Counts are of invoices."""

    new_customers: list[Customer] = field(default_factory=list)
    changed_customers: list[Customer] = field(default_factory=list)
    ghosts: list[Ghost] = field(default_factory=list)
    codes: dict[UUID, Sequence[RoleCode]] = field(default_factory=dict)
    invoices: list[Invoice] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    lost_codes: bool = False
    """Whether codes that somebody else wrote stop working."""
    left_codes: bool = False
    """Whether codes of the file were passed over."""
    created: int = 0
    changed: int = 0
    unchanged: int = 0


def plan(occasion: Occasion, stored: Stored, entries: Iterable[Entry]) -> Writes:
    """What these invoices change, in file order."""
    writes = Writes()
    accounts: dict[str, _Account] = {}
    for entry in entries:
        key = entry.group.account_key
        account = accounts.get(key)
        if account is None:
            account = accounts[key] = _Account(occasion, stored, entry.group)
        account_changes = account.hear(entry)
        writes.left_codes |= _has_codes_to_leave(occasion, entry.group.invoice)
        invoice = _invoice(occasion, account.customer.id, entry.group)
        known = stored.invoices.get((invoice.customer_id, invoice.number))
        if known is None:
            writes.invoices.append(invoice)
            writes.created += 1
            continue
        invoice = replace(invoice, id=known.id, created_at=known.created_at)
        if replace(invoice, written_by=known.written_by, tells_codes=known.tells_codes) == known:
            invoice = known
        if invoice != known:
            writes.invoices.append(invoice)
        if invoice != known or account_changes:
            writes.changed += 1
        else:
            writes.unchanged += 1
    for account in accounts.values():
        account.add_to(writes)
    return writes


class _Account:
    """One account while the invoices of the batch are gone through."""

    def __init__(self, occasion: Occasion, stored: Stored, first: bif.Group) -> None:
        self._occasion = occasion
        self._before = stored.customers.get(first.account_key)
        self.customer = self._before or _new_customer(occasion, first)
        self._is_new = self._before is None
        customer_id = self.customer.id
        self._registered = customer_id in stored.registered
        self._ghost_before = self._ghost = stored.ghosts.get(customer_id)
        self._codes_before = stored.codes.get(customer_id, ())
        self._codes: Sequence[RoleCode] | None = None
        self._newest = stored.newest.get(customer_id, date.min)
        self._newest_of_codes = stored.newest_of_codes.get(customer_id, date.min)
        self._said: set[str] = set()

    def hear(self, entry: Entry) -> bool:
        """Take over what the invoice says of the account. Whether that changes anything."""
        if not (entry.speaks or self._is_new):
            return False
        self._is_new = False
        before = customer_values(self.customer), self._ghost, self._codes
        group = entry.group
        former = self.customer
        self.customer = _with_customer_row(former, group.customer)
        self._said |= {"name", *(name for name in _SAID if getattr(group.customer, name) is not None)}
        if entry.speaks and not group.invoice.is_donation:
            if group.invoice.date >= self._newest:
                self.customer = _with_invoice_row(self.customer, group.invoice, self._occasion)
            if group.invoice.date >= self._newest_of_codes:
                self._hear_codes(group.invoice)
        if group.customer.email is not None and not self._registered:
            self._ghost = ghost_after(self._ghost, former, self.customer, self._occasion.now)
        return (customer_values(self.customer), self._ghost, self._codes) != before

    def add_to(self, writes: Writes) -> None:
        """The rows of this account: at most one change-log row for the customer and one for its ghost."""
        before = self._before
        self.customer = with_writer(before, self.customer, self._occasion.by, self._said)
        if before is None:
            writes.new_customers.append(self.customer)
        elif self.customer != before:
            writes.changed_customers.append(self.customer)
        if self._codes is not None:
            writes.codes[self.customer.id] = self._codes
            own = self._occasion.by.partner_id
            lost = touched(self._codes_before, self._codes)
            writes.lost_codes |= any(Writer.parse(code.written_by).partner_id != own for code in lost)
        if before is None or customer_values(self.customer) != customer_values(before) or self._codes is not None:
            writes.changes.append(self._customer_change())
        if self._ghost is not None and self._ghost != self._ghost_before:
            writes.ghosts.append(self._ghost)
            occasion = self._occasion
            writes.changes.append(ghost_change(occasion.actor, occasion.request_id, self._ghost_before, self._ghost))

    def _hear_codes(self, invoice: bif.Invoice) -> None:
        occasion = self._occasion
        if not occasion.takes_codes:
            return
        policies, by, known = occasion.biller.policies, occasion.by.text(), {code.digest for code in self._codes_before}
        wanted = [
            stored_code(occasion.secrets, occasion.biller.bid, self.customer.id, code, by, known)
            for code in parse_codes(policies, invoice.customs.get(policies.role_code_field, ""))
        ]
        # A used code stays used, whatever the file says: it is neither armed again nor counted as a change.
        if not is_unchanged(self._codes_before, wanted):
            self._codes = wanted

    def _customer_change(self) -> Change:
        action = Action.CUSTOMER_CREATE if self._before is None else Action.CUSTOMER_CHANGE
        change = customer_change(action, self._occasion.actor, self._occasion.request_id, self._before, self.customer)
        if self._codes is None:
            return change
        after = {**(change.after or {}), "role_codes": _kinds(self._codes)}
        if change.before is None:
            return replace(change, after=after)
        return replace(change, before={**change.before, "role_codes": _kinds(self._codes_before)}, after=after)


def _new_customer(occasion: Occasion, group: bif.Group) -> Customer:
    number = group.customer.account_number
    return Customer(
        id=new_id(),
        bid=occasion.biller.bid,
        account_key=group.account_key,
        account_number=number,
        display_number=number,
        name=group.customer.name,
        created_at=occasion.now,
    )


def _with_customer_row(customer: Customer, row: bif.Customer) -> Customer:
    said: dict[str, Any] = {"name": row.name}
    said.update({name: text for name in _CUSTOMER_TEXTS if (text := getattr(row, name)) is not None})
    if row.display_account_number is not None:
        said["display_number"] = row.display_account_number or customer.account_number
    if row.block_cc is not None:
        said["block_cc"] = row.block_cc
    if row.meters is not None:
        known = {meter.meter_id: meter for meter in customer.meters}
        said["meters"] = tuple(_with_details(meter, known.get(meter.meter_id)) for meter in row.meters)
    return replace(customer, **said)


def _with_details(meter: Meter, known: Meter | None) -> Meter:
    return meter if known is None else replace(known, commodity=meter.commodity)


def _with_invoice_row(customer: Customer, invoice: bif.Invoice, occasion: Occasion) -> Customer:
    location = _customs(invoice, occasion).get(SERVICE_LOCATION)
    if location is None or SERVICE_LOCATION in customer.customs:
        location = customer.service_location_id
    return replace(customer, prepaid=customer.prepaid or invoice.is_prepaid, service_location_id=location)


def _invoice(occasion: Occasion, customer_id: UUID, group: bif.Group) -> Invoice:
    read = group.invoice
    return Invoice(
        id=new_id(),
        bid=occasion.biller.bid,
        customer_id=customer_id,
        number=read.number,
        record_type=read.record_type,
        format_guid=read.format_guid,
        invoice_type=read.invoice_type,
        issued_on=read.date,
        due_on=read.due_date,
        total_minor=read.total_minor,
        past_due_minor=read.past_due_minor,
        currency=occasion.biller.policies.currency,
        customs=_customs(read, occasion),
        lines=tuple(
            InvoiceLine(
                line.description,
                Decimal(1) if line.quantity is None else line.quantity,
                0 if line.amount_minor is None else line.amount_minor,
            )
            for line in group.lines
        ),
        created_at=occasion.now,
        written_by=occasion.by.text(),
        tells_codes=occasion.may_set_codes,
    )


def _has_codes_to_leave(occasion: Occasion, invoice: bif.Invoice) -> bool:
    """Whether an invoice has role codes that do not count."""
    if occasion.takes_codes or not occasion.has_codes:
        return False
    return bool(invoice.customs.get(occasion.biller.policies.role_code_field, "").strip())


def _customs(invoice: bif.Invoice, occasion: Occasion) -> dict[int, str]:
    """The customs without the role codes."""
    code_field = occasion.biller.policies.role_code_field
    return {number: text for number, text in invoice.customs.items() if number != code_field}


def _kinds(codes: Iterable[RoleCode]) -> dict[str, int]:
    """What the change log keeps of the unused codes: how many of each login type. Never a code or a digest."""
    return dict(sorted(Counter(code.login_type.wire for code in codes if code.used_at is None).items()))
