"""Passwords and addresses, as they are set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sso_connect.api.models.named import GUID_EXAMPLE, NamedUser, Token, example
from sso_connect.api.wire import AccountNumber, Email, Guid, Name100, Name200, Password, Wire


class UpdatePassword(NamedUser):
    """Whose password, and the new one."""

    model_config = example(UserName="pat", CurrentPassword="correct horse", NewPassword="battery staple")

    new_password: Password = Field(
        repr=False, description="1 to 256 characters of any strength, no control characters; compared in Unicode form NFC."
    )
    current_password: Password | None = Field(
        None, repr=False, description="Looked at while the hub owns the password. Right: the password becomes yours, at once."
    )


class Pending(Wire):
    """Nothing has changed yet: the payer is asked by mail (at most once in ten minutes), where it has an address of its own."""

    model_config = example(Status="PendingConfirmation")

    status: Literal["PendingConfirmation"]


class UpdateEmailAddress(Wire):
    """Whose address, by any name of a user or by AccountNumber, and the new one.

    EmailAddress is always the NEW address. The old one names a user as ExpectedEmailAddress, when no other name is given.
    """

    model_config = example(PartnerUserID="u-4711", EmailAddress="pat.new@example.com", ExpectedEmailAddress="pat@example.com")

    login_guid: Guid | None = Field(None, description="The hub's id of the user.")
    partner_user_id: Name200 | None = Field(None, description="The partner's own id of the user.")
    user_name: Name100 | None = Field(None, description="Compared without regard to case.")
    remote_authentication_token: Token | None = Field(None, description="A live token of this partner, for its user.")
    account_number: AccountNumber | None = Field(
        None,
        description=(
            "Without a name: the Owner of the account, or its only user; nobody registered: the record of the account itself"
            " (which takes the scope customers:write too). With a name: checked to be one of the user's accounts."
        ),
    )
    email_address: Email = Field(description="The new address.")
    email_verified: bool = Field(False, description="You have checked that it is the payer's. Counts when the key is trusted.")
    current_password: Password | None = Field(
        None, repr=False, description="The payer's password, as proof. The right one changes the address at once."
    )
    expected_email_address: Email | None = Field(
        None,
        description=(
            "What you take for our present address. Another one than ours: 202, and the payer is asked by mail. It proves nothing."
            " When no name and no AccountNumber is sent, it names the user."
        ),
    )


class UpdateEmailAddressAnswer(Wire):
    """Done. Unchanged: the user had this address already. LoginGUID is null for an account without a registered user."""

    model_config = example(Status="Updated", LoginGUID=GUID_EXAMPLE)

    status: Literal["Updated", "Unchanged"]
    login_guid: Guid | None
