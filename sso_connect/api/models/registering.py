"""Tying users to accounts, and untying them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from idp.directory.api_keys import ProofKind
from sso_connect.api.models.named import GUID_EXAMPLE, MOST_ACCOUNTS, LoginTypeWord, NamedUser, example
from sso_connect.api.wire import (
    AccountNumber,
    Email,
    Guid,
    LoginTypeNumber,
    Name100,
    Name200,
    Password,
    RoleCodeText,
    Wire,
)

_ATOMIC = "All or nothing: where one account fails nothing is written, 409 RolledBack."
_CODE = "What is printed on the bill. It decides the login type; a wrong one refuses the account. Blank: none."


class AccountToRegister(Wire):
    """One account; its RoleCode and LoginTypeID go before those of the call."""

    account_number: AccountNumber = Field(description="The account's number.")
    role_code: RoleCodeText | None = Field(None, repr=False, description=_CODE)
    login_type_id: LoginTypeNumber | None = Field(None, description="For this account: 1 Owner, 2 Co-owner, 3 Oversight, 4 Guest.")


class _AccountsToTie(Wire):
    """What Register and Link have in common."""

    login_type_id: LoginTypeNumber = Field(1, description="1 Owner, 2 Co-owner, 3 Oversight, 4 Guest.")
    role_code: RoleCodeText | None = Field(None, repr=False, description=f"For every account without one of its own. {_CODE}")
    account_proof: list[ProofKind] | None = Field(
        None,
        max_length=4,
        description=(
            "What the portal verified; only kinds that the key may state (Ping shows them). Without it, what Ping shows."
            " An empty list: nothing was verified this time."
        ),
    )
    accounts: list[AccountToRegister] = Field(
        min_length=1, max_length=MOST_ACCOUNTS, description="The accounts to tie the user to."
    )
    atomic: bool = Field(False, description=_ATOMIC)


class RegisterAccounts(_AccountsToTie):
    """A user (made when nobody has the name) and the accounts to tie it to."""

    model_config = example(
        UserName="pat", EmailAddress="pat@example.com", EmailVerified=True, PartnerUserID="u-4711",
        Accounts=[{"AccountNumber": "1001-01", "RoleCode": "O100-4821-3977"}, {"AccountNumber": "1001-02", "LoginTypeID": 2}],
    )  # fmt: skip

    user_name: Name100 = Field(description="Unique at the biller, compared without regard to case.")
    email_address: Email = Field(description="May be shared by several users.")
    email_verified: bool = Field(False, description="Counts when the key is trusted.")
    partner_user_id: Name200 | None = Field(None, description="The partner's own id of the user.")
    password: Password | None = Field(
        None,
        repr=False,
        description="For a user that is made: the partner owns it. For one that is there it is never changed, only checked.",
    )


class LinkAccounts(NamedUser, _AccountsToTie):
    """A user that is there, and the accounts to tie it to."""

    model_config = example(LoginGUID=GUID_EXAMPLE, Accounts=[{"AccountNumber": "1002-01", "RoleCode": "G500-7733-0154"}])


class RegisteredAccount(Wire):
    """What became of one account."""

    account_number: str
    status: Literal[
        "Registered", "Linked", "AlreadyRegistered", "NotFound", "CredentialsMismatch", "RoleCodeRequired", "RoleCodeInvalid",
        "Throttled", "AccountAlreadyRegistered",
    ]  # fmt: skip
    login_type_id: LoginTypeNumber | None = Field(description="What was granted; null when nothing was.")
    login_type: LoginTypeWord | None
    pending: bool = Field(
        description="Whether a role code or a decision is still missing. With Note GuestUntilApproved or OnHold: no access."
    )
    note: str = Field(
        description="Why the grant is not what was asked, or empty: FromRoleCode, OwnerSeatTaken, OwnerSeatTakenOver, "
        "GuestUntilRoleCode, GuestUntilApproved, OnHold."
    )


class RegisterAccountsAnswer(Wire):
    """An item per account, in the order sent. Without Atomic always 200; LoginGUID is null when nothing is tied."""

    model_config = example(
        LoginGUID=GUID_EXAMPLE,
        Results=[
            {
                "AccountNumber": "1001-01", "Status": "Registered", "LoginTypeID": 1, "LoginType": "Owner", "Pending": False,
                "Note": "",
            }
        ],
    )  # fmt: skip

    login_guid: Guid | None
    results: list[RegisteredAccount]


class UnregisterAccounts(NamedUser):
    """A user, and the accounts to leave."""

    model_config = example(LoginGUID=GUID_EXAMPLE, AccountNumbers=["1001-02"])

    account_numbers: list[AccountNumber] = Field(min_length=1, max_length=MOST_ACCOUNTS, description="The accounts to leave.")
    atomic: bool = Field(False, description=_ATOMIC)


class UnregisteredAccount(Wire):
    """What became of one account."""

    account_number: str
    status: Literal["Unregistered", "NotRegistered", "NotFound"]


class UnregisterAccountsAnswer(Wire):
    """An item per account, in the order sent. Without Atomic always 200; LoginGUID is null when no account was found."""

    model_config = example(LoginGUID=GUID_EXAMPLE, Results=[{"AccountNumber": "1001-02", "Status": "Unregistered"}])

    login_guid: Guid | None
    results: list[UnregisteredAccount]
