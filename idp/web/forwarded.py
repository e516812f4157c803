"""X-Forwarded-*: believed from the operator's own proxies, removed otherwise.

A WSGI middleware around everything: behind it, REMOTE_ADDR, the scheme and Host are what the client really used. Absolute URLs
never come from these anyway (idp.directory.billers); Host decides only which site answers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

from idp.settings import Network

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NAMES = ("FOR", "PROTO", "HOST", "PORT", "PREFIX", "SERVER", "SSL")


class Forwarded:
    """Applies or removes forwarding headers, by who sent them."""

    def __init__(self, application: WSGIApplication, trusted: tuple[Network, ...]) -> None:
        self._application = application
        self._trusted = trusted
        self._fixed = ProxyFix(application, x_for=1, x_proto=1, x_host=1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _is_trusted(environ, self._trusted):
            return self._fixed(environ, start_response)
        for name in _NAMES:
            environ.pop(f"HTTP_X_FORWARDED_{name}", None)
        environ.pop("HTTP_FORWARDED", None)
        return self._application(environ, start_response)


def host_of(environ: WSGIEnvironment, trusted: tuple[Network, ...]) -> str:
    """The host that a request is for, as `Forwarded` will have it; "" when none was sent. Changes nothing."""
    forwarded = str(environ.get("HTTP_X_FORWARDED_HOST", "")).rpartition(",")[2].strip()
    return forwarded if forwarded and _is_trusted(environ, trusted) else str(environ.get("HTTP_HOST", ""))


def _is_trusted(environ: WSGIEnvironment, trusted: tuple[Network, ...]) -> bool:
    if not trusted:
        return False
    try:
        parsed = ipaddress.ip_address(str(environ.get("REMOTE_ADDR", "")))
    except ValueError:
        return False
    return any(parsed in network for network in trusted)
