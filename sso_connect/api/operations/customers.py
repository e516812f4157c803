"""The operations about utility accounts."""

from __future__ import annotations

from idp.directory.api_keys import Scope
from idp.errors import CustomerExists, CustomerNotFound
from sso_connect.api.models import customers as models
from sso_connect.api.operation import Operation

_UPDATE = (
    'Change what is named, and leave the rest. A field that is left out or null stays as it is; "" takes a value away, [] all'
    " meters. The account number cannot be changed. The answer is the whole record."
)

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
    Operation(
        name="RetrieveCustomer",
        method="GET",
        path="/customers/{CustomerGUID}",
        group="Customers",
        summary="Retrieve Customer Details",
        description="The whole record of a utility account, never its role codes.",
        scope=Scope.CUSTOMERS_READ,
        request=None,
        query=models.CustomerByGuid,
        answer=models.CustomerRecord,
        refusals=(CustomerNotFound,),
    ),
    Operation(
        name="UpdateCustomer",
        method="PATCH",
        path="/customers/{CustomerGUID}",
        group="Customers",
        summary="Update Customer Record",
        description=_UPDATE,
        scope=Scope.CUSTOMERS_WRITE,
        request=models.UpdateCustomer,
        query=models.CustomerByGuid,
        answer=models.CustomerRecord,
        writes=True,
        refusals=(CustomerNotFound,),
    ),
    Operation(
        name="RetrieveCustomerByNumber",
        method="GET",
        path="/customers",
        group="Customers",
        summary="Retrieve Customer Details by account number",
        description="As Retrieve Customer Details, for an account named by its number.",
        scope=Scope.CUSTOMERS_READ,
        request=None,
        query=models.CustomerByNumber,
        answer=models.CustomerRecord,
        refusals=(CustomerNotFound,),
    ),
    Operation(
        name="UpdateCustomerByNumber",
        method="PATCH",
        path="/customers",
        group="Customers",
        summary="Update Customer Record by account number",
        description=_UPDATE,
        scope=Scope.CUSTOMERS_WRITE,
        request=models.UpdateCustomer,
        query=models.CustomerByNumber,
        answer=models.CustomerRecord,
        writes=True,
        refusals=(CustomerNotFound,),
    ),
    Operation(
        name="ListInvoices",
        method="GET",
        path="/customers/{CustomerGUID}/invoices",
        group="Customers",
        summary="Invoices of a customer",
        description="The invoices of a utility account, newest first, by page.",
        scope=Scope.CUSTOMERS_READ,
        request=None,
        query=models.ListInvoices,
        answer=models.ListInvoicesAnswer,
        refusals=(CustomerNotFound,),
    ),
)
