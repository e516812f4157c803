"""Customer records."""

from __future__ import annotations

from typing import Any

from idp.directory.customers import Customers
from sso_connect.api.calls.caller import Call, Caller
from sso_connect.api.models.customers import CustomerFields


def create_customer(customers: Customers) -> Call:
    """Create Customer Record."""

    def call(caller: Caller, body: CustomerFields) -> dict[str, Any]:
        made = customers.create(caller.actor, caller.request_id, caller.biller, body.account_number, **body.values())
        return {"CustomerGUID": str(made.id)}

    return call
