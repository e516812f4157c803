"""How a body names a user; words and bounds that several models share, and the values of their examples."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from sso_connect.api.wire import Email, Guid, Name100, Name200, Wire

MOST_ACCOUNTS = 100
"""Accounts in one call."""

Token = Name200
LoginTypeWord = Literal["Owner", "Co-owner", "Oversight", "Guest"]

GUID_EXAMPLE = "01890a5d-ac96-774b-bcce-b302099a8057"
TOKEN_EXAMPLE = "idht_" + "x" * 43


def example(**values: Any) -> ConfigDict:
    """The example of a model, for the document."""
    return ConfigDict(json_schema_extra={"example": values})


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
