"""One URL, read strictly and once: what is checked here is what is connected to.

Two readers that disagree about where the host ends are how guards of this kind are passed by. So there is one small reader, which
refuses everything that another could read differently: user names, backslashes, blanks, fragments, numbers in other notations
than a.b.c.d, percent signs in the host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

import idna

from idp.fetch.addresses import Address
from idp.settings import is_loopback_name

MOST_CHARACTERS = 2048

_URL = re.compile(r"(https?)://([^/?#]*)([/?][^#]*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]@%]+))(?::([1-9][0-9]{0,4}))?", re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NEVER_IN_A_URL = re.compile(r'[\x00-\x20\x7f"<>\\^`{|}]')


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: the host in ASCII and lower case, without brackets; path and query as they go on the wire."""

    scheme: Literal["https", "http"]
    host: str
    port: int
    path: str
    may_be_private: bool
    """The operator has listed exactly this host and port."""

    @property
    def literal(self) -> Address | None:
        """The address, when the host is one."""
        return _address(self.host)

    @property
    def host_and_port(self) -> str:
        """As the operator's list has it: `host:port`, an IPv6 address in brackets."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def host_header(self) -> str:
        """Host as RFC 9110 7.2 wants it: without the scheme's own port."""
        own = 443 if self.scheme == "https" else 80
        return _bracketed(self.host) if self.port == own else self.host_and_port


def read_url(url: str, private_hosts: Container[str] = ()) -> Target:
    """Read a URL that the hub would fetch. ValueError says what is wrong with the text; nothing is looked up.

    https on port 443 only. A host that the operator has listed may have another port, and http too if it never leaves the
    machine (localhost, *.localhost, 127.0.0.1, ::1).
    """
    if len(url) > MOST_CHARACTERS:
        raise ValueError(f"longer than {MOST_CHARACTERS} characters")
    if _NEVER_IN_A_URL.search(url):
        raise ValueError("holds a character that no URL may hold")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise ValueError("not https://host/path without a fragment")
    scheme: Literal["https", "http"] = "https" if parts[1].lower() == "https" else "http"
    path = parts[3] or "/"
    if not path.isascii():
        raise ValueError("holds characters outside ASCII that are not percent-encoded")
    authority = _AUTHORITY.fullmatch(parts[2])
    if authority is None:
        raise ValueError("not a plain host with an optional port")
    host = _address_host(authority[1]) if authority[1] else _name_host(authority[2])
    port = int(authority[3]) if authority[3] else (443 if scheme == "https" else 80)
    if port > 65535:
        raise ValueError("no such port")
    listed = f"{_bracketed(host)}:{port}" in private_hosts
    if scheme == "http" and not (listed and is_loopback_name(host)):
        raise ValueError("https is needed")
    if port != 443 and not listed:
        raise ValueError("port 443 is needed")
    return Target(scheme, host, port, path if path.startswith("/") else f"/{path}", listed)


def _name_host(text: str) -> str:
    # UTS 46 mapping, as browsers do it: a full-width digit or dot becomes a plain one BEFORE the number rule below looks at it.
    name = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a host name")
    if _NUMBER.fullmatch(labels[-1]) and _address(name) is None:
        # 0x7f.1, 2130706433 and 0177.0.0.1 are 127.0.0.1 for getaddrinfo.
        raise ValueError("a number is not a host name, and an address is written a.b.c.d")
    return name


def _address_host(text: str) -> str:
    return str(ipaddress.IPv6Address(text))


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
