"""Hosts and origins as text, in one normal form: everything that compares two of them compares these.

    capitals           lower case
    default port       gone (443 under https, 80 under http), and so is a colon without a port
    trailing dot       one is gone: `name.` is `name`, and whoever answers for the one answers for the other
    IPv6 addresses     in brackets and short form

What is not well-formed is left as it is, in lower case, so that it equals nothing that is. See docs/adr/0033.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import idna

_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_TEXT = re.compile(r"([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(\.?)(?::([0-9]{0,5}))?", re.IGNORECASE)
_IPV6 = re.compile(r"\[([0-9a-f:.]+)\](?::([0-9]{0,5}))?", re.IGNORECASE)
_LARGEST_PORT = 65535


def is_host(text: str) -> bool:
    """Whether it is a name or address with an optional port, as a Host header has it (RFC 9110 7.2). There is no port 0."""
    return _read(text) is not None


@lru_cache(1024)
def bare_host(host: str, scheme: str) -> str:
    """A host in its normal form, with its port where that is not the scheme's own."""
    found = _read(host)
    if found is None:
        return host.lower()
    name, port = found
    return name if port in {None, _DEFAULT_PORTS.get(scheme)} else f"{name}:{port}"


def host_name(host: str) -> str:
    """The name or address alone, without port and brackets."""
    found = _read(host)
    return host.lower() if found is None else found[0].strip("[]")


def sent_origin(text: str) -> str:
    """An origin as a browser sends it (RFC 6454 7), in its normal form. `null`, and what is no origin, stays as it is."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    if parts.scheme not in _DEFAULT_PORTS or not is_host(parts.netloc) or parts.path or parts.query or parts.fragment:
        return text
    return f"{parts.scheme}://{bare_host(parts.netloc, parts.scheme)}"


def typed_host(text: str, scheme: str) -> str:
    """A host that an operator typed, in its normal form; an international name as punycode (UTS 46). Nothing is refused here."""
    name, colon, port = text.strip().partition(":")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except UnicodeError:
            return text.strip().lower()
    return bare_host(f"{name}{colon}{port}", scheme)


def _read(text: str) -> tuple[str, int | None] | None:
    if found := _TEXT.fullmatch(text):
        name, port = found[1].lower(), found[3]
    elif found := _IPV6.fullmatch(text):
        try:
            name, port = f"[{ipaddress.IPv6Address(found[1])}]", found[2]
        except ValueError:
            return None
    else:
        return None
    if not port:
        return name, None
    number = int(port)
    return (name, number) if 0 < number <= _LARGEST_PORT else None
