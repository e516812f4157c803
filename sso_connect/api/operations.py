"""The operations of the partner API, as data: routes, checks, document and tests are made from this one table.

An operation says where it is, which scope it takes, what goes in and comes out, and which reasons it may refuse for besides those
that all share. What it does stands in `calls` (and, for the one that is measured, `authenticate`) under the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from idp.directory.api_keys import Scope
from idp.errors import (
    AmbiguousUser,
    BodyTooLarge,
    CredentialsRefused,
    CustomerExists,
    CustomerNotFound,
    HubError,
    InvalidApiKey,
    InvalidFields,
    MalformedRequest,
    PartnerUserIdTaken,
    Raced,
    RateLimited,
    ScopeMissing,
    StoreUnavailable,
    UnexpectedError,
    UnsupportedMediaType,
    UserDisabled,
    UserNotFound,
)
from sso_connect.api import models
from sso_connect.api.customer_models import CreateCustomer, CreateCustomerAnswer
from sso_connect.api.wire import Wire

PREFIX = "/api/v1"

_ALWAYS: tuple[type[HubError], ...] = (InvalidApiKey, RateLimited, StoreUnavailable, UnexpectedError)
_WITH_BODY: tuple[type[HubError], ...] = (MalformedRequest, UnsupportedMediaType, BodyTooLarge, InvalidFields)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `scope` None: any live key; `request` None: no body; `answer` None: 204 without one."""

    name: str
    method: Literal["GET", "POST"]
    path: str
    group: str
    summary: str
    description: str
    scope: Scope | None
    request: type[Wire] | None
    answer: type[Wire] | None
    status: Literal[200, 201, 204] = 200
    refusals: tuple[type[HubError], ...] = ()

    @property
    def rule(self) -> str:
        """Its path on the API host."""
        return f"{PREFIX}{self.path}"

    @property
    def all_refusals(self) -> tuple[type[HubError], ...]:
        """Every reason that it may refuse for, those that all operations share included."""
        of_scope: tuple[type[HubError], ...] = () if self.scope is None else (ScopeMissing,)
        of_body = () if self.request is None else _WITH_BODY
        return (*_ALWAYS, *of_scope, *of_body, *self.refusals)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="Ping",
        method="GET",
        path="/ping",
        group="Key",
        summary="Ping",
        description="Which biller and partner the key is for, its policies, scopes, origins and ReturnUrls.",
        scope=None,
        request=None,
        answer=models.PingAnswer,
    ),
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
        request=CreateCustomer,
        answer=CreateCustomerAnswer,
        status=201,
        refusals=(CustomerExists,),
    ),
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
        refusals=(UserDisabled, PartnerUserIdTaken, Raced),
    ),
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
        refusals=(CredentialsRefused, UserNotFound, CustomerNotFound, AmbiguousUser, UserDisabled),
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
        refusals=(UserNotFound, AmbiguousUser),
    ),
)
"""Every operation, in the order of the document."""
