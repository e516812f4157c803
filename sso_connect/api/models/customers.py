"""Customer records: the fields of a utility account on the wire, and its invoices.

Custom1 to Custom60 are fields of their own, made here by a loop. The one that is the biller's role-code field holds a secret: it is
turned into digests (idp.directory.customers) and neither stored, logged, echoed in a fault nor answered.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, create_model

from idp.directory.customers import Commodity, Meter
from sso_connect.api.models.named import GUID_EXAMPLE, example
from sso_connect.api.wire import (
    AccountNumber,
    Cursor,
    Guid,
    Limit,
    Moment,
    Name50,
    OptionalEmail,
    Text50,
    Text100,
    Text200,
    Text500,
    Wire,
)

CUSTOMS = range(1, 61)
MOST_METERS = 50


class MeterRecord(Wire):
    """A meter of the account."""

    meter_id: Name50 = Field(description="The number of the meter.")
    commodity: Commodity = Field(description="What it measures.")
    service_location_id: Text50 | None = Field(None, description="Where it is, in the CIS's words.")
    active: bool = Field(True, description="Whether it is in use.")


class RecordFields(Wire):
    """What may be set of a utility account. Custom1 to Custom60 are added by `_with_customs`."""

    display_account_number: Text50 | None = Field(None, description="The number as payers see it.")
    customer_name: Text200 | None = Field(None, description="The name on the account.")
    address1: Text100 | None = Field(None, description="Street, or PO box.")
    address2: Text100 | None = Field(None, description="Apartment, unit, floor.")
    city: Text100 | None = Field(None, description="City.")
    state: Text50 | None = Field(None, description="State or province.")
    zip: Text50 | None = Field(None, description="ZIP or postal code.")
    phone: Text50 | None = Field(None, description="Phone number in the CIS. Never used for texts.")
    email_address: OptionalEmail | None = Field(
        None, description="E-mail address of the account, for as long as nobody is registered on it."
    )
    prepaid: bool | None = Field(None, description="The account pays in advance.")
    meters: list[MeterRecord] | None = Field(None, max_length=MOST_METERS, description="All meters of the account.")
    block_payments_cc: bool | None = Field(None, description="No card payments on this account.")
    block_payments_ach: bool | None = Field(None, description="No bank payments on this account.")
    service_location_id: Text50 | None = Field(None, description="Where the service is, in the CIS's words.")

    def values(self) -> dict[str, Any]:
        """What was given, customs aside, by the names of idp.directory.customers."""
        given: dict[str, Any] = {
            "display_number": self.display_account_number,
            "name": self.customer_name,
            "address1": self.address1,
            "address2": self.address2,
            "city": self.city,
            "state": self.state,
            "zip": self.zip,
            "phone": self.phone,
            "email": self.email_address,
            "prepaid": self.prepaid,
            "meters": None if self.meters is None else tuple(_meter(each) for each in self.meters),
            "block_cc": self.block_payments_cc,
            "block_ach": self.block_payments_ach,
            "service_location_id": self.service_location_id,
        }
        return {name: _plain(value) for name, value in given.items() if value is not None}

    def customs(self) -> dict[int, str]:
        """The custom fields that were given, "" among them."""
        return {number: text for number in CUSTOMS if (text := getattr(self, f"custom{number}", None)) is not None}


class CreateFields(RecordFields):
    """A utility account. What is left out, null or "" is not known; DisplayAccountNumber then is the AccountNumber."""

    model_config = example(
        AccountNumber="1001-01",
        CustomerName="Pat Example",
        Address1="1 Example Street",
        City="Springfield",
        State="MI",
        Zip="00000",
        EmailAddress="pat@example.com",
        Custom1="Cycle 7",
        Meters=[{"MeterID": "M-1", "Commodity": "water", "Active": True}],
    )

    account_number: AccountNumber = Field(description="Unique at the biller.")


class UpdateFields(RecordFields):
    """What changes of a utility account. Left out or null: stays as it is. "", and [] for Meters: is taken away.

    The custom field that holds the role codes replaces the account's unused codes, by a key with the scope role_codes:write only.
    """

    model_config = example(Phone="555-0100", EmailAddress="pat@example.com", Custom1="", Meters=[])

    account_number: AccountNumber | None = Field(None, description="May be repeated; a number cannot be changed.")


_CUSTOM = (
    "A custom field. The one that holds the biller's role codes becomes digests: it is never stored as text and never answered."
)
_CUSTOM_FIELDS: dict[str, Any] = {f"custom{number}": (Text500 | None, Field(None, description=_CUSTOM)) for number in CUSTOMS}

CreateCustomer: type[CreateFields] = create_model("CreateCustomer", __base__=CreateFields, **_CUSTOM_FIELDS)
"""CreateFields with Custom1 to Custom60."""

UpdateCustomer: type[UpdateFields] = create_model("UpdateCustomer", __base__=UpdateFields, **_CUSTOM_FIELDS)
"""UpdateFields with Custom1 to Custom60."""


class CreateCustomerAnswer(Wire):
    """The new account's id."""

    model_config = example(CustomerGUID=GUID_EXAMPLE)

    customer_guid: Guid


