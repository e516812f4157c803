"""The operations that set passwords and addresses."""

from __future__ import annotations

from idp.directory.api_keys import Scope
from idp.errors import (
    AmbiguousUser,
    Busy,
    CredentialsRefused,
    CustomerNotFound,
    PasswordOwnedByPartner,
    Raced,
    TooManyAttempts,
    UserDisabled,
    UserNotFound,
    UserRequired,
)
from sso_connect.api.models import credentials as models
from sso_connect.api.operation import Operation

CREDENTIALS: tuple[Operation, ...] = (
    Operation(
        name="UpdatePassword",
        method="POST",
        path="/remote-authentication/update-password",
        group="Remote authentication",
        summary="Update Password",
        description=(
            "Set the password of a user. Yours already: set. The hub's: set, and yours from then on, with the right"
            " CurrentPassword, or once the payer has allowed it by mail (202; repeat the call after it, within seven days, under"
            " another Idempotency-Key). Another partner's: 409. Ends every token and session of the user, yours too; the payer"
            " is told by mail. A key with users=own hears 202 for any user that it may not speak for, whether or not there is one."
        ),
        scope=Scope.USERS_WRITE,
        request=models.UpdatePassword,
        answer=None,
        status=204,
        others=((202, models.Pending),),
        writes=True,
        refusals=(
            CredentialsRefused, UserNotFound, AmbiguousUser, UserDisabled, PasswordOwnedByPartner, Raced, TooManyAttempts, Busy,
        ),
    ),
    Operation(
        name="UpdateEmailAddress",
        method="POST",
        path="/remote-authentication/update-email-address",
        group="Remote authentication",
        summary="Update E-mail Address",
        description=(
            "Give a user, or an account that nobody is registered on, another e-mail address. The old address is told by mail. It"
            " changes at once while the user's password is yours, with the right CurrentPassword, for a key that states cis, and"
            " for a user without password whom you registered. Else, and with an ExpectedEmailAddress that is not ours, nothing"
            " changes before the payer has allowed it by mail (202). The mail goes to the last address that no partner set."
        ),
        scope=Scope.USERS_WRITE,
        request=models.UpdateEmailAddress,
        answer=models.UpdateEmailAddressAnswer,
        others=((202, models.Pending),),
        writes=True,
        refusals=(
            CredentialsRefused, UserNotFound, CustomerNotFound, AmbiguousUser, UserRequired, UserDisabled, Raced, TooManyAttempts,
            Busy,
        ),
    ),
)  # fmt: skip
