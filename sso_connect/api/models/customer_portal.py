"""GUIDs, asked for by whatever a partner knows."""

from __future__ import annotations

from pydantic import Field

from sso_connect.api.models.named import GUID_EXAMPLE, LoginTypeWord, NamedUser, example
from sso_connect.api.wire import AccountNumber, Guid, LoginTypeNumber, Wire


class RetrieveLoginGUID(NamedUser):
    """A user by any name, or an account by CustomerGUID or AccountNumber: one of the three."""

    model_config = example(AccountNumber="1001-01")

    customer_guid: Guid | None = Field(None, description="The hub's id of the account.")
    account_number: AccountNumber | None = Field(None, description="The account's number.")


class LoginFound(Wire):
    """A user. Names are null for a key that may not speak for it (users=own); login type and Pending for a user named by itself."""

    login_guid: Guid
    user_name: str | None
    email_address: str | None
    login_type_id: LoginTypeNumber | None
    login_type: LoginTypeWord | None
    pending: bool


class RetrieveLoginGUIDAnswer(Wire):
    """LoginGUID: the user's, or the Owner's of the account (null when there is none). Users: all of the account, Owner first."""

    model_config = example(
        LoginGUID=GUID_EXAMPLE,
        Users=[
            {
                "LoginGUID": GUID_EXAMPLE, "UserName": "pat", "EmailAddress": "pat@example.com", "LoginTypeID": 1,
                "LoginType": "Owner", "Pending": False,
            }
        ],
    )  # fmt: skip

    login_guid: Guid | None
    users: list[LoginFound]


class RetrieveCustomerGUID(NamedUser):
    """An account by its number, or a user by any name: one of the two."""

    model_config = example(AccountNumber="1001-01")

    account_number: AccountNumber | None = Field(None, description="The account's number.")


class CustomerFound(Wire):
    """An account."""

    customer_guid: Guid
    account_number: str
    display_account_number: str
    is_default: bool = Field(description="Of several: the one that opens first.")


class RetrieveCustomerGUIDAnswer(Wire):
    """CustomerGUID: the account's, or the default account's of the user (null when it has none). Customers: all that fit."""

    model_config = example(
        CustomerGUID=GUID_EXAMPLE,
        Customers=[
            {
                "CustomerGUID": GUID_EXAMPLE, "AccountNumber": "1001-01", "DisplayAccountNumber": "1001-01", "IsDefault": True
            }
        ],
    )  # fmt: skip

    customer_guid: Guid | None
    customers: list[CustomerFound]
