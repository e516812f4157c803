"""The operations that tie users to accounts, and untie them."""

from __future__ import annotations

from idp.directory.api_keys import Scope
from idp.errors import AmbiguousUser, Busy, PartnerUserIdTaken, Raced, RolledBack, TooManyAttempts, UserDisabled, UserNotFound
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
            " fails does not fail the others. A right RoleCode decides the login type; a wrong one refuses its account."
        ),
        scope=Scope.USERS_WRITE,
        request=models.RegisterAccounts,
        answer=models.RegisterAccountsAnswer,
        writes=True,
        refusals=(UserDisabled, PartnerUserIdTaken, RolledBack, Raced, TooManyAttempts, Busy),
    ),
    Operation(
        name="LinkAccounts",
        method="POST",
        path="/remote-authentication/link-accounts",
        group="Remote authentication",
        summary="Link Accounts",
        description="Tie a user that is there to further accounts, by the rules of Register Accounts.",
        scope=Scope.USERS_WRITE,
        request=models.LinkAccounts,
        answer=models.RegisterAccountsAnswer,
        writes=True,
        refusals=(UserNotFound, AmbiguousUser, UserDisabled, PartnerUserIdTaken, RolledBack, Raced),
    ),
    Operation(
        name="UnregisterAccounts",
        method="POST",
        path="/remote-authentication/unregister-accounts",
        group="Remote authentication",
        summary="Unregister Accounts",
        description=(
            "End a user's registrations on accounts. What was opened for such an account ends at once, everywhere; with the last"
            " account, every token and session of the user."
        ),
        scope=Scope.USERS_WRITE,
        request=models.UnregisterAccounts,
        answer=models.UnregisterAccountsAnswer,
        writes=True,
        refusals=(UserNotFound, AmbiguousUser, RolledBack, Raced),
    ),
)
