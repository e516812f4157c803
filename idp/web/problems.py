"""Refusals on the wire: problem+json for machines, a plain page for people. The two translations, each in one place.

Everything that a view raises ends here: a HubError as what it is, an HTTP error of the framework as its nearest reason, and any
other as UnexpectedError, whose cause goes to the log under the request id and nowhere else.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from flask import Flask, Response, json
from werkzeug.exceptions import HTTPException

from idp.errors import (
    BodyTooLarge,
    BodyTooSlow,
    HeadTooLarge,
    HubError,
    Kind,
    MalformedRequest,
    MethodNotAllowed,
    PageNotFound,
    RolledBack,
    UnexpectedError,
    UnsupportedMediaType,
)
from idp.web.request import HubRequest

_log = logging.getLogger(__name__)

Translate = Callable[[HubError], Response]

_BY_STATUS: dict[int, type[HubError]] = {
    400: MalformedRequest,
    404: PageNotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
}


def install(app: Flask, translate: Translate, current: Callable[[], HubRequest]) -> None:
    """Let every exception of an application leave through `translate`, and what its server refuses as well."""

    def handle(fault: Exception) -> Response:
        error = as_hub_error(fault)
        request = current()
        if error.kind in (Kind.INTERNAL, Kind.UNAVAILABLE):
            _log.error(
                "request failed",
                extra={"request_id": request.request_id, "code": error.code, "detail": error.detail},
                exc_info=fault if error.kind is Kind.INTERNAL else None,
            )
        response = translate(error)
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after.total_seconds())))
        if isinstance(fault, HTTPException):
            allowed = dict(fault.get_headers()).get("Allow")
            if allowed:
                response.headers["Allow"] = allowed
        return response

    def refuse_first() -> None:
        if (refusal := current().refusal) is not None:
            raise refusal

    app.before_request(refuse_first)
    app.register_error_handler(Exception, handle)


def as_hub_error(fault: Exception) -> HubError:
    """What a fault means to the outside."""
    if isinstance(fault, HubError):
        return fault
    if isinstance(fault, HTTPException):
        reason = _BY_STATUS.get(fault.code or 500)
        return reason() if reason is not None else UnexpectedError(f"HTTP {fault.code}")
    return UnexpectedError(type(fault).__name__)


def problem_json(error: HubError, request_id: str, type_base: str) -> Response:
    """RFC 9457. `Code` is stable; `Errors` names each wrong field, `Results` each item of a batch that was rolled back.

    `detail` is the public text, never our detail.
    """
    body: dict[str, object] = {
        "type": f"{type_base}/{error.code}",
        "title": error.public,
        "status": error.http,
        "detail": _public_detail(error),
        "instance": f"urn:uuid:{request_id}",
        "Code": error.code,
    }
    if error.fields:
        body["Errors"] = [{"Field": each.field, "Message": each.message} for each in error.fields]
    if isinstance(error, RolledBack):
        body["Results"] = [{"AccountNumber": each.account_number, "Status": each.status} for each in error.items]
    response = Response(json.dumps(body), status=error.http, content_type="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _public_detail(error: HubError) -> str:
    """For what the caller itself got wrong in its form, our words help and tell nothing new; for all else the fix does."""
    if isinstance(error, MalformedRequest | UnsupportedMediaType | BodyTooLarge | BodyTooSlow | HeadTooLarge) and error.detail:
        return f"{error.detail}. {error.fix}"
    return error.fix
