"""The tree: what every refusal has, and the ten kinds. The reasons are in the files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What sort of refusal; every wire format maps all of these and nothing else."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    EXPIRED = "expired"
    SPENT = "spent"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is wrong: its wire name (dotted for nested ones) and what is wrong with it."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class FailedItem:
    """One item of a batch that was not carried out, and the Status word that says why."""

    account_number: str
    status: str


class HubError(Exception):
    """A refusal with a reason. Raised in services, translated at the edge."""

    kind: ClassVar[Kind]
    code: ClassVar[str]
    http: ClassVar[int]
    public: ClassVar[str]
    fix: ClassVar[str]
    oauth: ClassVar[str] = "invalid_request"
    saml: ClassVar[str] = "Requester"
    again_in: ClassVar[timedelta | None] = None
    """Retry-After of every such refusal that does not say otherwise."""

    def __init__(self, detail: str = "", *, fields: Sequence[FieldError] = (), retry_after: timedelta | None = None) -> None:
        super().__init__(detail or self.public)
        self.detail = detail
        self.fields = tuple(fields)
        self.retry_after = self.again_in if retry_after is None else retry_after


class Invalid(HubError):
    """What was sent cannot be understood or is not allowed."""

    kind = Kind.INVALID
    http = 422


class Unauthenticated(HubError):
    """No proof of who is asking, or the wrong one."""

    kind = Kind.UNAUTHENTICATED
    http = 401
    oauth = "invalid_client"
    saml = "AuthnFailed"


class Denied(HubError):
    """Known, but not allowed."""

    kind = Kind.DENIED
    http = 403
    oauth = "access_denied"
    saml = "RequestDenied"


class NotFound(HubError):
    """Unknown, or somebody else's: the two look the same."""

    kind = Kind.NOT_FOUND
    http = 404


class Conflict(HubError):
    """At odds with what is there already."""

    kind = Kind.CONFLICT
    http = 409


class Expired(HubError):
    """Was good, its time is over."""

    kind = Kind.EXPIRED
    http = 410
    oauth = "invalid_grant"


class Spent(HubError):
    """Was good for one use, and was used."""

    kind = Kind.SPENT
    http = 410
    oauth = "invalid_grant"


class Throttled(HubError):
    """Too often."""

    kind = Kind.THROTTLED
    http = 429
    oauth = "slow_down"
    saml = "RequestDenied"


class Unavailable(HubError):
    """A part that we need does not answer; trying again helps."""

    kind = Kind.UNAVAILABLE
    http = 503
    again_in = timedelta(seconds=2)
    oauth = "temporarily_unavailable"
    saml = "Responder"


class Internal(HubError):
    """Our fault; the reference leads to the log."""

    kind = Kind.INTERNAL
    http = 500
    oauth = "server_error"
    saml = "Responder"
