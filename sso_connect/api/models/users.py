"""Users and their accounts, as they are asked for and told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sso_connect.api.models.named import GUID_EXAMPLE, MOST_ACCOUNTS, LoginTypeWord, NamedUser, example
from sso_connect.api.wire import AccountNumber, Email, Guid, LoginTypeNumber, Name100, Wire


class RetrieveUsers(Wire):
    """Accounts to ask about, a user to ask about, or both: then IsRegisteredToUser says whether they belong together."""

    model_config = example(AccountNumbers=["1001-01", "1002-01"], EmailAddress="pat@example.com")

    account_numbers: list[AccountNumber] | None = Field(
        None, min_length=1, max_length=MOST_ACCOUNTS, description="The accounts to ask about. Without them: all of the user."
    )
    email_address: Email | None = Field(None, description="The user's e-mail address.")
    user_name: Name100 | None = Field(None, description="The user's name, compared without regard to case.")


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
    status: Literal["Registered", "NotRegistered", "NotFound", "Throttled"]
    exists: bool
    is_registered: bool
    is_registered_to_user: bool | None = Field(description="null when no user was named.")
    users: list[RetrievedUser]


class RetrieveUsersAnswer(Wire):
    """An item per account, in the order asked; without AccountNumbers all accounts of the users that fit (none: empty)."""

    model_config = example(
        Results=[
            {
                "AccountNumber": "1001-01", "Status": "Registered", "Exists": True, "IsRegistered": True,
                "IsRegisteredToUser": True,
                "Users": [
                    {
                        "LoginGUID": GUID_EXAMPLE, "UserName": "pat", "EmailAddress": "pat@example.com", "LoginTypeID": 1,
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


class UserAccount(Wire):
    """One account of the user."""

    customer_guid: Guid
    account_number: str
    display_account_number: str
    login_type_id: LoginTypeNumber
    login_type: LoginTypeWord
    is_default: bool
    pending: bool


ACCOUNT_EXAMPLE = {
    "CustomerGUID": GUID_EXAMPLE, "AccountNumber": "1001-01", "DisplayAccountNumber": "1001-01", "LoginTypeID": 1,
    "LoginType": "Owner", "IsDefault": True, "Pending": False,
}  # fmt: skip


class RetrieveUserAccounts(NamedUser):
    """A user, or a CustomerGUID: then its Owner, or its only user. With both, that one account of the user."""

    model_config = example(UserName="pat")

    customer_guid: Guid | None = Field(None, description="The hub's id of an account.")


class RetrieveUserAccountsAnswer(Wire):
    """The accounts of a user, the oldest registration first."""

    model_config = example(LoginGUID=GUID_EXAMPLE, Accounts=[ACCOUNT_EXAMPLE])

    login_guid: Guid
    accounts: list[UserAccount]