class CustomerByGuid(Wire):
    """Which account."""

    customer_guid: Guid = Field(description="The hub's id of the account.")


class CustomerByNumber(Wire):
    """Which account: one of the two."""

    account_number: AccountNumber | None = Field(None, description="The account's number.")
    customer_guid: Guid | None = Field(None, description="The hub's id of the account.")


class CustomerAnswer(Wire):
    """A utility account. Null where nothing is known. A custom that the API set goes before the newest invoice's (no donation)."""

    model_config = example(
        CustomerGUID=GUID_EXAMPLE,
        AccountNumber="1001-01",
        DisplayAccountNumber="1001-01",
        CustomerName="Pat Example",
        Address1="1 Example Street",
        Address2=None,
        City="Springfield",
        State="MI",
        Zip="00000",
        Phone=None,
        EmailAddress="pat@example.com",
        Prepaid=False,
        Protected=False,
        BlockPaymentsCC=False,
        BlockPaymentsACH=False,
        ServiceLocationID=None,
        Meters=[{"MeterID": "M-1", "Commodity": "water", "ServiceLocationID": None, "Active": True}],
        ClosedAt=None,
        Custom1="Cycle 7",
    )

    customer_guid: Guid
    account_number: str
    display_account_number: str
    customer_name: str | None
    address1: str | None
    address2: str | None
    city: str | None
    state: str | None
    zip: str | None
    phone: str | None
    email_address: str | None
    prepaid: bool
    protected: bool = Field(description="Personal data is masked for staff and reps.")
    block_payments_cc: bool
    block_payments_ach: bool
    service_location_id: str | None
    meters: list[MeterRecord]
    closed_at: Moment | None


_CUSTOM_ANSWERS: dict[str, Any] = {f"custom{number}": (str | None, None) for number in CUSTOMS}

CustomerRecord: type[CustomerAnswer] = create_model("CustomerRecord", __base__=CustomerAnswer, **_CUSTOM_ANSWERS)
"""CustomerAnswer with Custom1 to Custom60; the one that holds the role codes is always null."""


class ListInvoices(CustomerByGuid):
    """Whose invoices, and how many of them."""

    cursor: Cursor | None = Field(None, description="From the page before; the first page has none.")
    limit: Limit = Field(50, description="Invoices on a page.")


class InvoiceLineRecord(Wire):
    """A detail line."""

    description: str
    quantity: str = Field(description="Decimal text.")
    amount: str = Field(description="Decimal text, in the invoice's currency.")


class InvoiceRecord(Wire):
    """An invoice. Amounts are decimal text; a negative amount is a credit."""

    invoice_number: str
    invoice_type: str | None = Field(description="DONATION, PREPAID, the biller's own word, or null for an ordinary one.")
    invoice_date: str = Field(description="YYYY-MM-DD, in the biller's time zone.")
    invoice_due_date: str = Field(description="YYYY-MM-DD.")
    total_amount_due: str = Field(description="Negative: a credit, and nothing to pay.")
    past_due: str = Field(description="How much of it is from earlier bills. Negative: a credit from earlier bills.")
    currency: str = Field(description="ISO 4217.")
    lines: list[InvoiceLineRecord]


class ListInvoicesAnswer(Wire):
    """Newest first. Cursor goes on behind the last one; null at the end."""

    model_config = example(
        Invoices=[
            {
                "InvoiceNumber": "100101261100",
                "InvoiceType": None,
                "InvoiceDate": "2026-11-18",
                "InvoiceDueDate": "2026-12-10",
                "TotalAmountDue": "84.17",
                "PastDue": "0.00",
                "Currency": "USD",
                "Lines": [{"Description": "Water 4.2 kgal", "Quantity": "1", "Amount": "84.17"}],
            }
        ],
        Cursor=None,
    )

    invoices: list[InvoiceRecord]
    cursor: str | None


def _plain(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _meter(record: MeterRecord) -> Meter:
    return Meter(record.meter_id.strip(), record.commodity, _plain(record.service_location_id or ""), record.active)
