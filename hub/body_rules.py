"""Which rule holds for a body, by the route that it is sent to: asked by the server before anything of the body is received.

The routes that will answer the request decide, so nobody can hold a connection open with a body for an address that does not exist.
Which biller a host belongs to is looked up later, by the page.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException

from hub.server.bodies import PAGE, UNREAD, BodyRule
from hub.server.head import Head
from idp.web.request import MOST_BODY_BYTES
from sso_connect.api.routes import FILE_ENDPOINTS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask import Flask

CALL = BodyRule(MOST_BODY_BYTES, 30.0)
_KEPT_ROUTES = 1024
_LONGEST_KEPT_PATH = 200


class BodyRules:
    """The rules of the portal and of the API."""

    def __init__(self, *, portal: Flask, api: Flask, api_host: str, host_of: Callable[[WSGIEnvironment], str]) -> None:
        """`host_of`: the host that a request is for in its normal form, forwarding headers considered."""
        self._portal = portal.url_map.bind("portal")
        self._api = api.url_map.bind("api")
        self._api_host = api_host
        self._host_of = host_of
        self._kept = lru_cache(_KEPT_ROUTES)(self._find)

    def __call__(self, head: Head) -> BodyRule:
        """What holds for the body of this request."""
        is_api = self._host_of(head.environ) == self._api_host
        if is_api and not ("HTTP_X_API_KEY" in head.environ or "HTTP_AUTHORIZATION" in head.environ):
            return UNREAD
        find = self._kept if len(head.path) <= _LONGEST_KEPT_PATH else self._find
        return find(is_api, head.method, head.path)

    def _find(self, is_api: bool, method: str, path: str) -> BodyRule:
        try:
            endpoint, _ = (self._api if is_api else self._portal).match(path, method)
        except HTTPException:  # not there, not by this method, or moved: none of these looks at the body
            return UNREAD
        if not is_api:
            return PAGE
        most = FILE_ENDPOINTS.get(endpoint)
        return CALL if most is None else BodyRule(most, None)
