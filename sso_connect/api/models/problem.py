"""A refusal on the wire (RFC 9457)."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from sso_connect.api.wire import Wire


class ProblemField(Wire):
    """One field that is wrong."""

    field: str = Field(description="The wire path, for example Accounts.0.AccountNumber.")
    message: str


class ProblemItem(Wire):
    """One account of a batch that was rolled back."""

    account_number: str
    status: str = Field(description="Why it failed, or RolledBack: it would have gone through.")


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
    results: list[ProblemItem] | None = Field(None, alias="Results", description="For RolledBack: each account, in the order sent.")
