"""What was refused or warned of, told to the partner that it belongs to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sso_connect.api.models.named import GUID_EXAMPLE, example
from sso_connect.api.wire import Guid, LongCursor, Moment, Name100, Wire
from sso_connect.diagnostics import MOST_ENTRIES


class DiagnosticsReference(Wire):
    """Which one."""

    reference: Name100 = Field(description="The reference of a refusal page, or the X-Request-Id of a call; case does not count.")


class DiagnosticsPage(Wire):
    """How far back."""

    cursor: LongCursor | None = Field(None, description="From the page before; the first page has none.")
    limit: int = Field(50, ge=1, le=MOST_ENTRIES, description="Entries on a page.")


class CheckTold(Wire):
    """One check, in words: what was expected, what came, and what to do where it did not hold."""

    check: str
    held: bool
    evaluated: bool = Field(description="False where the check could not be asked, because what it rests on is faulty.")
    expected: str
    came: str
    fix: str


class Diagnosis(Wire):
    """A refusal of a call or redirect, or a warning. Reference is null for a warning: its request id leads to it."""

    model_config = example(
        Kind="refusal", Reference="7QF3K29DXM", RequestID=GUID_EXAMPLE, At="2026-01-02T10:20:30Z", FirstAt="2026-01-02T10:20:30Z",
        Times=1, Code="ReturnUrlRefused", Where="POST /b/riverbend/sso/connect",
        SessionReference="s-4711",
        Checks=[
            {"Check": "token", "Held": True, "Evaluated": True, "Expected": "", "Came": "policy session", "Fix": ""},
            {
                "Check": "ReturnUrl", "Held": False, "Evaluated": True,
                "Expected": "none, or below one of: https://portal.example.com/account",
                "Came": "https://portal.example.net/account", "Fix": "Register the origin (and path prefix) of the ReturnUrl.",
            },
        ],
    )  # fmt: skip

    kind: Literal["refusal", "warning"]
    reference: str | None
    request_id: Guid = Field(description="Of the call or redirect; of a warning, of its last one.")
    at: Moment = Field(description="When it was refused; when the warning was last given.")
    first_at: Moment
    times: int = Field(description="How often, at least.")
    code: str = Field(description="A problem's (/api/v1/problems) or a warning's (/api/v1/warnings).")
    where: str = Field(description="Method and path.")
    session_reference: str | None = Field(
        None, description="The SessionReference that the token of a refused redirect was asked for with."
    )
    checks: list[CheckTold] = Field(
        description="In their order. Of a redirect whose parameters cannot be read, all that can still be asked."
    )


class RecentDiagnostics(Wire):
    """Refusals and warnings of the partner at this biller, the newest first."""

    model_config = example(Results=[], Cursor=None, NotKept=0)

    results: list[Diagnosis]
    cursor: str | None = Field(description="For the next page; null when this is the last.")
    not_kept: int = Field(
        description="Further refusals of the last 30 days that were not kept, because too many came at once; at least so many."
    )
