"""Everything that the hub refuses, in one catalogue.

    HubError
    ├── Invalid           what was sent cannot be understood or is not allowed         400 / 415 / 422
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

from collections.abc import Iterator, Sequence
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


class HubError(Exception):
    """A refusal with a reason. Raised in services, translated at the edge."""

    kind: ClassVar[Kind]
    code: ClassVar[str]
    http: ClassVar[int]
    public: ClassVar[str]
    fix: ClassVar[str]
    oauth: ClassVar[str] = "invalid_request"
    saml: ClassVar[str] = "Requester"

    def __init__(self, detail: str = "", *, fields: Sequence[FieldError] = (), retry_after: timedelta | None = None) -> None:
        super().__init__(detail or self.public)
        self.detail = detail
        self.fields = tuple(fields)
        self.retry_after = retry_after


def catalogue() -> tuple[type[HubError], ...]:
    """Every reason, ordered by code: what the docs and the totality tests are made from."""

    def leaves(parent: type[HubError]) -> Iterator[type[HubError]]:
        for child in parent.__subclasses__():
            if "code" in vars(child):
                yield child
            yield from leaves(child)

    return tuple(sorted(leaves(HubError), key=lambda reason: reason.code))


# --- invalid -----------------------------------------------------------------------------------------------------------


class Invalid(HubError):
    """What was sent cannot be understood or is not allowed."""

    kind = Kind.INVALID
    http = 422


class MalformedRequest(Invalid):
    """The body or a parameter cannot be parsed at all: bad JSON, bad UTF-8, a name given twice."""

    code = "MalformedRequest"
    http = 400
    public = "The request could not be read."
    fix = "Send one well-formed JSON object in UTF-8, each name once, nested at most 20 deep."


class UnsupportedMediaType(Invalid):
    """The content type is not the one that the operation takes."""

    code = "UnsupportedMediaType"
    http = 415
    public = "This content type is not accepted here."
    fix = "Send Content-Type: application/json (the hand-off: application/x-www-form-urlencoded)."


class BodyTooLarge(Invalid):
    """The body is over the limit of the operation."""

    code = "BodyTooLarge"
    http = 413
    public = "The request is too large."
    fix = "Send less at once; API calls take at most 1 MiB, batches at most 100 accounts."


class InvalidFields(Invalid):
    """The request was read, and some of its fields are wrong; `fields` names each."""

    code = "InvalidFields"
    public = "Some fields are missing or wrong."
    fix = "Correct the fields that Errors names; the OpenAPI document gives types, lengths and allowed values."


class InvalidRedirect(Invalid):
    """A CloudSSOConnect parameter is missing, given twice, out of range or not allowed."""

    code = "InvalidRedirect"
    http = 400
    public = "This link does not work."
    fix = "Compare the redirect with the partner guide; the reference shows which parameter was wrong and what was expected."


class InvalidFile(Invalid):
    """An import file is refused whole; `detail` gives line and reason."""

    code = "InvalidFile"
    public = "The file was refused and nothing of it was taken over."
    fix = "Correct the line that the report names and send the whole file again."


# --- unauthenticated -----------------------------------------------------------------------------------------------------


class Unauthenticated(HubError):
    """No proof of who is asking, or the wrong one."""

    kind = Kind.UNAUTHENTICATED
    http = 401
    oauth = "invalid_client"
    saml = "AuthnFailed"


class InvalidApiKey(Unauthenticated):
    """No API key, an unknown one, a revoked one, or one of a disabled biller or partner: one answer for all."""

    code = "InvalidApiKey"
    public = "The API key is missing or not valid."
    fix = "Send a live key in the X-Api-Key header; keys end when they are revoked or their rotation overlap is over."


class CredentialsRefused(Unauthenticated):
    """A key whose policy is `authenticate = password`, and no right password of the payer: one answer for every cause."""

    code = "CredentialsRefused"
    public = "The sign-in was refused."
    fix = "Keys with the policy authenticate=password must send the payer's password; trusted keys need none (Ping tells)."


class SessionRequired(Unauthenticated):
    """A portal page without a live session."""

    code = "SessionRequired"
    public = "You are not signed in, or you were away for too long."
    fix = "Start again from the portal that you came from."


class TokenUnknown(Unauthenticated):
    """The remote-authentication token was never issued here, is damaged, or is long gone."""

    code = "TokenUnknown"
    public = "This link has expired."
    fix = "Call Remote Authentication and redirect at once with the token it answers, unchanged."


# --- denied --------------------------------------------------------------------------------------------------------------


class Denied(HubError):
    """Known, but not allowed."""

    kind = Kind.DENIED
    http = 403
    oauth = "access_denied"
    saml = "RequestDenied"


class ScopeMissing(Denied):
    """The API key does not carry the scope of the operation."""

    code = "ScopeMissing"
    public = "This API key may not do that."
    fix = "Ask the biller to add the scope to the key; Ping shows the scopes it has."


class PermissionMissing(Denied):
    """A member of staff without the permission for the action."""

    code = "PermissionMissing"
    public = "You may not do that."
    fix = "Ask an administrator of the biller for a role that may."


class WrongBiller(Denied):
    """A token of one biller on the host of another."""

    code = "WrongBiller"
    public = "This link does not work here."
    fix = "Redirect to the ConnectUrl that Remote Authentication answered; it names the biller that the token is for."


class OriginRefused(Denied):
    """A form came from a page that may not send it: another site, a sibling host, or `Origin: null`."""

    code = "OriginRefused"
    public = "This form was sent from a page that may not send it."
    fix = "Open the page again and send the form from there; a partner's origins are registered with its API key."


class CsrfRefused(Denied):
    """The one-time field of a form is missing or not that of this session."""

    code = "CsrfRefused"
    public = "This form is no longer good."
    fix = "Reload the page and send the form again."


class ReturnUrlRefused(Denied):
    """A ReturnUrl that is not on the list of the key."""

    code = "ReturnUrlRefused"
    public = "This link does not work."
    fix = "Register the origin (and path prefix) of the ReturnUrl with the key, or leave the ReturnUrl out."


class ViewModeRefused(Denied):
    """The browser says frame where ViewMode says full page, or the other way round."""

    code = "ViewModeRefused"
    public = "This link does not work in this place."
    fix = "Send ViewMode 1 into an iFrame, 0 for a full page, 2 for a new tab."


class DestinationRefused(Denied):
    """A RedirectID that the API key may not use."""

    code = "DestinationRefused"
    public = "This link does not work."
    fix = "Ask the biller to allow the RedirectID to the key; Ping shows the allowed ones."


class AccountRefused(Denied):
    """The AccountNumber in a redirect is not one of the user's accounts; it is never replaced by another."""

    code = "AccountRefused"
    public = "This account is not open to you."
    fix = "Send an AccountNumber that Remote Authentication listed for the user, or none."


