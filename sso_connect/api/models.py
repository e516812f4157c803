"""What goes in and what comes out of each operation: the models that validate are the ones that the document is made from.

Requests are read by `wire.read`. Answers are plain dictionaries built by `calls` and `authenticate`, because validating our own
words again costs time on the hot path; a test holds every answer against its model here. Customer records have a file of their own
(`customer_models`).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from idp.directory.api_keys import AuthenticatePolicy, CsrUserPolicy, ProofKind, Strictness, TokenPolicy, UsersPolicy
from sso_connect.api.wire import (
    AccountNumber,
    Email,
    Guid,
    LoginTypeNumber,
    Moment,
    Name100,
    Name200,
    Text200,
    Wire,
)

MOST_ACCOUNTS = 100
"""Accounts in one call."""

Token = Name200
LoginTypeWord = Literal["Owner", "Co-owner", "Oversight", "Guest"]
AuthMethod = Literal[
    "face", "fpt", "geo", "hwk", "iris", "kba", "mca", "mfa", "otp", "pin", "pop", "pwd", "rba", "retina", "sc", "sms", "swk",
    "tel", "user", "vbm", "wia",
]  # fmt: skip
"""Authentication method references (RFC 8176 2)."""

_GUID = "01890a5d-ac96-774b-bcce-b302099a8057"
_TOKEN = "idht_" + "x" * 43


def _example(**example: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"example": example})


# --- who is meant --------------------------------------------------------------------------------------------------------


class NamedUser(Wire):
    """A user, by any of these. All that are given must fit one and the same user."""

    login_guid: Guid | None = Field(None, description="The hub's id of the user.")
    partner_user_id: Name200 | None = Field(None, description="The partner's own id of the user.")
    user_name: Name100 | None = Field(None, description="Compared without regard to case.")
    email_address: Email | None = Field(
        None,
        description="May be shared by several users (409 AmbiguousUser). Keys with users=own select by verified addresses only.",
    )
    remote_authentication_token: Token | None = Field(None, description="A live token of this partner, for its user.")


# --- ping ----------------------------------------------------------------------------------------------------------------


class PingBiller(Wire):
    """The biller that the key is for."""

    bid: int
    biller_guid: Guid
    name: str
    slug: str
    time_zone: str


class PingPolicies(Wire):
    """How the key is treated."""

    authenticate: AuthenticatePolicy
    token: TokenPolicy
    users: UsersPolicy
    account_proof: list[ProofKind]
    csr_user: CsrUserPolicy
    rate_per_second: int
    burst: int


class PingAnswer(Wire):
    """What the key is, and may do."""

    model_config = _example(
        Biller={"BID": 101, "BillerGUID": _GUID, "Name": "Riverbend Water", "Slug": "riverbend", "TimeZone": "America/Detroit"},
        Partner="Example Portal",
        Policies={
            "Authenticate": "trusted", "Token": "session", "Users": "own", "AccountProof": [], "CsrUser": "choose",
            "RatePerSecond": 50, "Burst": 100,
        },
        Strictness="strict",
        Scopes=["sso", "users:read"],
        FrameOrigins=["https://portal.example.com"],
        ReturnUrls=["https://portal.example.com/account"],
        RedirectIDs=[1, 2, 3],
        ConnectUrl="https://riverbend.example.com/b/riverbend/sso/connect",
    )  # fmt: skip

    biller: PingBiller
    partner: str
    policies: PingPolicies
    strictness: Strictness
    scopes: list[str]
    frame_origins: list[str]
    return_urls: list[str]
    redirect_ids: list[int] = Field(alias="RedirectIDs")
    connect_url: str


# --- retrieve users ------------------------------------------------------------------------------------------------------


class RetrieveUsers(Wire):
    """Accounts to ask about, a user to ask about, or both: then IsRegisteredToUser says whether they belong together."""

    model_config = _example(AccountNumbers=["1001-01", "1002-01"], EmailAddress="pat@example.com")

    account_numbers: list[AccountNumber] | None = Field(None, min_length=1, max_length=MOST_ACCOUNTS)
    email_address: Email | None = None
    user_name: Name100 | None = None


class RetrievedUser(Wire):
    """A registered user. UserName and EmailAddress are null for a key that may not speak for the user (users=own)."""

    login_guid: Guid
    user_name: str | None
    email_address: str | None
    login_type_id: LoginTypeNumber
    login_type: LoginTypeWord
    pending: bool


class RetrievedAccount(Wire):
    """One account. A ghost does not register: IsRegistered says whether a real user is on it."""

    account_number: str
    status: Literal["Registered", "NotRegistered", "NotFound"]
    exists: bool
    is_registered: bool
    is_registered_to_user: bool | None = Field(description="null when no user was named.")
    users: list[RetrievedUser]


class RetrieveUsersAnswer(Wire):
    """An item per account, in the order asked; without AccountNumbers all accounts of the users that fit (none: empty)."""

    model_config = _example(
        Results=[
            {
                "AccountNumber": "1001-01", "Status": "Registered", "Exists": True, "IsRegistered": True,
                "IsRegisteredToUser": True,
                "Users": [
                    {
                        "LoginGUID": _GUID, "UserName": "pat", "EmailAddress": "pat@example.com", "LoginTypeID": 1,
                        "LoginType": "Owner", "Pending": False,
                    }
                ],
            },
            {
                "AccountNumber": "1002-01", "Status": "NotFound", "Exists": False, "IsRegistered": False,
                "IsRegisteredToUser": False, "Users": [],
            },
        ]
    )  # fmt: skip

    results: list[RetrievedAccount]


# --- register accounts ---------------------------------------------------------------------------------------------------


class AccountToRegister(Wire):
    """One account; its LoginTypeID goes before that of the call."""

    account_number: AccountNumber
    login_type_id: LoginTypeNumber | None = Field(None)


class RegisterAccounts(Wire):
    """A user (made when nobody has the name) and the accounts to tie it to."""

    model_config = _example(
        UserName="pat", EmailAddress="pat@example.com", EmailVerified=True, PartnerUserID="u-4711",
        Accounts=[{"AccountNumber": "1001-01"}, {"AccountNumber": "1001-02", "LoginTypeID": 2}],
    )  # fmt: skip

    user_name: Name100
    email_address: Email
    email_verified: bool = Field(False, description="Counts when the key is trusted.")
    partner_user_id: Name200 | None = Field(None, description="The partner's own id of the user.")
    login_type_id: LoginTypeNumber = Field(1, description="1 Owner, 2 Co-owner, 3 Oversight, 4 Guest.")
    account_proof: list[ProofKind] | None = Field(
        None, max_length=4, description="What the portal verified; only kinds that the key may state (Ping shows them)."
    )
    accounts: list[AccountToRegister] = Field(min_length=1, max_length=MOST_ACCOUNTS)


class RegisteredAccount(Wire):
    """What became of one account."""

    account_number: str
    status: Literal[
        "Registered", "AlreadyRegistered", "NotFound", "CredentialsMismatch", "RoleCodeRequired", "AccountAlreadyRegistered"
    ]
    login_type_id: LoginTypeNumber | None = Field(description="What was granted; null when nothing was.")
    login_type: LoginTypeWord | None
    pending: bool = Field(description="Guest until somebody with full access, or the biller, gives more.")
    note: str = Field(description="Why the grant is not what was asked, or empty.")


class RegisterAccountsAnswer(Wire):
    """An item per account, in the order sent. Always 200; LoginGUID is null when nothing is tied."""

    model_config = _example(
        LoginGUID=_GUID,
        Results=[
            {
                "AccountNumber": "1001-01", "Status": "Registered", "LoginTypeID": 1, "LoginType": "Owner", "Pending": False,
                "Note": "",
            }
        ],
    )  # fmt: skip

    login_guid: Guid | None
    results: list[RegisteredAccount]


# --- authenticate, accounts, revoke ------------------------------------------------------------------------------------------


class RemoteAuthentication(NamedUser):
    """The payer that the partner has authenticated, and how."""

    model_config = _example(
        UserName="pat", AccountNumber="1001-01", SessionReference="s-20260102-17", AuthTime="2026-01-02T10:20:30Z",
        AuthMethods=["pwd", "otp"],
    )  # fmt: skip

    account_number: AccountNumber | None = Field(None, description="Checked to be one of the user's accounts.")
    session_reference: Text200 | None = Field(None, description="The partner's own session id, for diagnostics and sign-out.")
    auth_time: Moment | None = Field(None, description="When the payer signed in at the partner: within the last 24 hours.")
    auth_methods: list[AuthMethod] | None = Field(None, max_length=10, description="RFC 8176 values.")


class UserAccount(Wire):
    """One account of the user."""

    customer_guid: Guid
    account_number: str
    display_account_number: str
    login_type_id: LoginTypeNumber
    login_type: LoginTypeWord
    is_default: bool
    pending: bool


_ACCOUNT = {
    "CustomerGUID": _GUID, "AccountNumber": "1001-01", "DisplayAccountNumber": "1001-01", "LoginTypeID": 1, "LoginType": "Owner",
    "IsDefault": True, "Pending": False,
}  # fmt: skip


class RemoteAuthenticationAnswer(Wire):
    """The token to redirect with. ConnectUrl is the bare address: POST the token to it, never put it in a link."""

    model_config = _example(
        RemoteAuthenticationToken=_TOKEN,
        ExpiresAt="2026-01-02T11:20:30Z",
        ConnectUrl="https://riverbend.example.com/b/riverbend/sso/connect",
        LoginGUID=_GUID,
        Accounts=[_ACCOUNT],
    )

    remote_authentication_token: str
    expires_at: Moment
    connect_url: str
    login_guid: Guid
    accounts: list[UserAccount]


class RetrieveUserAccounts(NamedUser):
    """A user, or a CustomerGUID: then its Owner, or its only user. With both, that one account of the user."""

    model_config = _example(UserName="pat")

    customer_guid: Guid | None = Field(None)


class RetrieveUserAccountsAnswer(Wire):
    """The accounts of a user, the oldest registration first."""

    model_config = _example(LoginGUID=_GUID, Accounts=[_ACCOUNT])

    login_guid: Guid
    accounts: list[UserAccount]


class Revoke(NamedUser):
    """A token, or a user by another name. A token that is unknown or of another partner answers 204 all the same."""

    model_config = _example(RemoteAuthenticationToken=_TOKEN)


# --- problems ------------------------------------------------------------------------------------------------------------


class ProblemField(Wire):
    """One field that is wrong."""

    field: str = Field(description="The wire path, for example Accounts.0.AccountNumber.")
    message: str


class Problem(Wire):
    """A refusal (RFC 9457). Code is stable; `type` leads to its explanation and fix; `instance` is the request id."""

    model_config = ConfigDict(alias_generator=None)

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(alias="Code")
    errors: list[ProblemField] | None = Field(None, alias="Errors", description="For 422: each field that is wrong.")
