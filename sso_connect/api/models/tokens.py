"""Remote-authentication tokens: issued, and ended."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sso_connect.api.models.named import GUID_EXAMPLE, TOKEN_EXAMPLE, NamedUser, Token, example
from sso_connect.api.models.users import ACCOUNT_EXAMPLE, UserAccount
from sso_connect.api.wire import AccountNumber, Guid, Moment, Password, Text200, Wire

AuthMethod = Literal[
    "face", "fpt", "geo", "hwk", "iris", "kba", "mca", "mfa", "otp", "pin", "pop", "pwd", "rba", "retina", "sc", "sms", "swk",
    "tel", "user", "vbm", "wia",
]  # fmt: skip
"""Authentication method references (RFC 8176 2)."""


class RemoteAuthentication(NamedUser):
    """The payer that the partner has authenticated, and how."""

    model_config = example(
        UserName="pat", AccountNumber="1001-01", SessionReference="s-20260102-17", AuthTime="2026-01-02T10:20:30Z",
        AuthMethods=["pwd", "otp"],
    )  # fmt: skip

    password: Password | None = Field(
        None,
        repr=False,
        description=(
            "What the payer typed at your portal. A key with authenticate=password must send it. A trusted key with"
            " users=own needs it once for a user that it did not register: the right password is proof that it may speak for it."
        ),
    )
    account_number: AccountNumber | None = Field(None, description="Checked to be one of the user's accounts.")
    session_reference: Text200 | None = Field(None, description="The partner's own session id, for diagnostics and sign-out.")
    auth_time: Moment | None = Field(None, description="When the payer signed in at the partner: within the last 24 hours.")
    auth_methods: list[AuthMethod] | None = Field(None, max_length=10, description="RFC 8176 values.")


class RemoteAuthenticationAnswer(Wire):
    """The token to redirect with. ConnectUrl is the bare address: POST the token to it, never put it in a link."""

    model_config = example(
        RemoteAuthenticationToken=TOKEN_EXAMPLE,
        ExpiresAt="2026-01-02T11:20:30Z",
        ConnectUrl="https://riverbend.example.com/b/riverbend/sso/connect",
        LoginGUID=GUID_EXAMPLE,
        Accounts=[ACCOUNT_EXAMPLE],
    )

    remote_authentication_token: str
    expires_at: Moment
    connect_url: str
    login_guid: Guid
    accounts: list[UserAccount]


class Revoke(NamedUser):
    """A token, or a user by another name. A token that is unknown or of another partner answers 204 all the same."""

    model_config = example(RemoteAuthenticationToken=TOKEN_EXAMPLE)


class Introspect(Wire):
    """A token of the partner."""

    model_config = example(RemoteAuthenticationToken=TOKEN_EXAMPLE)

    remote_authentication_token: Token = Field(description="The token to ask about.")


class IntrospectAnswer(Wire):
    """Active: a redirect with the token would be let in now. Anything else, another partner's token too, is not active."""

    model_config = example(Active=True, ExpiresAt="2026-01-02T11:20:30Z", LoginGUID=GUID_EXAMPLE)

    active: bool
    expires_at: Moment | None = Field(description="null when not active. A session token is prolonged by each redirect.")
    login_guid: Guid | None = Field(description="null when not active.")