class UserDisabled(Denied):
    """The payer's login was disabled by the biller."""

    code = "UserDisabled"
    public = "This login is disabled."
    fix = "Ask the biller; a disabled user cannot be authenticated or signed in."


class AccountAlreadyRegistered(Denied):
    """The biller allows one registered user per account, and there is one."""

    code = "AccountAlreadyRegistered"
    public = "This account already has a user."
    fix = "The biller's policy multi_user is off: the account's user must be unregistered first."


# --- not found -----------------------------------------------------------------------------------------------------------


class NotFound(HubError):
    """Unknown, or somebody else's: the two look the same."""

    kind = Kind.NOT_FOUND
    http = 404


class PageNotFound(NotFound):
    """No such route, or a host and a path that name different billers."""

    code = "PageNotFound"
    public = "There is no such page."
    fix = "Check the address; the biller's pages live on the biller's own host."


class MethodNotAllowed(NotFound):
    """The route exists, for another HTTP method."""

    code = "MethodNotAllowed"
    http = 405
    public = "This address does not take that method."
    fix = "See the Allow header and the OpenAPI document."


class BillerNotFound(NotFound):
    """No biller with that id."""

    code = "BillerNotFound"
    public = "There is no such biller."
    fix = "List the billers and use the BID, slug or GUID of one of them."


class PartnerNotFound(NotFound):
    """No partner with that id."""

    code = "PartnerNotFound"
    public = "There is no such partner."
    fix = "List the partners and use the id or slug of one of them."


class ApiKeyNotFound(NotFound):
    """No API key with that id at this biller."""

    code = "ApiKeyNotFound"
    public = "There is no such API key."
    fix = "List the keys of the biller and use the id of one of them (never the secret)."


class CustomerNotFound(NotFound):
    """No customer with that GUID or account number at this biller."""

    code = "CustomerNotFound"
    public = "There is no such account."
    fix = "Check the account number or CustomerGUID; a key sees the accounts of its own biller only."


class UserNotFound(NotFound):
    """No user that this key may speak for."""

    code = "UserNotFound"
    public = "There is no such user."
    fix = "Register the user first, or name it by something that it was registered with."


class ImportRunNotFound(NotFound):
    """No import run with that id at this biller."""

    code = "ImportRunNotFound"
    public = "There is no such import run."
    fix = "Use the id that the import printed, with the BID of its biller."


class ReferenceNotFound(NotFound):
    """No stored refusal with that reference, or it is older than its retention."""

    code = "ReferenceNotFound"
    public = "There is nothing under this reference."
    fix = "References are kept for 30 days; copy them from data-reference or X-Request-Id."


# --- conflict ------------------------------------------------------------------------------------------------------------


