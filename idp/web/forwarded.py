"""X-Forwarded-*: believed from the operator's own proxies, removed otherwise.

A WSGI middleware around everything: behind it, REMOTE_ADDR, the scheme and Host are what the client really used, Host in its
normal form (idp.origins), and no forwarding header is left. Absolute URLs never come from these anyway (idp.directory.billers):
Host decides only which site answers.

Each of the three headers may be a list to which every proxy on the way appended. X-Forwarded-For says how many did: it is read from
the right as long as the addresses are those of our proxies, and the first that is not is the client. Host and scheme come from the
same place in their lists. A list that is shorter was set by an outer proxy and passed on by the others: its first entry counts.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from idp.origins import bare_host, is_host
from idp.settings import Network

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NAMES = ("FOR", "PROTO", "HOST", "PORT", "PREFIX", "SERVER", "SSL")
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked for what: the client's address, the scheme, and the host in its normal form ("" when none was sent)."""

    address: str
    scheme: str
    host: str


class Forwarded:
    """Applies or removes forwarding headers, by who sent them."""

    def __init__(self, application: WSGIApplication, trusted: tuple[Network, ...], public_scheme: str) -> None:
        self._application = application
        self._trusted = trusted
        self._public_scheme = public_scheme

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = read_asked(environ, self._trusted, self._public_scheme)
        environ["REMOTE_ADDR"], environ["wsgi.url_scheme"] = asked.address, asked.scheme
        if asked.host:
            environ["HTTP_HOST"] = asked.host
        for name in _NAMES:
            environ.pop(f"HTTP_X_FORWARDED_{name}", None)
        environ.pop("HTTP_FORWARDED", None)
        return self._application(environ, start_response)


def read_asked(environ: WSGIEnvironment, trusted: tuple[Network, ...], public_scheme: str) -> Asked:
    """Who asked for what. Changes nothing. `public_scheme`: that of all our addresses; its default port goes as well, because TLS
    may end at a proxy that does not say so."""
    peer = str(environ.get("REMOTE_ADDR", ""))
    scheme, host = str(environ.get("wsgi.url_scheme", "http")), str(environ.get("HTTP_HOST", ""))
    parsed = _address(peer)
    if parsed is None or not _is_one_of(parsed, trusted):
        return Asked(str(parsed or peer), scheme, bare_host(bare_host(host, scheme), public_scheme))
    client, depth = parsed, 1
    for entry in reversed(_entries(environ, "FOR")):
        found = _address(entry)
        if found is None:
            break
        client = found
        if not _is_one_of(found, trusted):
            break
        depth += 1
    said = _at(depth, _entries(environ, "PROTO")).lower()
    if said in {"http", "https"}:
        scheme = said
    named = _at(depth, _entries(environ, "HOST"))
    host = bare_host(named if is_host(named) else host, scheme)
    return Asked(str(client), scheme, bare_host(host, public_scheme))


def _entries(environ: WSGIEnvironment, name: str) -> list[str]:
    listed = str(environ.get(f"HTTP_X_FORWARDED_{name}", "")).split(",")
    return [entry for each in listed if (entry := each.strip())]


def _at(depth: int, entries: list[str]) -> str:
    """Counted from the right, from 1; the first where there are fewer."""
    return entries[max(len(entries) - depth, 0)] if entries else ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, with a port or without; one that only maps an IPv4 address is that (a socket for both families sees them so)."""
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address(found[1] or found[2] if found else text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_one_of(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
