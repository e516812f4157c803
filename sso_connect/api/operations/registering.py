"""The operations that tie users to accounts."""

from __future__ import annotations

from idp.directory.api_keys import Scope
from idp.errors import PartnerUserIdTaken, Raced, UserDisabled
from sso_connect.api.models import registering as models
from sso_connect.api.operation import Operation

REGISTERING: tuple[Operation, ...] = (
    Operation(
        name="RegisterAccounts",
        method="POST",
        path="/remote-authentication/register-accounts",
        group="Remote authentication",
        summary="Register Accounts",
        description=(
            "Tie a user to accounts; the user is made when nobody has the name. Each account is answered by itself, and one that"
            " fails does not fail the others."
        ),
        scope=Scope.USERS_WRITE,
        request=models.RegisterAccounts,
        answer=models.RegisterAccountsAnswer,
        writes=True,
        refusals=(UserDisabled, PartnerUserIdTaken, Raced),
    ),
)
