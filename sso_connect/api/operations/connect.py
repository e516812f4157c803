"""The operations about CloudSSOConnect: explain a redirect, make a link."""

from __future__ import annotations

from idp.directory.api_keys import Scope
from idp.errors import (
    AccountRefused,
    AmbiguousUser,
    CredentialsRefused,
    DestinationRefused,
    ReturnUrlRefused,
    UserDisabled,
    UserNotFound,
)
from sso_connect.api.models import connect as models
from sso_connect.api.operation import Operation

CONNECT: tuple[Operation, ...] = (
    Operation(
        name="Explain",
        method="POST",
        path="/sso-connect/explain",
        group="SSO Connect",
        summary="Explain",
        description=(
            "What would become of a redirect with these parameters: each check of the hand-off, in its order, those after the first"
            " that does not hold too. Nothing is spent, prolonged or opened. Tokens of another partner or biller are unknown."
        ),
        scope=Scope.SSO,
        request=models.Explain,
        answer=models.ExplainAnswer,
        ignores_unknown=True,
    ),
    Operation(
        name="CreateLink",
        method="POST",
        path="/sso-connect/links",
        group="SSO Connect",
        summary="SSO link",
        description=(
            "State that the payer has signed in at the partner, and get an address that leads to the customer portal: good once,"
            " within 60 seconds. Make it when the payer clicks, and answer the click with a redirect to it."
        ),
        scope=Scope.SSO,
        request=models.CreateLink,
        answer=models.CreateLinkAnswer,
        refusals=(
            CredentialsRefused, UserNotFound, AmbiguousUser, UserDisabled, DestinationRefused, ReturnUrlRefused, AccountRefused,
        ),
    ),
)  # fmt: skip
