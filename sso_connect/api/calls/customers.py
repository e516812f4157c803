"""Customer records, and the invoices of one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any
from uuid import UUID

from idp.accounts.role_code_field import Customs, RoleCodeField
from idp.billing.invoices import Invoice, Invoices
from idp.directory.billers import Biller
from idp.directory.customers import CODES_REFUSED, Customer, Customers
from idp.directory.names import account_key
from idp.errors import FieldError, InvalidFields
from idp.receipts import Answer
from sso_connect.api.calls.caller import Call, Caller
from sso_connect.api.models import customers as models
from sso_connect.api.wire import money
from sso_connect.warnings import WarningCode


def create_customer(customers: Customers, code_field: RoleCodeField) -> Call:
    """Create Customer Record."""

    def answer(made: Customer) -> Answer:
        return Answer(201, {"CustomerGUID": str(made.id)})

    def call(caller: Caller, body: models.CreateFields) -> Answer:
        sent = {number: text for number, text in body.customs().items() if text}
        customs = _allowed(caller, code_field.of_new(caller.key, caller.biller, sent))
        values = {name: value for name, value in body.values().items() if (name, value) != ("display_number", "")}
        made = customers.create(
            caller.actor,
            caller.request_id,
            caller.biller,
            body.account_number,
            caller.keep(answer),
            key=caller.key,
            customs=customs,
            **values,
        )
        return answer(made)

    return call


class CustomerCalls:
    """Retrieve Customer Details and Update Customer Record, each by GUID and by number; and List Invoices."""

    def __init__(self, customers: Customers, code_field: RoleCodeField, invoices: Invoices) -> None:
        self._customers = customers
        self._code_field = code_field
        self._invoices = invoices

    def retrieve(self, caller: Caller, _body: None) -> dict[str, Any]:
        """Retrieve Customer Details. `caller.where`: CustomerByGuid or CustomerByNumber."""
        return self._record(caller.biller, self._named(caller))

    def update(self, caller: Caller, body: models.UpdateFields) -> dict[str, Any]:
        """Update Customer Record. `caller.where` as in `retrieve`."""
        customer = self._named(caller)
        if body.account_number is not None and not _is_number_of(caller.biller, customer, body.account_number):
            raise InvalidFields(fields=[FieldError("AccountNumber", "cannot be changed")])
        sent = self._code_field.of_account(caller.actor, caller.key, caller.biller, customer, body.customs())
        changed = self._customers.change(
            caller.actor,
            caller.request_id,
            caller.biller,
            customer.id,
            custom_changes=_allowed(caller, sent),
            key=caller.key,
            **body.values(),
        )
        return self._record(caller.biller, changed)

    def list_invoices(self, caller: Caller, _body: None) -> dict[str, Any]:
        """List Invoices."""
        where: models.ListInvoices = caller.where
        customer = self._customers.get(caller.biller.bid, where.customer_guid)
        self._invoices.check_cursor(customer.bid, customer.id, where.cursor)
        page = self._invoices.list_page(customer.bid, customer.id, where.cursor, where.limit)
        return {"Invoices": [_invoice(each) for each in page.invoices], "Cursor": page.cursor}

    def _named(self, caller: Caller) -> Customer:
        guid: UUID | None = caller.where.customer_guid
        number: str | None = getattr(caller.where, "account_number", None)
        if (guid is None) == (number is None):
            raise InvalidFields(fields=[FieldError("AccountNumber", "send AccountNumber or CustomerGUID, one of the two")])
        if guid is not None:
            return self._customers.get(caller.biller.bid, guid)
        return self._customers.get_by_account(caller.biller, number or "")

    def _record(self, biller: Biller, customer: Customer) -> dict[str, Any]:
        newest = self._invoices.newest_bill(customer.bid, customer.id)
        customs = {**({} if newest is None else newest.customs), **customer.customs}
        # A biller may have named another field when older invoices came in: what is the role-code field now is never answered.
        customs.pop(biller.policies.role_code_field, None)
        return {
            "CustomerGUID": str(customer.id),
            "AccountNumber": customer.account_number,
            "DisplayAccountNumber": customer.display_number,
            "CustomerName": customer.name or None,
            "Address1": customer.address1 or None,
            "Address2": customer.address2 or None,
            "City": customer.city or None,
            "State": customer.state or None,
            "Zip": customer.zip or None,
            "Phone": customer.phone or None,
            "EmailAddress": customer.email or None,
            "Prepaid": customer.prepaid,
            "Protected": customer.protected,
            "BlockPaymentsCC": customer.block_cc,
            "BlockPaymentsACH": customer.block_ach,
            "ServiceLocationID": customer.service_location_id or None,
            "Meters": [
                {
                    "MeterID": meter.meter_id,
                    "Commodity": meter.commodity,
                    "ServiceLocationID": meter.service_location_id or None,
                    "Active": meter.active,
                }
                for meter in customer.meters
            ],
            "ClosedAt": None if customer.closed_at is None else f"{customer.closed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            **{f"Custom{number}": customs.get(number) for number in models.CUSTOMS},
        }


def _allowed(caller: Caller, customs: Customs) -> Mapping[int, str]:
    """The custom fields that may be written. Role codes by a key without the scope: a strict one is refused, a compat one told."""
    if customs.refused:
        field = f"Custom{caller.biller.policies.role_code_field}"
        if not caller.is_compat:
            raise InvalidFields(fields=[FieldError(field, CODES_REFUSED)])
        caller.warn(WarningCode.ROLE_CODES_REFUSED, field)
    return customs.fields


def _is_number_of(biller: Biller, customer: Customer, number: str) -> bool:
    try:
        return account_key(biller.policies.account_profile, number) == customer.account_key
    except ValueError:
        return False


def _invoice(invoice: Invoice) -> dict[str, Any]:
    return {
        "InvoiceNumber": invoice.number,
        "InvoiceType": invoice.invoice_type or None,
        "InvoiceDate": invoice.issued_on.isoformat(),
        "InvoiceDueDate": invoice.due_on.isoformat(),
        "TotalAmountDue": money(invoice.total_minor, invoice.currency),
        "PastDue": money(invoice.past_due_minor, invoice.currency),
        "Currency": invoice.currency,
        "Lines": [
            {
                "Description": line.description,
                "Quantity": f"{line.quantity:f}",
                "Amount": money(line.amount_minor, invoice.currency),
            }
            for line in invoice.lines
        ],
    }
