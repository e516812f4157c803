"""The operations about utility accounts."""

from __future__ import annotations

from idp.directory.api_keys import Scope
from idp.errors import CustomerExists
from sso_connect.api.models import customers as models
from sso_connect.api.operation import Operation

CUSTOMERS: tuple[Operation, ...] = (
    Operation(
        name="CreateCustomer",
        method="POST",
        path="/customers",
        group="Customers",
        summary="Create Customer Record",
        description=(
            "Make a utility account. The custom field that holds the biller's role codes becomes digests: it is never stored as"
            " text and never answered."
        ),
        scope=Scope.CUSTOMERS_WRITE,
        request=models.CreateCustomer,
        answer=models.CreateCustomerAnswer,
        status=201,
        writes=True,
        refusals=(CustomerExists,),
    ),
)
