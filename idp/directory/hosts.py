"""Hosts: every biller has an origin of its own, because a path isolates protocols but not browsers.

`https://{slug}.{portal_domain}` or a domain of the biller's own; console, API and CSR pages have hosts of their own. Siblings
are same-site, so unsafe requests need an Origin equal to their own (idp.web.csrf), not just a same-site one.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import idna

from idp.origins import host_name, is_host
from idp.settings import is_loopback_name

RESERVED_SLUGS = frozenset({"api", "console", "www", "static"})
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_URL_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f.]*:[0-9a-f.:]*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
MOST_ADDRESS = 2000
_PORT = re.compile(r"(?::[0-9]*)?")


def check_slug(slug: str) -> None:
    """ValueError unless the slug can be a host label that is not one of ours."""
    if not is_slug(slug):
        raise ValueError("a slug is a DNS label: lower-case letters, digits and inner dashes, at most 63")
    if slug in RESERVED_SLUGS or slug.endswith("-csr"):
        raise ValueError("this slug is reserved: api, console, www, static and all that end in -csr")


def is_slug(text: str) -> bool:
    """Whether a text has the form of a slug: no other is asked for in the database, whatever stands in a path."""
    return _SLUG.fullmatch(text) is not None


def check_host(host: str) -> None:
    """ValueError unless it is a lower-case host name or IPv4 address with an optional port."""
    name = host_name(host)
    if not is_host(host) or not _NAME.fullmatch(name) or len(name) > 253 or host.partition(":")[0] != name or host[-1] == ":":
        raise ValueError("a host is a lower-case DNS name or IPv4 address, with an optional port")
    _check_labels(name)


@dataclass(frozen=True, slots=True)
class Place:
    """An allowed place on the web: an exact origin, and for ReturnUrls a path prefix ("" = any path)."""

    origin: str
    path_prefix: str = ""

    def covers(self, url: str) -> bool:
        """Whether a URL lies in this place: same origin, and a path below the prefix, segment by segment."""
        try:
            parts = urlsplit(url)
            origin = origin_of(url)
        except ValueError:
            return False
        if origin != self.origin or ".." in parts.path or "\\" in url or "%2e" in parts.path.lower():
            return False
        prefix = self.path_prefix.rstrip("/")
        return not prefix or parts.path == prefix or parts.path.startswith(prefix + "/")

    def text(self) -> str:
        """As it is typed and shown."""
        return self.origin + self.path_prefix


def origin_of(url: str) -> str:
    """The ASCII serialisation of a URL's origin (RFC 6454 6.2). ValueError when it has none, or carries user information."""
    if any(character <= " " or character == "\x7f" for character in url) or "\\" in url:
        raise ValueError("blanks, control characters and backslashes do not belong in a URL")
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    if parts.scheme not in {"https", "http"} or not host or "@" in parts.netloc:
        raise ValueError("an http or https URL with a host and without user information is expected")
    bracketed = f"[{host}]" if ":" in host else host
    # Whatever else urlsplit takes for a host (`a;b`, `a,b`, `[v1.a]`, `[::1]a`) could end a CSP directive or be read in two ways.
    if not _URL_HOST.fullmatch(host) or not _PORT.fullmatch(parts.netloc.lower().removeprefix(bracketed)):
        raise ValueError("a host in ASCII without a trailing dot is expected")
    if port == 0:
        raise ValueError("there is no port 0")
    _check_labels(host)
    default = {"https": 443, "http": 80}[parts.scheme]
    if ":" in host:
        bracketed = f"[{ipaddress.IPv6Address(host)}]"  # browsers send the short form
    return f"{parts.scheme}://{bracketed}" + (f":{port}" if port not in (None, default) else "")


def parse_place(text: str, *, allow_loopback: bool) -> Place:
    """An origin with an optional path prefix, as somebody typed it. ValueError with the reason when it may not be registered.

    https only; http for loopback names where the operator allows it. No wildcard, query, fragment or user information.
    """
    if {"?", "#", "*"} & set(text):
        raise ValueError("no query, fragment or wildcard: an origin, and for a ReturnUrl a path prefix")
    origin = origin_of(text)
    parts = urlsplit(text)
    if ".." in parts.path or "//" in parts.path or "%" in parts.path:
        raise ValueError("a plain path prefix is expected")
    _require_https(parts, allow_loopback=allow_loopback)
    return Place(origin, "" if parts.path == "/" else parts.path)


def parse_address(text: str, *, allow_loopback: bool) -> str:
    """An address that payers are sent to, as somebody typed it, in one spelling: its origin, path and query. ValueError.

    https only, as for origins: whoever can alter what comes over http leads payers elsewhere, and sends them here in its name. No
    user information, no fragment (what is added to the query would come after it), ASCII only.
    """
    if len(text) > MOST_ADDRESS:
        raise ValueError(f"at most {MOST_ADDRESS} characters")
    if not text.isascii() or "#" in text:
        raise ValueError("an address in ASCII without a fragment is expected")
    origin = origin_of(text)
    parts = urlsplit(text)
    _require_https(parts, allow_loopback=allow_loopback)
    return origin + parts.path + (f"?{parts.query}" if parts.query else "")


def trusted_origin(address: str) -> str | None:
    """The origin whose pages a stored address vouches for; None for one that does not. Never fails.

    https, or a loopback name, which no network can answer for. An address from before that is plain http stays a link and no more.
    """
    try:
        origin = origin_of(address)
    except ValueError:
        return None
    return origin if origin.startswith("https://") or is_loopback_name(urlsplit(origin).hostname or "") else None


def is_plain_http(address: str) -> bool:
    """Whether a stored address vouches for nobody because it is not https."""
    return address.lower().startswith("http:") and trusted_origin(address) is None


def _require_https(parts: SplitResult, *, allow_loopback: bool) -> None:
    if parts.scheme == "http" and not (allow_loopback and is_loopback_name(parts.hostname or "")):
        raise ValueError("https is required (http only for loopback names with IDHUB_ALLOW_LOOPBACK_ORIGINS)")


def _check_labels(host: str) -> None:
    """A number is not a host name, and what calls itself punycode must be (RFC 5891 4.2.1): else two readers read two hosts."""
    labels = host.split(".")
    if ":" not in host and _NUMBER.fullmatch(labels[-1]) and not _is_ipv4(host):
        raise ValueError("a number is not a host name, and an address is written a.b.c.d")
    for label in labels:
        if label.startswith("xn--"):
            try:
                same = idna.encode(idna.decode(label)).decode("ascii") == label
            except UnicodeError:
                same = False
            if not same:
                raise ValueError("a host name with a damaged international label (xn--)")


def _is_ipv4(host: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False
