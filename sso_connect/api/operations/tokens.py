"""The operations about remote-authentication tokens."""

from __future__ import annotations

from idp.directory.api_keys import Scope
from idp.errors import AmbiguousUser, Busy, CredentialsRefused, CustomerNotFound, TooManyAttempts, UserDisabled, UserNotFound
from sso_connect.api.models import tokens as models
from sso_connect.api.operation import Operation

TOKENS: tuple[Operation, ...] = (
    Operation(
        name="RemoteAuthentication",
        method="POST",
        path="/remote-authentication/authenticate",
        group="Remote authentication",
        summary="Remote Authentication",
        description=(
            "State that the payer has signed in at the partner, and get a token to redirect with. POST the token to ConnectUrl;"
            " naming the user by an older token counts as two calls."
        ),
        scope=Scope.SSO,
        request=models.RemoteAuthentication,
        answer=models.RemoteAuthenticationAnswer,
        refusals=(CredentialsRefused, UserNotFound, CustomerNotFound, AmbiguousUser, UserDisabled, TooManyAttempts, Busy),
    ),
    Operation(
        name="Revoke",
        method="POST",
        path="/remote-authentication/revoke",
        group="Remote authentication",
        summary="Revoke",
        description="End a token and the sessions begun with it, or all of a user. Takes effect at once, everywhere.",
        scope=Scope.SSO,
        request=models.Revoke,
        answer=None,
        status=204,
        writes=True,
        refusals=(UserNotFound, AmbiguousUser),
    ),
    Operation(
        name="Introspect",
        method="POST",
        path="/remote-authentication/introspect",
        group="Remote authentication",
        summary="Introspect",
        description="Whether a token is still good, for whom, and until when. It is neither spent nor prolonged by the question.",
        scope=Scope.SSO,
        request=models.Introspect,
        answer=models.IntrospectAnswer,
    ),
)
