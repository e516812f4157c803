"""Everything that the hub refuses, in one catalogue.

    HubError
    ├── Invalid           what was sent cannot be understood or is not allowed         400 / 408 / 413 / 415 / 422 / 431
    ├── Unauthenticated   no proof of who is asking, or the wrong one                  401
    ├── Denied            known, but not allowed                                       403
    ├── NotFound          unknown, or somebody else's: the two look the same           404
    ├── Conflict          at odds with what is there already                           409
    ├── Expired           was good, its time is over                                   410
    ├── Spent             was good for one use, and was used                           410
    ├── Throttled         too often                                                    429
    ├── Unavailable       a part that we need does not answer; trying again helps      503
    └── Internal          our fault; the reference leads to the log                    500

A subclass is one reason. `code` is stable, unique and what a partner greps for; `public` (English here, other languages in
`idp.texts` under `errors.{code}`) may be shown to anybody; `fix` tells a partner or biller what to do; `detail` is for our log
and diagnostics and never crosses the wire. Each wire format translates in one place: problem+json and HTML in
`idp.web.problems`; OAuth and SAML by the `oauth` and `saml` words below.
"""

from __future__ import annotations

from collections.abc import Iterator

from idp.errors.directory import (
    AccountAlreadyRegistered,
    AlreadyExists,
    AmbiguousUser,
    ApiKeyNotFound,
    BillerNotFound,
    ConfirmationGone,
    CustomerExists,
    CustomerNotFound,
    ImportRunning,
    ImportRunNotFound,
    InvalidFile,
    InvoiceFileNotFound,
    JobNotFound,
    JobNotRepeatable,
    JobRunning,
    PartnerNotFound,
    PartnerUserIdTaken,
    PasswordOwnedByPartner,
    Raced,
    ReferenceNotFound,
    RegistrationNotPending,
    RolledBack,
    SharedOriginRefused,
    ThemeNotFound,
    UserNameTaken,
    UserNotFound,
    UserRequired,
)
from idp.errors.requests import (
    BodyTooLarge,
    BodyTooSlow,
    Busy,
    CsrfRefused,
    DamagedCiphertext,
    HeadTooLarge,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    InvalidFields,
    MalformedRequest,
    MethodNotAllowed,
    OriginRefused,
    Overloaded,
    PageNotFound,
    PermissionMissing,
    RateLimited,
    StoreUnavailable,
    TooManyAttempts,
    TooManyUploads,
    TrailingSlash,
    UnexpectedError,
    Unreachable,
    UnsupportedMediaType,
)
from idp.errors.sign_in import (
    AccountRefused,
    CredentialsRefused,
    DestinationRefused,
    InvalidApiKey,
    InvalidRedirect,
    ReturnUrlRefused,
    ScopeMissing,
    SenderRefused,
    SessionRequired,
    TokenExpired,
    TokenSpent,
    TokenUnknown,
    UserDisabled,
    ViewModeRefused,
    WrongBiller,
)
from idp.errors.tree import (
    Conflict,
    Denied,
    Expired,
    FailedItem,
    FieldError,
    HubError,
    Internal,
    Invalid,
    Kind,
    NotFound,
    Spent,
    Throttled,
    Unauthenticated,
    Unavailable,
)

__all__ = [
    "AccountAlreadyRegistered",
    "AccountRefused",
    "AlreadyExists",
    "AmbiguousUser",
    "ApiKeyNotFound",
    "BillerNotFound",
    "BodyTooLarge",
    "BodyTooSlow",
    "Busy",
    "ConfirmationGone",
    "Conflict",
    "CredentialsRefused",
    "CsrfRefused",
    "CustomerExists",
    "CustomerNotFound",
    "DamagedCiphertext",
    "Denied",
    "DestinationRefused",
    "Expired",
    "FailedItem",
    "FieldError",
    "HeadTooLarge",
    "HubError",
    "IdempotencyInProgress",
    "IdempotencyKeyReused",
    "ImportRunNotFound",
    "ImportRunning",
    "Internal",
    "Invalid",
    "InvalidApiKey",
    "InvalidFields",
    "InvalidFile",
    "InvalidRedirect",
    "InvoiceFileNotFound",
    "JobNotFound",
    "JobNotRepeatable",
    "JobRunning",
    "Kind",
    "MalformedRequest",
    "MethodNotAllowed",
    "NotFound",
    "OriginRefused",
    "Overloaded",
    "PageNotFound",
    "PartnerNotFound",
    "PartnerUserIdTaken",
    "PasswordOwnedByPartner",
    "PermissionMissing",
    "Raced",
    "RateLimited",
    "ReferenceNotFound",
    "RegistrationNotPending",
    "ReturnUrlRefused",
    "RolledBack",
    "ScopeMissing",
    "SenderRefused",
    "SessionRequired",
    "SharedOriginRefused",
    "Spent",
    "StoreUnavailable",
    "ThemeNotFound",
    "Throttled",
    "TokenExpired",
    "TokenSpent",
    "TokenUnknown",
    "TooManyAttempts",
    "TooManyUploads",
    "TrailingSlash",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedError",
    "Unreachable",
    "UnsupportedMediaType",
    "UserDisabled",
    "UserNameTaken",
    "UserNotFound",
    "UserRequired",
    "ViewModeRefused",
    "WrongBiller",
    "catalogue",
]


def catalogue() -> tuple[type[HubError], ...]:
    """Every reason, ordered by code: what the docs and the totality tests are made from."""

    def leaves(parent: type[HubError]) -> Iterator[type[HubError]]:
        for child in parent.__subclasses__():
            if "code" in vars(child):
                yield child
            yield from leaves(child)

    return tuple(sorted(leaves(HubError), key=lambda reason: reason.code))
