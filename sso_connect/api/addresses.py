"""Addresses as older partner software writes them: a slash too many at the end, and POST for every old name.

| the call                                                | a compat key                          | a strict key            |
| `/ping/`                                                | answered, warned of TrailingSlash     | 404 TrailingSlash       |
| POST to the old name of an operation by GET or PATCH    | answered; the body may name what      | 405 MethodNotAllowed    |
|                                                         | otherwise stands in the query         |                         |
"""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import MethodNotAllowed

from idp.errors import TrailingSlash
from idp.web.request import Folded
from sso_connect.api.calls.caller import Caller
from sso_connect.api.operation import Operation
from sso_connect.api.request import ApiRequest
from sso_connect.api.wire import folded_names
from sso_connect.warnings import WarningCode


def check_slash(request: ApiRequest, caller: Caller | None) -> None:
    """TrailingSlash, unless a compat key calls: that one is warned. `caller` None: the key is not known, and is refused later."""
    if caller is None or not request.path.endswith("/"):
        return
    if not caller.is_compat:
        raise TrailingSlash(request.path[:200])
    caller.warn(WarningCode.TRAILING_SLASH, "path")


def is_posted(request: ApiRequest, operation: Operation, caller: Caller) -> bool:
    """Whether this is a POST to an operation that has another method. MethodNotAllowed unless a compat key calls."""
    if request.method == operation.method:
        return False
    if not caller.is_compat:
        raise MethodNotAllowed(valid_methods=[operation.method])
    return True


def posted(request: ApiRequest, operation: Operation) -> tuple[Folded, dict[str, Any]]:
    """The parameters of a posted operation, from query and body, and what is left of the body. Errors as read_json's.

    A parameter that the body alone can hold is taken out of it. One that both can hold stays in it, and counts as a parameter
    where the query and the rest of the body name nothing.
    """
    query = request.folded_query
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    body = request.read_json() if request.content_length or chunked else {}
    parameters = {} if operation.query is None else folded_names(operation.query)
    fields = {} if operation.request is None else folded_names(operation.request)
    values: dict[str, Any] = dict(query.values)
    left: dict[str, Any] = {}
    both: dict[str, Any] = {}
    for name, value in body.items():
        folded = name.lower()
        if folded in fields or folded not in parameters:
            left[name] = value
        if folded in parameters and value is not None:
            (both if folded in fields else values).setdefault(folded, value)
    if not set(parameters) & set(values):
        values |= both
    return Folded(values, query.twice), left
