"""Create Customer Record: the fields of a utility account on the wire.

Custom1 to Custom60 are fields of their own, made here by a loop. The one that is the biller's role-code field holds a secret: it is
turned into digests (idp.directory.customers) and neither stored, logged, echoed in a fault nor answered.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, create_model

from idp.directory.customers import Commodity, Meter
from sso_connect.api.wire import AccountNumber, Guid, Name50, OptionalEmail, Text50, Text100, Text200, Text500, Wire

CUSTOMS = range(1, 61)
MOST_METERS = 50


class MeterRecord(Wire):
    """A meter of the account."""

    meter_id: Name50
    commodity: Commodity
    service_location_id: Text50 | None = None
    active: bool = True


class CustomerFields(Wire):
    """A utility account. What is left out, null or "" is not known; DisplayAccountNumber then is the AccountNumber."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "AccountNumber": "1001-01",
                "CustomerName": "Pat Example",
                "Address1": "1 Example Street",
                "City": "Springfield",
                "State": "MI",
                "Zip": "00000",
                "EmailAddress": "pat@example.com",
                "Custom1": "Cycle 7",
                "Meters": [{"MeterID": "M-1", "Commodity": "water", "Active": True}],
            }
        }
    )

    account_number: AccountNumber
    display_account_number: Text50 | None = None
    customer_name: Text200 | None = None
    address1: Text100 | None = None
    address2: Text100 | None = None
    city: Text100 | None = None
    state: Text50 | None = None
    zip: Text50 | None = None
    phone: Text50 | None = None
    email_address: OptionalEmail | None = None
    prepaid: bool | None = None
    meters: list[MeterRecord] | None = Field(None, max_length=MOST_METERS)
    block_payments_cc: bool | None = Field(None, description="No card payments on this account.")
    block_payments_ach: bool | None = Field(None, description="No bank payments on this account.")
    service_location_id: Text50 | None = None

    def values(self) -> dict[str, Any]:
        """What was given, by the names of idp.directory.customers."""
        given: dict[str, Any] = {
            "display_number": self.display_account_number or None,
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
        customs = {number: text for number in CUSTOMS if (text := getattr(self, f"custom{number}", None))}
        return {name: _plain(value) for name, value in given.items() if value is not None} | {"customs": customs}


_CUSTOM_FIELDS: dict[str, Any] = {f"custom{number}": (Text500 | None, None) for number in CUSTOMS}

CreateCustomer: type[CustomerFields] = create_model("CreateCustomer", __base__=CustomerFields, **_CUSTOM_FIELDS)
"""CustomerFields with Custom1 to Custom60."""


class CreateCustomerAnswer(Wire):
    """The new account's id."""

    model_config = ConfigDict(json_schema_extra={"example": {"CustomerGUID": "01890a5d-ac96-774b-bcce-b302099a8057"}})

    customer_guid: Guid


def _plain(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _meter(record: MeterRecord) -> Meter:
    return Meter(record.meter_id.strip(), record.commodity, _plain(record.service_location_id or ""), record.active)
