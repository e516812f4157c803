"""The operations that ask for users and their accounts."""

from __future__ import annotations

from idp.directory.api_keys import Scope
from idp.errors import AmbiguousUser, CustomerNotFound, UserNotFound
from sso_connect.api.models import users as models
from sso_connect.api.operation import Operation

USERS: tuple[Operation, ...] = (
    Operation(
        name="RetrieveUsers",
        method="POST",
        path="/remote-authentication/retrieve-users",
        group="Remote authentication",
        summary="Retrieve Users",
        description=(
            "Which accounts exist, who is registered on them, and whether that is the user named. A key with users=own sees that"
            " somebody else is registered, but neither name nor address, and names its own users only."
        ),
        scope=Scope.USERS_READ,
        request=models.RetrieveUsers,
        answer=models.RetrieveUsersAnswer,
    ),
    Operation(
        name="RetrieveUserAccounts",
        method="POST",
        path="/remote-authentication/retrieve-user-accounts",
        group="Remote authentication",
        summary="Retrieve User Accounts",
        description="The accounts of a user. By CustomerGUID alone: those of its Owner, or of its only user.",
        scope=Scope.USERS_READ,
        request=models.RetrieveUserAccounts,
        answer=models.RetrieveUserAccountsAnswer,
        refusals=(UserNotFound, CustomerNotFound, AmbiguousUser),
    ),
)
