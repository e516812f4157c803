"""What is wrong with a request, or with us: reasons that any address can answer."""

from __future__ import annotations

from datetime import timedelta

from idp.errors.tree import Conflict, Denied, Internal, Invalid, NotFound, Throttled, Unavailable


class MalformedRequest(Invalid):
    """The body or a parameter cannot be parsed at all: bad JSON, bad UTF-8, a name given twice."""

    code = "MalformedRequest"
    http = 400
    public = "The request could not be read."
    fix = "Send each header once, and one well-formed JSON object in UTF-8, each name once, nested at most 20 deep."


class UnsupportedMediaType(Invalid):
    """The content type is not the one that the operation takes."""

    code = "UnsupportedMediaType"
    http = 415
    public = "This content type is not accepted here."
    fix = (
        "Send Content-Type: application/json (the hand-off: application/x-www-form-urlencoded; invoice files: text/plain or"
        " application/octet-stream)."
    )


class BodyTooLarge(Invalid):
    """The body is over the limit of the operation."""

    code = "BodyTooLarge"
    http = 413
    public = "The request is too large."
    fix = "Send less at once; API calls take at most 1 MiB, batches at most 100 accounts, invoice files at most 64 MiB."


class BodyTooSlow(Invalid):
    """The body did not arrive in time: ten seconds for a form, thirty for JSON, 16 KiB a second for an invoice file."""

    code = "BodyTooSlow"
    http = 408
    public = "The request took too long to arrive."
    fix = "Send the request again over a faster connection; nothing was changed."


class HeadTooLarge(Invalid):
    """The address, the headers or the cookies are larger than any browser or partner needs (RFC 6585 5)."""

    code = "HeadTooLarge"
    http = 431
    public = "The request is too large."
    fix = "Send a shorter address and fewer cookies: an address of at most 16 KiB, headers of at most 32 KiB."


class InvalidFields(Invalid):
    """The request was read, and some of its fields are wrong; each is named."""

    code = "InvalidFields"
    public = "Some fields are missing or wrong."
    fix = "Correct the fields that Errors names; the OpenAPI document gives types, lengths and allowed values."


class PageNotFound(NotFound):
    """No such route, or a host and a path that name different billers."""

    code = "PageNotFound"
    public = "Page not found."
    fix = "Check the address; the biller's pages live on the biller's own host."


class TrailingSlash(NotFound):
    """An address of the partner API with a slash too many at its end, asked for by a strict key."""

    code = "TrailingSlash"
    public = "Page not found."
    fix = "Remove the slash at the end of the path."


class MethodNotAllowed(NotFound):
    """The route exists, for another HTTP method."""

    code = "MethodNotAllowed"
    http = 405
    public = "This address does not take that method."
    fix = "See the Allow header and the OpenAPI document."


class OriginRefused(Denied):
    """A form came from a page that may not send it: another site, a sibling host, or one without an origin."""

    code = "OriginRefused"
    public = "This form was sent from a page that may not send it."
    fix = "Open the page again and send the form from there; a partner's origins are registered with its API key."


class CsrfRefused(Denied):
    """The one-time field of a form is missing or not that of this session."""

    code = "CsrfRefused"
    public = "This form has expired."
    fix = "Reload the page and send the form again."


class PermissionMissing(Denied):
    """A member of staff without the permission for the action."""

    code = "PermissionMissing"
    public = "You may not do that."
    fix = "Ask an administrator of the biller for a role that may."


class RateLimited(Throttled):
    """The key is over its rate."""

    code = "RateLimited"
    public = "Too many requests."
    fix = "Wait for Retry-After seconds; RateLimit-* headers tell what is left. A higher rate is a setting of the key."


class TooManyAttempts(Throttled):
    """Too many wrong passwords or role codes by one caller at one user or account. Right ones of other callers still work."""

    code = "TooManyAttempts"
    public = "Too many wrong attempts. Please wait a little."
    fix = "Wait for Retry-After seconds before you try again; each further wrong attempt doubles the wait."


class Busy(Throttled):
    """More passwords are being checked than there are cores, or one key sends too many long bodies at once."""

    code = "Busy"
    public = "We are very busy right now. Please try again in a moment."
    fix = "Send the request again after Retry-After seconds."


class TooManyUploads(Throttled):
    """A key or a biller has as many invoice files waiting as it may."""

    code = "TooManyUploads"
    public = "Too many invoice files are waiting to be imported."
    fix = "Send it again when one is done: at most 5 files of one key and 20 of one biller may come in, wait or run at a time."
    again_in = timedelta(minutes=1)


class IdempotencyKeyReused(Conflict):
    """An Idempotency-Key that was sent before with another body."""

    code = "IdempotencyKeyReused"
    public = "This Idempotency-Key was used for another request."
    fix = "Make a fresh Idempotency-Key for each new request; repeat a request with the very same body."


class IdempotencyInProgress(Conflict):
    """The request with this Idempotency-Key is being worked on."""

    code = "IdempotencyInProgress"
    public = "The same request is being worked on."
    fix = "Send the request again with the same Idempotency-Key after Retry-After seconds."


class StoreUnavailable(Unavailable):
    """The database or the key-value store does not answer, or has lost its data and a new epoch begins."""

    code = "StoreUnavailable"
    public = "We cannot answer right now. Please try again in a moment."
    fix = "Try again with a short delay; /readyz names the part that is missing."


class Overloaded(Unavailable):
    """More long bodies are arriving than this process can receive at once. Short requests are not affected."""

    code = "Overloaded"
    public = "We are very busy right now. Please try again in a moment."
    fix = "Send the request again after Retry-After seconds."


class Unreachable(Unavailable):
    """A URL that somebody else wrote could not be fetched, whatever the cause: our log has it, a biller never sees it."""

    code = "Unreachable"
    public = "The address could not be reached."
    fix = "Check the URL: https on port 443, a public host, a valid certificate, no redirect. Operators: the log has the cause."


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
