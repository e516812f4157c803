"""The operations that find GUIDs."""

from __future__ import annotations

from idp.directory.api_keys import Scope
from idp.errors import AmbiguousUser, CustomerNotFound, UserNotFound
from sso_connect.api.models import customer_portal as models
from sso_connect.api.operation import Operation

CUSTOMER_PORTAL: tuple[Operation, ...] = (
    Operation(
        name="RetrieveCustomerGUID",
        method="POST",
        path="/customer-portal/retrieve-customer-guid",
        group="Customer portal",
        summary="Retrieve CustomerGUID",
        description="The GUID of an account by its number; or of a user's accounts, with the one that opens first named.",
        scope=Scope.CUSTOMERS_READ,
        request=models.RetrieveCustomerGUID,
        answer=models.RetrieveCustomerGUIDAnswer,
        refusals=(CustomerNotFound, UserNotFound, AmbiguousUser),
    ),
    Operation(
        name="RetrieveLoginGUID",
        method="POST",
        path="/customer-portal/retrieve-login-guid",
        group="Customer portal",
        summary="Retrieve LoginGUID",
        description=(
            "The GUID of a user by any name; or of the users of an account, with its Owner named. A key with users=own sees that"
            " others are registered, but neither name nor address."
        ),
        scope=Scope.USERS_READ,
        request=models.RetrieveLoginGUID,
        answer=models.RetrieveLoginGUIDAnswer,
        refusals=(UserNotFound, CustomerNotFound, AmbiguousUser),
    ),
)
