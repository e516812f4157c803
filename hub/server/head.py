"""What came before the body, as a WSGI environ (PEP 3333).

A request that could be read in two ways is refused before any application reads it in one of them (RFC 9112 3.2, 11.2):

    Host            once, in HTTP/1.1; well-formed; the same as that of an absolute target
    underscores     in a header's name: `X_Api_Key` would become the same variable as `X-Api-Key` (CGI), past a proxy's rules
    said once       headers whose second line would be a second opinion: keys, origins, content type, forwarding headers

    method          in capitals: methods are told apart by case (RFC 9110 9.1), and a proxy's rule for POST does not see `post`
    coding          `chunked` and no other: one below it would be left to somebody else, or to nobody

Other headers that come several times are joined by commas, cookies by semicolons. X-Forwarded-For is a list by nature; which of
its entries counts is decided in idp.web.forwarded. Lengths that contradict each other were refused by the server already; of a
length beside chunks it has taken the chunks, and closes the connection after the answer (RFC 9112 6.3).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from hub.server.rsgi import Scope
from idp.errors import HeadTooLarge, HubError, MalformedRequest
from idp.origins import bare_host, is_host

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SAID_ONCE = frozenset(
    {
        "authorization",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "origin",
        "purpose",
        "referer",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-fetch-user",
        "sec-purpose",
        "transfer-encoding",
        "x-api-key",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-proto",
    }
)
"""Headers whose second line is refused. Our own (`X-Hub-...`) are among them, see `_is_said_once`."""

MOST_ADDRESS: Final = 16 * 1024
"""Characters of path and query: twice what partners' longest redirects have."""
MOST_HEADER_BYTES: Final = 32 * 1024
"""Of all values together: what nginx takes by default. The server itself takes at most 100 lines."""
MOST_COOKIES: Final = 300
"""Browsers keep at most 180 of one site."""

_OURS = "x-hub-"


@dataclass(slots=True)
class Head:
    """A request before its body. `environ` has everything but `wsgi.input`; from here on it is the application's."""

    environ: WSGIEnvironment
    method: str
    path: str
    """Percent-decoded text; `environ` has it as bytes in Latin-1."""
    host: str
    """Lower case; "" when none was sent, or none that can be used."""
    length: int | None
    """What Content-Length says."""
    has_body: bool
    fault: HubError | None
    """Why the request is refused, whatever it asks for."""


def read_head(scope: Scope) -> Head:
    """Read everything that precedes the body."""
    path, query, method = scope.path, scope.query_string, scope.method
    server, _, port = scope.server.rpartition(":")
    environ: WSGIEnvironment = {
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.0" if scope.http_version == "1" else f"HTTP/{scope.http_version}",
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "REQUEST_METHOD": method,
        "PATH_INFO": _as_latin1(path),
        "QUERY_STRING": _as_latin1(query),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.version": (1, 0),
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    fault = _read_lines(scope.headers.items(), environ)
    host: str = environ.get("HTTP_HOST", "")
    if not host and scope.http_version == "1" and scope.authority:
        host = environ["HTTP_HOST"] = scope.authority
    fault = fault or _check_host(host, scope) or _check_framing(method, environ)
    if len(path) + len(query) > MOST_ADDRESS:
        fault = HeadTooLarge(f"an address of {len(path) + len(query)} characters, at most {MOST_ADDRESS}")
    if fault is not None:
        host = ""
    length: str | None = environ.get("CONTENT_LENGTH")
    return Head(
        environ,
        method,
        path,
        host.lower(),
        None if length is None or not length.isdecimal() else int(length),
        length not in (None, "0") or "HTTP_TRANSFER_ENCODING" in environ,
        fault,
    )


def _read_lines(lines: list[tuple[str, str]], environ: WSGIEnvironment) -> HubError | None:
    fault: HubError | None = None
    size = 0
    for name, value in lines:
        size += len(value)
        variable = _variable(name)
        if not variable:
            fault = MalformedRequest(f"the header {name[:60]} has an underscore in its name")
        elif variable not in environ:
            environ[variable] = value
        elif _is_said_once(name):
            fault = MalformedRequest(f"the header {name} came twice")
        else:
            environ[variable] += f"{';' if variable == 'HTTP_COOKIE' else ','}{value}"
    if size > MOST_HEADER_BYTES:
        return HeadTooLarge(f"headers of {size} bytes, at most {MOST_HEADER_BYTES}")
    if environ.get("HTTP_COOKIE", "").count(";") >= MOST_COOKIES:
        return HeadTooLarge(f"more than {MOST_COOKIES} cookies")
    return fault


@lru_cache(maxsize=512)
def _variable(name: str) -> str:
    """The variable of a header; "" for one that would be mistaken for another."""
    if "_" in name:
        return ""
    variable = name.upper().replace("-", "_")
    return variable if variable in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{variable}"


def _is_said_once(name: str) -> bool:
    return name in SAID_ONCE or name.startswith(_OURS)


def _check_host(host: str, scope: Scope) -> HubError | None:
    if not host:
        return None if scope.http_version == "1" else MalformedRequest("the header Host is missing")
    if not is_host(host):
        return MalformedRequest("the header Host is not a host")
    authority = scope.authority
    if authority is not None and bare_host(authority, scope.scheme) != bare_host(host, scope.scheme):
        return MalformedRequest("the header Host and the address name different hosts")
    return None


def _check_framing(method: str, environ: WSGIEnvironment) -> HubError | None:
    if not method.isupper():
        return MalformedRequest("the method is not in capitals")
    if environ.get("HTTP_TRANSFER_ENCODING", "chunked").lower() != "chunked":
        return MalformedRequest("a transfer coding beside chunked")
    return None


def _as_latin1(text: str) -> str:
    """The text's UTF-8 bytes, a character each, as PEP 3333 wants them."""
    return text if text.isascii() else text.encode().decode("latin-1")