class Conflict(HubError):
    """At odds with what is there already."""

    kind = Kind.CONFLICT
    http = 409


class CustomerExists(Conflict):
    """An account number that the biller has already."""

    code = "CustomerExists"
    public = "An account with this number exists already."
    fix = "Use the existing record, or update it."


class UserNameTaken(Conflict):
    """The user name belongs to another user of the biller."""

    code = "UserNameTaken"
    public = "This user name is taken."
    fix = "Choose another user name, or send the LoginGUID or PartnerUserID of the user that has it."


class AmbiguousUser(Conflict):
    """What was sent names several users."""

    code = "AmbiguousUser"
    public = "This names more than one user."
    fix = "Name the user by LoginGUID, PartnerUserID or UserName; an e-mail address may be shared."


class Raced(Conflict):
    """Another request took the same seat or name in the same moment. The verb begins again; a caller sees this if that fails."""

    code = "Raced"
    public = "Somebody else changed this in the same moment."
    fix = "Send the request again."


class ImportRunning(Conflict):
    """Another import of the biller is at work, or one died a moment ago and still holds its lease."""

    code = "ImportRunning"
    public = "Another import for this biller is running."
    fix = "Wait until it is done; after an import that broke off, a few minutes. Then send the file again: nothing is taken twice."


class PartnerUserIdTaken(Conflict):
    """The partner's own id already names another of its users."""

    code = "PartnerUserIdTaken"
    public = "This PartnerUserID belongs to another user."
    fix = "Send the PartnerUserID that the user was registered with, or none."


class AlreadyExists(Conflict):
    """A name that must be unique is in use: BID, slug, host, partner."""

    code = "AlreadyExists"
    public = "This name is in use already."
    fix = "Choose another name, or change the existing record."


class SharedOriginRefused(Conflict):
    """Two billers would share one origin."""

    code = "SharedOriginRefused"
    public = "Each biller needs a host of its own."
    fix = "Give the biller a host, or accept the loss of isolation with IDHUB_SHARED_ORIGIN=accepted."


# --- over ----------------------------------------------------------------------------------------------------------------


class Expired(HubError):
    """Was good, its time is over."""

    kind = Kind.EXPIRED
    http = 410
    oauth = "invalid_grant"


class TokenExpired(Expired):
    """A remote-authentication token past its lifetime, or ended by a revoke, a sign-out, a password change or a disabled key."""

    code = "TokenExpired"
    public = "This link has expired."
    fix = "Call Remote Authentication again; the reference shows when and by what the token ended."


class Spent(HubError):
    """Was good for one use, and was used."""

    kind = Kind.SPENT
    http = 410
    oauth = "invalid_grant"


class TokenSpent(Spent):
    """A single-use token was presented again."""

    code = "TokenSpent"
    public = "This link was used already."
    fix = "A single_use token is good for one redirect: authenticate again for each, or use the token policy session."


class Throttled(HubError):
    """Too often."""

    kind = Kind.THROTTLED
    http = 429
    oauth = "slow_down"
    saml = "RequestDenied"


class RateLimited(Throttled):
    """The key is over its rate."""

    code = "RateLimited"
    public = "Too many requests."
    fix = "Wait for Retry-After seconds; RateLimit-* headers tell what is left. A higher rate is a setting of the key."


# --- not now -------------------------------------------------------------------------------------------------------------


class Unavailable(HubError):
    """A part that we need does not answer; trying again helps."""

    kind = Kind.UNAVAILABLE
    http = 503
    oauth = "temporarily_unavailable"
    saml = "Responder"


class StoreUnavailable(Unavailable):
    """The database or the key-value store does not answer, or has lost its data and a new epoch begins."""

    code = "StoreUnavailable"
    public = "We cannot answer right now. Please try again in a moment."
    fix = "Try again with a short delay; /readyz names the part that is missing."


class Unreachable(Unavailable):
    """A URL that somebody else wrote could not be fetched, whatever the cause: `detail` has it, a biller never sees it."""

    code = "Unreachable"
    public = "The address could not be reached."
    fix = "Check the URL: https on port 443, a public host, a valid certificate, no redirect. Operators: the log has the cause."


class Internal(HubError):
    """Our fault; the reference leads to the log."""

    kind = Kind.INTERNAL
    http = 500
    oauth = "server_error"
    saml = "Responder"


class UnexpectedError(Internal):
    """Anything that nobody foresaw."""

    code = "UnexpectedError"
    public = "Something went wrong on our side."
    fix = "Give the reference to the operator: it stands in the log beside the cause."


class DamagedCiphertext(Internal):
    """A value at rest does not open with the keys that we have: wrong master key, or moved between rows."""

    code = "DamagedCiphertext"
    public = "Something went wrong on our side."
    fix = "Operators: start with the master key that the database was written with."
