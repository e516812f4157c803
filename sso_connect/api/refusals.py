"""What the diagnostics keep of a call that was refused: each check on its way, up to the one that failed.

A call goes through the steps of `routes`: key, scope, parameters and body, then whatever it is about. Those before the refusal
held. What was expected and what came is said in fixed words per reason, or in those that the answer itself shows; never by what was
sent.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from idp import errors
from idp.clock import Clock
from idp.errors import HubError, InvalidApiKey, InvalidFields, Kind, RateLimited, ScopeMissing
from idp.opaque import new_reference
from sso_connect.api.operation import Operation
from sso_connect.api.request import ApiRequest
from sso_connect.checks import Check
from sso_connect.diagnostics import Diagnostics, Refusal

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Words:
    """What a reason is about, what was expected, and what came."""

    about: str
    expected: str
    came: str


_OF_THE_BODY: Mapping[type[HubError], Words] = MappingProxyType(
    {
        errors.MalformedRequest: Words("body", "what the operation takes, well-formed, each name once", "something else"),
        errors.UnsupportedMediaType: Words("content type", "the content type that the operation takes", "another"),
        errors.BodyTooLarge: Words("body", "a body within the limit", "a larger one"),
    }
)
"""Said by `detail`, which the answer shows too; `came` where there is none."""

WORDS: Mapping[type[HubError], Words] = MappingProxyType(
    {
        errors.AccountAlreadyRegistered: Words("account", "an account without a user (the biller's multi_user is off)", "one with"),
        errors.AccountRefused: Words("account", "an account of the user, or none", "another account"),
        errors.AmbiguousUser: Words("user", "names that fit one user", "names that fit several"),
        errors.Busy: Words("load", "a free place to check a password", "none"),
        errors.ConfirmationGone: Words("confirmation", "a confirmation that waits for its answer", "one that is over"),
        errors.CredentialsRefused: Words("password", "the payer's right password (key policy)", "none, or another"),
        errors.CustomerExists: Words("account", "an account number that the biller does not have", "one that it has"),
        errors.CustomerNotFound: Words("account", "an account of this biller, and of the user where one is named", "none of these"),
        errors.DestinationRefused: Words("destination", "a RedirectID that the key may use (Ping shows them)", "another one"),
        errors.IdempotencyInProgress: Words("Idempotency-Key", "a request that nobody works on", "one that is being worked on"),
        errors.IdempotencyKeyReused: Words("Idempotency-Key", "the body that came with it before, or a fresh key", "another body"),
        errors.ImportRunning: Words("import", "no other import of the biller at work", "one at work"),
        errors.InvalidFile: Words("file", "a file that can be read whole", "another"),
        errors.InvoiceFileNotFound: Words("invoice file", "the id of a file that was uploaded for this biller", "none of these"),
        errors.PartnerUserIdTaken: Words("PartnerUserID", "an id that names no other user of the partner", "one that does"),
        errors.PasswordOwnedByPartner: Words("password", "a password of the hub or of this partner", "one of another partner"),
        errors.Raced: Words("race", "nobody else who changes the same", "somebody was faster"),
        errors.ReferenceNotFound: Words("reference", "a reference or request id of this partner at this biller", "none of these"),
        errors.ReturnUrlRefused: Words("ReturnUrl", "none, or a place on the key's list (Ping shows it)", "another place"),
        errors.RolledBack: Words("items", "a batch with Atomic in which each item succeeds", "an item that failed (see Results)"),
        errors.TooManyAttempts: Words("attempts", "a few wrong attempts at most", "too many (see Retry-After)"),
        errors.TooManyUploads: Words("invoice files", "5 of the key and 20 of the biller that wait, at most", "one more"),
        errors.UserDisabled: Words("user", "an enabled user", "a disabled one"),
        errors.UserNameTaken: Words("user name", "a user name that no other user has", "one of another user"),
        errors.UserNotFound: Words("user", "a user of this biller that the key may speak for", "no such user"),
        errors.UserRequired: Words("user", "an account with an Owner or one user, or a name of a user", "several users, no Owner"),
    }
)
"""What the operations refuse for (a test holds it against their table)."""


class Refusals:
    """Keeps what the partner API refuses."""

    def __init__(self, diagnostics: Diagnostics, clock: Clock) -> None:
        self._diagnostics = diagnostics
        self._clock = clock

    def record(self, request: ApiRequest, error: HubError) -> None:
        """Keep a refusal under a fresh reference and the request's id, where the key is known. Never fails the answer.

        Not what is no fault of the call: our own failures, and a key over its rate, which its headers tell well enough.
        """
        key, operation = request.key, request.operation
        if key is None or operation is None or isinstance(error, RateLimited):
            return
        if error.kind in {Kind.INTERNAL, Kind.UNAVAILABLE}:
            return
        refusal = Refusal(
            reference=new_reference(),
            at=self._clock.now(),
            bid=key.bid,
            code=error.code,
            where=operation.place,
            checks=tuple(_checks(request, operation, error)),
            request_id=request.request_id,
            key_id=key.id,
            partner_id=key.partner.id,
        )
        try:
            self._diagnostics.record(refusal)
        except HubError as fault:
            _log.warning("refusal not kept", extra={"bid": key.bid, "request_id": request.request_id, "cause": fault.code})


def _checks(request: ApiRequest, operation: Operation, error: HubError) -> list[Check]:
    if isinstance(error, InvalidApiKey):
        return [_failed(error, Words("key", "a live key, of a partner and a biller in service", "one that is not"))]
    held = [Check("key", held=True)]
    if isinstance(error, ScopeMissing):
        scopes = () if request.key is None else sorted(request.key.policies.scopes)
        wanted = "" if operation.scope is None else operation.scope.value
        return [*held, _failed(error, Words("scope", wanted, ", ".join(scopes) or "no scope"))]
    if operation.scope is not None:
        held.append(Check("scope", held=True))
    if isinstance(error, InvalidFields):
        return [*held, *(_field(each.field, each.message, error.fix) for each in error.fields)]
    words = _OF_THE_BODY.get(type(error))
    if words is not None:
        return [*held, _failed(error, Words(words.about, words.expected, error.detail or words.came))]
    held.append(Check("body" if operation.query is None else "parameters", held=True))
    return [*held, _failed(error, WORDS.get(type(error)) or Words("request", "see the fix", error.public))]


def _failed(error: HubError, words: Words) -> Check:
    return Check(words.about, held=False, expected=words.expected, came=words.came, fix=error.fix)


def _field(field: str, message: str, fix: str) -> Check:
    came = "nothing" if message == "is required" else "something else"
    return Check(field, held=False, expected=message, came=came, fix=fix)
