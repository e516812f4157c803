"""Tying users to accounts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from idp.directory.api_keys import ProofKind
from sso_connect.api.models.named import GUID_EXAMPLE, MOST_ACCOUNTS, LoginTypeWord, example
from sso_connect.api.wire import AccountNumber, Email, Guid, LoginTypeNumber, Name100, Name200, Wire


class AccountToRegister(Wire):
    """One account; its LoginTypeID goes before that of the call."""

    account_number: AccountNumber
    login_type_id: LoginTypeNumber | None = Field(None)


class RegisterAccounts(Wire):
    """A user (made when nobody has the name) and the accounts to tie it to."""

    model_config = example(
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
